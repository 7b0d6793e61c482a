"""Clients, their kill switches, their ledgers, and what could not be read."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from integrations import health_report, taking_again
from msp.console import actions, case_page, connection_actions, selectors, words
from msp.console.errors import ConsoleError
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.people import named
from playbooks.policy.rules import newest_of_tenant
from tenants import contacts
from tenants import ledger as ledgers_of
from tenants.errors import HoldfastError
from tenants.models import RawRecord, TakenAgain, Tenant

_PAGE = 100


@require_safe
def tenants(request: HttpRequest) -> HttpResponse:
    """List the technician's clients."""
    technician = technician_of(request)
    return page(
        request,
        "tenants.html",
        "Clients",
        rows=selectors.tenant_rows(technician),
        everything_stopped=selectors.everything_stopped(),
        may_turn_all=technician.has_role(Role.ADMIN) and technician.sees_all_tenants,
    )


@require_safe
def tenant(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one client: connections, rules in force, kill switch."""
    technician = technician_of(request)
    found = _tenant(request, slug)
    with writing(technician, found.id):
        asked = contacts.ordered()
        rules = newest_of_tenant()
    return page(
        request,
        "tenant.html",
        found.name,
        tenant=found,
        connections=[
            (one, words.HEALTH[one.judged.status]) for one in health_report.of_scope(found.id)
        ],
        rules=rules,
        rules_author=named(rules.author) if rules else "",
        contacts=asked,
        last_asked=next((one.id for one in reversed(asked) if one.is_active), None),
        may_change_contacts=technician.has_role(Role.ADMIN),
        rows=[row for row in selectors.queue() if row.case.tenant_id == found.id],
        may_stop=technician.has_role(Role.TECHNICIAN),
        may_start=technician.has_role(Role.ADMIN),
        everything_stopped=selectors.everything_stopped(),
    )


@require_POST
@needs_role(Role.TECHNICIAN)
def stop_tenant(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop all actions of one client."""
    found = _tenant(request, slug)
    actions.set_tenant_stopped(
        found, actor=technician_of(request), stopped=True, reason=_reason(request)
    )
    messages.warning(request, f"All actions for {found.name} are stopped.")
    return redirect("console:tenant", found.slug)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def start_tenant(request: HttpRequest, slug: str) -> HttpResponse:
    """Allow actions of one client again."""
    found = _tenant(request, slug)
    actions.set_tenant_stopped(
        found, actor=technician_of(request), stopped=False, reason=_reason(request)
    )
    messages.success(request, f"Actions for {found.name} are allowed again.")
    return redirect("console:tenant", found.slug)


@require_POST
@needs_role(Role.ADMIN)
def stop_everything(request: HttpRequest) -> HttpResponse:
    """Stop all actions of every client."""
    return _turn_everything(request, stopped=True)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def start_everything(request: HttpRequest) -> HttpResponse:
    """Allow actions of every client again."""
    return _turn_everything(request, stopped=False)


def _turn_everything(request: HttpRequest, *, stopped: bool) -> HttpResponse:
    try:
        actions.set_everything_stopped(
            actor=technician_of(request), stopped=stopped, reason=_reason(request)
        )
    except ConsoleError as error:
        messages.error(request, str(error))
    else:
        messages.warning(
            request,
            "All actions for every client are stopped."
            if stopped
            else "Actions are allowed again.",
        )
    return redirect("console:tenants")


@require_safe
def ledgers(request: HttpRequest) -> HttpResponse:
    """List the clients' ledgers."""
    return page(request, "ledgers.html", "Ledger", tenants=tenants_of(technician_of(request)))


@require_safe
def ledger(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one client's ledger; with ?verify=1 recompute its whole chain."""
    found = _tenant(request, slug)
    verification = None
    if request.GET.get("verify"):
        with writing(technician_of(request), found.id):
            verification = ledgers_of.verify()
    entries = Paginator(selectors.ledger_entries(found), _PAGE).get_page(request.GET.get("page"))
    return page(
        request,
        "ledger.html",
        f"Ledger of {found.name}",
        tenant=found,
        verification=verification,
        entries=entries,
        rows=[(row, case_page.timeline_entry(row)) for row in entries],
    )


@require_safe
def quarantine(request: HttpRequest) -> HttpResponse:
    """List the records that could not be read, with the reason of each."""
    code = request.GET.get("reason", "")
    rows = selectors.quarantined()
    if code:
        rows = rows.filter(reason_code=code)
    return page(
        request,
        "quarantine.html",
        "Quarantine",
        records=Paginator(rows, _PAGE).get_page(request.GET.get("page")),
        reasons=selectors.quarantine_reasons(),
        chosen=code,
    )


@require_safe
def quarantined_record(request: HttpRequest, record_id: uuid.UUID) -> HttpResponse:
    """Show one quarantined record, its body as harmless text."""
    record = _quarantined(record_id)
    taken = TakenAgain.in_scope().filter(raw=record).first()
    after = _tried(record, request.GET.get("after", ""))
    body, left_out = selectors.shown_body(record)
    return page(
        request,
        "quarantined_record.html",
        "Quarantined record",
        record=record,
        body=body,
        left_out=left_out,
        taken=taken,
        taken_by=named(taken.actor) if taken else "",
        sources=taking_again.sources_of(record),
        others=taking_again.like(record, after=after).count(),
        after=str(after.id) if after else "",
        may_work=technician_of(request).has_role(Role.TECHNICIAN),
    )


@require_POST
@needs_role(Role.TECHNICIAN)
def take_again(request: HttpRequest, record_id: uuid.UUID) -> HttpResponse:
    """Take a quarantined record in, now that what kept it out is mended."""
    record, technician = _quarantined(record_id), technician_of(request)
    told: dict[str, Any] = {"actor": technician, "source": request.POST.get("source", "")[:200]}
    with_others, after = request.POST.get("others"), _tried(record, request.POST.get("after", ""))
    try:
        is_new = connection_actions.take_record_again(record, **told)
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        if is_new or not with_others:
            words = "It is taken in." if is_new else "It was taken in before."
            messages.success(request, words)
        if with_others:
            found = connection_actions.take_others_again(record, after=after, **told)
            after = found.last
            messages.info(
                request,
                f"Of the others like it {found.taken} are taken in, {found.unreadable} still can't "
                f"be read, {found.left} are left for another time.",
            )
    address = reverse("console:quarantined_record", args=[record.id])
    return redirect(f"{address}?after={after.id}" if after else address)


def _tried(record: RawRecord, told: str) -> RawRecord | None:
    """Return the record of the same client after which to go on, if one is told."""
    try:
        return RawRecord.in_scope().filter(tenant=record.tenant_id, id=uuid.UUID(told)).first()
    except ValueError:
        return None


def _quarantined(record_id: uuid.UUID) -> RawRecord:
    rows = RawRecord.in_scope().select_related("tenant")
    return get_object_or_404(rows, id=record_id, outcome=RawRecord.Outcome.QUARANTINED)


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:500]
