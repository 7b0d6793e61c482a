"""Values as PostgreSQL's columns can hold them. Pure."""

import datetime as dt
import hashlib
import math
from collections.abc import Mapping
from typing import Any


def storable(value: Any) -> Any:
    """Return `value` without what PostgreSQL can't hold: NUL, lone surrogates, NaN and infinity.

    The raw record keeps them, byte for byte.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        if "\x00" in value:
            value = value.replace("\x00", "\ufffd")
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def in_utc(time: dt.datetime) -> dt.datetime:
    """Return `time` in UTC; OverflowError for one before year 1 there, which can't be read back."""
    return time.astimezone(dt.UTC)


def bounded(text: str, length: int) -> str:
    """Return `text` fit for a column; a longer one keeps its start and a hash, so stays unique."""
    text = storable(text)
    if len(text) <= length:
        return text
    if length < 80:
        return text[:length]
    return f"{text[: length - 65]}…{hashlib.sha256(text.encode()).hexdigest()}"
