"""What a caller may do: an API key has scopes, and each view names the one that it needs."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from msp.staff.models import ApiKey


class HasScope(BasePermission):
    """Lets a caller in whose key has the view's `required_scope`; nobody where it names none."""

    message = "This API key lacks the scope for it. Ask your MSP for a key that has it."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the caller's key has the scope that the view needs."""
        required = getattr(view, "required_scope", None)
        if required is not None:
            self.message = (
                f"This API key lacks the scope {required}. Ask your MSP for a key that has it."
            )
        return isinstance(request.auth, ApiKey) and required in request.auth.scopes
