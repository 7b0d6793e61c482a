"""Answers that are not a success, in the shapes that Microsoft gives them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from integrations.simulators.base.http import CodedRefusal


class GraphError(CodedRefusal):
    """A request that Graph refuses; carries the answer, with a fresh request id.

    Source: https://learn.microsoft.com/graph/errors
    """

    def details(self) -> dict[str, Any]:
        """When it was, and of which request."""
        request_id = str(uuid.uuid4())
        return {
            "innerError": {
                "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "request-id": request_id,
                "client-request-id": request_id,
            }
        }


def bad_request(message: str, code: str = "BadRequest") -> GraphError:
    """400: the request can't be understood or is not supported."""
    return GraphError(400, code, message)


def not_found(what: str) -> GraphError:
    """404 as the directory words it."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{what}' does not exist or one of its queried reference-property objects "
        "are not present.",
    )


def mail_not_found() -> GraphError:
    """404 as Exchange words it behind Graph."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def forbidden() -> GraphError:
    """403: the application lacks the permission."""
    return GraphError(
        403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
    )


def unauthorised(message: str = "Access token has expired or is not yet valid.") -> GraphError:
    """401: no token, or one that is expired, malformed or meant for another audience."""
    return GraphError(
        401,
        "InvalidAuthenticationToken",
        message,
        {
            "WWW-Authenticate": (
                'Bearer realm="", authorization_uri='
                '"https://login.microsoftonline.com/common/oauth2/authorize", '
                'client_id="00000003-0000-0000-c000-000000000000"'
            )
        },
    )


def throttled(retry_after: int) -> GraphError:
    """429 with Retry-After in seconds.

    Source: https://learn.microsoft.com/graph/throttling
    """
    return GraphError(
        429,
        "TooManyRequests",
        "Too many requests. Retry after the time given.",
        {"Retry-After": str(retry_after)},
    )


def server_error(status: int) -> GraphError:
    """A failure on the vendor's side (500, 502, 503, 504)."""
    codes = {
        500: "InternalServerError",
        502: "BadGateway",
        503: "ServiceUnavailable",
        504: "GatewayTimeout",
    }
    return GraphError(
        status, codes.get(status, "UnknownError"), "The service could not answer; try later."
    )
