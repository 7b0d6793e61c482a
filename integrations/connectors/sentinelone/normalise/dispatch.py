"""From a record to what it is: the normaliser of every feed."""

from collections.abc import Callable, Mapping

from integrations.connectors.sentinelone.normalise import activities, agents, threats
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

_READERS: Mapping[str, Callable[[Fields], Normalised]] = {
    "threats": threats.threat,
    "agents": agents.agent,
    "activities": activities.activity,
}
# What tells a kind apart: one of these names.
_SIGNS = (
    ("threats", ("threatInfo",)),
    ("activities", ("activityType",)),
    ("agents", ("computerName", "networkStatus", "osType", "agentVersion")),
)


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed; a record that shows itself to be of another is read so."""
    if feed not in _READERS:
        raise KeyError(feed)

    def normalise(record: SourceRecord) -> Normalised:
        fields = unwrapped(record)
        for kind, some in _SIGNS:
            if fields.has_any(*some):
                return _READERS[kind](fields)
        shown = ", ".join(sorted(map(str, fields.body))[:5])
        raise Quarantine(
            "not_recognised",
            f"Nothing in the record shows that it belongs to {feed} (it has {shown}). "
            "Check the connector and the feed.",
        )

    return normalise


def unwrapped(record: SourceRecord) -> Fields:
    """The record without the envelope of a detection rule's test; Quarantine where it is none."""
    refused = record.context.get("quarantine")
    if isinstance(refused, Mapping):
        raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
    if not isinstance(record.body, Mapping) or not record.body:
        raise Quarantine("empty_record", "The record is empty or no JSON object. Check the file.")
    fields = Fields(record.body)
    if fields.has("errors") and not fields.has_any("id", "threatInfo"):
        raise Quarantine("error_answer", "An error of SentinelOne instead of a record.")
    log = fields.nested("log")
    is_test = log.body and fields.has_any("rule", "test", "expected_match", "log_types")
    return log if is_test else fields
