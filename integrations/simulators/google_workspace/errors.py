"""Google's shapes of an error: of its APIs, and of its token endpoint."""

from __future__ import annotations

from integrations.simulators.base.http import Refusal

_REASONS = {
    400: ("invalid", "INVALID_ARGUMENT"),
    401: ("authError", "UNAUTHENTICATED"),
    403: ("forbidden", "PERMISSION_DENIED"),
    404: ("notFound", "NOT_FOUND"),
    405: ("httpMethodNotAllowed", "UNIMPLEMENTED"),
    409: ("duplicate", "ALREADY_EXISTS"),
    429: ("rateLimitExceeded", "RESOURCE_EXHAUSTED"),
    500: ("backendError", "INTERNAL"),
}


def refusal(
    status: int, message: str, *, reason: str = "", word: str = "", retry_after: int | None = None
) -> Refusal:
    """An API's refusal; `reason` and `word` (its status in capitals) where they aren't usual."""
    usual, usual_word = _REASONS.get(status, ("backendError", "UNAVAILABLE"))
    told = {
        "code": status,
        "message": message,
        "errors": [{"message": message, "domain": "global", "reason": reason or usual}],
        "status": word or usual_word,
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Refusal(status, {"error": told}, headers)


def missing(what: str) -> Refusal:
    """Something that isn't there."""
    return refusal(404, f"Resource Not Found: {what}")


def no_mailbox() -> Refusal:
    """An account for which Gmail is not on."""
    return refusal(
        400, "Mail service not enabled", reason="failedPrecondition", word="FAILED_PRECONDITION"
    )


def no_token(status: int, error: str, description: str) -> Refusal:
    """The token endpoint's refusal (RFC 6749 section 5.2)."""
    return Refusal(status, {"error": error, "error_description": description})
