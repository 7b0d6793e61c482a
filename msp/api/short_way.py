"""The short way of a delivery: nothing on it knows sessions, technicians or pages."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import resolve

_DOORS: Final = "/api/v1/in/"


class ShortWay:
    """Answers what is sent to a door at once; all else goes on.

    What stands before it in the settings holds for doors too: the host is checked and the headers
    for safety are set. What stands behind it is about people: a door looks only at the signature.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        if not request.path_info.startswith(_DOORS):
            return self.get_response(request)
        request.resolver_match = match = resolve(request.path_info)
        response = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, SimpleTemplateResponse):
            response.render()
        return response
