"""API keys: ``Authorization: Bearer hf_…``."""

import datetime as dt
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from msp.staff.models import ApiKey

_SCHEME = b"bearer"
_NOTED_EVERY = dt.timedelta(minutes=1)


class ApiKeyAuthentication(BaseAuthentication):
    """Finds the key by its SHA-256; revoked and expired ones don't count."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        """Return the key as the request's `auth`; None where the request brings none."""
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if len(parts) != 2 or parts[0].lower() != _SCHEME:
            raise AuthenticationFailed("Send the key as `Authorization: Bearer hf_…`.")
        key = self._find(parts[1].decode("latin-1"))
        self._note_use(key)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return 'Bearer realm="Holdfast API"'

    def _find(self, text: str) -> ApiKey:
        now = timezone.now()
        key = (
            ApiKey.objects.filter(sha256=ApiKey.hash(text), revoked_at=None)
            .filter(Q(expires_at=None) | Q(expires_at__gt=now))
            .first()
        )
        if key is None:
            raise AuthenticationFailed("This API key is unknown, revoked or expired.")
        return key

    def _note_use(self, key: ApiKey) -> None:
        now = timezone.now()
        ApiKey.objects.filter(id=key.id).filter(
            Q(last_used_at=None) | Q(last_used_at__lt=now - _NOTED_EVERY)
        ).update(last_used_at=now)


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Names the scheme in the OpenAPI document."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme as OpenAPI writes it."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of this installation, which begins with hf_.",
        }
