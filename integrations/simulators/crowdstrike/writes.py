"""What changes something in the simulated organisation."""

from __future__ import annotations

import re
from typing import Any

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request
from integrations.simulators.base.store import Record
from integrations.simulators.crowdstrike.envelope import meta, refusal, resources
from integrations.simulators.crowdstrike.records import falcon_id

_HOST_ACTIONS = {"contain": "contained", "lift_containment": "normal"}
_FILE_ACTIONS = {"release": "released", "unrelease": "quarantined", "delete": "deleted"}
_INDICATOR_ACTIONS = {
    "sha256": ("prevent", "prevent_no_ui", "allow", "detect", "no_action"),
    "md5": ("prevent", "prevent_no_ui", "allow", "detect", "no_action"),
    "domain": ("detect", "no_action"), "ipv4": ("detect", "no_action"),
    "ipv6": ("detect", "no_action"),
}  # fmt: skip
_LENGTHS = {"sha256": 64, "md5": 32}


def _listed(request: Request, name: str) -> list[Any]:
    found = request.body.get(name) if isinstance(request.body, dict) else None
    if not isinstance(found, list) or not found:
        raise refusal(400, f"{name} is required.")
    return found


def act_on_host(request: Request) -> Answer:
    """Contain hosts or lift it; the host obeys at once."""
    wanted = _HOST_ACTIONS.get(request.options.get("action_name", ""))
    if wanted is None:
        raise refusal(400, "Invalid action_name.")
    affected = []
    for device_id in _listed(request, "ids"):
        host = request.tenant.true("hosts", device_id)
        if host is None:
            raise refusal(404, "No such host.")
        if host["status"] == wanted:
            raise refusal(409, "The host is in that state already.")
        request.tenant.update("hosts", device_id, {"status": wanted})
        request.effect(f"host.{request.options['action_name']}", device_id)
        affected.append({"id": device_id, "path": "/devices/entities/devices/v1"})
    return resources(affected, status=202)


def act_on_files(request: Request) -> Answer:
    """Release quarantined files, or take them back."""
    wanted = _FILE_ACTIONS.get(str(request.body.get("action")) if request.body else "")
    if wanted is None:
        raise refusal(400, "Invalid action.")
    for file_id in _listed(request, "ids"):
        if request.tenant.true("files", file_id) is None:
            raise refusal(404, "No such file.")
        request.tenant.update("files", file_id, {"state": wanted})
        request.effect(f"file.{request.body['action']}", file_id)
    return Answer(200, {"meta": meta(), "errors": []})


def make_indicator(request: Request) -> Answer:
    """Make custom indicators."""
    made = []
    for told in _listed(request, "indicators"):
        _check(told)
        there = request.tenant.true_all("indicators")
        if any((i["type"], i["value"]) == (told["type"], told["value"]) for i in there):
            raise refusal(400, "Duplicate type and value combination.")
        own = falcon_id(request.tenant.new_id("indicator"))
        record = {**told, "id": own + own, "created_on": request.now(), "deleted": False,
                  "expired": False}  # fmt: skip
        request.tenant.put("indicators", record)
        request.effect("indicator.create", told["value"])
        made.append(record)
    return resources(made, status=201, limit=len(made), total=len(made))


def _check(told: Record) -> None:
    kind, value = str(told.get("type")), str(told.get("value"))
    if kind not in _INDICATOR_ACTIONS:
        raise refusal(400, "Invalid type.")
    if told.get("action") not in _INDICATOR_ACTIONS[kind]:
        raise refusal(400, "Invalid action for this type.")
    length = _LENGTHS.get(kind)
    if length and not re.fullmatch(rf"[0-9a-f]{{{length}}}", value):
        raise refusal(400, "Invalid value.")
    if not told.get("platforms"):
        raise refusal(400, "platforms is required.")
    if not told.get("applied_globally") and not told.get("host_groups"):
        raise refusal(400, "applied_globally or host_groups is required.")


def change_indicator(request: Request) -> Answer:
    """Change custom indicators that exist."""
    changed = []
    for told in _listed(request, "indicators"):
        before = request.tenant.true("indicators", str(told.get("id")))
        if before is None:
            raise refusal(404, "No such indicator.")
        _check({**before, **told})
        changed.append(request.tenant.update("indicators", before["id"], told))
        request.effect("indicator.update", before["value"])
    return resources(changed, limit=len(changed), total=len(changed))


def delete_indicator(request: Request) -> Answer:
    """Delete one custom indicator."""
    own = request.options.get("ids", "")
    record = request.tenant.true("indicators", own)
    if record is None:
        raise refusal(404, "No such indicator.")
    request.tenant.remove("indicators", own)
    request.effect("indicator.delete", record["value"])
    return resources([own], limit=1, total=1)


def make_scan(request: Request) -> Answer:
    """Begin a scan of hosts; a simulated host is scanned at once."""
    hosts = _listed(request, "hosts")
    if not request.body.get("file_paths"):
        raise refusal(400, "file_paths is required.")
    if any(request.tenant.true("hosts", host) is None for host in hosts):
        raise refusal(404, "No such host.")
    scan = {
        **request.body,
        "id": falcon_id(request.tenant.new_id("scan")),
        "cid": request.tenant.id,
        "status": "completed",
        "created_on": request.now(),
        "filecount": {"scanned": 1000, "malicious": 0, "quarantined": 0, "skipped": 0},
        "targeted_host_count": len(hosts),
        "completed_host_count": len(hosts),
        "affected_hosts_count": 0,
        "incomplete_host_count": 0,
        "missing_host_count": 0,
        "not_started_host_count": 0,
        "started_host_count": 0,
    }
    request.tenant.put("scans", scan)
    for host in hosts:
        request.effect("host.scan", host)
    return resources([scan], status=201)
