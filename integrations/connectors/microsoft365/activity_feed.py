"""The unified audit log, by the Office 365 Management Activity API.

What happened comes in contents, each to be had since a time (contentCreated) that is later than
what happened, by an hour or a day; contents are listed by that time, so that what Microsoft writes
late is not missed. They are kept for 7 days. Before its first content a kind is subscribed to.
Source: https://learn.microsoft.com/office/office-365-management-api/
office-365-management-activity-api-reference
"""

import datetime as dt
from collections.abc import Iterator

from integrations.connectors.microsoft365.client import GraphClient
from integrations.contract import Json, Page
from integrations.errors import NotFound, Rejected
from integrations.sweeps import Fetch, in_turn
from integrations.transport import Call
from integrations.values import Fields
from tenants.records import SourceRecord

PERMISSION = "ActivityFeed.Read"
CONTENT_TYPES = ("Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint",
                 "Audit.General")  # fmt: skip
# Microsoft refuses a start of more than 7 days ago, and more than 24 hours at once.
_KEPT, _WINDOW = dt.timedelta(days=7) - dt.timedelta(minutes=10), dt.timedelta(hours=24)
# The servers that list contents need not agree at once.
_OVERLAP = dt.timedelta(hours=1)
# A page ends with the content that brings it to so many, since each may be large by itself.
_CONTENTS_A_PAGE, _RECORDS_A_PAGE = 10, 500


def fetch(client: GraphClient, cursor: Json) -> Iterator[Page]:
    """Give what is new of each kind of content, one kind after the other."""
    told = client.activity.get("/subscriptions/list", PERMISSION)
    listed = [Fields(one) for one in told if isinstance(one, dict)] if told else []
    enabled = {one.text("contentType") for one in listed if one.word("status") == "enabled"}
    for kind in CONTENT_TYPES:
        if kind not in enabled:
            client.activity.write("POST", "/subscriptions/start", PERMISSION, contentType=kind)
    yield from _EACH(client, cursor)


def _of(kind: str) -> Fetch:
    def of_kind(client: GraphClient, cursor: Json) -> Iterator[Page]:
        told = Fields(cursor)
        until, link, after = told.time("until"), told.text("link"), told.text("after")
        start, end = told.time("start"), told.time("end")
        oldest, now = _now() - _KEPT, _now()
        if start is None or end is None or start < oldest:
            start, link, after = max(until - _OVERLAP if until else oldest, oldest), "", ""
            end = min(start + _WINDOW, now)
        while True:
            try:
                contents, following = _contents(client, kind, start, end, link)
            except (NotFound, Rejected):
                if not link:
                    raise
                # The link has expired: the window begins anew.
                link, after = "", ""
                continue
            for records, last in _parts(client, contents, after):
                place = {"link": link, "after": last}
                place |= {"start": start.isoformat(), "end": end.isoformat()}
                place |= {"until": until.isoformat()} if until else {}
                yield Page(records, place, is_last=False)
            link, after = following, ""
            if not link and end < now:
                until, start, end = end, end, min(end + _WINDOW, now)
            elif not link:
                yield Page((), {"until": end.isoformat()}, is_last=True)
                return

    return of_kind


_EACH = in_turn({kind: _of(kind) for kind in CONTENT_TYPES})


def _contents(
    client: GraphClient, kind: str, start: dt.datetime, end: dt.datetime, link: str
) -> tuple[list[Fields], str]:
    """A page of the contents that became available in a window, and the next page's link."""
    window = {"contentType": kind, "startTime": _moment(start), "endTime": _moment(end)}
    asked = client.activity.url(link or "/subscriptions/content", {} if link else window)
    answer = client.activity.send(Call("GET", asked, permission=PERMISSION))
    found = answer.body if isinstance(answer.body, list) else []
    following = answer.headers.get("nextpageuri", "")
    return [Fields(one) for one in found if isinstance(one, dict)], following


def _parts(
    client: GraphClient, contents: list[Fields], after: str
) -> Iterator[tuple[tuple[SourceRecord, ...], str]]:
    """What some contents at a time hold, behind the one that was read last; and the last's id."""
    ids = [one.text("contentId") for one in contents]
    left = contents[ids.index(after) + 1 :] if after in ids else contents
    records: list[SourceRecord] = []
    since = 0
    for number, content in enumerate(left, start=1):
        records += _entries(client, content)
        is_full = len(records) >= _RECORDS_A_PAGE or number - since >= _CONTENTS_A_PAGE
        if is_full or number == len(left):
            yield tuple(records), content.text("contentId")
            records, since = [], number


def _entries(client: GraphClient, content: Fields) -> list[SourceRecord]:
    try:
        found = client.activity.get(content.text("contentUri"), PERMISSION)
    except NotFound:
        expires = content.time("contentExpiration")
        return [] if expires and expires <= _now() else [_gone(content)]
    entries = found if isinstance(found, list) else []
    return [SourceRecord(one) for one in entries if isinstance(one, dict)]


def _gone(content: Fields) -> SourceRecord:
    """What stands for the entries of a content that should still be there."""
    reason = (
        "Microsoft listed this part of the audit log, but answered that it isn't there. "
        "Search the audit log in the Purview portal for that time."
    )
    return SourceRecord(content.body, {"quarantine": {"code": "content_missing", "reason": reason}})


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _moment(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
