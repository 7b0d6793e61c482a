"""Mail: the link to a client's contact, reminders to technicians, and alarms of connections.

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

from integrations.models import Connection
from msp.notifications import alarms, mail, user_questions
from msp.notifications.errors import MailNotSent
from msp.staff.models import Role, Technician
from msp.staff.selectors import sees
from playbooks.errors import LinkError
from playbooks.ladder import client_links, reminders
from playbooks.models import Approval, ClientLink, UserQuestion
from playbooks.signed_links import Address
from tenants import scope
from tenants.models import Installation

NO_RECIPIENT = "No approver or administrator who sees this client has an e-mail address."


@dataclass(frozen=True, slots=True)
class _Letter:
    recipients: list[str]
    subject: str
    text: str
    is_reminder: bool = False
    is_escalation: bool = False


def notify(tenant_id: uuid.UUID, subject_id: uuid.UUID) -> None:
    """Send what the link, question, approval or connection with this id asks for.

    Handler of work `notify`. MailNotSent where it has to be tried again.
    """
    with scope.tenant(tenant_id):
        link = ClientLink.objects.filter(id=subject_id).first()
        is_question = UserQuestion.objects.filter(id=subject_id).exists()
        is_connection = Connection.objects.filter(id=subject_id).exists()
    if link is not None:
        _send_link(tenant_id, subject_id)
    elif is_question:
        user_questions.send(tenant_id, subject_id)
    elif is_connection:
        alarms.tell(tenant_id, subject_id)
    else:
        _remind_technicians(tenant_id, subject_id)


def _send_link(tenant_id: uuid.UUID, link_id: uuid.UUID) -> None:
    where = Address(tenant_id, link_id)
    with scope.tenant(tenant_id):
        try:
            link = client_links.find(where)
        except LinkError:
            return
        letter = _letter_to_client(link)
    if link.sent_at is not None:
        return
    error, again = _sent(letter)
    with scope.tenant(tenant_id):
        _record(link, letter, error)
    if again is not None:
        raise again


def _sent(letter: _Letter) -> tuple[str, MailNotSent | None]:
    """Send a letter; return what went wrong, and what to raise for another try."""
    error = mail.obstacle()
    if error:
        return error, None
    if not letter.recipients:
        return NO_RECIPIENT, None
    try:
        return mail.send(letter.recipients, letter.subject, letter.text), None
    except MailNotSent as failed:
        return str(failed), failed


def _record(link: ClientLink, letter: _Letter, error: str) -> None:
    now = timezone.now()
    told_before = link.send_error
    ClientLink.objects.filter(id=link.id).update(sent_at=None if error else now, send_error=error)
    if error:
        if error != told_before:
            client_links.record("client_link.not_sent", link, "engine", error=error)
        return
    client_links.record("client_link.sent", link, "engine")
    if letter.is_reminder or letter.is_escalation:
        reminders.reached(link.approval, letter.recipients, is_escalation=letter.is_escalation)


def _letter_to_client(link: ClientLink) -> _Letter:
    approval = link.approval
    installation = Installation.objects.first() or Installation()
    is_reminder = approval.reminded_at is not None and link.created_at < approval.reminded_at
    is_escalation = bool(approval.escalated_at) and not is_reminder
    context = {
        "name": link.contact.name if link.contact else "",
        "msp": installation.msp_name,
        "contact": installation.msp_contact,
        "client": approval.tenant.name,
        "until": link.expires_at,
        "time_zone": approval.tenant.time_zone,
        "url": f"{settings.PUBLIC_URL}{path_of(link)}",
        "is_reminder": is_reminder,
        "is_escalation": is_escalation,
    }
    start = "Reminder: " if is_reminder else ""
    return _Letter(
        [link.recipient],
        f"{start}{installation.msp_name} asks for your decision",
        render_to_string("mail/client_link.txt", context),
        is_reminder,
        is_escalation,
    )


def path_of(link: ClientLink) -> str:
    """Return the path of the link's page, with its token. Never log it."""
    return reverse("approve", args=[client_links.token(link)])


def _remind_technicians(tenant_id: uuid.UUID, approval_id: uuid.UUID) -> None:
    """Tell those who may approve; after the escalation the administrators."""
    with scope.tenant(tenant_id):
        approval = _pending(approval_id)
        if approval is None:
            return
        letter = _letter_to_technicians(approval)
    error, again = _sent(letter)
    with scope.tenant(tenant_id):
        if error:
            reminders.not_reached(approval, error)
        else:
            reminders.reached(approval, letter.recipients, is_escalation=letter.is_escalation)
    if again is not None:
        raise again


def _pending(approval_id: uuid.UUID) -> Approval | None:
    rows = Approval.objects.select_related("plan__case", "tenant")
    return rows.filter(id=approval_id, decision=Approval.Decision.PENDING).first()


def _letter_to_technicians(approval: Approval) -> _Letter:
    is_escalation = bool(approval.escalated_at)
    admins = _addresses(Role.ADMIN, approval.tenant_id)
    approvers = [] if is_escalation else _addresses(Role.APPROVER, approval.tenant_id)
    case = approval.plan.case
    context = {
        "case": case,
        "client": approval.tenant.name,
        "until": approval.expires_at,
        "time_zone": approval.tenant.time_zone,
        "url": f"{settings.PUBLIC_URL}{reverse('console:case', args=[case.id])}",
        "is_escalation": is_escalation,
    }
    return _Letter(
        # Where nobody is just an approver, the administrators are those who may approve.
        approvers or admins,
        f"Waiting for approval: {approval.tenant.name}, case {case.number}",
        render_to_string("mail/technicians.txt", context),
        is_reminder=not is_escalation,
        is_escalation=is_escalation,
    )


def _addresses(role: Role, tenant_id: uuid.UUID) -> list[str]:
    people = Technician.objects.filter(role=role, is_active=True).exclude(email="")
    return [one.email for one in people if sees(one, tenant_id)]
