"""What keeps a step from beginning stands in the queue, once, until it goes on by itself."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from integrations.errors import Unavailable
from msp.staff.models import Role
from playbooks import approvals
from playbooks.models import Approval, Plan, Step
from playbooks.policy import rules
from tenants import scope
from tenants.models import Case, LedgerEntry, Tenant
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.samples import DISABLE
from tests.playbooks.test_runner import TWO, adopt
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
FREE: dict[str, Any] = {"version": 1, "default": "automatic", "rules": []}
FROZEN = {"title": "Year-end", "from": "2020-01-01", "to": "2199-12-31"}
TRIES = "It goes on trying."


@pytest.fixture
def cloud(monkeypatch) -> Iterator[Vendor]:
    with vendors(monkeypatch, "microsoft365") as made:
        yield made["microsoft365"]


@pytest.fixture
def case(tenant: Tenant, cloud) -> Case:
    with scope.tenant(tenant.id):
        connect("microsoft365")
        made = make_case(make_account())
        give_evidence(made)
        rules.save(FREE, actor="test")
    return made


def allow(tenant: Tenant, **policy: Any) -> None:
    with scope.tenant(tenant.id):
        rules.save({**FREE, **policy}, actor="test")


def wait(tenant: Tenant, **waited: float) -> None:
    """Look at the run again as if it had been held for so long."""
    with scope.tenant(tenant.id):
        since = timezone.now() - dt.timedelta(**waited)
        Step.objects.exclude(held_since=None).update(held_since=since)
    make_due("run")
    drain(["run", "close"])


def queue(browser) -> str:
    return browser(Role.VIEWER).get("/admin/queue/").content.decode()


def told(tenant: Tenant) -> list[LedgerEntry]:
    with scope.tenant(tenant.id):
        return list(LedgerEntry.objects.filter(kind="step.held"))


@pytest.mark.parametrize(
    ("policy", "why"),
    [({"budgets": {"*": 0}}, "is used up"), ({"freezes": [FROZEN]}, "“Year-end”")],
    ids=["budget", "freeze"],
)
def test_a_spent_budget_and_a_freeze_are_told_at_once(browser, tenant, case, policy, why) -> None:
    allow(tenant, **policy)
    adopt(case, DISABLE)
    drain(["run"])
    page = queue(browser)
    assert case.title in page
    assert why in page
    assert TRIES in page
    for minutes in (20, 40):
        wait(tenant, minutes=minutes)
    [entry] = told(tenant)
    assert why in entry.body["why"][0]
    allow(tenant)
    wait(tenant, minutes=60)
    assert "Nothing needs you now." in queue(browser)
    with scope.tenant(tenant.id):
        assert Case.objects.get().status == Case.Status.CLOSED


def test_a_vendor_that_is_down_is_told_when_it_lasts(browser, tenant, case, cloud) -> None:
    def down(action: str, target: str) -> None:
        raise Unavailable("Microsoft 365 answered 503.")

    cloud.on_read = down
    plan = adopt(case, DISABLE)
    drain(["run"])
    wait(tenant, minutes=14)
    assert "Nothing needs you now." in queue(browser)
    assert told(tenant) == []
    page = browser(Role.VIEWER).get(f"/admin/plans/{plan.id}/").content.decode()
    assert "Waits since" in page
    wait(tenant, minutes=15)
    page = queue(browser)
    assert (
        "“Disable sign-in” for priya.shah@acme.example waits: Microsoft 365 answered 503." in page
    )
    assert len(told(tenant)) == 1
    cloud.on_read = None
    wait(tenant, minutes=16)
    assert "Nothing needs you now." in queue(browser)


def test_many_steps_that_wait_for_one_reason_are_told_once(browser, tenant, case) -> None:
    allow(tenant, budgets={"*": 0})
    adopt(case, TWO.format(first="", second="on_failure: continue"))
    drain(["run"])
    [entry] = told(tenant)
    assert sorted(entry.body["steps"]) == ["disable", "sessions"]


def test_what_is_held_stays_told_while_others_are_decided_on(browser, tenant, case) -> None:
    tier = {"id": "r", "title": "R", "actions": ["identity.revoke_sessions"], "tier": "technician"}
    allow(tenant, rules=[tier], budgets={"identity.disable_sign_in": 0})
    adopt(case, TWO.format(first="", second=""))
    with scope.tenant(tenant.id):
        Case.objects.update(status="awaiting_approval", needs="Approve or reject 1 plan.")
    drain(["run"])
    with scope.tenant(tenant.id):
        needs = Case.objects.get().needs
        assert "is used up" in needs
        assert needs.endswith("Approve or reject 1 plan.")
        approval = Approval.objects.get()
        sha256 = Plan.objects.get().sha256
        approvals.decide(approval.id, approve=True, actor="technician:ann", sha256=sha256)
    drain(["run"])
    assert "is used up" in queue(browser)
