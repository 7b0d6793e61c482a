"""From a record to what it is: the normaliser of every feed."""

from collections.abc import Callable, Mapping
from typing import Any

from integrations.connectors.crowdstrike.normalise import alerts, events, hosts, vulnerabilities
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

_READERS: Mapping[str, Callable[[Fields], Normalised]] = {
    "hosts": hosts.host,
    "alerts": alerts.alert,
    "vulnerabilities": vulnerabilities.vulnerability,
    "event_stream": events.event,
}
# What an address serves; anything else that Falcon serves is of no feed.
_PLACES = (
    ("/devices/entities/devices", "hosts"), ("/devices/combined/devices", "hosts"),
    ("/alerts/", "alerts"), ("/spotlight/", "vulnerabilities"), ("/sensors/", "event_stream"),
)  # fmt: skip
# What tells a kind apart where no address does: all of these names, and one of those.
_SIGNS = (
    ("alerts", (), ("composite_id",)),
    ("vulnerabilities", ("aid", "cve"), ("status", "app", "apps", "vulnerability_id")),
    ("event_stream", (), ("metadata", "event_simpleName", "ExternalApiType", "fdr_event_type",
                          "unknown_payload", "EventType")),
    ("hosts", ("device_id",), ("hostname", "platform_name", "agent_version", "last_seen")),
)  # fmt: skip


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed; a record that shows itself to be of another is read so."""
    if feed not in _READERS:
        raise KeyError(feed)

    def normalise(record: SourceRecord) -> Normalised:
        fields = unwrapped(record)
        return _READERS[_kind(feed, record, fields)](fields)

    return normalise


def unwrapped(record: SourceRecord) -> Fields:
    """The record without the envelope of a detection rule's test; Quarantine where it is none."""
    refused = record.context.get("quarantine")
    if isinstance(refused, Mapping):
        raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
    body: Any = record.body
    if not isinstance(body, Mapping) or not body:
        raise Quarantine("empty_record", "The record is empty or no JSON object. Check the file.")
    if "_unparsed" in body:
        raise Quarantine("unreadable_json", "A line of the event stream is no JSON.")
    if "errors" in body and "meta" in body:
        raise Quarantine(
            "error_answer", "An answer of Falcon without a record, with or without an error."
        )
    if "access_token" in body:
        raise Quarantine("token_answer", "An answer of the sign-in service, not a record.")
    fields = Fields(body)
    log = fields.nested("log")
    is_test = log.body and fields.has_any("rule", "test", "expected_match", "log_types")
    return log if is_test else fields


def _kind(feed: str, record: SourceRecord, fields: Fields) -> str:
    url = str(record.context.get("url") or "")
    path = url.partition("crowdstrike.com")[2] if "://" in url else url
    if path:
        for start, kind in _PLACES:
            if path.startswith(start):
                return kind
        raise Quarantine(
            "other_resource",
            f"An answer of {path.split('?')[0][:80]} is nothing that a feed of Falcon takes.",
        )
    for kind, every, some in _SIGNS:
        if fields.has(*every) and fields.has_any(*some):
            return kind
    shown = ", ".join(sorted(map(str, fields.body))[:5])
    raise Quarantine(
        "not_recognised",
        f"Nothing in the record shows that it belongs to {feed} (it has {shown}). "
        "Check the connector and the feed.",
    )
