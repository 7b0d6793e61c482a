"""What the gatherers share: how far back to look, and times as facts give them."""

import datetime as dt

from integrations.connectors.google_workspace.normalise.activity import Activity
from integrations.contract import Json
from integrations.values import Fields

RECENT = dt.timedelta(hours=48)


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


def newest_first(*found: list[Activity]) -> list[Activity]:
    """Events of several lists together, each once, newest first."""
    by_uid = {event.uid: event for events in found for event in events}
    return sorted(by_uid.values(), key=lambda event: event.time, reverse=True)
