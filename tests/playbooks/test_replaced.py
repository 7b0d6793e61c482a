"""Another organisation in the place of the one before: nothing of the one before is done there."""

import dataclasses
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from django.utils import timezone

from integrations import connections, registry, removing
from integrations.contract import Client, Organisation
from integrations.errors import OutcomeUnknown
from integrations.models import Connection
from playbooks import approvals, rollback, runner
from playbooks.errors import ApprovalError, PlaybookError
from playbooks.models import Approval, Plan
from playbooks.running import stopping
from playbooks.running.jobs import Job
from tenants import scope
from tenants.models import Account, Case, LedgerEntry, Work
from tests.pipeline import drain, make_due
from tests.playbooks.test_runner import (  # noqa: F401
    HYBRID,
    TWO,
    adopt,
    both,
    case,
    cloud,
    reread,
    set_rules,
    steps_of,
)

pytestmark = pytest.mark.django_db
ANN = "technician:ann"


@pytest.fixture(autouse=True)
def _whose(both, monkeypatch) -> Iterator[None]:  # noqa: F811
    """Let the vendors' connections say whose organisation they read."""
    own = Organisation(at=("client_id",))
    known = {n: dataclasses.replace(m, organisation=own) for n, m in registry.CONNECTORS.items()}
    with monkeypatch.context() as patch:
        patch.setattr(registry, "CONNECTORS", MappingProxyType(known))
        yield


def replace(case: Case, connector: str = "microsoft365") -> None:  # noqa: F811
    """Connect the client to another organisation of the vendor."""
    with scope.tenant(case.tenant_id):
        connections.change(
            Connection.objects.get(connector=connector).id,
            settings={"client_id": "app-of-another"},
            secrets={},
            expires_at=None,
            actor=ANN,
            replaces=True,
        )


def approve(plan: Plan) -> Any:
    with scope.tenant(plan.tenant_id):
        row = Approval.objects.get(plan=plan)
        return approvals.decide(row.id, approve=True, actor=ANN, sha256=plan.sha256)


def test_what_waits_is_withdrawn_and_its_case_says_so(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    replace(case)
    drain(["replan", "run", "close"])
    assert {step.status for step in steps_of(plan).values()} == {"skipped"}
    assert "another organisation" in steps_of(plan)["disable"].error
    told = reread(case)
    assert told.status == Case.Status.NEEDS_TECHNICIAN
    assert told.needs.startswith("Withdrawn: “Disable sign-in” for priya")
    assert "do it by hand there" in told.needs
    assert "Approve" not in told.needs
    with pytest.raises(ApprovalError):
        approve(plan)
    assert reread(plan).status not in ("awaiting_approval", "running")
    assert cloud.calls == []


def test_nothing_is_done_there_before_it_is_withdrawn(
    case,  # noqa: F811
    cloud,  # noqa: F811
    monkeypatch,
) -> None:
    """Judged a moment before, and the organisation is replaced before the vendor is asked."""
    plan = adopt(case, TWO.format(first="", second="needs: [disable]"))
    opened = runner.open_client

    def open_another(job: Job) -> Client:
        replace(case)
        return opened(job)

    monkeypatch.setattr(runner, "open_client", open_another)
    drain(["run"])
    assert cloud.calls == []
    assert steps_of(plan)["disable"].status == "failed"
    drain(["replan", "run", "close"])
    assert "another organisation" in reread(case).needs


def test_the_rest_of_a_plan_goes_on(case, both) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    with scope.tenant(case.tenant_id):
        Account.objects.update(source_of_authority="active_directory")
        Account.objects.create(
            provider="active_directory",
            external_id="guid-of-priya",
            username="priya",
            on_premises_sid="S-1-5-21-7",
            is_enabled=True,
        )
    plan = adopt(case, HYBRID)
    replace(case)
    drain(["replan", "run", "close"])
    open_plans = {step.key: step.status for step in steps_of(plan).values()}
    assert open_plans["in_cloud"] == "skipped"
    assert both["microsoft365"].calls == []


def test_what_is_with_the_vendor_is_not_known_any_more(case, cloud) -> None:  # noqa: F811
    def lose(action: str, target: str) -> None:
        raise OutcomeUnknown("the line was cut")

    cloud.on_call = lose
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    replace(case)
    asked = len(cloud.calls)
    make_due("run")
    drain(["run", "close"])
    assert {step.status for step in steps_of(plan).values()} == {"unknown"}
    assert "another organisation" in reread(case).needs
    assert len(cloud.calls) == asked


def test_what_was_done_is_neither_read_back_nor_undone_there(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run", "close"])
    assert reread(case).status == Case.Status.CLOSED
    replace(case)
    cloud.done.clear()
    make_due("recheck")
    drain(["recheck"])
    steps = steps_of(plan)
    assert {step.status for step in steps.values()} == {"verified"}
    assert steps["disable"].read_back["holds"] is True
    assert "another organisation" in steps["disable"].error
    assert reread(case).status == Case.Status.CLOSED
    with scope.tenant(case.tenant_id):
        assert LedgerEntry.objects.filter(kind="step.not_read_back_again").count() == 2
        assert not Work.objects.filter(kind="recheck", due_at__gt=timezone.now()).exists()
        with pytest.raises(PlaybookError, match="another organisation"):
            rollback.request(plan.id, actor=ANN)
    assert len(cloud.calls) == 2


def test_what_is_planned_later_for_what_was_there_before_is_not_done(case, cloud) -> None:  # noqa: F811
    replace(case)
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run", "close"])
    assert cloud.calls == []
    assert "another organisation" in reread(case).needs
    # What the new organisation tells of by the same id is its own.
    with scope.tenant(case.tenant_id):
        Account.objects.update(deleted_upstream_at=None)
        Case.objects.update(status="responding", needs="")
    again = adopt(case, TWO.format(first="", second=""))
    drain(["run", "close"])
    assert reread(again).status == Plan.Status.DONE
    assert reread(plan).id != again.id


def test_what_a_removed_connection_was_needed_for_is_withdrawn(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    with scope.tenant(case.tenant_id):
        row = Connection.objects.get(connector="microsoft365")
        stops = stopping.of(row)
        assert [one.id for one in stops.plans] == [plan.id]
        removing.remove(row.id, reason="The client left Microsoft.", actor=ANN)
    drain(["replan", "run", "close"])
    assert {step.status for step in steps_of(plan).values()} == {"skipped"}
    told = reread(case)
    assert told.status == Case.Status.NEEDS_TECHNICIAN
    assert "is connected no more since" in told.needs
    with pytest.raises(ApprovalError):
        approve(plan)
    assert cloud.calls == []


def test_what_was_done_through_a_removed_connection_is_undone_by_hand(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    with scope.tenant(case.tenant_id):
        row = Connection.objects.get(connector="microsoft365")
        assert {step.action for step in stopping.of(row).done} == {"identity.disable_sign_in"}
        removing.remove(row.id, reason="The client left Microsoft.", actor=ANN)
    with scope.tenant(case.tenant_id), pytest.raises(PlaybookError, match="connected no more"):
        rollback.request(plan.id, actor=ANN)
