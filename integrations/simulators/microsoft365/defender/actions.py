"""Machine actions: asked for now, done by the machine when it is reached.

Sources: https://learn.microsoft.com/defender-endpoint/api/machineaction, …/isolate-machine,
…/unisolate-machine, …/restrict-code-execution, …/unrestrict-code-execution, …/run-av-scan,
…/collect-investigation-package, …/stop-and-quarantine-file. The code of "Action is already in
progress" is the one that the service gives in practice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.simulators.base.control import now_of
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.simulator import Simulator
from integrations.simulators.base.store import Record, Tenant

from .errors import DefenderError, lacking, missing, wrong_body
from .pages import METADATA, listing
from .records import machine_action, precise

_READ = ("Machine.Read.All", "Machine.ReadWrite.All")
_FILTERABLE = ("id", "status", "machineId", "type", "requestor", "creationDateTimeUtc")
_UNFINISHED = ("Pending", "InProgress")
_FINISHED = ("Succeeded", "Failed", "TimeOut", "Cancelled")


@dataclass(frozen=True)
class Kind:
    """A kind of machine action: its verb in the path, and the parameter beside the comment.

    The parameter chooses one of the scopes; where there are none, it is a file's SHA-1.
    """

    verb: str
    type: str
    permission: str
    parameter: str = ""
    scopes: tuple[str, ...] = ()
    is_needed: bool = False


_KINDS = (
    Kind("isolate", "Isolate", "Machine.Isolate", "IsolationType",
         ("Full", "Selective", "UnManagedDevice")),
    Kind("unisolate", "Unisolate", "Machine.Isolate"),
    Kind("restrictCodeExecution", "RestrictCodeExecution", "Machine.RestrictExecution"),
    Kind("unrestrictCodeExecution", "UnrestrictCodeExecution", "Machine.RestrictExecution"),
    Kind("runAntiVirusScan", "RunAntiVirusScan", "Machine.Scan", "ScanType", ("Quick", "Full"),
         is_needed=True),
    Kind("collectInvestigationPackage", "CollectInvestigationPackage", "Machine.CollectForensics"),
    Kind("StopAndQuarantineFile", "StopAndQuarantineFile", "Machine.StopAndQuarantine", "Sha1",
         is_needed=True),
)  # fmt: skip


def _asked(request: Request, kind: Kind) -> tuple[str, str | None]:
    """The comment, and the parameter's value."""
    body = request.body
    if not isinstance(body, dict):
        raise wrong_body()
    for name in body:
        if name not in {"Comment", kind.parameter}:
            raise wrong_body()
    if not isinstance(body.get("Comment"), str) or not body["Comment"]:
        raise lacking("Comment")
    value = body.get(kind.parameter) if kind.parameter else None
    if value is None and kind.is_needed:
        raise lacking(kind.parameter)
    if value is not None and kind.scopes and value not in kind.scopes:
        raise wrong_body(f"{kind.parameter} must be one of {', '.join(kind.scopes)}")
    if value is not None and not kind.scopes and not re.fullmatch("[0-9a-fA-F]{40}", str(value)):
        raise wrong_body(f"{kind.parameter} must be a SHA-1")
    return body["Comment"], value or (kind.scopes[0] if kind.scopes else None)


def _start(kind: Kind) -> Callable[[Request], Answer]:
    def handler(request: Request) -> Answer:
        tenant, machine_id = request.tenant, request.params["id"]
        machine = tenant.true("machines", machine_id)
        if machine is None:
            raise missing(f"Machine {machine_id}")
        comment, value = _asked(request, kind)
        scope, sha1 = (value, None) if kind.scopes else (None, value)
        if any(a["type"] == kind.type for a in _unfinished(tenant, machine_id)):
            raise DefenderError(400, "ActiveRequestAlreadyExists", "Action is already in progress")
        now = datetime.fromtimestamp(tenant.store.clock(), UTC)
        record = machine_action(
            machine, tenant.new_id("machine-action"), kind.type, comment=comment, scope=scope,
            sha1=sha1, by=request.app.name, now=now,
        )  # fmt: skip
        tenant.put("machineActions", record)
        request.effect(f"machine.{kind.verb}", machine_id, action=record["id"])
        sensor = tenant.true("sensors", machine_id)
        if sensor is None or sensor["answers"] == "at once":
            _finish(tenant, record, "Succeeded", now)
        return Answer(201, {"@odata.context": f"{METADATA}#MachineActions/$entity", **record})

    return handler


def _unfinished(tenant: Tenant, machine_id: str) -> list[Record]:
    return [
        action
        for action in tenant.true_all("machineActions")
        if action["machineId"] == machine_id and action["status"] in _UNFINISHED
    ]


def _finish(tenant: Tenant, action: Record, status: str, now: datetime) -> None:
    changes = {"status": status, "lastUpdateDateTimeUtc": precise(now)}
    tenant.update("machineActions", action["id"], changes)
    if status != "Succeeded":
        return
    of = action["machineId"]
    state = tenant.true("machineStates", of) or {"id": of, "isolation": None, "restricted": False}
    changed: dict[str, Any] = {
        "Isolate": {"isolation": action["scope"]},
        "Unisolate": {"isolation": None},
        "RestrictCodeExecution": {"restricted": True},
        "UnrestrictCodeExecution": {"restricted": False},
    }.get(action["type"], {})
    if action["relatedFileInfo"]:
        files = {*state.get("files", []), action["relatedFileInfo"]["fileIdentifier"]}
        changed = {"files": sorted(files)}
    tenant.put("machineStates", {**state, **changed})


def _list(request: Request) -> Answer:
    newest_first = sorted(
        request.tenant.all("machineActions"), key=lambda a: a["creationDateTimeUtc"], reverse=True
    )
    return listing(request, newest_first, "MachineActions", filterable=_FILTERABLE)


def _get(request: Request) -> Answer:
    found = request.tenant.get("machineActions", request.params["id"])
    if found is None:
        raise missing(f"Machine action {request.params['id']}")
    return Answer(200, {"@odata.context": f"{METADATA}#MachineActions/$entity", **found})


def hold_machine(simulator: Simulator, tenant: Tenant, machine: str, **_: Any) -> Record:
    """The machine is switched off: what is asked of it stays pending until `answer_machine`."""
    return tenant.put("sensors", {"id": machine, "answers": "when told"})


def answer_machine(
    simulator: Simulator, tenant: Tenant, machine: str, status: str = "Succeeded", **given: Any
) -> Record:
    """The machine takes up what is pending (InProgress), or ends it with this status."""
    if status not in (*_UNFINISHED, *_FINISHED):
        raise ValueError(f"'status' must be one of: {', '.join((*_UNFINISHED, *_FINISHED))}")
    for action in _unfinished(tenant, machine):
        _finish(tenant, action, status, now_of(simulator, given))
    return {}


def release_machine(simulator: Simulator, tenant: Tenant, machine: str, **given: Any) -> Record:
    """Somebody releases the machine in Defender's portal."""
    of = tenant.true("machines", machine)
    if of is None:
        raise ValueError(f"there is no machine '{machine}'")
    now = now_of(simulator, given)
    record = machine_action(
        of, tenant.new_id("machine-action"), "Unisolate", comment="It is clean.", scope=None,
        by=f"admin@{tenant.domain}", now=now,
    )  # fmt: skip
    tenant.put("machineActions", record)
    _finish(tenant, record, "Succeeded", now)
    return record


ROUTES: list[Route] = [
    route("GET", "/api/machineactions", _list, *_READ),
    route("GET", "/api/machineactions/{id}", _get, *_READ),
    *(route("POST", f"/api/machines/{{id}}/{k.verb}", _start(k), k.permission) for k in _KINDS),
]
