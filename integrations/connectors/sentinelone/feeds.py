"""How each feed is read: a page at a time, from a durable cursor."""

import datetime as dt

from integrations.connectors.sentinelone.client import (
    VIEW_ENDPOINTS,
    VIEW_THREATS,
    SentinelOneClient,
)
from integrations.sweeps import Slice, swept
from integrations.values import Fields
from tenants.records import SourceRecord

VIEW_ACTIVITY = "Activity: View"
_PAGE = 100
_OVERLAP = dt.timedelta(minutes=10)


def _agents(client: SentinelOneClient, since: dt.datetime | None, token: str) -> Slice:
    """Agents that changed; then those that were decommissioned, which a list leaves out.

    The token is the cursor, behind a word that says in which of both lists.
    """
    part, _, cursor = token.partition("|")
    is_gone = part == "gone"
    found = client.page(
        "/agents", VIEW_ENDPOINTS,
        limit=_PAGE, cursor=cursor or None, sortBy="updatedAt", sortOrder="asc",
        updatedAt__gte=_moment(since), isDecommissioned="true" if is_gone else None,
    )  # fmt: skip
    if found.following:
        following = f"{part or 'there'}|{found.following}"
    else:
        following = "" if is_gone else "gone|"
    return Slice(_records("/agents", found.items), following)


def _threats(client: SentinelOneClient, since: dt.datetime | None, token: str) -> Slice:
    found = client.page(
        "/threats", VIEW_THREATS,
        limit=_PAGE, cursor=token or None, sortBy="updatedAt", sortOrder="asc",
        updatedAt__gte=_moment(since),
    )  # fmt: skip
    return Slice(_records("/threats", found.items), found.following)


def _activities(client: SentinelOneClient, since: dt.datetime | None, token: str) -> Slice:
    found = client.page(
        "/activities", VIEW_ACTIVITY,
        limit=_PAGE, cursor=token or None, sortBy="createdAt", sortOrder="asc",
        createdAt__gte=_moment(since),
    )  # fmt: skip
    return Slice(_records("/activities", found.items), found.following)


def _records(path: str, found: tuple[dict, ...]) -> tuple[SourceRecord, ...]:
    return tuple(SourceRecord(one, {"url": path}) for one in found)


def _moment(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def _updated(record: SourceRecord) -> dt.datetime | None:
    told = Fields(record.body)
    return told.nested("threatInfo").time("updatedAt") or told.time("updatedAt")


def _created(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("createdAt")


agents = swept(
    _agents, _updated, first_days=None, overlap=_OVERLAP, whole_every=dt.timedelta(days=1)
)
threats = swept(_threats, _updated, first_days=30, overlap=_OVERLAP)
activities = swept(_activities, _created, first_days=7, overlap=_OVERLAP)
