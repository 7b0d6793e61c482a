"""What Defender for Endpoint says when it refuses.

Source: https://learn.microsoft.com/defender-endpoint/api/common-errors
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from integrations.simulators.base.http import Refusal

_CODES = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "ResourceNotFound",
    429: "TooManyRequests",
}  # fmt: skip


class DefenderError(Refusal):
    """A refused request, in the API's shape."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, f"{code}: {message}", headers)
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        """The answer's JSON, with a fresh id for tracking."""
        target = str(uuid.uuid4())
        return {"error": {"code": self.code, "message": self.message, "target": target}}


def from_refusal(refused: Refusal) -> DefenderError:
    """Another service's refusal, as this one words it; Retry-After is kept."""
    kept = {k: v for k, v in refused.headers.items() if k == "Retry-After"}
    code = _CODES.get(refused.status, "InternalServerError")
    return DefenderError(refused.status, code, "The request was refused.", kept)


def missing(what: str) -> DefenderError:
    """404: there is no such thing."""
    return DefenderError(404, "ResourceNotFound", f"Resource {what} was not found")


def wrong_body(message: str = "Request body is incorrect") -> DefenderError:
    """400: the body has a parameter that is not known, or of a wrong value."""
    return DefenderError(400, "InvalidRequestBody", message)


def lacking(parameter: str) -> DefenderError:
    """400: a parameter is missing. Names are case-sensitive."""
    return DefenderError(400, "MissingRequiredParameter", f"Parameter {parameter} is missing")
