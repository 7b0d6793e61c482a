"""The mail that asks somebody whether it was them."""

import uuid

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from msp.notifications import mail
from msp.notifications.errors import MailNotSent
from playbooks import user_questions
from playbooks.errors import LinkError
from playbooks.models import UserQuestion
from tenants import scope
from tenants.models import Installation


def path_of(question: UserQuestion) -> str:
    """Return the path of the question's page, with its token. Never log it."""
    return reverse("was_it_you", args=[user_questions.token(question)])


def send(tenant_id: uuid.UUID, question_id: uuid.UUID) -> None:
    """Send a question while it counts, once; MailNotSent where it has to be tried again."""
    with scope.tenant(tenant_id):
        try:
            question = user_questions.find(user_questions.Address(tenant_id, question_id))
        except LinkError:
            return
        subject, text = _letter(question)
    if question.sent_at is not None:
        return
    error, again = mail.obstacle(), None
    if not error:
        try:
            error = mail.send([question.recipient], subject, text)
        except MailNotSent as failed:
            error, again = str(failed), failed
    with scope.tenant(tenant_id):
        told_before = question.send_error
        sent_at = None if error else timezone.now()
        UserQuestion.objects.filter(id=question.id).update(sent_at=sent_at, send_error=error)
        if not error:
            user_questions.record("sent", question, "engine")
        elif error != told_before:
            user_questions.record("not_sent", question, "engine", error=error)
    if again is not None:
        raise again


def _letter(question: UserQuestion) -> tuple[str, str]:
    installation = Installation.objects.first() or Installation()
    context = {
        "question": question,
        "is_self": question.is_self,
        "msp": installation.msp_name,
        "contact": installation.msp_contact,
        "client": question.tenant.name,
        "time_zone": question.tenant.time_zone,
        "url": f"{settings.PUBLIC_URL}{path_of(question)}",
    }
    text = render_to_string("mail/user_question.txt", context)
    return f"{installation.msp_name} asks a question", text
