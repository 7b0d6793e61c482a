"""Gaps that somebody has decided to live with: with the reason, and until when."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping

from django.utils import timezone

from integrations.errors import SiemError
from integrations.models import Connection, SiemAcceptance, SiemAudit
from tenants import ledger, scope

LONGEST_DAYS = 366
_LONGEST_REASON = 1000


def accept(
    row: Connection, kind: str, subject: str, *, reason: str, until: dt.date, actor: str
) -> SiemAcceptance:
    """Accept a gap of a SIEM's newest audit until a day; SiemError says why it can't be.

    Runs inside the tenant's scope. Accepting it again replaces reason and day.
    """
    reason = reason.strip()[:_LONGEST_REASON]
    today = timezone.now().date()
    if not reason:
        raise SiemError("Say why it is accepted: the reason is kept.")
    if not today < until <= today + dt.timedelta(days=LONGEST_DAYS):
        raise SiemError("Choose a day from tomorrow on, at most a year ahead.")
    newest = SiemAudit.objects.filter(connection=row).order_by("-at").first()
    gaps = newest.gaps if newest else []
    if not any(one["kind"] == kind and one["subject"] == subject for one in gaps):
        raise SiemError("This gap is no longer there: load the page again.")
    now = timezone.now()
    SiemAcceptance.objects.filter(
        connection=row, kind=kind, subject=subject, ended_at=None
    ).update(ended_at=now, ended_by=actor)  # fmt: skip
    made = SiemAcceptance.objects.create(
        tenant_id=scope.require_tenant_id(), connection=row, kind=kind, subject=subject,
        reason=reason, until=until, actor=actor, at=now,
    )  # fmt: skip
    _note("siem.gap_accepted", made, actor, reason=reason, until=until.isoformat())
    return made


def end(own: uuid.UUID, *, actor: str) -> None:
    """Accept a gap no longer; SiemError where that is over already. Inside the tenant's scope."""
    row = SiemAcceptance.objects.select_for_update().filter(id=own, ended_at=None).first()
    if row is None:
        raise SiemError("This gap is not accepted (any more).")
    row.ended_at, row.ended_by = timezone.now(), actor
    row.save(update_fields=["ended_at", "ended_by"])
    _note("siem.gap_accepted_no_more", row, actor)


def in_force(
    rows: Iterable[Connection], at: dt.datetime
) -> Mapping[tuple[uuid.UUID, str, str], SiemAcceptance]:
    """Return what was accepted at a moment: by connection, kind and subject."""
    found = SiemAcceptance.in_scope().filter(
        connection__in=list(rows), at__lte=at, until__gt=at.date()
    )  # fmt: skip
    return {
        (one.connection_id, one.kind, one.subject): one
        for one in found.order_by("at")
        if one.ended_at is None or one.ended_at > at
    }


def _note(kind: str, row: SiemAcceptance, actor: str, **body: str) -> None:
    ledger.append(
        kind, actor=actor, subject=row.subject[:500],
        body={"siem": row.connection_id, "kind": row.kind, **body},
    )  # fmt: skip
