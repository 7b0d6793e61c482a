"""What a technician changes from the console; every change stands in the client's ledger."""

import datetime as dt
import logging
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from msp.console.errors import ConsoleError
from msp.staff.access import writing
from msp.staff.models import Technician
from msp.staff.selectors import readable, tenants_of
from playbooks import approvals, regrouping, rollback, routine_inputs, routines
from playbooks.adoption import activation, agreement, spreading
from playbooks.ladder import client_links, reminders
from playbooks.models import Approval, ClientLink, MspRules, Plan, RulesOfEngagement
from playbooks.plans.standing import OPEN_PLANS
from playbooks.policy import rules
from playbooks.replanning import replanning, shadow
from playbooks.running import settling, undo_choices
from tenants import contacts, ledger, match_decisions, scope, work
from tenants.models import (
    Account,
    Case,
    CaseChange,
    Contact,
    Installation,
    MatchDecision,
    MatchDoubt,
    Tenant,
    Verdict,
)

_log = logging.getLogger(__name__)
NOT_EVERY_CLIENT = "You don't see every client: ask an administrator who does."


def actor_of(technician: Technician) -> str:
    """Return how a technician is named in the ledger."""
    return f"technician:{technician.username}"


def decide(
    approval: Approval, *, actor: Technician, approve: bool, sha256: str, comment: str
) -> None:
    """Record the technician's decision on the plan with this hash; ApprovalError if it can't be.

    ConsoleError for a rejection without a reason.
    """
    if not (approve or comment.strip()):
        raise ConsoleError("Say why you reject it: the reason is kept in the ledger.")
    with writing(actor, approval.tenant_id):
        replanning.before_deciding(approval.id)
    with writing(actor, approval.tenant_id):
        approvals.decide(
            approval.id,
            approve=approve,
            actor=actor_of(actor),
            sha256=sha256,
            comment=comment,
        )


def make_client_link(
    approval: Approval, contact: Contact, *, actor: Technician, send: bool
) -> ClientLink:
    """Make a link by which a client's contact decides; ApprovalError where it can't be."""
    with writing(actor, approval.tenant_id):
        return client_links.create(approval.id, contact, actor=actor_of(actor), send=send)


def roll_back(
    plan: Plan, *, actor: Technician, chosen: Collection[str], everything: bool = False
) -> Plan:
    """Ask for the undoing of the chosen steps of a plan, or of all that can be undone of it.

    PlaybookError where nothing can be undone.
    """
    with writing(actor, plan.tenant_id):
        if everything:
            chosen = undo_choices.everything(plan)
        return rollback.request(plan.id, actor=actor_of(actor), chosen=chosen)


def open_again(plan: Plan, *, actor: Technician) -> Plan:
    """Ask that the owner of the account that a plan blocked may sign in again.

    PlaybookError where that can't be.
    """
    with writing(actor, plan.tenant_id):
        return rollback.open_again(plan.id, actor=actor_of(actor))


def stop_plan(plan: Plan, *, actor: Technician) -> None:
    """Let nothing begin any more of a plan; PlaybookError where it has ended."""
    with writing(actor, plan.tenant_id):
        rollback.stop(plan.id, actor=actor_of(actor))


def tell_step(plan: Plan, step_key: str, *, actor: Technician, was_done: bool, note: str) -> None:
    """Keep what a technician saw at the vendor of a step that nobody knows the outcome of.

    PlaybookError where nobody is asked, or the note is empty.
    """
    with writing(actor, plan.tenant_id):
        settling.tell(plan.id, step_key, was_done=was_done, note=note, actor=actor_of(actor))


def carry_out(plan: Plan, *, actor: Technician) -> Plan:
    """Have a shadow plan carried out; PlaybookError where it can't be."""
    with writing(actor, plan.tenant_id):
        return shadow.carry_out(plan.id, actor=actor_of(actor))


def ask_again(plan: Plan, *, actor: Technician) -> Plan:
    """Ask once more for what a rejected or expired plan was for; PlaybookError: why it can't be."""
    with writing(actor, plan.tenant_id):
        return replanning.ask_again(plan.id, actor=actor_of(actor))


def take_case(case: Case, *, actor: Technician) -> None:
    """Make the technician responsible for the case, and note when somebody first looked."""
    with writing(actor, case.tenant_id):
        row = Case.objects.select_for_update().get(id=case.id)
        row.assignee = actor.username
        row.acknowledged_at = row.acknowledged_at or timezone.now()
        row.save(update_fields=["assignee", "acknowledged_at"])
        ledger.append(
            "case.taken", actor=actor_of(actor), case_id=row.id, subject=str(row), body={}
        )


def close_case(case: Case, *, actor: Technician, verdict: str, note: str) -> None:
    """Close a case that needs a technician, with their verdict and what they did.

    A routine has no verdict. ConsoleError where the verdict is none of ours, the note is empty,
    the case is closed, or a plan still waits for somebody.
    """
    if case.kind == Case.Kind.ROUTINE:
        verdict = ""
    elif verdict not in Verdict.values:
        raise ConsoleError("Choose a verdict.")
    if not note.strip():
        raise ConsoleError("Say in the note what you found and did: the client may ask.")
    with writing(actor, case.tenant_id):
        row = Case.objects.select_for_update().get(id=case.id)
        if row.status != Case.Status.NEEDS_TECHNICIAN:
            raise ConsoleError("Only a case that needs a technician can be closed by hand.")
        if Plan.objects.filter(case=row, status__in=OPEN_PLANS).exists():
            raise ConsoleError(
                "A plan of this case waits for approval or is being carried out: approve or "
                "reject it, or let it end."
            )
        row.status = Case.Status.CLOSED
        row.verdict = verdict
        row.needs = ""
        row.assignee = actor.username
        row.closed_at = timezone.now()
        # Nothing was read back for what a person did by hand.
        row.closed_with_proof = False
        row.closing_note = note.strip()
        row.save()
        ledger.append(
            "case.closed",
            actor=actor_of(actor),
            case_id=row.id,
            subject=str(row),
            body={"with_proof": False, "verdict": verdict, "note": row.closing_note},
        )
        work.schedule("quality", row.id)
        agreement.case_closed(row, verdict=verdict, actor=actor_of(actor))


def merge_cases(case: Case, number: str, *, actor: Technician, reason: str) -> Case:
    """Make a case and the client's other one with this number one; return the one that goes on.

    ConsoleError where there is no such case, CaseError where the two can't be merged.
    """
    with writing(actor, case.tenant_id):
        other = Case.objects.filter(number=int(number)).first() if number.isdecimal() else None
        if other is None:
            raise ConsoleError("Give the number of another case of this client.")
        return regrouping.merge(case.id, other.id, actor=actor_of(actor), reason=reason).case


def split_case(
    case: Case, findings: Collection[uuid.UUID], *, actor: Technician, reason: str
) -> Case:
    """Make findings of a case a case of their own; return it. CaseError where it can't be."""
    with writing(actor, case.tenant_id):
        return regrouping.split(case.id, findings, actor=actor_of(actor), reason=reason).other


def undo_change(change: CaseChange, *, actor: Technician, reason: str) -> None:
    """Put back what a merge or split changed; CaseError where it can't be."""
    with writing(actor, change.tenant_id):
        regrouping.undo(change.id, actor=actor_of(actor), reason=reason)


def set_tenant_stopped(
    tenant: Tenant, *, actor: Technician, stopped: bool, reason: str = ""
) -> None:
    """Turn one client's kill switch: no step begins while it is on."""
    with writing(actor, tenant.id):
        row = Tenant.objects.select_for_update().get(id=tenant.id)
        if row.actions_stopped == stopped:
            return
        row.actions_stopped = stopped
        row.save(update_fields=["actions_stopped"])
        ledger.append(
            f"tenant.actions_{'stopped' if stopped else 'started'}",
            actor=actor_of(actor),
            subject=row.name,
            body={"reason": reason},
        )


@transaction.atomic
def set_everything_stopped(*, actor: Technician, stopped: bool, reason: str = "") -> None:
    """Turn the kill switch of the whole installation; it stands in every client's ledger.

    ConsoleError for a technician who doesn't see every client.
    """
    if not actor.sees_all_tenants:
        raise ConsoleError(NOT_EVERY_CLIENT)
    row, _ = Installation.objects.get_or_create(id=1)
    row = Installation.objects.select_for_update().get(id=row.id)
    if row.actions_stopped == stopped:
        return
    row.actions_stopped = stopped
    row.save(update_fields=["actions_stopped"])
    for tenant_id in _all_tenant_ids():
        with scope.tenant(tenant_id):
            ledger.append(
                f"installation.actions_{'stopped' if stopped else 'started'}",
                actor=actor_of(actor),
                subject=row.msp_name,
                body={"reason": reason},
            )
    _log.warning(
        "actions of all clients %s by %s", "stopped" if stopped else "started", actor.username
    )


def start_routine(
    tenant: Tenant,
    playbook_id: str,
    *,
    actor: Technician,
    account: Account | None,
    inputs: Mapping[str, Any],
    at: dt.datetime | None,
    once: str,
) -> Case:
    """Start a routine for a client, now or `at` a time; PlaybookError says what is missing.

    `once` names this one wish: a form that is sent twice starts one routine.
    """
    with writing(actor, tenant.id):
        return routines.start(
            playbook_id, actor=actor_of(actor), account=account, inputs=inputs, at=at, once=once
        )


def set_routine_defaults(
    tenant: Tenant, playbook_id: str, *, actor: Technician, inputs: Mapping[str, Any]
) -> None:
    """Make inputs what a client's routine is given where its starter says nothing else.

    PlaybookError where one of them is none of the routine's.
    """
    with writing(actor, tenant.id):
        playbook = activation.in_force(playbook_id).playbook
        routine_inputs.set_defaults(playbook, inputs, actor=actor_of(actor))


def cancel_routine(case: Case, *, actor: Technician, reason: str) -> Case:
    """End a routine that has not begun; PlaybookError where it has, or no reason is given."""
    with writing(actor, case.tenant_id):
        return routines.cancel(case.id, actor=actor_of(actor), reason=reason)


def promote_playbook(tenant: Tenant, playbook_id: str, *, actor: Technician) -> str:
    """Let a playbook go one step further at a client; return its mode. PlaybookError: why not."""
    with writing(actor, tenant.id):
        return agreement.promote(playbook_id, actor=actor_of(actor)).mode


def lower_playbook(tenant: Tenant, playbook_id: str, *, actor: Technician, reason: str) -> str:
    """Let a playbook go one step less far at a client; return its mode. PlaybookError: why not."""
    with writing(actor, tenant.id):
        reason = reason.strip() or "by hand"
        return agreement.lower(playbook_id, actor=actor_of(actor), reason=reason).mode


def spread_playbook(
    playbook_id: str,
    source: Tenant,
    tenants: Collection[Tenant],
    *,
    actor: Technician,
    seen: str,
    reason: str = "",
) -> list[Tenant]:
    """Let what a client has of a playbook hold for others; return those where that changed it.

    `seen`: the version's hash and the mode that the technician saw, with a space between. `reason`:
    why it may go further than practice there has shown.
    PlaybookError where the client has another one now, or it may not hold for one of the others.
    """
    with scope.reading(readable(actor)):
        spreading_now = spreading.preview(playbook_id, source, list(tenants_of(actor)))
        if seen != f"{spreading_now.held.version_sha256} {spreading_now.held.mode}":
            raise ConsoleError(f"{source.name} has something else by now: look at it again.")
        return spreading.spread(spreading_now, tenants, actor=actor_of(actor), reason=reason)


def save_rules(
    tenant: Tenant, document: Mapping[str, Any], *, actor: Technician, after: int
) -> RulesOfEngagement:
    """Put a client's own rules of engagement in force, made from the version `after`.

    PlaybookError says why they can't be kept.
    """
    with writing(actor, tenant.id):
        return rules.save(document, actor=actor_of(actor), after=after)


@transaction.atomic
def save_msp_rules(document: Mapping[str, Any], *, actor: Technician, after: int) -> MspRules:
    """Put the MSP-wide rules of engagement in force; it stands in every client's ledger.

    ConsoleError for a technician who doesn't see every client, PlaybookError where the rules
    can't be kept.
    """
    if not actor.sees_all_tenants:
        raise ConsoleError(NOT_EVERY_CLIENT)
    return rules.save_msp_wide(document, actor=actor_of(actor), after=after)


def add_contact(
    tenant: Tenant, *, actor: Technician, name: str, email: str, can_approve: bool
) -> Contact:
    """Name a person at the client who may be asked; ContactError says what can't be kept."""
    with writing(actor, tenant.id):
        contact = contacts.add(
            name=name, email=email, can_approve=can_approve, actor=actor_of(actor)
        )
        reminders.contact_changed(contact, actor=actor_of(actor))
        return contact


def change_contact(
    contact: Contact, *, actor: Technician, name: str, email: str, can_approve: bool
) -> Contact:
    """Change what is known of a contact; ContactError says what can't be kept."""
    with writing(actor, contact.tenant_id):
        row = contacts.change(
            contact.id, name=name, email=email, can_approve=can_approve, actor=actor_of(actor)
        )
        reminders.contact_changed(row, actor=actor_of(actor))
        return row


def set_contact_active(contact: Contact, *, actor: Technician, is_active: bool) -> Contact:
    """Ask a contact no more, or again."""
    with writing(actor, contact.tenant_id):
        row = contacts.set_active(contact.id, is_active=is_active, actor=actor_of(actor))
        reminders.contact_changed(row, actor=actor_of(actor))
        return row


def move_contact(contact: Contact, *, actor: Technician, is_earlier: bool) -> None:
    """Have a contact asked one place earlier or later; ContactError for one who isn't asked."""
    with writing(actor, contact.tenant_id):
        contacts.move(contact.id, is_earlier=is_earlier, actor=actor_of(actor))


def decide_match(
    doubt: MatchDoubt, *, actor: Technician, is_same: bool, comment: str, seen: tuple[str, ...]
) -> MatchDecision:
    """Join two people or keep them apart; MatchError where it can't be decided so."""
    with writing(actor, doubt.tenant_id):
        return match_decisions.decide(
            doubt.id, is_same=is_same, actor=actor_of(actor), comment=comment, seen=seen
        )


def part_accounts(
    first: Account, second_id: uuid.UUID, *, actor: Technician, comment: str
) -> MatchDecision:
    """Part two accounts that were joined wrongly; MatchError says why they can't be."""
    with writing(actor, first.tenant_id):
        return match_decisions.part(first.id, second_id, actor=actor_of(actor), comment=comment)


def revert_match(decision: MatchDecision, *, actor: Technician) -> MatchDecision:
    """Take a decision on a match back; MatchError where it was already."""
    with writing(actor, decision.tenant_id):
        return match_decisions.revert(decision.id, actor=actor_of(actor))


def _all_tenant_ids() -> list[uuid.UUID]:
    return list(Tenant.objects.values_list("id", flat=True))
