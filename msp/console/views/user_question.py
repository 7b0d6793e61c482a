"""Asking somebody at the client whether it was them: by mail, in chat, or by a link shown once.

Whoever is shown the link could answer it, so such an answer decides nothing alone.
"""

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from msp.console import actions, case_page
from msp.console.sites import page
from msp.notifications.user_questions import path_of
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from playbooks.models import UserQuestion
from playbooks.questions import user_questions
from tenants.errors import HoldfastError


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def ask(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """Ask the chosen person about a case."""
    case = case_page.find(case_id)
    if case is None:
        raise Http404("There is no such case.")
    technician = technician_of(request)
    way = UserQuestion.Way.MAIL if "send" in request.POST else UserQuestion.Way.LINK
    way = UserQuestion.Way.CHAT if "chat" in request.POST else way
    try:
        with writing(technician, case.tenant_id):
            question = user_questions.ask(
                case, request.POST.get("somebody", ""), actor=actions.actor_of(technician), way=way
            )  # fmt: skip
    except HoldfastError as error:
        messages.error(request, str(error))
        return redirect("console:case", case.id)
    if way != UserQuestion.Way.LINK:
        where = "the chat" if way == UserQuestion.Way.CHAT else question.recipient
        messages.success(request, f"The question is on its way to {where}.")
        return redirect("console:case", case.id)
    path = path_of(question)
    url = (
        f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)
    )
    return page(
        request, "question_link.html", "Question for the client", question=question, url=url
    )
