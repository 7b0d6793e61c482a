"""Every request of a technician runs in the reading scope of the clients they may see."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from msp.staff.models import Technician
from msp.staff.selectors import readable
from tenants import scope
from tenants.errors import ScopeError

# These authenticate in their own way, and open their own scopes.
_ELSEWHERE = ("/api/", "/healthz")


class _Abandoned(Exception):
    """Leaves the scope with a rollback, carrying the response that says what went wrong."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__()
        self.response = response


class TechnicianScopeMiddleware:
    """Opens the reading scope around the view and the rendering of its template.

    The scope lives as long as its transaction, so it must be the innermost middleware: Django
    renders a TemplateResponse before the innermost middleware gets it back. Writes open a
    `tenant` scope inside (`msp.staff.access.writing`).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; a server error rolls everything back that it had written."""
        if request.path.startswith(_ELSEWHERE) or not isinstance(request.user, Technician):
            return self.get_response(request)
        try:
            with scope.reading(readable(request.user)):
                response = self.get_response(request)
                if response.status_code >= 500:
                    raise _Abandoned(response)
                _must_be_rendered(response)
                return response
        except _Abandoned as abandoned:
            return abandoned.response


def _must_be_rendered(response: HttpResponseBase) -> None:
    if not isinstance(response, HttpResponse):
        raise ScopeError(
            "A streaming response would read outside its scope: build the whole response instead."
        )
