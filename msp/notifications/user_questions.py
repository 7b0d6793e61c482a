"""The mail, or the message in the client's chat, that asks somebody whether it was them."""

import uuid
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from msp.notifications import chat, mail
from msp.notifications.errors import MailNotSent, MessageNotSent
from playbooks.errors import LinkError
from playbooks.models import ChatChannel, UserQuestion
from playbooks.questions import chat_channels, user_questions
from playbooks.signed_links import Address
from tenants import scope
from tenants.models import Installation


def path_of(question: UserQuestion) -> str:
    """Return the path of the question's page, with its token. Never log it."""
    return reverse("was_it_you", args=[user_questions.token(question)])


def send(tenant_id: uuid.UUID, question_id: uuid.UUID) -> None:
    """Send a question while it counts, once; MailNotSent or MessageNotSent for another try."""
    with scope.tenant(tenant_id):
        try:
            question = user_questions.find(Address(tenant_id, question_id))
        except LinkError:
            return
        channel = chat_channels.of_client()
        is_chat = question.way == UserQuestion.Way.CHAT
        address = chat_channels.address() if is_chat and channel else ""
        subject, text = _letter(question)
    if question.sent_at is not None:
        return
    error, again = "", None
    try:
        if is_chat:
            error = _post(question, channel, address)
        else:
            error = mail.obstacle() or mail.send([question.recipient], subject, text)
    except (MailNotSent, MessageNotSent) as failed:
        error, again = str(failed), failed
    with scope.tenant(tenant_id):
        _note(question, error)
        if is_chat and channel:
            chat_channels.reached(channel, error)
    if again is not None:
        raise again


def _note(question: UserQuestion, error: str) -> None:
    told_before = question.send_error
    sent_at = None if error else timezone.now()
    UserQuestion.objects.filter(id=question.id).update(sent_at=sent_at, send_error=error)
    if not error:
        user_questions.record("sent", question, "engine")
    elif error != told_before:
        user_questions.record("not_sent", question, "engine", error=error)


def _post(question: UserQuestion, channel: ChatChannel | None, address: str) -> str:
    """Post the question; return why it can't be."""
    if channel is None:
        return "This client has no chat channel any more."
    if not settings.PUBLIC_URL:
        return mail.NO_ADDRESS
    text = render_to_string("mail/chat_question.txt", _told(question)).strip()
    return chat.send(address, channel.kind, text, f"{settings.PUBLIC_URL}{path_of(question)}")


def _letter(question: UserQuestion) -> tuple[str, str]:
    context = _told(question)
    text = render_to_string("mail/user_question.txt", context)
    return f"{context['msp']} asks a question", text


def _told(question: UserQuestion) -> dict[str, Any]:
    installation = Installation.objects.first() or Installation()
    return {
        "question": question,
        "is_self": question.is_self,
        "msp": installation.msp_name,
        "contact": installation.msp_contact,
        "client": question.tenant.name,
        "time_zone": question.tenant.time_zone,
        "url": f"{settings.PUBLIC_URL}{path_of(question)}",
    }
