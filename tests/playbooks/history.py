"""Histories of plans and runs: kept from each release, and carried on by today's code.

A scenario sets a plan up. Its history is what the database held at each moment at which a worker
may be killed and Holdfast upgraded: before and after every word with a vendor, and wherever a
person is asked; with what the vendor had done by then, and how it all ended.

    make history        # before a release: writes tests/playbooks/histories/<version>.json

Rows are kept as they were. A column that has gone is passed over, a new one gets its default; where
a migration changes what rows mean, `restore` has to do the same to those of older releases.
"""

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from django.core import serializers
from django.db import models, transaction
from django.utils import timezone

from integrations.models import Connection
from playbooks import approvals
from playbooks.models import (
    Activation,
    Approval,
    Plan,
    PlaybookVersion,
    RulesOfEngagement,
    Run,
    Step,
)
from playbooks.planner import plan_sha256
from tenants import scope
from tenants.models import Account, Case, Evidence, Person, Tenant, Work
from tests.pipeline import drain, make_due
from tests.playbooks.vendor import Vendor

FOLDER = Path(__file__).parent / "histories"
_MODELS: tuple[type[models.Model], ...] = (
    Tenant, Person, Account, Case, Evidence, Connection, PlaybookVersion, RulesOfEngagement,
    Activation, Plan, Run, Step, Approval, Work,
)  # fmt: skip
_KINDS = ("run", "close")
_ROUNDS = 30
_PEOPLE = {
    "technician": "technician:ann", "second_technician": "technician:bob",
    "client": "technician:cleo",
}  # fmt: skip
Vendors = Mapping[str, Vendor]
Rows = dict[str, dict[str, Any]]
# Sets a plan up in the scope's tenant, up to the point at which it is carried out.
SetUp = Callable[[Tenant], None]
T = TypeVar("T")


class Killed(BaseException):
    """The worker is gone: nothing that it would have written comes any more."""


def without_waiting(settings: Any) -> None:
    """Let no test wait for a vendor, nor lose its lease: its transaction's clock stands still."""
    settings.SETTLE_SECONDS = 0.001
    settings.WORK_LEASE_SECONDS = 3600


def record(set_up: SetUp, tenant: Tenant, vendors: Vendors) -> dict[str, Any]:
    """Return the history of one scenario: what it began with, its moments, and how it ended."""
    with scope.tenant(tenant.id):
        set_up(tenant)
        base = _rows(tenant)
    begun = _state(vendors)
    different: dict[str, dict[str, Any]] = {}
    for at, rows, state in _moments(tenant, vendors, begun):
        gone = [key for key in base if key not in rows]
        moment = {"at": at, "rows": _changed(base, rows), "gone": gone, "vendors": state}
        different.setdefault(_shape(rows, state), moment)
    moments = list(different.values())
    return {
        "recorded_at": timezone.now().isoformat(),
        "tenant": str(tenant.id),
        "base": list(base.values()),
        "begun": begun,
        "moments": moments,
        "end": _tried(lambda: carry_on(tenant, vendors), vendors, begun),
    }


def _moments(
    tenant: Tenant, vendors: Vendors, begun: dict[str, Any]
) -> Iterator[tuple[str, Rows, dict[str, Any]]]:
    """Carry the scenario on again and again, each time to the next word with a vendor."""
    asked: list[tuple[str, Rows, dict[str, Any]]] = []

    def until(touch: int) -> tuple[str, Rows, dict[str, Any]] | None:
        words = _kill_at(vendors, touch)
        asked.clear()
        try:
            carry_on(tenant, vendors, lambda what: asked.append(_now(what, tenant, vendors)))
        except Killed:
            return _now(f"killed {words[0]}", tenant, vendors)
        finally:
            _kill_at(vendors, 0)
        return None

    for touch in range(1, 200):
        found = _tried(lambda touch=touch: until(touch), vendors, begun)
        if found is None:
            yield from asked
            return
        yield found
    raise AssertionError("The scenario does not end.")


def _now(what: str, tenant: Tenant, vendors: Vendors) -> tuple[str, Rows, dict[str, Any]]:
    with scope.tenant(tenant.id):
        return what, _rows(tenant), _state(vendors)


def _tried(what: Callable[[], T], vendors: Vendors, begun: dict[str, Any]) -> T:
    """Do something, return what comes of it, and take it all back."""
    with transaction.atomic():
        try:
            return what()
        finally:
            transaction.set_rollback(True)
            _set(vendors, begun)


def _kill_at(vendors: Vendors, touch: int) -> list[str]:
    """Let the worker be killed at the nth word with any vendor (0: never); return what it was."""
    said: list[str] = []
    words: list[str] = []

    def counted(when: str, name: str) -> Callable[[str, str], None]:
        def count(action: str, target: str) -> None:
            said.append(f"{when} {action} of {target} at {name}")
            if len(said) >= touch:
                words[:] = words or [said[touch - 1]]
                raise Killed(words[0])

        return count

    for name, vendor in vendors.items():
        vendor.on_read = counted("before reading", name) if touch else None
        vendor.on_call = counted("before", name) if touch else None
        vendor.after_call = counted("after", name) if touch else None
    return words


def carry_on(
    tenant: Tenant, vendors: Vendors, on_asking: Callable[[str], None] = lambda what: None
) -> dict[str, Any]:
    """Let everything go on that may, with everybody saying yes; return how it ended."""
    for _ in range(_ROUNDS):
        for kind in _KINDS:
            make_due(kind)
        drain(_KINDS)
        if not _approve_one(tenant, on_asking):
            with scope.tenant(tenant.id):
                if not Run.objects.filter(finished_at=None).exists():
                    break
    return outcome(tenant, vendors)


def _approve_one(tenant: Tenant, on_asking: Callable[[str], None]) -> bool:
    with scope.tenant(tenant.id):
        waiting = Approval.objects.filter(decision="pending").select_related("plan")
        ladder = sorted(waiting, key=lambda row: (str(row.plan_id), list(_PEOPLE).index(row.tier)))
        if not ladder:
            return False
        row = ladder[0]
    on_asking(f"awaiting the {row.tier} for “{row.plan.document['playbook']['title']}”")
    with scope.tenant(tenant.id):
        approvals.decide(
            row.id, approve=True, actor=_PEOPLE[row.tier], sha256=row.plan.sha256,
            comment="Agreed by telephone.",
        )  # fmt: skip
    return True


def outcome(tenant: Tenant, vendors: Vendors) -> dict[str, Any]:
    """Return how plans, steps and case stand, and what the vendors have done."""
    with scope.tenant(tenant.id):
        plans = [
            {
                "title": plan.document["playbook"]["title"],
                "sha256": plan.sha256,
                "status": plan.status,
                "run": plan.run.status,
                "steps": {step.key: step.status for step in plan.run.steps.order_by("position")},
            }
            for plan in Plan.objects.select_related("run").order_by("created_at", "id")
        ]
        case = Case.objects.get()
        done = {name: sorted(map(list, vendor.done)) for name, vendor in vendors.items()}
        return {"plans": plans, "case": case.status, "done": done}


def restore(history: Mapping[str, Any], moment: Mapping[str, Any], vendors: Vendors) -> Tenant:
    """Put a moment's rows into the database, as if it were now; return the tenant."""
    rows = {_key(row): row for row in history["base"]} | {_key(row): row for row in moment["rows"]}
    text = json.dumps([rows[key] for key in rows if key not in moment["gone"]])
    for row in history["base"]:
        if row["model"] == "integrations.connection":
            # Clients are kept by the connection's id: this one is of this test.
            text = text.replace(row["pk"], str(uuid.uuid4()))
    since = timezone.now() - dt.datetime.fromisoformat(history["recorded_at"])
    tenant_id = uuid.UUID(history["tenant"])
    with scope.tenant(tenant_id):
        for found in serializers.deserialize("json", text, ignorenonexistent=True):
            _move(found.object, since)
            found.object.save_base(raw=True, force_insert=True)
    _set(vendors, moment["vendors"])
    return Tenant.objects.get(id=tenant_id)


def _move(row: models.Model, since: dt.timedelta) -> None:
    """Let as much time have passed at the moment as had when it was recorded."""
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if isinstance(value, dt.datetime):
            setattr(row, field.attname, value + since)
    if isinstance(row, Work):
        # Its worker was killed, and the lease has run out since.
        row.leased_by, row.leased_until = "", None


def _rows(tenant: Tenant) -> Rows:
    found: list[dict[str, Any]] = []
    for model in _MODELS:
        rows = model._default_manager.order_by("pk")
        if model is Tenant:
            rows = rows.filter(pk=tenant.pk)
        elif model is Work:
            rows = rows.filter(tenant=tenant)
        found += json.loads(serializers.serialize("json", rows))
    for row in found:
        # What is secret stays here; a plan that needs a secret makes one.
        row["fields"].pop("secret", None)
    return {_key(row): row for row in found}


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['model']} {row['pk']}"


def _changed(base: Rows, rows: Rows) -> list[dict[str, Any]]:
    return [row for key, row in rows.items() if base.get(key) != row]


def _shape(rows: Rows, state: dict[str, Any]) -> str:
    """Tell moments apart by what was decided, written down and done, not by when it was."""
    told = [
        [key, *(row["fields"].get(name) for name in ("status", "decision", "calls", "snapshot"))]
        for key, row in sorted(rows.items())
    ]
    return json.dumps([told, state])


def _state(vendors: Vendors) -> dict[str, Any]:
    return {name: [list(one) for one in vendor.done] for name, vendor in vendors.items()}


def _set(vendors: Vendors, state: Mapping[str, Any]) -> None:
    for name, vendor in vendors.items():
        vendor.done[:] = [(action, target) for action, target in state[name]]
        vendor.calls.clear()


def is_whole(plan: Plan) -> bool:
    """Whether a plan is still what people approved, byte for byte."""
    return plan_sha256(plan.document) == plan.sha256
