"""Errors of the API, all in one shape: RFC 9457 problem details."""

import http
import logging
from typing import Any

from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from msp.licensing.errors import PeriodError
from tenants.errors import TenantNotFound

_log = logging.getLogger(__name__)


class ProblemRenderer(JSONRenderer):
    """Renders a problem, whatever the caller accepts (RFC 9457 section 3)."""

    media_type = "application/problem+json"
    format = "problem"


def problem_details(error: Exception, context: dict[str, Any]) -> Response:
    """Return the problem that stands for `error`. Named in the settings as the API's handler.

    An error that nobody expected is logged with its traceback and answered without it.
    """
    response = exception_handler(_as_api_error(error), context)
    request: Request = context["request"]
    if response is None:
        _log.error("%s %s failed", request.method, request.path, exc_info=error)
        response = Response(status=500)
        detail = "Something went wrong here. It was logged; try again, then tell your MSP."
    else:
        detail = _sentence(response.data)
    status = http.HTTPStatus(response.status_code)
    response.data = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "instance": request.path,
    }
    request.accepted_renderer = ProblemRenderer()
    request.accepted_media_type = ProblemRenderer.media_type
    return response


def _as_api_error(error: Exception) -> Exception:
    if isinstance(error, PeriodError):
        return exceptions.ValidationError({"period": [str(error)]})
    if isinstance(error, TenantNotFound):
        return exceptions.NotFound(str(error))
    return error


def _sentence(data: Any) -> str:
    """Return the API's nested error texts as one text that names the fields."""
    if isinstance(data, dict):
        if set(data) == {"detail"}:
            return _sentence(data["detail"])
        return " ".join(f"{field}: {_sentence(told)}" for field, told in data.items())
    if isinstance(data, list | tuple):
        return " ".join(_sentence(item) for item in data)
    return str(data)
