"""Reading values out of vendors' records, which vary in case, type and completeness."""

import datetime as dt
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from tenants.errors import Quarantine

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_JSON_DATE = re.compile(r"/?Date\((-?\d+)(?:[+-]\d{4})?\)/?")
_US_FORMATS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
# Microsoft writes "none" as the first or last date of its calendars (year 1, 1601, 9999).
_NO_DATE_YEARS = frozenset({1, 1601, 9999})
_EARLIEST, _LATEST = 1990, 2100
# What a client's own network has (RFC 1918, RFC 4193).
_INSIDE = tuple(
    ipaddress.ip_network(one)
    for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


def instant(value: Any, zone: dt.tzinfo = dt.UTC) -> dt.datetime | None:
    """Return a vendor's time in UTC; None where it says that there is none.

    Knows ISO 8601 with one to nine digits of fraction (cut to microseconds), without zone (then of
    `zone`), epoch seconds to nanoseconds, ``/Date(ms)/`` and the American form of PowerShell's
    exports.
    ValueError for anything else, also for years outside 1990…2100.
    """
    if value is None or value == "" or isinstance(value, bool):
        if isinstance(value, bool):
            raise ValueError("a truth value is no date")
        return None
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    if isinstance(value, int | float):
        return _epoch(value)
    if not isinstance(value, str):
        raise ValueError("not a date")
    text = value.strip()
    found = _JSON_DATE.fullmatch(text)
    if found:
        return _checked(_from_epoch(int(found.group(1)) / 1000))
    if re.fullmatch(r"\d{9,20}(\.\d+)?", text):
        return _epoch(float(text))
    found = _ISO.fullmatch(text)
    return _iso(found, zone) if found else _american(text, zone)


def _epoch(number: float) -> dt.datetime | None:
    if number == 0:
        return None
    for power in (0, 3, 6, 9):
        seconds = number / 10**power
        if abs(seconds) < 1e11 / 10:
            return _checked(_from_epoch(seconds))
    raise ValueError("the number is no time")


def _from_epoch(seconds: float) -> dt.datetime:
    try:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise ValueError("the number is no time") from None


def _iso(found: re.Match[str], own: dt.tzinfo) -> dt.datetime | None:
    year = int(found.group(1))
    if year in _NO_DATE_YEARS:
        return None
    micros = int((found.group(7) or "0").ljust(6, "0")[:6])
    hour, minute, second = (int(found.group(n) or 0) for n in (4, 5, 6))
    moment = dt.datetime(
        year, int(found.group(2)), int(found.group(3)), hour, minute, second, micros, dt.UTC
    )
    zone = (found.group(8) or "").upper()
    if not zone:
        moment = moment.replace(tzinfo=own).astimezone(dt.UTC)
    elif zone not in {"Z", "UTC"}:
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        offset = dt.timedelta(hours=hours, minutes=minutes)
        if hours > 14 or minutes > 59:
            raise ValueError("no such time zone")
        moment -= offset if zone[0] == "+" else -offset
    return _checked(moment)


def _american(text: str, own: dt.tzinfo) -> dt.datetime | None:
    for form in _US_FORMATS:
        try:
            moment = dt.datetime.strptime(text, form).replace(tzinfo=own)
            return _checked(moment.astimezone(dt.UTC))
        except ValueError:
            continue
    raise ValueError("not a date")


def _checked(moment: dt.datetime) -> dt.datetime | None:
    if moment.year in _NO_DATE_YEARS:
        return None
    if not _EARLIEST <= moment.year <= _LATEST:
        raise ValueError(
            f"its year is not from {_EARLIEST} to {_LATEST}: look at the sender's clock"
        )
    return moment


class Fields:
    """A record's fields by name, without regard to case; several names mean: the first that tells.

    Texts that hold JSON, as exports do with nested values, are opened where an object or a list
    is asked for. A value of a wrong type counts as not told.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        self._nested: dict[tuple[str, ...], Fields] = {}
        self._by_name: dict[str, Any] = {}
        for name, value in body.items():
            lower = str(name).lower()
            if self._by_name.get(lower) is None:
                self._by_name[lower] = value

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._by_name

    def has(self, *names: str) -> bool:
        """Whether all these fields are there with a value."""
        return all(self._by_name.get(n.lower()) is not None for n in names)

    def has_any(self, *names: str) -> bool:
        """Whether one of these fields is there with a value."""
        return any(self._by_name.get(n.lower()) is not None for n in names)

    def raw(self, *names: str) -> Any:
        """The first value that is neither null nor empty text."""
        for name in names:
            value = self._by_name.get(name.lower())
            if value is not None and value != "":
                return value
        return None

    def text(self, *names: str) -> str:
        """The first of these fields that has text (or a number), stripped; else ""."""
        for name in names:
            value = self._by_name.get(name.lower())
            found = value.strip() if isinstance(value, str) else text_of(value)
            if found:
                return found
        return ""

    def word(self, *names: str) -> str:
        """A vendor's enumeration value in lower case."""
        return self.text(*names).lower()

    def nested(self, *names: str) -> "Fields":
        """The first of these fields that is an object; an empty one else."""
        found = self._nested.get(names)
        if found is None:
            found = self._nested[names] = self._opened(names)
        return found

    def _opened(self, names: Iterable[str]) -> "Fields":
        for name in names:
            value = opened(self._by_name.get(name.lower()))
            if value and isinstance(value, Mapping):
                return Fields(value)
        return _NONE

    def listed(self, *names: str) -> list[Any]:
        """The first of these fields that is a list; a single object counts as a list of one."""
        for name in names:
            value = opened(self._by_name.get(name.lower()))
            if isinstance(value, list) and value:
                return value
            if isinstance(value, Mapping) and value:
                return [value]
        return []

    def objects(self, *names: str) -> list["Fields"]:
        """The objects of a list."""
        found = (opened(item) for item in self.listed(*names))
        return [Fields(item) for item in found if isinstance(item, Mapping)]

    def texts(self, *names: str) -> list[str]:
        """The texts of a list; one text counts as a list of one."""
        found = self.listed(*names) or [self.raw(*names)]
        return [text for text in map(text_of, found) if text]

    def truth(self, *names: str) -> bool | None:
        """True or False, also from "true", "1" and the like; None where it isn't told."""
        for name in names:
            value = self._by_name.get(name.lower())
            if isinstance(value, bool):
                return value
            if isinstance(value, int) and value in (0, 1):
                return bool(value)
            if isinstance(value, str) and value.strip().lower() in _TRUTHS:
                return _TRUTHS[value.strip().lower()]
        return None

    def number(self, *names: str) -> int | None:
        """A whole number, also from text."""
        for name in names:
            value = self._by_name.get(name.lower())
            if isinstance(value, bool):
                continue
            if isinstance(value, int):
                return value
            if isinstance(value, float) and value.is_integer():
                return int(value)
            if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip()):
                return int(value)
        return None

    def real(self, *names: str) -> float | None:
        """A number, also from text."""
        for name in names:
            try:
                value = self._by_name.get(name.lower())
                found = float(value) if isinstance(value, int | float | str) else None
            except ValueError:
                continue
            if found is not None and found == found and abs(found) != float("inf"):
                return found
        return None

    def time(self, *names: str) -> dt.datetime | None:
        """An optional time: None where it is missing, "none" or nonsense."""
        for name in names:
            try:
                found = instant(self._by_name.get(name.lower()))
            except ValueError:
                continue
            if found is not None:
                return found
        return None

    def essential_time(self, *names: str) -> dt.datetime:
        """The time without which the record means nothing, from the first field that has one.

        Quarantine when none has, or when the first that is filled holds nonsense: a later field
        would only guess.
        """
        for name in names:
            value = self._by_name.get(name.lower())
            try:
                found = instant(value)
            except ValueError as error:
                raise Quarantine(
                    "bad_time",
                    f"{name} can't be read as a time: {shown(value)} ({str(error)[:120]}). Correct "
                    "it and take it in again.",
                ) from None
            if found is not None:
                return found
        raise Quarantine(
            "missing_time",
            f"The record doesn't say when it happened: none of {', '.join(names)} has a date.",
        )

    def essential(self, *names: str, what: str) -> str:
        """A text without which the record means nothing; Quarantine names what is missing."""
        found = self.text(*names)
        if not found:
            raise Quarantine(
                "missing_id",
                f"The {what} has no {names[0]}: export it again with that field.",
            )
        return found


_NONE = Fields({})
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def text_of(value: Any) -> str:
    """A text or number as stripped text; anything else is ""."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return ""


def opened(value: Any) -> Any:
    """A value, opened if it is JSON inside a text."""
    if isinstance(value, str) and value[:1] in "[{" and value.strip():
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def shown(value: Any) -> str:
    """A value as a reason may quote it: short, on one line."""
    return repr(value if isinstance(value, str | int | float) else type(value).__name__)[:60]


def content_uid(body: Mapping[str, Any]) -> str:
    """An id for a record whose vendor gave none: the hash of its content."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return "sha256:" + hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=4096)
def address(value: str) -> str:
    """An IP address without port, brackets or zone; the vendor's text where it is no address."""
    text = value.strip()
    if text.startswith("[") and "]" in text:
        text = text[1 : text.index("]")]
    elif text.count(":") == 1 and "." in text:
        text = text.split(":")[0]
    text = text.split("%")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text if re.fullmatch(r"[0-9A-Fa-f.:]{3,45}", text) else ""


def is_inside(ip: str) -> bool:
    """Whether it is an address that a client's own network has; False for what is no address."""
    try:
        found = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(found in network for network in _INSIDE)


def country(value: str) -> str:
    """An ISO 3166-1 alpha-2 code in upper case; "" for anything else, such as a name."""
    return value.strip().upper() if _COUNTRY.fullmatch(value.strip()) else ""


def techniques(values: Iterable[str]) -> tuple[str, ...]:
    """MITRE ATT&CK ids, also out of words such as "Rundll32 (T1218.011)", each once."""
    found = (match for value in values for match in _TECHNIQUE.findall(value))
    return tuple(dict.fromkeys(found))


def entity(kind: str, value: str) -> str:
    """An entity as events and findings share it: ``kind:value`` in lower case; "" without one."""
    cleaned = value.strip().strip("<>").lower()
    return f"{kind}:{cleaned}" if cleaned else ""


def device_entity(connector: str, value: str) -> str:
    """A device by its id, as an entity: an id means something only at the connector that gave it.

    ``entra`` stands for the device ids of Entra ID, which several of Microsoft's products tell.
    """
    return entity("device_id", f"{connector}:{value.strip()}") if value.strip() else ""


def entities(*found: str) -> tuple[str, ...]:
    """Entities, each once, without empty ones, in order."""
    return tuple(dict.fromkeys(item for item in found if item))


# Graph's words and those of the other exports:
# https://learn.microsoft.com/graph/api/resources/security-alert#alertseverity-values
_SEVERITIES = {
    "informational": 1, "information": 1, "info": 1, "low": 2, "medium": 3, "moderate": 3,
    "high": 4, "critical": 5, "unknown": 0, "unknownfuturevalue": 0, "unspecified": 0, "": 0,
}  # fmt: skip
# https://learn.microsoft.com/graph/api/resources/riskdetection#risklevel-values
_RISKS = {
    "none": 1, "hidden": 1, "": 1, "low": 2, "medium": 3, "high": 4, "unknownfuturevalue": 0,
}  # fmt: skip


def severity(word: str) -> int:
    """OCSF severity_id of an alert's severity; 99 for a word that isn't known."""
    return _SEVERITIES.get(word.lower(), 99)


def risk_severity(*words: str) -> int:
    """OCSF severity_id of the highest of these risk levels; 99 only if no word is known."""
    found = [_RISKS.get(word.lower(), 99) for word in words]
    known = [number for number in found if number != 99]
    return max(known) if known else 99
