"""The Office 365 Management Activity API: subscriptions, and the unified audit log in contents.

Source: https://learn.microsoft.com/office/office-365-management-api/
office-365-management-activity-api-reference
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote, unquote, urlencode

from integrations.simulators.base.http import CodedRefusal, Refusal
from integrations.simulators.base.routes import Answer, Request, cut, instant, route
from integrations.simulators.base.store import Record

from .odata import timestamp

_CONTENT_TYPES = (
    "Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All",
)  # fmt: skip
_WORKLOADS = {
    "AzureActiveDirectory": "Audit.AzureActiveDirectory", "Exchange": "Audit.Exchange",
    "SharePoint": "Audit.SharePoint", "OneDrive": "Audit.SharePoint",
}  # fmt: skip
_CODES = {401: "AF10001", 403: "AF10001", 404: "AF50005", 429: "AF429"}
_READ = "ActivityFeed.Read"
_BASE = "/api/v1.0/{tenant}/activity/feed"
# An entry is to be had some time after it happened; `_available` says when, where it is late.
_DELAY = timedelta(minutes=15)
_KEPT, _LONGEST = timedelta(days=7), timedelta(hours=24)


class ActivityError(CodedRefusal):
    """A refused request, in the API's shape."""


def from_refusal(refused: Refusal) -> ActivityError:
    """Another service's refusal, as this one words it."""
    return ActivityError.instead_of(refused, _CODES, "AF50000")


def _start(request: Request) -> Answer:
    kind = _content_type(request)
    if request.tenant.true("activitySubscriptions", kind):
        raise ActivityError(
            400, "AF20024", "The subscription is already enabled. No property change."
        )
    made = {"contentType": kind, "status": "enabled", "webhook": None}
    request.tenant.put("activitySubscriptions", made, kind)
    request.effect("activity.subscribe", kind)
    return Answer(200, made)


def _list(request: Request) -> Answer:
    return Answer(200, request.tenant.all("activitySubscriptions"))


def _content(request: Request) -> Answer:
    kind = _content_type(request)
    if request.tenant.get("activitySubscriptions", kind) is None:
        raise ActivityError(400, "AF20022", "No subscription found for the specified content type.")
    start, end = _window(request)
    found = [
        _described(request, kind, minute)
        for minute in sorted({_available(one) for one in _entries(request, kind)})
        if start <= minute <= end
    ]
    place = int(request.options.get("nextPage") or 0)
    page, following = cut(found, place, request.page_size, request.faults)
    if following is None:
        return Answer(200, page)
    query = urlencode({**request.options, "nextPage": following})
    return Answer(200, page, {"NextPageUri": f"{request.base}{request.path}?{query}"})


def _blob(request: Request) -> Answer:
    kind, _, moment = unquote(request.params["content"]).partition("$")
    entries = [one for one in _entries(request, kind) if instant(_available(one)) == moment]
    if not entries:
        raise ActivityError(404, "AF50005", "The specified content does not exist.")
    shown = [
        {name: value for name, value in one.items() if name not in {"id", "_available"}}
        for one in entries
    ]
    return Answer(200, shown)


def _content_type(request: Request) -> str:
    kind = request.options.get("contentType", "")
    if kind not in _CONTENT_TYPES:
        raise ActivityError(400, "AF20020", "The specified content type is not valid.")
    return kind


def _window(request: Request) -> tuple[datetime, datetime]:
    now = timestamp(request.now())
    told = request.options.get("startTime"), request.options.get("endTime")
    if told == (None, None):
        return now - _LONGEST, now
    if None in told:
        raise ActivityError(400, "AF20030", "Start time and end time must both be specified.")
    start, end = (timestamp(f"{one}Z") for one in told)
    if end - start > _LONGEST or start < now - _KEPT or end < start:
        raise ActivityError(
            400, "AF20030", "Start and end must be at most 24 hours apart, within 7 days."
        )
    return start, end


def _entries(request: Request, kind: str) -> list[Record]:
    return [
        one
        for one in request.tenant.all("unifiedAudit")
        if _WORKLOADS.get(str(one.get("Workload")), "Audit.General") == kind
        and _available(one) <= timestamp(request.now())
    ]


def _available(entry: Record) -> datetime:
    """Since when its content is to be had, to the minute."""
    told = entry.get("_available")
    since = timestamp(str(told)) if told else timestamp(str(entry["CreationTime"])) + _DELAY
    return since.replace(second=0, microsecond=0)


def _described(request: Request, kind: str, minute: datetime) -> Record:
    content_id = f"{kind}${instant(minute)}"
    base = request.path.partition("/subscriptions/")[0]
    return {
        "contentType": kind,
        "contentId": content_id,
        "contentUri": f"{request.base}{base}/audit/{quote(content_id, safe='')}",
        "contentCreated": instant(minute),
        "contentExpiration": instant(minute + _KEPT),
    }


ROUTES = (
    route("POST", f"{_BASE}/subscriptions/start", _start, _READ),
    route("GET", f"{_BASE}/subscriptions/list", _list, _READ),
    route("GET", f"{_BASE}/subscriptions/content", _content, _READ),
    route("GET", f"{_BASE}/audit/{{content}}", _blob, _READ),
)
