"""The page behind “was this you?”: see what happened, type your name, say yes, no or not sure.

Opening it answers nothing: a mail scanner does that.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from msp.approval.views import answered, msp, refused
from msp.reports import words
from msp.staff.models import Technician
from playbooks.errors import LinkError, PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import UserQuestion
from playbooks.questions import user_questions
from playbooks.signed_links import Address
from tenants import scope
from tenants.models import Case

_MOST_SHOWN = 8


@require_http_methods(["GET", "HEAD", "POST"])
def was_it_you(request: HttpRequest, token: str) -> HttpResponse:
    """Show what a question is about, or take the answer."""
    is_technician = isinstance(request.user, Technician)
    try:
        where = user_questions.address(token)
        with scope.tenant(where.tenant_id):
            question = user_questions.find(where)
            if request.method == "POST" and not is_technician:
                return _take(request, where)
            if not is_technician:
                user_questions.opened(question)
            return _form(request, question)
    except LinkError as error:
        return refused(request, error)


def _take(request: HttpRequest, where: Address) -> HttpResponse:
    told = request.POST
    try:
        question = user_questions.answer(
            where, answer=told.get("answer", ""), name=told.get("name", ""),
            comment=told.get("comment", "")[:1000],
        )  # fmt: skip
    except PlaybookError as error:
        return _form(request, user_questions.find(where), str(error))
    return answered(
        render(request, "approval/question_done.html", {"answer": question.answer, **msp()})
    )


def _form(request: HttpRequest, question: UserQuestion, error: str = "") -> HttpResponse:
    context = {
        "question": question,
        "is_self": question.is_self,
        "client": question.tenant,
        "seen": question.case.findings.defer("ocsf").order_by("time")[:_MOST_SHOWN],
        "places": _places(question.case),
        "error": error,
        "name": request.POST.get("name", "")[:100],
        "comment": request.POST.get("comment", "")[:1000],
        "is_technician": isinstance(request.user, Technician),
        **msp(),
    }
    response = render(request, "approval/question.html", context, status=400 if error else 200)
    return answered(response, referrer="same-origin")


def _places(case: Case) -> list[str]:
    """Return the countries that were unusual, as the evidence tells them."""
    told = case_facts.of_case(case)["evidence"].values()
    codes = {str(one) for answer in told for one in answer.get("unusual_countries") or ()}
    return sorted(map(words.country, codes))
