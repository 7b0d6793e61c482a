"""Errors in one shape: problem details, RFC 9457."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework.response import Response
from rest_framework.views import exception_handler

from tenants.errors import HoldfastError, TenantNotFound

CONTENT_TYPE = "application/problem+json"


def problem(status: int, detail: str, instance: str) -> dict[str, Any]:
    """Return a problem details object."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
    }


def problem_details(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an error of an API view into problem details (DRF's EXCEPTION_HANDLER)."""
    path = context["request"].path
    if isinstance(error, HoldfastError):
        status = 404 if isinstance(error, TenantNotFound) else 400
        return _respond(Response(status=status), problem(status, str(error), path))
    response = exception_handler(error, context)
    if response is None:
        return None
    detail = "There is nothing here." if isinstance(error, Http404) else _detail(error)
    return _respond(response, problem(response.status_code, detail, path))


def _detail(error: Exception) -> str:
    if isinstance(error, PermissionDenied):
        return "This is not allowed."
    return str(getattr(error, "detail", error))


def _respond(response: Response, body: dict[str, Any]) -> Response:
    # Not rendered by the negotiated renderer: an error in CSV would help nobody.
    response.data = body
    response.content_type = CONTENT_TYPE
    return response


def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
    """Answer every unknown address under /api/."""
    body = problem(404, "There is nothing at this address; see /api/v1/schema/.", request.path)
    return JsonResponse(body, status=404, content_type=CONTENT_TYPE)
