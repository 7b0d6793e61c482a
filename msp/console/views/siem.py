"""The audit of a client's SIEM: what arrives there, which rules watch, and how hits compare."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.views.decorators.http import require_POST, require_safe

from integrations.errors import SiemError
from integrations.models import Connection, SiemAcceptance, SiemAudit
from integrations.siem import acceptance, auditing
from integrations.siem.history import key
from integrations.siem.records import Kind
from msp.console.actions import actor_of
from msp.console.sites import page
from msp.console.words import Word
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.errors import HoldfastError
from tenants.models import Tenant, Work

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
    accepted: list[tuple[dict[str, Any], SiemAcceptance, Word]]
    gone: list[tuple[dict[str, Any], Word]]
    gaps: int
    compared: int
    differing: list[dict[str, Any]]
    next_at: dt.datetime | None


@require_safe
def siem(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the newest audit of each SIEM of a client."""
    technician, found = technician_of(request), _tenant(request, slug)
    with writing(technician, found.id):
        rows = auditing.siems()
        audits = auditing.newest(rows)
        accepted = acceptance.in_force(rows, timezone.now())
    planned = dict(
        Work.objects.filter(kind="siem", subject__in=[row.id for row in rows])
        .order_by("-due_at").values_list("subject", "due_at")
    )  # fmt: skip
    today = timezone.now().date()
    return page(
        request,
        "siem.html",
        f"SIEM of {found.name}",
        tenant=found,
        rows=[_row(row, audits.get(row.id), accepted, planned.get(row.id)) for row in rows],
        first_day=today + dt.timedelta(days=1),
        usual_day=today + dt.timedelta(days=90),
        last_day=today + dt.timedelta(days=acceptance.LONGEST_DAYS),
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


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def accept(request: HttpRequest, slug: str) -> HttpResponse:
    """Accept a gap until a day, or (with `end`) accept it no longer."""
    found, technician = _tenant(request, slug), technician_of(request)
    told = {name: request.POST.get(name, "") for name in ("siem", "kind", "subject", "end")}
    try:
        with writing(technician, found.id):
            if told["end"]:
                acceptance.end(_id(told["end"]), actor=actor_of(technician))
            else:
                rows = {row.id: row for row in auditing.siems()}
                row = rows.get(_id(told["siem"]))
                if row is None:
                    raise SiemError("This SIEM is no longer connected.")
                acceptance.accept(
                    row, told["kind"], told["subject"], reason=request.POST.get("reason", ""),
                    until=_day(request.POST.get("until", "")), actor=actor_of(technician),
                )  # fmt: skip
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "It is a gap again." if told["end"] else "Accepted.")
    return redirect("console:siem", found.slug)


def _id(told: str) -> uuid.UUID:
    try:
        return uuid.UUID(told)
    except ValueError:
        raise SiemError("Load the page again.") from None


def _day(told: str) -> dt.date:
    try:
        found = parse_date(told)
    except ValueError:
        found = None
    if found is None:
        raise SiemError("Choose until when it is accepted.")
    return found


def _row(
    connection: Connection, made: SiemAudit | None,
    accepted: Mapping[tuple[uuid.UUID, str, str], SiemAcceptance], next_at: dt.datetime | None,
) -> _Row:  # fmt: skip
    told = [_with_time(gap, made.at) for gap in made.gaps] if made else []
    lived_with = {id(gap): accepted.get((connection.id, *key(gap))) for gap in told}
    gaps = [gap for gap in told if lived_with[id(gap)] is None]
    compared = [one for one in made.comparisons if one["there"] is not None] if made else []
    return _Row(
        connection=connection,
        audit=made,
        groups=_grouped(gaps),
        accepted=[
            (gap, one, WORDS[Kind(gap["kind"])])
            for gap in told
            if (one := lived_with[id(gap)]) is not None
        ],
        gone=[(gap, WORDS[Kind(gap["kind"])]) for gap in made.gone] if made else [],
        gaps=len(gaps),
        compared=len(compared),
        differing=[{**one, "apart": _apart(one)} for one in compared if not one["same"]],
        next_at=next_at,
    )


def _apart(one: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """What only one of both found, by whether the other holds it at all."""
    found = []
    for side, other, here in (("there", "here", True), ("here", "there", False)):
        absent = set(one.get(f"absent_{other}") or ())
        only = one[f"only_{side}"]
        words = "never came here" if here else "the SIEM does not hold it"
        missed = "held here, but not found" if here else "held there, but not found"
        for why, uids in ((words, [uid for uid in only if uid in absent]),
                          (missed, [uid for uid in only if uid not in absent])):  # fmt: skip
            if uids:
                found.append((f"Only {side}:", f"({why})", uids))
    return found


def _with_time(gap: dict[str, Any], at: dt.datetime) -> dict[str, Any]:
    times = {name: parse_datetime(gap.get(name) or "") for name in ("since", "first_seen")}
    first = times["first_seen"]
    return {**gap, **times, "is_new": first is not None and first >= at.replace(microsecond=0)}


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
