"""What an API key may do."""

from typing import Any

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from msp.staff.models import ApiKey


class HasScope(BasePermission):
    """Lets a key in that has the view's `required_scope`; a view without one is shut."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the request's key has the scope."""
        if not isinstance(request.auth, ApiKey):
            raise NotAuthenticated("Send an API key as `Authorization: Bearer hf_…`.")
        required = getattr(view, "required_scope", None)
        self.message = f"This API key lacks the scope {required!r}."
        return required is not None and required in request.auth.scopes
