"""The health of connections: over all clients, one of them, and what corrects it."""

import datetime as dt
import uuid
from collections.abc import Mapping
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import checking, health_report, organisations, registry
from integrations.contract import Manifest
from integrations.health import Status
from integrations.models import Connection, HealthAlarm
from msp import relaxed
from msp.console import connection_actions, words
from msp.console.errors import ConsoleError
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.people import named
from playbooks.plans.steps import spoken
from playbooks.running import stopping
from tenants import scope
from tenants.errors import HoldfastError

_PAGE = 100
_PAST = 20
_LONGEST = 20_000
_NAMED = 8


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """List the connections of all clients, the worst first; ?client= and ?status= choose."""
    clients = tenants_of(technician_of(request))
    chosen = clients.filter(slug=request.GET.get("client", "")).first()
    reports = health_report.of_scope(chosen.id if chosen else None)
    counts = [
        (status.value, words.HEALTH[status], sum(one.judged.status == status for one in reports))
        for status in Status
    ]
    status = request.GET.get("status", "")
    if status in {one.value for one in Status}:
        reports = [one for one in reports if one.judged.status.value == status]
    shown = Paginator(reports, _PAGE).get_page(request.GET.get("page"))
    return page(
        request,
        "health.html",
        "Connection health",
        rows=[(one, words.HEALTH[one.judged.status]) for one in shown],
        relaxed=relaxed.all_of_it(),
        records=shown,
        counts=[one for one in counts if one[2]],
        status=status,
        chosen=chosen,
        query=_query(chosen.slug if chosen else "", status),
    )


def _query(client: str, status: str) -> str:
    """Return the list's choice as the start of a query."""
    told = urlencode({k: v for k, v in (("client", client), ("status", status)) if v})
    return f"{told}&" if told else ""


@require_safe
def connection(request: HttpRequest, connection_id: uuid.UUID) -> HttpResponse:
    """Show one connection: its canary, alarms, feeds and permissions."""
    technician = technician_of(request)
    row = _connection(connection_id)
    report = health_report.of_connection(row)
    past = HealthAlarm.in_scope().filter(connection=row).exclude(ended_at=None)
    return page(
        request,
        "connection_health.html",
        f"{row.name} of {row.tenant.name}",
        report=report,
        connection=row,
        word=words.HEALTH[report.judged.status],
        alarms=[(one, named(one.accepted_by) if one.accepted_by else "") for one in report.alarms],
        past=past.order_by("-ended_at")[:_PAST],
        is_being_checked=checking.is_being_checked(row.id),
        may_check=technician.has_role(Role.TECHNICIAN),
        may_change=technician.has_role(Role.ADMIN),
        is_paused=row.state == Connection.State.PAUSED,
    )


@require_POST
@needs_role(Role.TECHNICIAN)
def check(request: HttpRequest, connection_id: uuid.UUID) -> HttpResponse:
    """Have a connection checked now."""
    row = _connection(connection_id)
    connection_actions.check_connection(row, actor=technician_of(request))
    messages.success(request, "It is being checked; this page shows what comes of it.")
    return redirect("console:connection_health", row.id)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def pause(request: HttpRequest, connection_id: uuid.UUID) -> HttpResponse:
    """Pause a connection, or go on with it."""
    row = _connection(connection_id)
    paused = request.POST.get("paused") == "yes"
    connection_actions.set_connection_paused(row, actor=technician_of(request), paused=paused)
    messages.success(request, f"{row.name} {'is paused' if paused else 'goes on'}.")
    return redirect("console:connection_health", row.id)


@require_POST
@needs_role(Role.TECHNICIAN)
def accept(request: HttpRequest, alarm_id: uuid.UUID) -> HttpResponse:
    """Note that an alarm is known and may be as it is."""
    alarm = get_object_or_404(HealthAlarm.in_scope(), id=alarm_id)
    try:
        connection_actions.accept_alarm(
            alarm, actor=technician_of(request), why=request.POST.get("reason", "")
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Accepted: it asks for nobody any more.")
    return redirect("console:connection_health", alarm.connection_id)


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def change(request: HttpRequest, connection_id: uuid.UUID) -> HttpResponse:
    """Correct the settings and enter new credentials. Those that are kept are never shown."""
    row = _connection(connection_id)
    manifest = registry.connector(row.connector)
    if request.method != "POST":
        return _form(request, row, manifest, row.settings)
    settings = posted(request, "setting", tuple(manifest.settings))
    try:
        expires_at = day_of(request.POST.get("expires_on", ""))
        replaces = request.POST.get("replaces") == "yes"
        is_another = replaces and organisations.is_another(manifest, row.settings, settings)
        connection_actions.change_connection(
            row,
            actor=technician_of(request),
            settings=settings,
            secrets=posted(request, "secret", tuple(manifest.secrets)),
            expires_at=expires_at,
            replaces=replaces,
        )
    except HoldfastError as error:
        return _form(request, row, manifest, settings, str(error))
    replaced = " All of the other organisation is marked as deleted; this one is read anew."
    words = f"Kept. It is being checked now.{replaced if is_another else ''}"
    messages.success(request, words)
    return redirect("console:connection_health", row.id)


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def remove(request: HttpRequest, connection_id: uuid.UUID) -> HttpResponse:
    """Say what stops without a connection, and remove it where that is meant."""
    row = _connection(connection_id)
    error = ""
    if request.method == "POST":
        try:
            connection_actions.remove_connection(
                row, actor=technician_of(request), reason=request.POST.get("reason", "")
            )
        except HoldfastError as refused:
            error = str(refused)
        else:
            messages.success(request, f"{row.name} is removed; what was known is kept.")
            return redirect("console:tenant", row.tenant.slug)
    with scope.reading([row.tenant_id]):
        stops = stopping.of(row)
    return page(
        request,
        "connection_remove.html",
        f"Remove {row.name} of {row.tenant.name}",
        connection=row,
        stops=stops,
        plans=stops.plans[:_NAMED],
        done=[(spoken(step), step.run.plan.case_id) for step in stops.done[:_NAMED]],
        known=", ".join(f"{number} {word}" for word, number in stops.known.items()),
        error=error,
    )


def _form(
    request: HttpRequest,
    row: Connection,
    manifest: Manifest,
    settings: dict[str, str],
    error: str = "",
) -> HttpResponse:
    return page(
        request,
        "connection_change.html",
        f"Change {row.name} of {row.tenant.name}",
        connection=row,
        settings=setting_fields(manifest, settings),
        secrets=list(manifest.secrets.items()),
        expires_on=request.POST.get("expires_on")
        or (row.expires_at.date().isoformat() if row.expires_at and row.expiry_by_hand else ""),
        error=error,
    )


def setting_fields(
    manifest: Manifest, given: Mapping[str, str]
) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """Return a form's settings: name, what to enter, what is entered, and what can be chosen."""
    return [
        (name, text, given.get(name, ""), list(manifest.choices.get(name, {}).items()))
        for name, text in manifest.settings.items()
    ]


def posted(request: HttpRequest, kind: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return the fields of a form for settings or secrets that were filled in."""
    told = {name: request.POST.get(f"{kind}-{name}", "").strip()[:_LONGEST] for name in names}
    return {name: value for name, value in told.items() if value}


def day_of(text: str) -> dt.datetime | None:
    """Return the start of a day in UTC, None for no text; ConsoleError where it is no day."""
    if not text.strip():
        return None
    try:
        day = parse_date(text.strip())
    except ValueError:
        day = None
    if day is None:
        raise ConsoleError("Enter the day on which the credentials run out as 2026-12-31.")
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _connection(connection_id: uuid.UUID) -> Connection:
    rows = Connection.in_scope().select_related("tenant").prefetch_related("feeds")
    return get_object_or_404(rows, id=connection_id)
