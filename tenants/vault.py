"""Envelope-encrypted secrets: a data key per secret, wrapped by the installation's key.

AES-256-GCM with the tenant's id and the secret's name as associated data, so that a row copied
to another tenant or name can't be opened. Rotating the installation's key re-wraps data keys only.
"""

import base64
import json
import secrets
import uuid
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.utils import timezone

from tenants import scope
from tenants.errors import VaultError
from tenants.models import Secret

_NONCE_BYTES = 12


def put(name: str, values: Mapping[str, str]) -> Secret:
    """Encrypt and keep `values` under `name` in the scope's tenant, replacing what was there."""
    tenant_id = scope.require_tenant_id()
    key_id, master = next(iter(settings.VAULT_KEYS.items()))
    data_key = AESGCM.generate_key(256)
    bound_to = _bound_to(tenant_id, name)
    secret, _ = Secret.objects.update_or_create(
        name=name,
        defaults={
            "key_id": key_id,
            "wrapped_key": _seal(master, data_key, bound_to),
            "ciphertext": _seal(data_key, json.dumps(dict(values)).encode(), bound_to),
        },
        create_defaults={
            "tenant_id": tenant_id,
            "key_id": key_id,
            "wrapped_key": _seal(master, data_key, bound_to),
            "ciphertext": _seal(data_key, json.dumps(dict(values)).encode(), bound_to),
        },
    )
    return secret


def get(name: str) -> dict[str, str]:
    """Return the decrypted values kept under `name`; VaultError where there are none."""
    try:
        secret = Secret.objects.get(name=name)
    except Secret.DoesNotExist:
        raise VaultError(f"There is no secret {name!r} of this client: enter it again.") from None
    return open_secret(secret)


def get_or_put(name: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return what is kept under `name`, keeping `values` there first if nothing is."""
    if not Secret.objects.filter(name=name).exists():
        put(name, values)
    return get(name)


def open_secret(secret: Secret) -> dict[str, str]:
    """Return the decrypted values of `secret`; VaultError if no key of ours opens it."""
    data_key = _data_key(secret)
    try:
        bound_to = _bound_to(secret.tenant_id, secret.name)
        return json.loads(_open(data_key, bytes(secret.ciphertext), bound_to))
    except InvalidTag:
        raise _changed(secret) from None


def rotate() -> int:
    """Re-wrap the scope's secrets with the installation's first key; return how many changed.

    VaultError names the first secret that no key of ours opens; then nothing is changed.
    """
    key_id, master = next(iter(settings.VAULT_KEYS.items()))
    changed = 0
    for secret in Secret.objects.exclude(key_id=key_id).select_for_update():
        bound_to = _bound_to(secret.tenant_id, secret.name)
        data_key = _data_key(secret)
        secret.wrapped_key = _seal(master, data_key, bound_to)
        secret.key_id = key_id
        secret.rotated_at = timezone.now()
        secret.save(update_fields=["wrapped_key", "key_id", "rotated_at"])
        changed += 1
    return changed


def seal_own(text: str, bound_to: str) -> str:
    """Return a secret of the installation itself, sealed as ``key id:base64``.

    It can be opened only where `bound_to` is the same: name the row that it belongs to.
    """
    key_id, master = next(iter(settings.VAULT_KEYS.items()))
    sealed = _seal(master, text.encode(), bound_to.encode())
    return f"{key_id}:{base64.b64encode(sealed).decode()}"


def open_own(sealed: str, bound_to: str) -> str:
    """Return what `seal_own` sealed; VaultError if no key of ours opens it."""
    key_id, _, encoded = sealed.partition(":")
    try:
        return _open(
            settings.VAULT_KEYS[key_id], base64.b64decode(encoded), bound_to.encode()
        ).decode()
    except (KeyError, InvalidTag):
        raise VaultError(
            f"A secret was sealed by key {key_id!r}, which this installation doesn't have, or was "
            "changed. Restore the key in HOLDFAST_VAULT_KEYS, or enter the secret again."
        ) from None


def _data_key(secret: Secret) -> bytes:
    master = settings.VAULT_KEYS.get(secret.key_id)
    if master is None:
        raise VaultError(
            f"Secret {secret.name!r} was wrapped by key {secret.key_id!r}, which this "
            "installation doesn't have. Restore it in HOLDFAST_VAULT_KEYS."
        )
    try:
        return _open(master, bytes(secret.wrapped_key), _bound_to(secret.tenant_id, secret.name))
    except InvalidTag:
        raise _changed(secret) from None


def _changed(secret: Secret) -> VaultError:
    return VaultError(f"Secret {secret.name!r} can't be decrypted: the row or the key was changed.")


def _bound_to(tenant_id: uuid.UUID, name: str) -> bytes:
    return f"{tenant_id}\n{name}".encode()


def _seal(key: bytes, plain: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to)


def _open(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
