"""Plain English for owners: numbers, times, places. Pure."""

import datetime as dt
import math
import zoneinfo
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_SMALL = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
)  # fmt: skip
_COUNTRIES = {
    "GB": "the United Kingdom",
    "US": "the United States",
    "NL": "the Netherlands",
    "AE": "the United Arab Emirates",
    "CZ": "the Czech Republic",
    "PH": "the Philippines",
    "KR": "South Korea",
    "KP": "North Korea",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def number(value: int) -> str:
    """Return a count as it is read: small ones as words, large ones with separators."""
    return _SMALL[value] if 0 <= value < len(_SMALL) else f"{value:,}"


def count(value: int, one: str, many: str = "") -> str:
    """Return ``three alerts``, ``one alert``, ``no alerts``."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """Return `text` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def listed(items: Sequence[str], at_most: int = 6) -> str:
    """Return ``a, b and c``; what is beyond `at_most` is said as a number."""
    shown = list(items[:at_most])
    if len(items) > at_most:
        shown.append(f"{len(items) - at_most} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def duration(length: dt.timedelta) -> str:
    """Return a length of time, never said shorter than it was: ``4 minutes``, ``2 hours``."""
    seconds = max(0.0, length.total_seconds())
    if seconds <= _MINUTE:
        return "a minute"
    minutes = math.ceil(seconds / _MINUTE)
    if minutes < 90:
        return f"{minutes} minutes"
    if seconds < 2 * _DAY:
        hours, rest = divmod(minutes, 60)
        told = f"{hours} hour{'s' if hours != 1 else ''}"
        return f"{told} {rest} minute{'s' if rest != 1 else ''}" if rest else told
    return f"{math.ceil(seconds / _DAY)} days"


def date(at: dt.datetime | dt.date, zone: dt.tzinfo | None = None) -> str:
    """Return ``24 November 2026``, in `zone` where an instant is given."""
    if isinstance(at, dt.datetime) and zone is not None:
        at = at.astimezone(zone)
    return f"{at.day} {at:%B %Y}"


def clock(at: dt.datetime, zone: dt.tzinfo) -> str:
    """Return ``14:02`` in `zone`."""
    return f"{at.astimezone(zone):%H:%M}"


def moment(at: dt.datetime, zone: dt.tzinfo, beside: dt.datetime | None = None) -> str:
    """Return ``14:02``; with the day, if it isn't the day of `beside`."""
    local = at.astimezone(zone)
    if beside is not None and beside.astimezone(zone).date() == local.date():
        return f"{local:%H:%M}"
    return f"{local:%H:%M} on {local.day} {local:%B}"


def printable(text: str) -> str:
    """Return `text` without control characters, which no document can carry."""
    return "".join(c for c in text if c.isprintable()).strip()


def country(code: str) -> str:
    """Return the English name of an ISO 3166 code; the code itself where it isn't known."""
    return _COUNTRIES.get(code.upper()) or _country_names().get(code.upper(), code)


@cache
def _country_names() -> dict[str, str]:
    """Read the list that every system's time zone data comes with."""
    for folder in (*zoneinfo.TZPATH, "/usr/share/zoneinfo"):
        table = Path(folder) / "iso3166.tab"
        if table.is_file():
            lines = table.read_text(encoding="utf-8").splitlines()
            pairs = (line.split("\t", 1) for line in lines if line and not line.startswith("#"))
            return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    return {}
