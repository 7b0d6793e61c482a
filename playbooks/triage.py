"""Findings → case: what belongs together, how urgent it is, and what looks into it.

Findings join an open case that shares an account, device, message or incident with them, within
a window around what the case has seen so far. An address on the internet alone never joins: many
people share one.
"""

import datetime as dt
import uuid

from django.db import connection
from django.db.models.functions import Lower
from django.utils import timezone

from playbooks import risk
from playbooks.case_numbers import next_number
from tenants import ledger, scope, work
from tenants.models import Account, Case, Finding, Verdict

JOINING_KINDS = ("account:", "account_id:", "device:", "message:", "mailbox:", "incident:")
WINDOW = dt.timedelta(hours=24)
# What the vendor itself has settled needs no case; the finding stays and is counted.
SETTLED = ("resolved", "remediated", "dismissed", "confirmedsafe")
_BATCH = 500


def triage(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Put every finding without a case into one. Handler of work `triage`."""
    with scope.tenant(tenant_id):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))", [f"triage {tenant_id}"]
            )
        waiting = (
            Finding.objects.filter(case=None)
            .annotate(status=Lower("vendor_status"))
            .exclude(status__in=SETTLED)
            .order_by("time", "id")[:_BATCH]
        )
        touched: dict[uuid.UUID, Case] = {}
        for finding in waiting:
            case = _join(finding)
            touched[case.id] = case
        for case in touched.values():
            _assess(case)
        if len(waiting) == _BATCH:
            work.schedule("triage", tenant_id)


def _join(finding: Finding) -> Case:
    case = _case_for(finding) or _open(finding)
    finding.case = case
    finding.save(update_fields=["case"])
    case.entities = sorted(set(case.entities) | set(finding.entities))
    start, end = _span(finding)
    case.first_activity_at = min(case.first_activity_at, start)
    case.last_activity_at = max(case.last_activity_at, end)
    case.save(update_fields=["entities", "first_activity_at", "last_activity_at"])
    ledger.append(
        "case.finding_joined",
        actor="engine",
        case_id=case.id,
        subject=finding.title,
        body={"finding": finding.id, "uid": finding.uid, "severity": finding.severity_id},
    )
    return case


def _span(finding: Finding) -> tuple[dt.datetime, dt.datetime]:
    start = finding.first_activity_at or finding.time
    end = finding.last_activity_at or finding.time
    return min(start, end), max(start, end)


def _shifted(time: dt.datetime, by: dt.timedelta) -> dt.datetime:
    """Return `time` moved, within the years that there are: vendors write year 1 and 9999."""
    try:
        return time + by
    except OverflowError:
        return time


def _case_for(finding: Finding) -> Case | None:
    """Return the case that the finding belongs to, if there is one.

    That is an open one; or a closed one whose verdict came after what the finding tells of, since
    an alert may reach us when the attack that it is about has been dealt with already.
    """
    shared = [entity for entity in finding.entities if entity.startswith(JOINING_KINDS)]
    if not shared:
        return None
    start, end = _span(finding)
    # Locked, so that the case does not close while the finding joins it.
    near = (
        Case.objects.select_for_update()
        .filter(
            entities__overlap=shared,
            first_activity_at__lte=_shifted(end, WINDOW),
            last_activity_at__gte=_shifted(start, -WINDOW),
        )
        .order_by("opened_at")
    )
    is_open = near.exclude(status=Case.Status.CLOSED).first()
    return is_open or near.filter(status=Case.Status.CLOSED, decided_at__gte=end).last()


def _open(finding: Finding) -> Case:
    start, end = _span(finding)
    case = Case.objects.create(
        tenant_id=scope.require_tenant_id(),
        number=next_number(),
        title=finding.title,
        severity_id=finding.severity_id,
        opened_at=timezone.now(),
        first_activity_at=start,
        last_activity_at=end,
    )
    ledger.append(
        "case.opened",
        actor="engine",
        case_id=case.id,
        subject=str(case),
        body={"number": case.number},
    )
    return case


def _assess(case: Case) -> None:
    """Find whom the case is about, score its risk, and have it looked into."""
    findings = list(case.findings.all())
    case.account = case.account or find_account(case)
    parts = risk.terms(findings, case.account)
    case.risk_terms = list(parts)
    case.risk = risk.total(parts)
    worst = max(findings, key=lambda finding: finding.severity_id % 99)
    case.severity_id = worst.severity_id
    if case.status == Case.Status.NEW:
        case.title = worst.title
    case.save(update_fields=["account", "risk_terms", "risk", "severity_id", "title"])
    if case.status == Case.Status.CLOSED and case.verdict != Verdict.TRUE_POSITIVE:
        # It was closed as harmless before this was known.
        case.status = Case.Status.INVESTIGATING
        case.closed_at = None
        case.closed_with_proof = False
        case.save(update_fields=["status", "closed_at", "closed_with_proof"])
        work.schedule("investigate", case.id)
    elif case.status in (Case.Status.NEW, Case.Status.NEEDS_TECHNICIAN):
        work.schedule("investigate", case.id)


def names_an_account(case: Case) -> bool:
    """Whether the findings say whom the case is about, known to the directory or not."""
    return any(e.startswith(("account_id:", "account:", "mailbox:")) for e in case.entities)


def find_account(case: Case) -> Account | None:
    """Return whom the case is about, as far as the directory knows the account by now."""
    ids = _values(case, "account_id:")
    names = _values(case, "account:") + _values(case, "mailbox:")
    by_id = (
        Account.objects.filter(external_id__in=ids)
        .order_by("-is_privileged", "external_id")
        .first()
    )
    return by_id or _by_name(names)


def _by_name(names: list[str]) -> Account | None:
    for name in names:
        account = Account.objects.filter(username__iexact=name).first()
        account = account or Account.objects.filter(email__iexact=name).first()
        if account is not None:
            return account
    return None


def _values(case: Case, prefix: str) -> list[str]:
    return [entity.removeprefix(prefix) for entity in case.entities if entity.startswith(prefix)]
