"""From a record to what it is: the normaliser of every feed."""

from collections.abc import Callable, Mapping

from integrations.connectors.tactical_rmm.normalise import alerts, computers, patches
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

FEEDS = ("devices", "patches", "alerts")


def _read(record: SourceRecord, fields: Fields) -> Normalised | None:
    """What the record shows itself to be; None where nothing shows it."""
    if fields.has("alert_type"):
        return alerts.alert(fields)
    if "kb" in fields and "installed" in fields:
        computer = str(record.context.get("agent_id") or fields.text("agent"))
        return patches.patch(fields, computer)
    if fields.has("agent_id", "hostname"):
        return computers.agent(fields)
    return None


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed; a record that shows itself to be of another is read so."""
    if feed not in FEEDS:
        raise KeyError(feed)

    def normalise(record: SourceRecord) -> Normalised:
        refused: object = record.context.get("quarantine")
        if isinstance(refused, Mapping):
            raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
        fields = Fields(record.body)
        if set(record.body) == {"detail"}:
            raise Quarantine("error_answer", "An error of Tactical RMM instead of a record.")
        found = _read(record, fields)
        if found is None:
            shown = ", ".join(sorted(map(str, record.body))[:5]) or "nothing"
            raise Quarantine(
                "not_recognised",
                f"Nothing in the record shows that it belongs to {feed} (it has {shown}). "
                "Check the connector and the feed.",
            )
        return found

    return normalise
