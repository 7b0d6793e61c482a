"""What Defender for Endpoint says when it refuses.

Source: https://learn.microsoft.com/defender-endpoint/api/common-errors
"""

from __future__ import annotations

import uuid
from typing import Any

from integrations.simulators.base.http import CodedRefusal, Refusal

_CODES = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "ResourceNotFound",
    429: "TooManyRequests",
}  # fmt: skip


class DefenderError(CodedRefusal):
    """A refused request, in the API's shape, with a fresh id for tracking."""

    def details(self) -> dict[str, Any]:
        """The id."""
        return {"target": str(uuid.uuid4())}


def from_refusal(refused: Refusal) -> DefenderError:
    """Another service's refusal, as this one words it."""
    return DefenderError.instead_of(refused, _CODES, "InternalServerError")


def missing(what: str) -> DefenderError:
    """404: there is no such thing."""
    return DefenderError(404, "ResourceNotFound", f"Resource {what} was not found")


def wrong_body(message: str = "Request body is incorrect") -> DefenderError:
    """400: the body has a parameter that is not known, or of a wrong value."""
    return DefenderError(400, "InvalidRequestBody", message)


def lacking(parameter: str) -> DefenderError:
    """400: a parameter is missing. Names are case-sensitive."""
    return DefenderError(400, "MissingRequiredParameter", f"Parameter {parameter} is missing")
