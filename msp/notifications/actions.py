"""Mail about approvals: the link to a client's contact, and reminders to technicians.

A row says what is to be sent, so a mail that could not be sent is tried again by the work table,
and one that no longer matters is not sent. The link's token is made when the mail is written and is
kept nowhere.
"""

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from msp.notifications import mail
from msp.notifications.errors import MailNotSent
from msp.staff.models import Role, Technician
from msp.staff.selectors import sees
from playbooks import client_links
from playbooks.errors import LinkError
from playbooks.models import Approval, ClientLink
from tenants import scope
from tenants.models import Installation


@dataclass(frozen=True, slots=True)
class _Letter:
    recipients: list[str]
    subject: str
    text: str


def notify(tenant_id: uuid.UUID, subject_id: uuid.UUID) -> None:
    """Send what the link or the approval with this id asks for. Handler of work `notify`.

    MailNotSent where it has to be tried again.
    """
    with scope.tenant(tenant_id):
        link = ClientLink.objects.filter(id=subject_id).first()
    if link is not None:
        _send_link(tenant_id, subject_id)
    else:
        _remind_technicians(tenant_id, subject_id)


def _send_link(tenant_id: uuid.UUID, link_id: uuid.UUID) -> None:
    where = client_links.Address(tenant_id, link_id)
    with scope.tenant(tenant_id):
        try:
            link = client_links.find(where)
        except LinkError:
            return
        letter = _letter_to_client(link)
    if link.sent_at is not None:
        return
    error = mail.obstacle()
    again = None
    if not error:
        try:
            error = mail.send(letter.recipients, letter.subject, letter.text)
        except MailNotSent as failed:
            error, again = str(failed), failed
    with scope.tenant(tenant_id):
        _record(link, error)
    if again is not None:
        raise again


def _record(link: ClientLink, error: str) -> None:
    now = timezone.now()
    told_before = link.send_error
    ClientLink.objects.filter(id=link.id).update(sent_at=None if error else now, send_error=error)
    if not error:
        client_links.record("client_link.sent", link, "engine")
    elif error != told_before:
        client_links.record("client_link.not_sent", link, "engine", error=error)


def _letter_to_client(link: ClientLink) -> _Letter:
    approval = link.approval
    installation = Installation.objects.first() or Installation()
    is_reminder = approval.reminded_at is not None and link.created_at < approval.reminded_at
    context = {
        "name": link.contact.name if link.contact else "",
        "msp": installation.msp_name,
        "contact": installation.msp_contact,
        "client": approval.tenant.name,
        "until": link.expires_at,
        "time_zone": approval.tenant.time_zone,
        "url": f"{settings.PUBLIC_URL}{path_of(link)}",
        "is_reminder": is_reminder,
        "is_escalation": bool(approval.escalated_at) and not is_reminder,
    }
    start = "Reminder: " if is_reminder else ""
    subject = f"{start}{installation.msp_name} asks for your decision"
    return _Letter([link.recipient], subject, render_to_string("mail/client_link.txt", context))


def path_of(link: ClientLink) -> str:
    """Return the path of the link's page, with its token. Never log it."""
    return reverse("approve", args=[client_links.token(link)])


def _remind_technicians(tenant_id: uuid.UUID, approval_id: uuid.UUID) -> None:
    """Tell those who may approve; after the escalation the administrators too."""
    with scope.tenant(tenant_id):
        approval = Approval.objects.filter(id=approval_id, decision="pending").first()
        if approval is None or mail.obstacle():
            return
        letter = _letter_to_technicians(approval)
    if letter.recipients:
        mail.send(letter.recipients, letter.subject, letter.text)


def _letter_to_technicians(approval: Approval) -> _Letter:
    roles = [Role.ADMIN] if approval.escalated_at else [Role.APPROVER]
    people = Technician.objects.filter(role__in=roles, is_active=True).exclude(email="")
    recipients = [one.email for one in people if sees(one, approval.tenant_id)]
    case = approval.plan.case
    context = {
        "case": case,
        "client": approval.tenant.name,
        "until": approval.expires_at,
        "time_zone": approval.tenant.time_zone,
        "url": f"{settings.PUBLIC_URL}{reverse('console:case', args=[case.id])}",
        "is_escalation": bool(approval.escalated_at),
    }
    return _Letter(
        recipients,
        f"Waiting for approval: {approval.tenant.name}, case {case.number}",
        render_to_string("mail/technicians.txt", context),
    )
