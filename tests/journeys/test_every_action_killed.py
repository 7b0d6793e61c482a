"""Every action of every connector, its process killed at every transition that is kept.

A process carries a run of one step; it dies by SIGKILL right before or right after the commit of a
transition, and the next one takes over when the lease has run out. Then what the vendor holds is
as after one call, and the simulator's log has each effect once. All of them take minutes, and run
with `make chaos`; `make test` tries one for each way of reaching a vendor.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from bench import kill_points
from integrations import connections
from integrations.contract import Intention, Target
from integrations.values import device_entity
from playbooks import approvals, language, planner, response
from playbooks.adoption.versions import remember
from playbooks.cases.case_numbers import next_number
from playbooks.investigating import facts as case_facts
from playbooks.models import Approval, Run, Step
from playbooks.policy import rules
from playbooks.targeting import mailboxes
from tenants import scope
from tenants.models import Account, Case, Device, Tenant
from tests.integrations.conformance.conftest import SUBJECTS
from tests.integrations.conformance.driving import intend, observed
from tests.integrations.conformance.subject import ActionCase, Simulated, Subject, Vendor
from tests.journeys.processes import Processes

pytestmark = [pytest.mark.usefixtures("committed_database"), pytest.mark.process]

_ALWAYS = (
    ("crowdstrike", "endpoint.isolate"),
    ("microsoft365", "identity.reset_password"),
    ("imap", "email.quarantine_message"),
)
_CASES = [
    pytest.param(
        subject, case, id=f"{subject.manifest.id}-{case.action}",
        marks=[] if (subject.manifest.id, case.action) in _ALWAYS else [pytest.mark.chaos],
    )
    for subject in SUBJECTS
    for case in subject.actions
]  # fmt: skip
# Seen by signing in with the conformance suite's password; here it is one that nobody knows.
_BY_ITS_OWN_PASSWORD = ("active_directory", "identity.reset_password")
_OF_A_DEVICE = ("device", "process", "file")
_PLAYBOOK = """\
id: one-action
version: "1"
kind: response
title: One action
summary: What was done.
trigger: "true"
steps:
  - id: act
    uses: {action}
    target: {target}
    with: {inputs}
tests:
  - name: one
    expect: {{tier: technician}}
"""


@pytest.fixture
def processes(tmp_path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.close()


@pytest.mark.parametrize(("subject", "case"), _CASES)
def test_killed_at_every_transition_it_is_had_once(
    subject: Subject, case: ActionCase, make_tenant, processes, settings, tmp_path
) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with subject.running(tmp_path) as vendor:
        client = vendor.connect()
        intended = intend(vendor, client, case, case.target(vendor))
        client.close()
        before, effects = observed(vendor, case, intended.target), _effects(vendor)
        tenant = make_tenant("killed")
        run = _begun(tenant, vendor, case, intended)
        points = tmp_path / "points"
        kill_points.arm(points, kill_points.names([case.action]))
        while not _is_over(tenant, run):
            left = kill_points.left(points)
            kill_points.permit(points)
            processes.run_to_the_end("doomed", points, tenant.id, run.id)
            has_died = kill_points.left(points) != left
            assert has_died or _is_over(tenant, run), _told(tenant, processes)
        with scope.tenant(tenant.id):
            step = Step.objects.get(run=run)
        assert step.status == Step.Status.VERIFIED, _told(tenant, processes)
        assert kill_points.left(points) == []
        if (subject.manifest.id, case.action) != _BY_ITS_OWN_PASSWORD:
            assert observed(vendor, case, intended.target) != before
        if effects is not None:
            had = _effects(vendor) - effects
            assert had
            assert set(had.values()) == {1}, f"an effect was had twice: {had}"


def _begun(tenant: Tenant, vendor: Vendor, case: ActionCase, intended: Intention) -> Run:
    """A run of a plan with this one action, approved by whoever has to."""
    with scope.tenant(tenant.id):
        connections.create(
            connector=vendor.manifest.id, name="the vendor", settings=vendor.settings,
            secrets=vendor.secrets, actor="test",
        )  # fmt: skip
        opened = _case(vendor.manifest.id, intended.target)
        target = {
            "external_id": intended.target.external_id, "name": intended.target.name,
            "provider": vendor.manifest.id,
        }  # fmt: skip
        text = _PLAYBOOK.format(
            action=case.action, target=json.dumps(target), inputs=json.dumps(dict(intended.inputs))
        )
        playbook, facts, policy = (
            language.load(text, "one-action"), case_facts.of_case(opened), rules.in_force(),
        )  # fmt: skip
        document = planner.plan(playbook, facts, policy)
        plan = response.adopt(opened, document, facts, remember(playbook).sha256, policy.version)
        _approve(plan.sha256)
        return plan.run


def _case(provider: str, target: Target) -> Case:
    """A proven case about whom or what the action acts on."""
    account, entities = None, []
    if target.kind in _OF_A_DEVICE:
        own_id = target.parent_external_id or target.external_id
        Device.objects.create(provider=provider, external_id=own_id, hostname=target.name)
        entities.append(device_entity(provider, own_id))
    else:
        own_id = target.parent_external_id or target.external_id
        if target.kind == "message":
            own_id = mailboxes.named(target.external_id)
            entities.append(f"message:{target.external_id}")
        account = Account.objects.create(
            provider=provider, external_id=own_id, username=f"{target.name} of {own_id}"
        )
    now = timezone.now()
    return Case.objects.create(
        number=next_number(), title="One action", status=Case.Status.RESPONDING, account=account,
        verdict="true_positive",
        verdict_detail={"playbook": "investigate-ransomware", "confidence": "high"},
        entities=entities,
        opened_at=now, first_activity_at=now, last_activity_at=now,
    )  # fmt: skip


def _approve(sha256: str) -> None:
    """Let as many people say yes as it takes."""
    for name in ("ali", "kim", "sam"):
        asked = Approval.objects.filter(decision="pending").first()
        if asked is not None:
            approvals.decide(asked.id, approve=True, actor=f"technician:{name}", sha256=sha256)


def _is_over(tenant: Tenant, run: Run) -> bool:
    with scope.tenant(tenant.id):
        return Run.objects.get(id=run.id).finished_at is not None


def _effects(vendor: Vendor) -> Counter[str] | None:
    """What a simulator says was changed; None of a real server, which says nothing."""
    if not isinstance(vendor, Simulated):
        return None
    return Counter(
        json.dumps([one["kind"], one["target"]]) for one in vendor.served.control.effects()
    )


def _told(tenant: Tenant, processes: Processes) -> str:
    with scope.tenant(tenant.id):
        steps: list[Any] = list(Step.objects.values_list("status", "error", "calls"))
        notes = list(Run.objects.values_list("status", "note"))
    return f"{steps} {notes}\n{processes.log('doomed')[-3000:]}"
