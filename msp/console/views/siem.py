"""The audit of a client's SIEM: what arrives there, which rules watch, and how hits compare."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from integrations.models import Connection, SiemAudit
from integrations.siem import auditing
from integrations.siem.records import Kind
from msp.console.sites import page
from msp.console.words import Word
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.models import Tenant

WORDS = {
    Kind.FAILING: Word("Fails", "bad"),
    Kind.MISSING: Word("Never arrived", "bad"),
    Kind.SILENT: Word("Silent", "bad"),
    Kind.BLIND: Word("Can't fire", "bad"),
    Kind.STALE: Word("Stale", "warn"),
    Kind.LATE: Word("Late", "warn"),
    Kind.UNREAD: Word("Not known", "warn"),
    Kind.NEVER_FIRED: Word("Never fired", "quiet"),
    Kind.DUPLICATE: Word("Duplicate", "quiet"),
    Kind.DISABLED: Word("Switched off", "quiet"),
}


# Of which kinds the time is when somebody last changed the rule.
_OF_RULES = (Kind.BLIND, Kind.STALE, Kind.NEVER_FIRED, Kind.DISABLED)


@dataclass(frozen=True, slots=True)
class _Group:
    """All gaps of a kind; `since` says what their time means."""

    word: Word
    since: str
    gaps: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Row:
    """A SIEM as the page shows it; without an audit, none was made yet."""

    connection: Connection
    audit: SiemAudit | None
    groups: list[_Group]
    compared: int
    differing: list[dict[str, Any]]


@require_safe
def siem(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the newest audit of each SIEM of a client."""
    technician, found = technician_of(request), _tenant(request, slug)
    with writing(technician, found.id):
        rows = auditing.siems()
        audits = auditing.newest(rows)
    return page(
        request,
        "siem.html",
        f"SIEM of {found.name}",
        tenant=found,
        rows=[_row(row, audits.get(row.id)) for row in rows],
        may_audit=technician.has_role(Role.TECHNICIAN),
    )


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """Have each SIEM of a client audited now."""
    found = _tenant(request, slug)
    with writing(technician_of(request), found.id):
        rows = auditing.siems()
        for row in rows:
            auditing.soon(row)
    if rows:
        messages.success(request, "It is being audited. Load this page again in a minute or two.")
    else:
        messages.error(request, "This client has no SIEM connected: connect one first.")
    return redirect("console:siem", found.slug)


def _row(connection: Connection, made: SiemAudit | None) -> _Row:
    gaps = [_with_time(gap) for gap in made.gaps] if made else []
    compared = [one for one in made.comparisons if one["there"] is not None] if made else []
    return _Row(
        connection=connection,
        audit=made,
        groups=_grouped(gaps),
        compared=len(compared),
        differing=[one for one in compared if not one["same"]],
    )


def _with_time(gap: dict[str, Any]) -> dict[str, Any]:
    return {**gap, "since": parse_datetime(gap["since"]) if gap["since"] else None}


def _grouped(gaps: Iterable[dict[str, Any]]) -> list[_Group]:
    gaps = list(gaps)
    groups = [
        _Group(
            word,
            "rule changed" if kind in _OF_RULES else "since",
            [gap for gap in gaps if gap["kind"] == kind],
        )
        for kind, word in WORDS.items()
    ]
    return [group for group in groups if group.gaps]


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)
