"""What stands before a log message: priority, time, host and program. RFC 5424 and RFC 3164.

RFC 3164 describes what is seen in the wild, so it is read with tolerance: without priority (as
in files), with a year, or with an ISO 8601 time.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from integrations.values import instant
from tenants.errors import Quarantine

_PRIORITY = re.compile(r"<(\d{1,3})>")
_STRUCTURED = re.compile(
    r"1 (?P<time>\S{1,64}) (?P<host>\S{1,255}) (?P<app>\S{1,48}) (?P<pid>\S{1,128}) "
    r"(?P<msgid>\S{1,32}) (?P<rest>.*)",
    re.DOTALL,
)
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_PLAIN_TIME = re.compile(
    r"(?P<month>[A-Za-z]{3}) {1,2}(?P<day>\d{1,2})(?: (?P<year>\d{4}))?,? "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?:? "
)
_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) ")
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._:\-]{1,255}) ")
_TAG = re.compile(r"(?P<app>[^\s\[\]:<>]{1,64})(?:\[(?P<pid>[^\]]{0,64})\])?: ?")
_ELEMENT_ID = re.compile(r"\[([^\s=\]\"]{1,32})")
_PARAMETER = re.compile(r' ([^\s=\]"]{1,32})="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_HIGHEST_PRIORITY = 191
_NIL = "-"


@dataclass(frozen=True, slots=True)
class Head:
    """A message and what stands before it. `severity` is syslog's (0 emergency … 7 debug)."""

    message: str
    time: dt.datetime | None = None
    host: str = ""
    app: str = ""
    pid: str = ""
    message_id: str = ""
    facility: int | None = None
    severity: int | None = None
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def lacks(line: str) -> str:
    """Return what only the day of arrival can add to a line's time: ``year``, ``time`` or "".

    A line that can't be read lacks nothing: it is quarantined whenever it came.
    """
    rest = _PRIORITY.sub("", line, count=1) if line.startswith("<") else line
    structured = _STRUCTURED.match(rest)
    if structured:
        return "time" if structured["time"] == _NIL else ""
    plain = _PLAIN_TIME.match(rest)
    if plain:
        return "" if plain["year"] else "year"
    return "" if _ISO_TIME.match(rest) else "time"


def year_of(line: str, arrived: dt.datetime) -> int:
    """Return the year of a time that has none: the last one in which it is not in the future."""
    rest = _PRIORITY.sub("", line, count=1)
    found = _PLAIN_TIME.match(rest)
    latest = arrived + dt.timedelta(days=1)
    for year in range(latest.year, latest.year - 8, -1):
        moment = _moment(found, year, dt.UTC) if found else None
        if moment is not None and moment <= latest:
            return year
    return arrived.year


def read(line: str, zone: dt.tzinfo, year: int | None) -> Head:
    """Read a line of either form; Quarantine where it is of neither.

    `zone` is that of times that name none, `year` that of times without one.
    """
    facility, severity, rest = _priority(line)
    structured = _STRUCTURED.match(rest)
    if structured:
        return _of_5424(structured, facility, severity)
    time, rest = _time(rest, zone, year)
    if time is None and severity is None:
        raise Quarantine(
            "not_syslog",
            "The line has neither a priority such as <134> nor a time at its beginning. "
            "Send RFC 5424 or RFC 3164.",
        )
    return _of_3164(rest, time, facility, severity)


def arriving(head: Head, arrived: dt.datetime | None) -> Head:
    """A head whose time is that of its arrival (RFC 3164, section 4.3.2)."""
    return replace(head, time=arrived)


def _priority(line: str) -> tuple[int | None, int | None, str]:
    found = _PRIORITY.match(line)
    if found is None:
        return None, None, line
    number = int(found[1])
    if number > _HIGHEST_PRIORITY:
        raise Quarantine("bad_priority", f"<{number}> is no priority: it goes from 0 to 191.")
    return number // 8, number % 8, line[found.end() :]


def _of_5424(found: re.Match[str], facility: int | None, severity: int | None) -> Head:
    time = None
    if found["time"] != _NIL:
        try:
            time = instant(found["time"])
        except ValueError:
            raise Quarantine(
                "bad_time", f"The time {found['time'][:40]!r} is none of RFC 3339."
            ) from None
    data, message = _structured_data(found["rest"])
    return Head(
        message=message,
        time=time,
        host=_told(found["host"]),
        app=_told(found["app"]),
        pid=_told(found["pid"]),
        message_id=_told(found["msgid"]),
        facility=facility,
        severity=severity,
        data=data,
    )


def _told(value: str) -> str:
    return "" if value == _NIL else value


def _structured_data(rest: str) -> tuple[dict[str, dict[str, str]], str]:
    """The structured data's elements by id, and the message behind them."""
    if rest == _NIL or rest.startswith("- "):
        return {}, rest[2:].removeprefix("\ufeff")
    found: dict[str, dict[str, str]] = {}
    place = 0
    while element := _ELEMENT_ID.match(rest, place):
        place = element.end()
        values = found.setdefault(element[1], {})
        while parameter := _PARAMETER.match(rest, place):
            values[parameter[1]] = re.sub(r'\\(["\\\]])', r"\1", parameter[2])
            place = parameter.end()
        if rest[place : place + 1] != "]":
            raise _bad_data()
        place += 1
    if place == 0 or rest[place : place + 1] not in ("", " "):
        raise _bad_data()
    return found, rest[place + 1 :].removeprefix("\ufeff")


def _bad_data() -> Quarantine:
    return Quarantine(
        "bad_structured_data",
        'The structured data is not of RFC 5424: write [id name="value"], or - for none.',
    )


def _time(rest: str, zone: dt.tzinfo, year: int | None) -> tuple[dt.datetime | None, str]:
    plain = _PLAIN_TIME.match(rest)
    if plain:
        told = plain["year"]
        moment = _moment(plain, int(told) if told else year, zone)
        if moment is None:
            raise Quarantine("bad_time", f"{plain[0].strip()!r} is no time.")
        return moment, rest[plain.end() :]
    iso = _ISO_TIME.match(rest)
    if not iso:
        return None, rest
    has_zone = re.search(r"(Z|[+-]\d\d:?\d\d)$", iso[1])
    try:
        moment = instant(iso[1])
    except ValueError:
        raise Quarantine("bad_time", f"{iso[1]!r} is no time.") from None
    if moment is not None and not has_zone:
        moment = moment.replace(tzinfo=zone).astimezone(dt.UTC)
    return moment, rest[iso.end() :]


def _moment(found: re.Match[str], year: int | None, zone: dt.tzinfo) -> dt.datetime | None:
    month = found["month"].lower()
    if month not in _MONTHS or year is None:
        return None
    micros = int((found["fraction"] or "0").ljust(6, "0")[:6])
    try:
        return dt.datetime(
            year, _MONTHS.index(month) + 1, int(found["day"]), int(found["hour"]),
            int(found["minute"]), int(found["second"]), micros, zone,
        ).astimezone(dt.UTC)  # fmt: skip
    except ValueError:
        return None


def _of_3164(
    rest: str, time: dt.datetime | None, facility: int | None, severity: int | None
) -> Head:
    """Host and tag, where they are there: without a time nobody knows what the first word is."""
    host, app, pid = "", "", ""
    if time is not None and (found := _HOST.match(rest)) and not found["host"].endswith(":"):
        host, rest = found["host"], rest[found.end() :]
    if not rest.startswith("CEF:") and (tag := _TAG.match(rest)):
        app, pid, rest = tag["app"], tag["pid"] or "", rest[tag.end() :]
    return Head(
        message=rest, time=time, host=host, app=app, pid=pid, facility=facility, severity=severity
    )
