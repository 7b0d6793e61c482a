"""Graph's deviceManagement: managed devices and what they are told, policies, programs, audit.

Sources: https://learn.microsoft.com/graph/api/resources/intune-graph-overview,
…/intune-devices-manageddevice-retire and its neighbours
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.simulators.base.simulator import Simulator
from integrations.simulators.base.store import Record, Tenant
from integrations.simulators.microsoft365.graph import (
    Answer,
    Request,
    Route,
    existing,
    listing,
    no_content,
    one,
    route,
    shaped,
)
from integrations.simulators.microsoft365.odata import timestamp

from . import records

_DEVICES = (
    "DeviceManagementManagedDevices.Read.All", "DeviceManagementManagedDevices.ReadWrite.All",
)  # fmt: skip
_OPERATE = "DeviceManagementManagedDevices.PrivilegedOperations.All"
_CONFIGURATION = (
    "DeviceManagementConfiguration.Read.All", "DeviceManagementConfiguration.ReadWrite.All",
)  # fmt: skip
_APPS = ("DeviceManagementApps.Read.All", "DeviceManagementApps.ReadWrite.All")
_ROOT = "/deviceManagement"
_COMMANDS = ("syncDevice", "remoteLock", "rebootNow", "retire")
_STATES = ("pending", "active", "done", "failed", "canceled", "notSupported")


def _devices(request: Request) -> Answer:
    found = request.tenant.all("managedDevices")
    return listing(request, found, "deviceManagement/managedDevices")


def _device(request: Request) -> Answer:
    found = one(request, "managedDevices", request.params["id"])
    return shaped(request, found, "deviceManagement/managedDevices")


def _of_user(request: Request) -> Answer:
    user = existing(request, "users", request.params["id"])
    found = [d for d in request.tenant.all("managedDevices") if d["userId"] == user["id"]]
    return listing(request, found, "deviceManagement/managedDevices")


def _policy_states(request: Request) -> Answer:
    of = one(request, "managedDevices", request.params["id"])
    rules = request.tenant.all("compliancePolicies") if of["operatingSystem"] == "Windows" else []
    found = [records.policy_state(of, rule) for rule in rules]
    return listing(request, found, "deviceManagement/managedDevices/deviceCompliancePolicyStates")


def _policies(request: Request) -> Answer:
    found = request.tenant.all("compliancePolicies")
    return listing(request, found, "deviceManagement/deviceCompliancePolicies")


def _statuses(request: Request) -> Answer:
    rules = one(request, "compliancePolicies", request.params["id"])
    found = [records.device_status(of, rules) for of in request.tenant.all("managedDevices")]
    return listing(request, found, "deviceManagement/deviceCompliancePolicies/deviceStatuses")


def _detected_apps(request: Request) -> Answer:
    return listing(request, request.tenant.all("detectedApps"), "deviceManagement/detectedApps")


def _audit_events(request: Request) -> Answer:
    found = request.tenant.all("intuneAudit")
    return listing(request, found, "deviceManagement/auditEvents", newest_first="activityDateTime")


def _command(verb: str) -> Callable[[Request], Answer]:
    def handler(request: Request) -> Answer:
        tenant = request.tenant
        device = existing(request, "managedDevices", request.params["id"])
        result = {
            "actionName": verb,
            "actionState": "pending",
            "startDateTime": request.now(),
            "lastUpdatedDateTime": request.now(),
        }
        others = [r for r in device["deviceActionResults"] if r["actionName"] != verb]
        changes: Record = {"deviceActionResults": [*others, result]}
        if verb == "retire":
            changes["managementState"] = "retirePending"
        tenant.update("managedDevices", device["id"], changes)
        request.effect(f"device.{verb}", device["id"])
        _audit(request, verb, device)
        agent = tenant.true("agents", device["id"])
        if agent is None or agent["answers"] == "at once":
            _finish(tenant, device["id"], "done", request.now())
        return no_content()

    return handler


def _audit(request: Request, verb: str, device: Record) -> None:
    tenant = request.tenant
    delay, tenant.delay = tenant.delay, None
    by = {"applicationId": request.app.client_id, "applicationDisplayName": request.app.name}
    event_id, when = tenant.new_id("intune-audit"), timestamp(request.now())
    entry = records.audit_event(tenant, event_id, verb, "Action", device, by, when)
    tenant.put("intuneAudit", entry)
    tenant.delay = delay


def _finish(tenant: Tenant, device_id: str, state: str, now: str) -> None:
    """The device answers what it was told: each command that is not ended gets this state."""
    device = tenant.true("managedDevices", device_id)
    if device is None:
        return
    open_ones = [
        r["actionName"]
        for r in device["deviceActionResults"]
        if r["actionState"] in ("pending", "active")
    ]
    results = [
        {**r, "actionState": state, "lastUpdatedDateTime": now}
        if r["actionName"] in open_ones
        else r
        for r in device["deviceActionResults"]
    ]
    changes: Record = {"deviceActionResults": results}
    if state == "done" and open_ones:
        changes["lastSyncDateTime"] = now
    if "retire" in open_ones and state == "failed":
        changes["managementState"] = "retireFailed"
    tenant.update("managedDevices", device_id, changes)
    if "retire" in open_ones and state == "done":
        tenant.remove("managedDevices", device_id)


def hold_device(simulator: Simulator, tenant: Tenant, device: str, **_: Any) -> Record:
    """The device is switched off: what it is told stays pending until `answer_device`."""
    return tenant.put("agents", {"id": device, "answers": "when told"})


def answer_device(
    simulator: Simulator, tenant: Tenant, device: str, state: str = "done", **given: Any
) -> Record:
    """The device is on again, and answers what is pending."""
    if state not in _STATES:
        raise ValueError(f"'state' must be one of: {', '.join(_STATES)}")
    _finish(tenant, device, state, simulator.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    return {}


ROUTES: list[Route] = [
    route("GET", f"{_ROOT}/managedDevices", _devices, *_DEVICES),
    route("GET", f"{_ROOT}/managedDevices/{{id}}", _device, *_DEVICES),
    route("GET", "/users/{id}/managedDevices", _of_user, *_DEVICES),
    route("GET", f"{_ROOT}/managedDevices/{{id}}/deviceCompliancePolicyStates", _policy_states,
          *_CONFIGURATION),
    route("GET", f"{_ROOT}/deviceCompliancePolicies", _policies, *_CONFIGURATION),
    route("GET", f"{_ROOT}/deviceCompliancePolicies/{{id}}/deviceStatuses", _statuses,
          *_CONFIGURATION),
    route("GET", f"{_ROOT}/detectedApps", _detected_apps, *_DEVICES),
    route("GET", f"{_ROOT}/auditEvents", _audit_events, *_APPS),
    *(
        route("POST", f"{_ROOT}/managedDevices/{{id}}/{verb}", _command(verb), _OPERATE)
        for verb in _COMMANDS
    ),
]  # fmt: skip
