"""Values as PostgreSQL's columns can hold them. Pure."""

import datetime as dt
import hashlib
import math
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

# A clock that is wrong by more tells nothing.
_AHEAD = dt.timedelta(days=1)


def storable(value: Any) -> Any:
    """Return `value` without what PostgreSQL can't hold: NUL, lone surrogates, NaN and infinity.

    The raw record keeps them, byte for byte.
    """
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 (quicker so)
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def _text(value: str) -> str:
    if "\x00" in value:
        value = value.replace("\x00", "\ufffd")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def in_utc(time: dt.datetime) -> dt.datetime:
    """Return `time` in UTC; OverflowError for one before year 1 there, which can't be read back."""
    return time.astimezone(dt.UTC)


def moment(told: Any) -> dt.datetime | None:
    """Return the time that a stored text tells, as `jsonable` writes it; None where it is none."""
    try:
        found = parse_datetime(told) if isinstance(told, str) else None
        return in_utc(found) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def later(known: dt.datetime | None, told: Any) -> dt.datetime | None:
    """Return the later of a known time and a told one; one from the future tells nothing."""
    found = moment(told)
    if found is None or found > timezone.now() + _AHEAD:
        return known
    return found if known is None else max(known, found)


def bounded(text: str, length: int) -> str:
    """Return `text` fit for a column; a longer one keeps its start and a hash, so stays unique."""
    text = _text(text)
    if len(text) <= length:
        return text
    if length < 80:
        return text[:length]
    return f"{text[: length - 65]}…{hashlib.sha256(text.encode()).hexdigest()}"
