"""Activities of the Reports API, newest first.

https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from integrations.simulators.base.control import moment
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from .errors import missing, refusal
from .requests import must_be_admin, page, user_of
from .scopes import AUDIT

_FILTER = re.compile(r"([\w.]+)==(.+)")
_LONGEST = timedelta(days=30)


def _activities(request: Request) -> Answer:
    must_be_admin(request)
    found = request.tenant.all(f"activities:{request.params['application']}")
    options = request.options
    if request.params["application"] == "gmail":
        _check_span(options.get("startTime"), options.get("endTime"))
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


def _check_span(start: str | None, end: str | None) -> None:
    """For Gmail's log both ends are asked for, and at most 30 days."""
    if not start or not end or moment(end) - moment(start) > _LONGEST:
        raise refusal(400, "Invalid value for: startTime and endTime within 30 days")


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
        told = dict(_named(event["parameters"], ""))
        if all(told.get(one[1]) == one[2] for one in wanted if one):
            return True
    return False


def _named(parameters: list[Record], above: str) -> Iterator[tuple[str, str]]:
    """Each parameter by its full name, with those in a message."""
    for one in parameters:
        name = f"{above}{one['name']}"
        inner = one.get("messageValue")
        if inner:
            yield from _named(inner["parameter"], f"{name}.")
        elif "multiMessageValue" not in one:
            yield name, _text(one)


def _text(parameter: Record) -> str:
    value = next(v for k, v in parameter.items() if k != "name")
    return str(value).lower() if isinstance(value, bool) else str(value)


ROUTES: list[Route] = [
    route("GET", "/admin/reports/v1/activity/users/{user}/applications/{application}",
          _activities, AUDIT),
]  # fmt: skip
