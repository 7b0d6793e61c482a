"""The service account's key, and the signed requests for tokens that it makes.

https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

_AUDIENCE = "https://oauth2.googleapis.com/token"


@cache
def _private_key() -> str:
    """One made-up key for all simulators of a process: making one is slow."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_file(client_id: str, project: str) -> str:
    """The JSON file that Google gives for a new key of a service account."""
    email = f"holdfast@{project}.iam.gserviceaccount.com"
    return json.dumps(
        {
            "type": "service_account",
            "project_id": project,
            "private_key_id": "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334",
            "private_key": _private_key(),
            "client_email": email,
            "client_id": client_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": _AUDIENCE,
        }
    )


@cache
def _public_key(key: str) -> bytes:
    private = serialization.load_pem_private_key(json.loads(key)["private_key"].encode(), None)
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def claims_of(assertion: str, key: str) -> dict[str, Any]:
    """What an assertion says; ValueError where this key didn't sign it, or it has run out."""
    return dict(jwt.decode(assertion, certs=_public_key(key), audience=_AUDIENCE))


def issuer_of(assertion: str) -> str:
    """Whose assertion it says that it is, unchecked; ValueError where it is none."""
    return str(jwt.decode(assertion, verify=False).get("iss") or "")


def email_of(key: str) -> str:
    """The service account of a key file."""
    return str(json.loads(key)["client_email"])
