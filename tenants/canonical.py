"""Canonical JSON (RFC 8785) and its SHA-256: the one way anything here is hashed."""

import datetime as dt
import hashlib
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import rfc8785

_LARGEST_EXACT_INTEGER = 2**53 - 1


def jsonable(value: Any) -> Any:
    """Return `value` in the types that canonical JSON knows.

    Times become UTC ISO 8601 with microseconds, ids and decimals strings, and whole numbers that a
    JSON number can't hold exactly become strings (RFC 8785 section 3.2.2.3): also floats, which a
    database gives back as integers. TypeError for what has no form in JSON.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_EXACT_INTEGER else str(value)
    if isinstance(value, float):
        is_exact = not math.isfinite(value) or abs(value) <= _LARGEST_EXACT_INTEGER
        return value if is_exact else str(int(Decimal(repr(value))))
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 (quicker so)
        told = {str(key): jsonable(item) for key, item in value.items()}
        if len(told) != len(value):
            raise TypeError("two keys of one object are the same as texts")
        return told
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(jsonable(item) for item in value)
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of `value`: the same for the same content, on every machine."""
    return rfc8785.dumps(jsonable(value))


def sha256_of(value: Any) -> str:
    """Return the SHA-256 (lower-case hex) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
