"""How each feed is read: a page at a time, from a durable cursor."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from integrations.connectors.crowdstrike.client import FalconClient, Stream, quoted
from integrations.contract import Json, Page
from integrations.errors import Unauthorised
from integrations.sweeps import Slice, swept
from integrations.values import Fields
from tenants.records import SourceRecord

HOSTS, ALERTS = "Hosts: Read", "Alerts: Read"
VULNERABILITIES, STREAMS = "Vulnerabilities: Read", "Event streams: Read"
_PAGE = 100
# Falcon pages through the first 10,000 of a listing only.
_FARTHEST = 10_000
_EVENTS = 500


def _hosts(client: FalconClient, since: dt.datetime | None, token: str) -> Slice:
    """Hosts whose record changed. The token is how many were read, and the vendor's own, which
    lives two minutes: after that the sweep begins anew."""
    read, _, offset = token.partition("|")
    found = client.get(
        "/devices/queries/devices-scroll/v1", HOSTS,
        limit=_PAGE, offset=offset or None, sort="modified_timestamp.asc",
        filter=_changed("modified_timestamp", since),
    )  # fmt: skip
    path = "/devices/entities/devices/v2"
    hosts = client.entities(path, HOSTS, [str(one) for one in found.items])
    client.check_customer(hosts)
    reached, following = (
        int(read or 0) + len(found.items),
        str(found.pagination.get("offset") or ""),
    )
    is_last = not found.items or not following or reached >= found.total
    return Slice(_records(path, hosts), "" if is_last else f"{reached}|{following}")


def _alerts(client: FalconClient, since: dt.datetime | None, token: str) -> Slice:
    """Alerts that changed, oldest first. The token is the place, and from when it counts."""
    start, _, place = token.partition("|")
    offset = int(place or 0)
    start = start or _moment(since)
    found = client.get(
        "/alerts/queries/alerts/v2", ALERTS,
        limit=_PAGE, offset=offset, sort="updated_timestamp|asc",
        filter=f"updated_timestamp:>={quoted(start)}" if start else None,
    )  # fmt: skip
    path = "/alerts/entities/alerts/v2"
    ids = [str(one) for one in found.items]
    alerts = client.entities(path, ALERTS, ids, name="composite_ids")
    client.check_customer(alerts)
    reached = offset + len(ids)
    if not ids or reached >= found.total:
        return Slice(_records(path, alerts), "")
    if reached + _PAGE > _FARTHEST:
        newest = _latest(alerts)
        if newest <= start:
            return Slice(_records(path, alerts), "")
        start, reached = newest, 0
    return Slice(_records(path, alerts), f"{start}|{reached}")


def _vulnerabilities(client: FalconClient, since: dt.datetime | None, token: str) -> Slice:
    """What is open at first, then what changed, closed ones too."""
    path = "/spotlight/combined/vulnerabilities/v1"
    found = client.get(
        path, VULNERABILITIES,
        limit=_PAGE, after=token or None, sort="updated_timestamp|asc",
        facet=["cve", "host_info", "remediation"],
        filter=_changed("updated_timestamp", since) or "status:['open','reopen']",
    )  # fmt: skip
    client.check_customer(one for one in found.items if isinstance(one, dict))
    return Slice(_records(path, found.items), str(found.pagination.get("after") or ""))


def event_stream(client: Any, cursor: Json) -> Iterator[Page]:
    """The partitions one after the other, each from the last event seen; that one comes again."""
    told = cursor.get("offsets")
    offsets: dict[str, int] = dict(told) if isinstance(told, dict) else {}
    waiting = [s for s in client.streams(STREAMS) if s.partition >= str(cursor.get("next") or "")]
    if not waiting:
        yield Page((), {"offsets": offsets}, is_last=True)
    is_renewed = False
    while waiting:
        stream = waiting[0]
        try:
            events = client.events(stream, offsets.get(stream.partition, 0), _EVENTS)
        except Unauthorised:
            # A stream has a token of its own, which lasts some minutes: once more with a new one.
            if is_renewed:
                raise
            waiting, is_renewed = _renewed(client, waiting), True
            continue
        is_renewed = False
        seen = [offset for event in events if (offset := _offset(event)) is not None]
        if seen:
            offsets = {**offsets, stream.partition: max(seen)}
        if len(events) < _EVENTS:
            waiting.pop(0)
        place = {"next": waiting[0].partition} if waiting else {}
        client.check_customer(_customers(events))
        records = tuple(SourceRecord(_object(event)) for event in events)
        yield Page(records, {"offsets": offsets, **place}, is_last=not waiting)


def _renewed(client: FalconClient, streams: list[Stream]) -> list[Stream]:
    fresh = {stream.partition: stream for stream in client.streams(STREAMS)}
    return [fresh.get(stream.partition, stream) for stream in streams]


def _object(event: Any) -> dict[str, Any]:
    return event if isinstance(event, dict) else {"_value": event}


def _customers(events: list[Any]) -> Iterator[dict[str, str]]:
    for event in events:
        told = Fields(event).nested("metadata") if isinstance(event, dict) else Fields({})
        yield {"cid": told.text("customerIDString")}


def _offset(event: Any) -> int | None:
    return Fields(event).nested("metadata").number("offset") if isinstance(event, dict) else None


def _records(path: str, found: Any) -> tuple[SourceRecord, ...]:
    return tuple(SourceRecord(one, {"url": path}) for one in found if isinstance(one, dict))


def _moment(moment: dt.datetime | None) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def _changed(name: str, since: dt.datetime | None) -> str | None:
    return f"{name}:>={quoted(_moment(since))}" if since else None


def _latest(alerts: list[dict[str, Any]]) -> str:
    """The newest change as Falcon wrote it, with all its digits: none is skipped."""
    return max((Fields(alert).text("updated_timestamp") for alert in alerts), default="")


def _updated(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("updated_timestamp", "modified_timestamp")


_OVERLAP = dt.timedelta(minutes=10)
# Falcon no longer lists a host that was removed, and doesn't tell of it.
hosts = swept(_hosts, _updated, first_days=None, overlap=_OVERLAP, whole_every=dt.timedelta(days=1))
alerts = swept(_alerts, _updated, first_days=30, overlap=_OVERLAP)
vulnerabilities = swept(_vulnerabilities, _updated, first_days=None, overlap=_OVERLAP)
