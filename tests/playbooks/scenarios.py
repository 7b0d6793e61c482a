"""Plans of every kind, set up as the engine itself would; their histories are kept (`history`)."""

from typing import Any

from django.utils import timezone

from playbooks import language, library, planner, response, rollback, routines
from playbooks.adoption import activation, importing
from playbooks.adoption.versions import remember
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan
from playbooks.policy import rules
from tenants import evidence
from tenants.models import Account, Case, Tenant
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.history import SetUp
from tests.playbooks.samples import response_text
from tests.playbooks.vendor import connect

_FREE: dict[str, Any] = {"version": 1, "default": "automatic", "rules": []}
_METHODS = [
    {"external_id": f"m-{n}", "name": f"+4{n} …", "is_recent": True, "is_removable": True}
    for n in range(3)
]
_LOCK_OUT = """\
id: lock-out
version: "1"
kind: routine
title: Lock out
summary: We blocked the account.
inputs:
  end_sessions: {type: boolean, title: Sign out everywhere, default: true}
  ticket: {type: string, title: Number of the ticket, required: true}
steps:
  - id: disable
    uses: identity.disable_sign_in
    target: account
    why: Asked for in ${ inputs.ticket }.
  - id: sessions
    uses: identity.revoke_sessions
    target: account
    when: inputs.end_sessions
    needs: [disable]
tests:
  - name: one
    change: {inputs: {ticket: T1}, verdict: {confidence: low}}
    expect: {tier: technician}
"""
_STOPS = """\
  - id: disable
    uses: identity.disable_sign_in
    target: account
  - id: sessions
    uses: identity.revoke_sessions
    target: account
    needs: [disable]
    on_failure: roll_back
    timeout: 15m
"""


def _case(tenant: Tenant, policy: dict[str, Any], **account: Any) -> Case:
    for name in ("microsoft365", "active_directory"):
        connect(name)
    case = make_case(make_account(**account))
    give_evidence(case)
    rules.save({**_FREE, **policy}, actor="technician:ann")
    return case


def _adopt(case: Case, playbook: language.Playbook, **facts: Any) -> Plan:
    told = {**case_facts.of_case(case), **facts}
    document = planner.plan(playbook, told, rules.in_force())
    plan = response.adopt(case, document, told, remember(playbook).sha256, 1)
    response.set_status(case)
    return plan


def each_method_with_a_canary(tenant: Tenant) -> None:
    """A list of targets, of which the first goes alone, and one step without a condition."""
    case = _case(tenant, {"canary_above": 1})
    evidence.record(
        case, gatherer="identity.list_auth_methods", question="methods", asked_of="test",
        asked_at=timezone.now(), answer={"step": "methods", "facts": {"methods": _METHODS}},
        is_available=True, summary="",
    )  # fmt: skip
    _adopt(case, library.get("contain-cloud-account"))


def hybrid_account(tenant: Tenant) -> None:
    """Active Directory first, then the cloud, with a technician's consent for some of it."""
    synced = {
        "id": "synced", "title": "Synced accounts", "tier": "technician",
        "when": "target.is_synced", "actions": ["identity.disable_sign_in"],
    }  # fmt: skip
    told = {"source_of_authority": "active_directory", "on_premises_sid": "S-1-5-21-7"}
    case = _case(tenant, {"rules": [synced]}, **told)
    Account.objects.create(
        provider="active_directory", external_id="guid-of-priya", username="priya",
        on_premises_sid="S-1-5-21-7", is_enabled=True, source_of_authority="active_directory",
    )  # fmt: skip
    _adopt(Case.objects.get(id=case.id), library.get("contain-hybrid-account"))


def two_technicians(tenant: Tenant) -> None:
    """One step needs two people, one nobody, and one is forbidden."""
    tiers = {
        "identity.disable_sign_in": "second_technician", "identity.reset_password": "forbidden",
    }  # fmt: skip
    case = _case(tenant, {"rules": [_rule(action, tier) for action, tier in tiers.items()]})
    _adopt(case, library.get("contain-cloud-account"))


def a_client_is_asked(tenant: Tenant) -> None:
    """The client decides on one step, a technician on another."""
    tiers = {"identity.disable_sign_in": "client", "identity.revoke_sessions": "technician"}
    case = _case(tenant, {"rules": [_rule(action, tier) for action, tier in tiers.items()]})
    _adopt(case, language.load(response_text(_STOPS), "sample.yaml"))


def _rule(action: str, tier: str) -> dict[str, Any]:
    return {"id": action, "title": action, "tier": tier, "actions": [action]}


def a_routine(tenant: Tenant) -> None:
    """Work that no alert asked for, with what a person entered."""
    for name in ("microsoft365", "active_directory"):
        connect(name)
    rules.save({**_FREE, "default": "technician"}, actor="technician:ann")
    version = importing.keep(importing.check(_LOCK_OUT, "lock-out.yaml"))
    activation.activate(version, "automatic", actor="technician:ann")
    routines.start(
        "lock-out", actor="operator:ann", account=make_account(), inputs={"ticket": "T-4711"}
    )
    drain(["routine"])


def an_undoing(tenant: Tenant) -> None:
    """What was done is put back: a plan of its own, which a technician allows."""
    case = _case(tenant, {})
    plan = _adopt(case, language.load(response_text(_STOPS), "sample.yaml"))
    for _ in range(3):
        make_due("run")
        drain(["run"])
    rollback.request(plan.id, actor="technician:eve")


SCENARIOS: dict[str, SetUp] = {
    made.__name__: made
    for made in (
        each_method_with_a_canary, hybrid_account, two_technicians, a_client_is_asked, a_routine,
        an_undoing,
    )
}  # fmt: skip
