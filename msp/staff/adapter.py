"""How sign-in differs from allauth's defaults: nobody signs up, and MFA secrets are encrypted."""

import base64
import secrets

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.http import HttpRequest

_NONCE_BYTES = 12
_BOUND_TO = b"holdfast/staff/mfa"


class ClosedSignup(DefaultAccountAdapter):
    """Technicians are made by an administrator, never by themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: there is no self sign-up."""
        return False


class SealedMfa(DefaultMFAAdapter):
    """Keeps authenticator secrets and recovery codes under the installation's key (AES-256-GCM)."""

    def get_totp_issuer(self) -> str:
        """Return the name that the authenticator app shows."""
        return "Holdfast"

    def encrypt(self, text: str) -> str:
        """Return `text` sealed as ``key id:base64``."""
        key_id, key = next(iter(settings.VAULT_KEYS.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), _BOUND_TO)
        return f"{key_id}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, encrypted_text: str) -> str:
        """Return what `encrypt` sealed; KeyError or InvalidTag if no key of ours opens it."""
        key_id, _, encoded = encrypted_text.partition(":")
        sealed = base64.b64decode(encoded)
        key = settings.VAULT_KEYS[key_id]
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _BOUND_TO).decode()
