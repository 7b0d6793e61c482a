"""A case split by mistake and put back: what was done stands, and nothing is asked for twice."""

import pytest

from playbooks import approvals, regrouping
from playbooks.cases import needs
from playbooks.models import Approval, Plan
from playbooks.plans.standing import OPEN_PLANS
from tenants import scope
from tenants.models import Case, Finding
from tests.pipeline import drain
from tests.playbooks.cases import CONTAIN, make_account
from tests.playbooks.test_regrouping import WHO
from tests.playbooks.test_runner import both, case, cloud, set_rules  # noqa: F401
from tests.playbooks.test_subjects import STAGES, _answer
from tests.playbooks.test_triage import _alert, _arrive
from tests.playbooks.vendor import Vendor

pytestmark = pytest.mark.django_db
TAMPERING = "undo-mailbox-tampering"
RULE = {"techniques": ("T1564.008",), "title": "Suspicious inbox rule"}


def _attacked(case: Case, cloud: Vendor) -> Case:  # noqa: F811
    """Have two alerts tell of one account's takeover, whose containment waits for somebody."""
    set_rules(case.tenant_id, default="technician")
    _answer(cloud, "investigate-account-takeover")
    with scope.tenant(case.tenant_id):
        make_account("ann@acme.example")
        _arrive(_alert("a", 0, "account:ann@acme.example", **RULE))
        _arrive(_alert("b", 0, "account:ann@acme.example", **RULE))
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        return Case.objects.get(findings__uid="a")


def _approve(attacked: Case, playbook: str) -> None:
    with scope.tenant(attacked.tenant_id):
        rows = Approval.objects.filter(
            plan__case=attacked, plan__playbook__playbook_id=playbook, decision="pending"
        )
        for one in rows.select_related("plan"):
            approvals.decide(one.id, approve=True, actor="technician:kim", sha256=one.plan.sha256)
    drain(STAGES)


def _open(attacked: Case) -> list[str]:
    rows = Plan.objects.filter(case=attacked, status__in=OPEN_PLANS)
    return sorted(rows.values_list("playbook__playbook_id", flat=True))


@pytest.mark.parametrize("contained", [True, False])
def test_a_split_undone_asks_for_nothing_twice(case, cloud, contained) -> None:  # noqa: F811
    attacked = _attacked(case, cloud)
    if contained:
        _approve(attacked, CONTAIN)
    with scope.tenant(case.tenant_id):
        before = _open(attacked)
        split = regrouping.split(attacked.id, [Finding.objects.get(uid="b").id], **WHO)
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        assert _open(split.other)
        regrouping.undo(split.id, **WHO)
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        attacked.refresh_from_db()
        assert _open(attacked) == before
        assert attacked.needs == needs.to_decide(len(before))
