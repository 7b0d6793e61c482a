"""The normaliser of each feed, by what the connection says of its source."""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Mapping

from integrations.connectors.webhook.mapping import parse
from integrations.connectors.webhook.normalise import cef, head, mapped, syslog
from integrations.errors import ConnectionMisconfigured
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

Normalise = Callable[[SourceRecord], Normalised]
# CEF's high and very high.
_ALERT_FROM = 7


def by_mapping(settings: Mapping[str, str]) -> Normalise:
    """The feed `json`; ConnectionMisconfigured where the mapping is wrong."""
    text = settings.get("mapping", "").strip()
    if not text:
        return mapped.without_mapping
    rules = parse(text)
    return lambda record: mapped.read(record, rules)


def by_lines(settings: Mapping[str, str]) -> Normalise:
    """The feed `syslog`; what is CEF inside a log line is read as CEF."""
    zone, alert_from = _zone(settings), _alert_from(settings)

    def normalise(record: SourceRecord) -> Normalised:
        line, before = _headed(record, zone)
        if cef.is_cef(before.message.strip()):
            return cef.read(line, before, zone, alert_from)
        return syslog.read(line, before)

    return normalise


def by_cef(settings: Mapping[str, str]) -> Normalise:
    """The feed `cef`, with or without a syslog header."""
    zone, alert_from = _zone(settings), _alert_from(settings)

    def normalise(record: SourceRecord) -> Normalised:
        line = Fields(record.body).text("line")
        if cef.is_cef(line):
            before = head.Head(line, _arrived(record))
        else:
            line, before = _headed(record, zone)
        return cef.read(line, before, zone, alert_from)

    return normalise


def _headed(record: SourceRecord, zone: dt.tzinfo) -> tuple[str, head.Head]:
    """A line, and its head, with the time of arrival where the source gave none."""
    line = record.body.get("line")
    if not isinstance(line, str) or not line.strip():
        raise Quarantine("not_a_line", "The record is no line of text. Check the feed.")
    year = record.context.get("year")
    found = head.read(line, zone, year if isinstance(year, int) else None)
    return line, found if found.time else head.arriving(found, _arrived(record))


def _arrived(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.context).time("arrived_at")


def _zone(settings: Mapping[str, str]) -> dt.tzinfo:
    name = settings.get("time_zone", "").strip() or "UTC"
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConnectionMisconfigured(
            f"time_zone: {name[:40]!r} is none, such as Europe/London or UTC."
        ) from None


def _alert_from(settings: Mapping[str, str]) -> int:
    text = settings.get("alert_from", "").strip() or str(_ALERT_FROM)
    if not text.isdecimal() or int(text) > 11:
        raise ConnectionMisconfigured(
            "alert_from: a CEF severity from 0 to 10, or 11 where no line is an alert."
        )
    return int(text)
