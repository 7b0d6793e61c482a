"""Tokens of links that people get without an account: signed, kept nowhere, leading to one row."""

import uuid
from dataclasses import dataclass

from django.core import signing

from playbooks.errors import LinkError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a token leads: proven by its signature, whether or not it still counts."""

    tenant_id: uuid.UUID
    row_id: uuid.UUID


class SignedLinks:
    """The links of one kind: a token of another kind is not known here."""

    def __init__(self, kind: str) -> None:
        """`kind` becomes part of every signature, so never change it."""
        self._signer = signing.Signer(salt=f"holdfast.{kind}", sep=".")

    def token(self, tenant_id: uuid.UUID, row_id: uuid.UUID) -> str:
        """Return the token of a row's link. Never log it, and keep it nowhere."""
        return self._signer.sign(signing.b64_encode(tenant_id.bytes + row_id.bytes).decode())

    def address(self, token: str) -> Address:
        """Return where a token leads; LinkError where this installation did not sign it."""
        try:
            told = signing.b64_decode(self._signer.unsign(token).encode())
            return Address(uuid.UUID(bytes=told[:16]), uuid.UUID(bytes=told[16:]))
        except (signing.BadSignature, ValueError):
            raise LinkError("unknown", "This link is not known here.") from None
