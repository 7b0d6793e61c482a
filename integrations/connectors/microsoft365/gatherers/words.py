"""What the gatherers share: how far back to look, and what the directory audit says."""

import datetime as dt

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Json
from integrations.microsoft.odata import literal, quoted
from integrations.values import Fields

AUDIT = "AuditLog.Read.All"
RECENT = dt.timedelta(hours=48)
_MOST_CHANGES = 500


def now() -> dt.datetime:
    """The present, in UTC."""
    return dt.datetime.now(dt.UTC)


def ago(inputs: Json, name: str, default: int, most: int) -> dt.datetime:
    """The moment that `inputs[name]` (days or hours) lies back, at most `most`."""
    told = inputs.get(name)
    wanted = told if isinstance(told, int) and not isinstance(told, bool) else default
    return now() - dt.timedelta(**{name: min(max(wanted, 1), most)})


def recent_since(inputs: Json) -> dt.datetime:
    """Since when what happened is recent: since `inputs["since"]`, else for two days."""
    return Fields(inputs).time("since") or now() - RECENT


def iso(moment: dt.datetime | None) -> str | None:
    """A moment as facts give it."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def changes_of(client: GraphClient, object_id: str, since: dt.datetime) -> list[Fields]:
    """The directory audit's entries on what was done to an object or by it, newest first.

    At most 500 of each kind.
    """
    found: dict[str, Fields] = {}
    for condition in (
        f"targetResources/any(t:t/id eq '{quoted(object_id)}')",
        f"initiatedBy/user/id eq '{quoted(object_id)}'",
    ):
        path = address(
            "/auditLogs/directoryAudits",
            filter=f"activityDateTime ge {literal(since)} and {condition}",
            top=100,
        )
        for record in client.all(path, AUDIT, _MOST_CHANGES):
            found[str(record.get("id"))] = Fields(record)
    return sorted(found.values(), key=lambda e: e.text("activityDateTime"), reverse=True)


def initiator(entry: Fields) -> str:
    """Who made a change, by the directory audit's entry."""
    by = entry.nested("initiatedBy")
    return by.nested("user").text("userPrincipalName", "displayName", "id") or by.nested(
        "app"
    ).text("displayName", "servicePrincipalName", "appId")
