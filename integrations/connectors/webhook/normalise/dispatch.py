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
    source = mapped.Source(settings.get("connection", ""), parse(text), _zone(settings))
    return lambda record: mapped.read(record, source)


def by_lines(settings: Mapping[str, str]) -> Normalise:
    """The feed `syslog`; what is CEF inside a log line is read as CEF."""
    zone, source = _zone(settings), _source(settings)

    def normalise(record: SourceRecord) -> Normalised:
        if bare := _bare_cef(record):
            return cef.read(*bare, source)
        line, before = _headed(record, zone)
        if cef.is_cef(before.message.strip()):
            return cef.read(line, before, source)
        return syslog.read(line, before)

    return normalise


def by_cef(settings: Mapping[str, str]) -> Normalise:
    """The feed `cef`, with or without a syslog header."""
    zone, source = _zone(settings), _source(settings)

    def normalise(record: SourceRecord) -> Normalised:
        try:
            line, before = _bare_cef(record) or _headed(record, zone)
        except Quarantine as error:
            # What is no log line is no CEF either, and that is what was asked for.
            raise cef.no_cef() if error.code == "not_syslog" else error from None
        return cef.read(line, before, source)

    return normalise


def _source(settings: Mapping[str, str]) -> cef.Source:
    return cef.Source(settings.get("connection", ""), _zone(settings), _alert_from(settings))


def _bare_cef(record: SourceRecord) -> tuple[str, head.Head] | None:
    """A line of CEF without anything before it, and a head of its arrival only."""
    line = Fields(record.body).text("line")
    return (line, head.Head(line, _arrived(record))) if cef.is_cef(line) else None


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
