"""What NinjaOne answers to questions."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from integrations.simulators.base.http import Answer, Refusal
from integrations.simulators.base.routes import Request, cut
from integrations.simulators.base.store import Record

_FILTER = re.compile(r"(org|id)\s*=\s*(\d+)")


def refused(status: int, message: str, headers: dict[str, str] | None = None) -> Refusal:
    """NinjaOne's shape of an error."""
    return Refusal(
        status, {"resultCode": "FAILURE", "errorMessage": message, "incidentId": "sim"}, headers
    )


def _chosen(request: Request) -> list[Record]:
    """The devices that the filter `df` names, by their ids."""
    found = sorted(request.tenant.all("devices"), key=lambda one: one["id"])
    told = request.options.get("df", "").strip()
    if not told:
        return found
    match = _FILTER.fullmatch(told)
    if match is None:
        raise refused(400, "invalid_device_filter")
    key = {"org": "organizationId", "id": "id"}[match[1]]
    return [one for one in found if one[key] == int(match[2])]


def device_of(request: Request) -> Record:
    """The device of the path."""
    found = request.tenant.get("devices", request.params["id"])
    if found is None:
        raise refused(404, "device_not_found")
    return found


def devices(request: Request) -> Answer:
    """Devices whose id is greater than `after`."""
    found = _chosen(request)
    after = int(request.options.get("after") or 0)
    start = sum(one["id"] <= after for one in found)
    size = min(int(request.options.get("pageSize") or request.page_size), request.largest_page)
    return Answer(200, cut(found, start, size, request.faults)[0])


def device(request: Request) -> Answer:
    """One device."""
    return Answer(200, device_of(request))


def organisation(request: Request) -> Answer:
    """One organisation."""
    found = request.tenant.get("organisations", request.params["id"])
    if found is None:
        raise refused(404, "organization_not_found")
    return Answer(200, found)


def last_user(request: Request) -> Answer:
    """Who signed in last; nothing where nobody did."""
    return Answer(200, request.tenant.get("users", str(device_of(request)["id"])) or {})


def systems(request: Request) -> Answer:
    """The report of operating systems."""
    ids = {one["id"] for one in _chosen(request)}
    found = [one for one in request.tenant.all("systems") if one["deviceId"] in ids]
    return Answer(200, {"results": found})


def _patches(request: Request) -> list[Record]:
    own_id = device_of(request)["id"]
    return [one for one in request.tenant.all("patches") if one["deviceId"] == own_id]


def lacking(request: Request) -> Answer:
    """Updates that weren't installed, or could not be."""
    return Answer(200, [one for one in _patches(request) if one["status"] != "INSTALLED"])


def installs(request: Request) -> Answer:
    """Updates that were installed since a day."""
    since = datetime.fromisoformat(request.options.get("installedAfter", "1970-01-01"))
    floor = since.replace(tzinfo=UTC).timestamp()
    wanted = request.options.get("status", "INSTALLED").upper()
    found = [one for one in _patches(request) if one["status"] == wanted]
    return Answer(200, [one for one in found if one.get("installedAt", 0) >= floor])


def activities(request: Request) -> Answer:
    """What happened on a device, newest first."""
    own_id = device_of(request)["id"]
    size = int(request.options.get("pageSize") or 200)
    if not 10 <= size <= 1000:
        raise refused(400, "invalid_page_size")
    found = [one for one in request.tenant.all("activities") if one["deviceId"] == own_id]
    found.sort(key=lambda one: one["id"], reverse=True)
    newest = found[0]["id"] if found else 0
    return Answer(
        200,
        {"lastActivityId": newest, "lastNodeActivityId": newest, "activities": found[:size]},
    )


def jobs(request: Request) -> Answer:
    """What runs on a device now."""
    own_id = device_of(request)["id"]
    return Answer(200, [one for one in request.tenant.all("jobs") if one["deviceId"] == own_id])


def alerts(request: Request) -> Answer:
    """Alerts that stand."""
    ids = {one["id"] for one in _chosen(request)}
    return Answer(200, [one for one in request.tenant.all("alerts") if one["deviceId"] in ids])


def scripting(request: Request) -> Answer:
    """The scripts that can be run on a device."""
    device_of(request)
    return Answer(
        200,
        {
            "categories": [{"id": 1, "name": "Maintenance", "internal": False}],
            "scripts": request.tenant.all("scripts"),
            "credentials": {"roles": ["SYSTEM"], "credentials": []},
        },
    )
