"""The page behind a client's link: read the plan, type your name, say yes or no.

Opening it decides nothing, with or without JavaScript: a mail scanner does that. A decision is a
POST with the form's own token, a name and a choice.
"""

import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from msp.approval import attempts, plain
from msp.staff.models import Technician
from playbooks.errors import ApprovalError, LinkError
from playbooks.ladder import client_links
from playbooks.models import ClientLink
from playbooks.replanning import replanning
from playbooks.signed_links import Address
from tenants import scope
from tenants.models import Installation

_log = logging.getLogger(__name__)
_HEADERS = {
    "Cache-Control": "no-store, private",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
_FOR_THE_CLIENT = "You are signed in as a technician: this page is for the client to decide."


@require_http_methods(["GET", "HEAD", "POST"])
def approve(request: HttpRequest, token: str) -> HttpResponse:
    """Show the plan that a link is about, or take the decision on it."""
    try:
        where = client_links.address(token)
        if request.method == "POST" and not isinstance(request.user, Technician):
            with scope.tenant(where.tenant_id):
                replanning.before_deciding(client_links.find(where).approval_id)
        with scope.tenant(where.tenant_id):
            if request.method == "POST":
                return _decide(request, where)
            link = client_links.find(where)
            if not isinstance(request.user, Technician):
                client_links.opened(link)
            return _form(request, link)
    except LinkError as error:
        return refused(request, error)


def _decide(request: HttpRequest, where: Address) -> HttpResponse:
    choice = request.POST.get("decision", "")
    if isinstance(request.user, Technician):
        return _form(request, client_links.find(where), _FOR_THE_CLIENT)
    if choice not in ("approve", "reject"):
        return _form(request, client_links.find(where), "Please choose Approve or Reject.")
    try:
        link = client_links.use(
            where,
            approve=choice == "approve",
            name=request.POST.get("name", ""),
            sha256=request.POST.get("sha256", ""),
            comment=request.POST.get("comment", "")[:1000],
        )
    except ApprovalError as error:
        # Somebody else's decision, if that is the reason, is said by the link itself.
        return _form(request, client_links.find(where), str(error))
    context = {"is_approved": choice == "approve", **msp()}
    return answered(render(request, "approval/done.html", {**context, "link": link}))


def _form(request: HttpRequest, link: ClientLink, error: str = "") -> HttpResponse:
    approval = link.approval
    context = {
        "link": link,
        "plan": approval.plan,
        "plain": plain.plan_of(approval),
        "client": approval.tenant,
        "error": error,
        "name": request.POST.get("name", "")[:100],
        "comment": request.POST.get("comment", "")[:1000],
        "is_technician": isinstance(request.user, Technician),
        **msp(),
    }
    response = render(request, "approval/page.html", context, status=400 if error else 200)
    # With `no-referrer` browsers send no origin with the form, and it would be refused. The page
    # loads nothing and links nowhere; to other sites nothing is told.
    return answered(response, referrer="same-origin")


def refused(request: HttpRequest, error: LinkError) -> HttpResponse:
    """Say why a link counts no more; the network that tries many is made to wait."""
    status = 429 if attempts.too_many(request) else 404
    state = "busy" if status == 429 else error.state
    context = {"state": state, **msp()}
    response = render(request, "approval/refused.html", context, status=status)
    _log.info("a client's link was refused: %s", state)
    return answered(response)


def msp() -> dict[str, str]:
    """Return who asks, and how they are reached."""
    installation = Installation.objects.first() or Installation()
    return {"msp": installation.msp_name, "msp_contact": installation.msp_contact}


def answered(response: HttpResponse, referrer: str = "no-referrer") -> HttpResponse:
    """Return a response that is kept nowhere and loads nothing."""
    for name, value in _HEADERS.items():
        response[name] = value
    response["Referrer-Policy"] = referrer
    return response
