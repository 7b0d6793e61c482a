"""What NinjaOne does when asked to. A simulated computer obeys at once."""

from __future__ import annotations

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request
from integrations.simulators.base.store import Record, stable_id
from integrations.simulators.ninjaone.reads import device_of, refused


def _note(request: Request, own_id: int, kind: str, code: str, **more: str) -> None:
    """Write down what happened on a device."""
    store = request.tenant.store
    number = store.next("activity")
    record: Record = {
        "id": number,
        "activityTime": store.clock(),
        "deviceId": own_id,
        "activityType": kind,
        "statusCode": code,
        "activityResult": "SUCCESS",
        **more,
    }
    request.tenant.put("activities", record)


def install(request: Request) -> Answer:
    """Install what is approved."""
    device = device_of(request)
    if not device["nodeClass"].startswith(("WINDOWS", "MAC", "LINUX")):
        raise refused(400, "device_not_applicable")
    own_id = device["id"]
    found = [
        one
        for one in request.tenant.true_all("patches")
        if one["deviceId"] == own_id and one["status"] in ("APPROVED", "FAILED")
    ]
    _note(request, own_id, "PATCH_MANAGEMENT", "PATCH_MANAGEMENT_APPLY_PATCH_STARTED")
    for one in found:
        changes = {"status": "INSTALLED", "installedAt": request.tenant.store.clock()}
        request.tenant.update("patches", one["id"], changes)
        request.effect("patch.install", f"{own_id}:{one['kbNumber']}")
    _note(request, own_id, "PATCH_MANAGEMENT", "PATCH_MANAGEMENT_APPLY_PATCH_COMPLETED")
    return Answer(204)


def reboot(request: Request) -> Answer:
    """Restart the computer."""
    if request.params["mode"] not in ("NORMAL", "FORCED"):
        raise refused(400, "invalid_reboot_mode")
    own_id = device_of(request)["id"]
    request.tenant.update("systems", str(own_id), {"lastBootTime": request.tenant.store.clock()})
    _note(request, own_id, "SYSTEM", "SYSTEM_REBOOTED")
    request.effect("device.reboot", str(own_id))
    return Answer(204)


def run(request: Request) -> Answer:
    """Run a script to its end."""
    own_id = device_of(request)["id"]
    body = request.body if isinstance(request.body, dict) else {}
    key = "id" if body.get("type") == "SCRIPT" else "uid"
    found = next(
        (one for one in request.tenant.all("scripts") if one.get(key) == body.get(key)), None
    )
    if found is None or body.get("type") not in ("SCRIPT", "ACTION"):
        raise refused(400, "script_not_found")
    series = stable_id("ninjaone", "run", request.tenant.store.next("run"))
    for code in ("START_REQUESTED", "COMPLETED"):
        _note(
            request, own_id, "ACTION", code,
            seriesUid=series, sourceName=found["name"], subject=found["name"],
        )  # fmt: skip
    request.effect("script.run", f"{own_id}:{found['name']}")
    return Answer(204)
