"""Asking again: the client's contacts one after the other, technicians by a reminder.

What was done stands in the rows, so asking twice at once does nothing twice. The ledger says that
somebody was reminded when the mail is out, and why where nobody could be reached.
"""

import datetime as dt
import uuid
from typing import Any

from django.utils import timezone

from playbooks import approvals
from playbooks.ladder import client_links
from playbooks.models import Approval, ClientLink, Tier
from tenants import ledger, scope, work
from tenants.models import Contact

NOBODY_TO_ASK = "This client has no contact who may decide on this case: add one."


def remind(tenant_id: uuid.UUID, approval_id: uuid.UUID) -> None:
    """Invite, remind or go on to the next contact, as is due. Handler of work `remind`."""
    with scope.tenant(tenant_id):
        if not Approval.objects.filter(id=approval_id).exists():
            return
        approval = approvals.locked(approval_id)
        now = timezone.now()
        if approval.decision != Approval.Decision.PENDING or approval.expires_at <= now:
            return
        is_open_to_nobody = approval.tier == Tier.CLIENT and not client_links.waiting(approval)
        if is_open_to_nobody and _invite_next(approval) is None:
            not_reached(approval, NOBODY_TO_ASK)
        remind_at, escalate_at = _reminder_due(approval), _escalation_due(approval)
        if remind_at is not None and remind_at <= now:
            _remind(approval)
        if escalate_at is not None and escalate_at <= now:
            _escalate(approval)
        _schedule_next(approval)


def contact_changed(contact: Contact, *, actor: str) -> None:
    """Have what the scope's tenant is asked now follow a change of one of its contacts.

    Where nobody can answer any more by a link, the first in the order is asked at once.
    """
    client_links.contact_changed(contact, actor=actor)
    waiting = Approval.objects.filter(decision=Approval.Decision.PENDING, tier=Tier.CLIENT)
    for approval_id in waiting.values_list("id", flat=True):
        work.schedule("remind", approval_id)


def _reminder_due(approval: Approval) -> dt.datetime | None:
    hours = approvals.policy(approval.tier).remind_after_hours
    if not hours or approval.reminded_at is not None:
        return None
    return approval.requested_at + dt.timedelta(hours=hours)


def _escalation_due(approval: Approval) -> dt.datetime | None:
    """Return when the next person is asked; None where there is none, or none is wanted."""
    hours = approvals.policy(approval.tier).escalate_after_hours
    if not hours:
        return None
    if approval.tier == Tier.CLIENT:
        last = approval.escalated_at or approval.requested_at
        return last + dt.timedelta(hours=hours) if _next_contact(approval) else None
    if approval.escalated_at is not None:
        return None
    return approval.requested_at + dt.timedelta(hours=hours)


def _remind(approval: Approval) -> None:
    approval.reminded_at = timezone.now()
    approval.save(update_fields=["reminded_at"])
    if approval.tier != Tier.CLIENT:
        work.schedule("notify", approval.id)
        return
    for link in client_links.waiting(approval):
        # The same link again: what is in the person's mailbox already goes on to count.
        ClientLink.objects.filter(id=link.id).update(sent_at=None, send_error="")
        work.schedule("notify", link.id)


def _escalate(approval: Approval) -> None:
    approval.escalated_at = timezone.now()
    approval.save(update_fields=["escalated_at"])
    if approval.tier != Tier.CLIENT:
        work.schedule("notify", approval.id)
    else:
        _invite_next(approval)


def _invite_next(approval: Approval) -> ClientLink | None:
    contact = _next_contact(approval)
    if contact is None:
        return None
    return client_links.create(approval.id, contact, actor="engine", send=True)


def _next_contact(approval: Approval) -> Contact | None:
    asked = {link.contact_id for link in client_links.waiting(approval)}
    people = client_links.contacts_of(approval)
    return next((one for one in people if one.id not in asked), None)


def _schedule_next(approval: Approval) -> None:
    due = [at for at in (_reminder_due(approval), _escalation_due(approval)) if at is not None]
    if due:
        left = (min(due) - timezone.now()).total_seconds()
        work.schedule("remind", approval.id, delay=max(1, left))


def reached(approval: Approval, recipients: list[str], *, is_escalation: bool) -> None:
    """Note whom a reminder, or the going on to the next person, has gone out to."""
    Approval.objects.filter(id=approval.id).update(send_error="")
    kind = "approval.escalated" if is_escalation else "approval.reminded"
    _record(kind, approval, to=recipients)


def not_reached(approval: Approval, why: str) -> None:
    """Note, once for each reason, that nobody could be reached: the console shows it."""
    changed = Approval.objects.filter(id=approval.id).exclude(send_error=why)
    if changed.update(send_error=why):
        _record("approval.not_reminded", approval, error=why)


def _record(kind: str, approval: Approval, **body: Any) -> None:
    ledger.append(
        kind,
        actor="engine",
        case_id=approval.plan.case_id,
        subject=f"{Tier(approval.tier).label} for plan {approval.plan.sha256[:12]}",
        body={"plan": approval.plan.sha256, "tier": approval.tier, **body},
    )
