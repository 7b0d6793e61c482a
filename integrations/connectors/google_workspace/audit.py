"""Asking the Reports API what was done: for feeds, for proofs of actions, and for questions."""

import datetime as dt
from typing import Any

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.client import WorkspaceClient, objects
from integrations.connectors.google_workspace.normalise.activity import Activity, read, split
from integrations.values import Fields

_PAGE = 1000


def rfc3339(moment: dt.datetime) -> str:
    """A moment as Google's APIs take it."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def request(
    client: WorkspaceClient,
    application: str,
    since: dt.datetime | None,
    *,
    user: str = "all",
    **more: Any,
) -> Any:
    """The library's request for the activities of one application, newest first."""
    return client.reports.activities().list(
        userKey=user,
        applicationName=application,
        startTime=rfc3339(since) if since else None,
        maxResults=_PAGE,
        **more,
    )


def events(
    client: WorkspaceClient,
    application: str,
    since: dt.datetime,
    *,
    user: str = "all",
    most: int = 1000,
    **more: Any,
) -> list[Activity]:
    """Read the events of one application since a time, newest first, at most `most`.

    `user` is whose doing they are; `more` are further parameters of the API (eventName, filters,
    actorIpAddress).
    """
    found: list[Activity] = []
    asked = request(client, application, since, user=user, **more)
    for answer in client.pages(client.reports.activities(), asked, scopes.AUDIT):
        for body in objects(answer, "items"):
            found += [read(Fields(part)) for part in split(body)]
        if len(found) >= most:
            break
    return found[:most]
