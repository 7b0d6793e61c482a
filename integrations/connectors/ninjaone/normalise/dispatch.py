"""From a record to what it is: the normaliser of every feed."""

from collections.abc import Callable, Mapping

from integrations.connectors.ninjaone.normalise import alerts, computers, patches
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

_READERS: Mapping[str, Callable[[Fields], Normalised]] = {
    "devices": computers.device,
    "patches": patches.patch,
    "alerts": alerts.alert,
}
# What tells a kind apart: all of these names.
_SIGNS = (
    ("alerts", ("uid", "createTime")),
    ("patches", ("deviceId", "status")),
    ("devices", ("nodeClass",)),
)


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed; a record that shows itself to be of another is read so."""
    if feed not in _READERS:
        raise KeyError(feed)

    def normalise(record: SourceRecord) -> Normalised:
        refused = record.context.get("quarantine")
        if isinstance(refused, Mapping):
            raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
        fields = Fields(record.body)
        if fields.has("resultCode") and fields.has_any("errorMessage", "incidentId"):
            raise Quarantine("error_answer", "An error of NinjaOne instead of a record.")
        for kind, names in _SIGNS:
            if fields.has(*names):
                return _READERS[kind](fields)
        shown = ", ".join(sorted(map(str, record.body))[:5]) or "nothing"
        raise Quarantine(
            "not_recognised",
            f"Nothing in the record shows that it belongs to {feed} (it has {shown}). "
            "Check the connector and the feed.",
        )

    return normalise
