"""A device that people excluded is never touched, whatever the rules say and whoever knows it."""

import datetime as dt

import pytest
from django.utils import timezone

from playbooks import rollback
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan
from tenants import excluded_devices, scope
from tenants.models import Case, Device
from tests.pipeline import drain
from tests.playbooks.test_guardrails import LIFTING
from tests.playbooks.test_runner import (  # noqa: F401
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
STEPS = """\
  - id: isolate
    uses: endpoint.isolate
    target: device
    on_failure: continue
  - id: kill
    uses: endpoint.kill_process
    target: {external_id: pid-7, name: evil.exe}
    on_failure: continue
  - id: other
    uses: endpoint.scan
    target: {external_id: m-2, name: PC-2}
"""


@pytest.fixture
def attacked(case: Case) -> Case:  # noqa: F811
    """A case about a computer."""
    with scope.tenant(case.tenant_id):
        Case.objects.filter(id=case.id).update(account=None, entities=["device:xray-01"])
        for external_id, name in (("m-1", "XRAY-01.acme.example"), ("m-2", "PC-2")):
            Device.objects.create(provider="microsoft365", external_id=external_id, hostname=name)
        return Case.objects.get(id=case.id)


def _exclude(case: Case, **more) -> None:  # noqa: F811
    with scope.tenant(case.tenant_id):
        for row in excluded_devices.find("xray-01"):
            excluded_devices.exclude(row, actor=ANN, reason="A patient is on it.", **more)


@pytest.mark.parametrize("policy", LIFTING, ids=["default", "rules", "by name", "overrides"])
def test_no_rule_lets_an_action_touch_it(attacked, cloud, policy) -> None:  # noqa: F811
    set_rules(attacked.tenant_id, **policy)
    _exclude(attacked)
    plan = adopt(attacked, STEPS)
    tiers = {step["id"]: (step["tier"], step["tier_rule"]["id"]) for step in plan.document["steps"]}
    assert tiers["isolate"] == tiers["kill"] == ("forbidden", "guardrail.protected")
    assert "Excluded device" in plan.document["steps"][0]["tier_rule"]["title"]
    drain(["run"])
    assert {target for _, target in cloud.calls} <= {"m-2"}


@pytest.mark.parametrize("known_by", ["this connector", "another connector"])
def test_nor_where_it_was_excluded_after_the_plan(attacked, cloud, known_by) -> None:  # noqa: F811
    plan = adopt(attacked, STEPS)
    _exclude(attacked)
    if known_by == "another connector":
        with scope.tenant(attacked.tenant_id):
            Device.objects.filter(external_id="m-1").update(is_excluded=False)
            Device.objects.create(
                provider="active_directory", external_id="guid", hostname="xray-01",
                is_excluded=True,
            )  # fmt: skip
    drain(["run"])
    newest = _newest(plan)
    assert {step.status for key, step in steps_of(newest).items() if key != "other"} <= {
        "failed", "forbidden",
    }  # fmt: skip
    assert {target for _, target in cloud.calls} <= {"m-2"}


def test_it_is_not_undone_there_either(attacked, cloud) -> None:  # noqa: F811
    plan = adopt(attacked, STEPS)
    drain(["run"])
    _exclude(attacked)
    with scope.tenant(attacked.tenant_id):
        undoing = rollback.request(plan.id, actor=ANN, chosen={"isolate"})
    assert [step["tier"] for step in undoing.document["steps"]] == ["forbidden"]


def test_an_exclusion_that_has_ended_counts_no_more(attacked, cloud) -> None:  # noqa: F811
    _exclude(attacked, until=timezone.now() + dt.timedelta(hours=1))
    with scope.tenant(attacked.tenant_id):
        assert case_facts.of_case(attacked)["device"]["is_protected"]
        Device.objects.update(excluded_until=timezone.now() - dt.timedelta(seconds=1))
    plan = adopt(attacked, STEPS)
    drain(["run"])
    assert {step.status for step in steps_of(plan).values()} == {"verified"}


def _newest(plan: Plan) -> Plan:
    with scope.tenant(plan.tenant_id):
        return Plan.objects.filter(case=plan.case_id).latest("created_at")
