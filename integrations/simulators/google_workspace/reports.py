"""Activities of the Reports API, newest first.

https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list
"""

from __future__ import annotations

import re

from integrations.simulators.base.control import moment
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from .errors import missing, refusal
from .requests import must_be_admin, page, user_of
from .scopes import AUDIT

_FILTER = re.compile(r"(\w+)==(.+)")


def _activities(request: Request) -> Answer:
    must_be_admin(request)
    found = request.tenant.all(f"activities:{request.params['application']}")
    options = request.options
    if request.params["user"] != "all":
        user = user_of(request.tenant, request.params["user"])
        if user is None:
            raise missing("userKey")
        found = [a for a in found if a["actor"].get("profileId") == user["id"]]
    if options.get("actorIpAddress"):
        found = [a for a in found if a.get("ipAddress") == options["actorIpAddress"]]
    if options.get("eventName"):
        found = [a for a in found if any(e["name"] == options["eventName"] for e in a["events"])]
    if options.get("filters"):
        found = [a for a in found if _has(a, options["filters"])]
    found = [a for a in found if _is_within(a, options.get("startTime"), options.get("endTime"))]
    found.sort(key=lambda a: str(a["id"]["time"]), reverse=True)
    return page(request, "items", found, "maxResults", "reports#activities")


def _is_within(activity: Record, start: str | None, end: str | None) -> bool:
    at = moment(activity["id"]["time"])
    try:
        return (not start or at >= moment(start)) and (not end or at <= moment(end))
    except ValueError:
        raise refusal(400, "Invalid value for: Invalid format") from None


def _has(activity: Record, filters: str) -> bool:
    wanted = [_FILTER.fullmatch(part) for part in filters.split(",")]
    if not all(wanted):
        raise refusal(400, "Invalid Input: filters")
    for event in activity["events"]:
        told = {p["name"]: _text(p) for p in event["parameters"]}
        if all(told.get(one[1]) == one[2] for one in wanted if one):
            return True
    return False


def _text(parameter: Record) -> str:
    value = next(v for k, v in parameter.items() if k != "name")
    return str(value).lower() if isinstance(value, bool) else str(value)


ROUTES: list[Route] = [
    route("GET", "/admin/reports/v1/activity/users/{user}/applications/{application}",
          _activities, AUDIT),
]  # fmt: skip
