"""Workers that stood still, and people who decide while a step begins: rows that commit."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connections as database

from integrations.errors import Rejected, Throttled
from msp.pipeline import STAGES
from playbooks import approvals
from playbooks.models import Approval, Step
from playbooks.policy import rules
from playbooks.running import stepping
from tenants import scope, work
from tenants.models import Case, Work
from tests.conftest import new_tenant
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.test_runner import TWO, adopt
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.usefixtures("committed_database")
_ONE = "  - id: disable\n    uses: identity.disable_sign_in\n    target: account\n"
_TIERS = (("identity.disable_sign_in", "technician"), ("identity.revoke_sessions", "client"))


@pytest.fixture
def cloud(monkeypatch) -> Iterator[Vendor]:
    with vendors(monkeypatch, "microsoft365") as made:
        yield made["microsoft365"]


def open_case(*tiers: tuple[str, str]) -> Case:
    """Open a case whose client has these rules and does all else by itself."""
    tenant = new_tenant("acme")
    own = [{"id": tier, "title": tier, "actions": [action], "tier": tier} for action, tier in tiers]
    with scope.tenant(tenant.id):
        connect("microsoft365")
        case = make_case(make_account())
        give_evidence(case)
        rules.save({"version": 1, "default": "automatic", "rules": own}, actor="test")
    return case


@pytest.mark.parametrize("error", [Rejected("too old"), Throttled("slow down", 1)], ids=type)
def test_a_worker_without_its_lease_writes_nothing(cloud, error) -> None:
    """It stood still until another took its run over; only then comes the answer to its call."""
    case = open_case()
    plan = adopt(case, _ONE)

    def taken_over(action: str, target: str) -> None:
        Work.objects.filter(kind="run").update(leased_by="another worker")
        database.close_all()
        raise error

    cloud.on_call = taken_over
    with pytest.raises(work.LeaseLost):
        work.perform(Work.objects.get(kind="run").id, STAGES)
    with scope.tenant(case.tenant_id):
        step = Step.objects.get(run__plan=plan)
        assert (step.status, step.calls) == ("intended", 1)


def test_a_no_while_a_step_begins_is_no_deadlock(cloud, monkeypatch) -> None:
    """The client says no at the moment in which a step that a technician allowed begins."""
    case = open_case(*_TIERS)
    plan = adopt(case, TWO.format(first="", second=""))
    with scope.tenant(case.tenant_id):
        asked = {row.tier: row for row in Approval.objects.filter(plan=plan)}
        _decide(asked["technician"], approve=True)
    begins, decides = threading.Event(), threading.Event()
    lock, drop = stepping._locked_to_call, approvals._drop_steps

    def begin(*told):
        begins.set()
        decides.wait(10)
        return lock(*told)

    def decide(*told):
        decides.set()
        return drop(*told)

    monkeypatch.setattr(stepping, "_locked_to_call", begin)
    monkeypatch.setattr(approvals, "_drop_steps", decide)
    failures: list[BaseException] = []

    def carry() -> None:
        try:
            work.perform(Work.objects.get(kind="run").id, STAGES)
        except BaseException as error:
            failures.append(error)
        finally:
            database.close_all()

    worker = threading.Thread(target=carry)
    worker.start()
    assert begins.wait(20)
    with scope.tenant(case.tenant_id):
        _decide(asked["client"], approve=False)
    worker.join(60)
    assert failures == []
    with scope.tenant(case.tenant_id):
        statuses = {step.key: step.status for step in Step.objects.filter(run__plan=plan)}
    assert statuses == {"disable": "verified", "sessions": "skipped"}


def _decide(approval: Approval, *, approve: bool) -> None:
    approvals.decide(
        approval.id, approve=approve, actor=f"technician:of {approval.tier}",
        sha256=approval.plan.sha256, comment="Agreed by telephone.",
    )  # fmt: skip
