"""Who calls: a machine with an API key."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from msp.staff.models import ApiKey

_USE_NOTED_EVERY = dt.timedelta(minutes=1)
_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Machine:
    """The caller that an API key stands for."""

    name: str
    is_authenticated: Literal[True] = True


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer hf_…`` or ``X-API-Key: hf_…``; the key is found by its SHA-256."""

    def authenticate(self, request: Request) -> tuple[Machine, ApiKey] | None:
        """Return who calls; None without a key; AuthenticationFailed for a key that is no good."""
        key = _key_of(request)
        if key is None:
            return None
        row = ApiKey.objects.filter(sha256=ApiKey.hash(key)).first() if _is_like_one(key) else None
        if row is None:
            raise AuthenticationFailed("This API key is not known. Check that it is complete.")
        if row.revoked_at is not None:
            raise AuthenticationFailed("This API key was revoked. Ask your MSP for a new one.")
        now = timezone.now()
        if row.expires_at is not None and row.expires_at <= now:
            raise AuthenticationFailed("This API key has expired. Ask your MSP for a new one.")
        _note_use(row, now)
        return Machine(row.name), row

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 6750 section 3)."""
        return 'Bearer realm="holdfast"'


def _key_of(request: Request) -> str | None:
    bearer = request.headers.get("Authorization")
    header = request.headers.get("X-API-Key")
    if bearer is None:
        return header
    scheme, _, key = bearer.partition(" ")
    if scheme.lower() != "bearer":
        raise AuthenticationFailed("Send the key as `Authorization: Bearer hf_…`.")
    key = key.strip()
    if header is not None and header != key:
        raise AuthenticationFailed("Two different API keys were sent. Send one.")
    return key


def _is_like_one(key: str) -> bool:
    return key.startswith("hf_") and len(key) <= _LONGEST_KEY and key.isascii()


def _note_use(row: ApiKey, now: dt.datetime) -> None:
    """Note when the key was used, once a minute at most: a reading must not write every time."""
    not_noted = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)
    ApiKey.objects.filter(not_noted, id=row.id).update(last_used_at=now)
