"""Where Microsoft sends a client's administrator back to: the one page here that needs no account.

The state in the address counts once, so a second visit finds it used. The page shows nothing of
what Microsoft or anybody else wrote into the address.
"""

import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from msp.onboarding import consent
from msp.onboarding.errors import ConsentError
from msp.onboarding.models import ConsentRequest
from tenants import scope
from tenants.models import Installation

_log = logging.getLogger(__name__)
_HEADERS = {
    "Cache-Control": "no-store, private",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}


@require_GET
def consent_microsoft(request: HttpRequest) -> HttpResponse:
    """Take an administrator's answer."""
    try:
        where = consent.read_state(request.GET.get("state", ""))
        with scope.tenant(where.tenant_id):
            row = consent.take(where, request.GET.dict())
    except ConsentError as error:
        _log.info("an answer to a request for consent was refused: %s", error)
        return _page(request, "unknown", 404)
    is_consent = row.state == ConsentRequest.State.RETURNED
    return _page(request, "consented" if is_consent else "refused", 200)


def _page(request: HttpRequest, state: str, status: int) -> HttpResponse:
    installation = Installation.objects.first() or Installation()
    context = {
        "state": state, "msp": installation.msp_name, "msp_contact": installation.msp_contact,
    }  # fmt: skip
    response = render(request, "approval/consent.html", context, status=status)
    for name, value in _HEADERS.items():
        response[name] = value
    return response
