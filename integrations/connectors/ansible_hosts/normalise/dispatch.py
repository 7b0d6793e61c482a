"""From a record to what it is: the normaliser of every feed."""

from collections.abc import Callable, Mapping

from integrations.connectors.ansible_hosts.normalise import hosts, updates
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

FEEDS = ("hosts", "updates")


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed; a record that shows itself to be of another is read so."""
    if feed not in FEEDS:
        raise KeyError(feed)

    def normalise(record: SourceRecord) -> Normalised:
        refused = record.context.get("quarantine")
        if isinstance(refused, Mapping):
            raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
        fields = Fields(record.body)
        if fields.has("package"):
            return updates.patch(fields)
        if fields.has("is_reachable"):
            return hosts.host(fields)
        shown = ", ".join(sorted(map(str, record.body))[:5]) or "nothing"
        raise Quarantine(
            "not_recognised",
            f"Nothing in the record shows that it belongs to {feed} (it has {shown}). "
            "Check the connector and the feed.",
        )

    return normalise
