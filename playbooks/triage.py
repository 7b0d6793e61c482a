"""Findings → case: what belongs together, how urgent it is, and what looks into it.

Findings join an open case that shares an account, device, message or incident with them, within
a window around what the case has seen so far. An address on the internet alone never joins: many
people share one.
"""

import datetime as dt
import uuid
from collections.abc import Mapping

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from playbooks import risk, standing, unread
from playbooks.case_numbers import next_number
from tenants import ledger, scope, work
from tenants.models import Account, Case, Finding, Verdict

JOINING_KINDS = (
    "account:", "account_id:", "device:", "device_id:", "message:", "mailbox:", "incident:",
)  # fmt: skip
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
    start, end = unread.span(finding)
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
    start, end = unread.span(finding)
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
    start, end = unread.span(finding)
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
    if case.status == Case.Status.CLOSED:
        _reopen(case)
    elif case.status in (Case.Status.NEW, Case.Status.NEEDS_TECHNICIAN):
        work.schedule("investigate", case.id)
    elif case.status == Case.Status.AWAITING_APPROVAL:
        _look_before_they_decide(case)


def _look_before_they_decide(case: Case) -> None:
    """Have what people are asked follow what has just become known, before they answer."""
    if (news := unread.news(case)) and standing.has_begun_nothing(case):
        unread.look_again(case, *news.values())
    work.schedule("replan", case.tenant_id)


def _reopen(case: Case) -> None:
    """Have a closed case looked into for what joined it; a proven attack only for what is new."""
    if case.verdict != Verdict.TRUE_POSITIVE:
        unread.look_again(case, "It was closed as harmless before this was known.")
    elif news := unread.news(case):
        unread.look_again(case, *news.values())


def names_an_account(case: Case) -> bool:
    """Whether the findings say whom the case is about, known to the directory or not."""
    return any(e.startswith(("account_id:", "account:", "mailbox:")) for e in case.entities)


def find_account(case: Case) -> Account | None:
    """Return whom the case is about, as far as the directory knows the account by now.

    An id beats a name. Where several accounts have it, the one of the provider that the alert came
    from is meant. Accounts that were deleted at their provider are nobody any more.
    """
    named = _named(case)
    ids = _with_prefix(named, "account_id:")
    by_id = Account.objects.filter(external_id__in=ids, deleted_upstream_at=None)
    found = min(
        by_id,
        key=lambda one: (
            one.provider not in ids[one.external_id], not one.is_privileged, one.external_id
        ),
        default=None,
    )  # fmt: skip
    return found or _by_name(named)


def _by_name(named: Mapping[str, set[str]]) -> Account | None:
    for name, connectors in _with_prefix(named, "account:", "mailbox:").items():
        having_it = Account.objects.filter(
            Q(username__iexact=name) | Q(email__iexact=name), deleted_upstream_at=None
        )
        found = min(
            having_it,
            key=lambda one: (
                one.provider not in connectors, one.username.lower() != name.lower(),
                one.external_id,
            ),
            default=None,
        )  # fmt: skip
        if found is not None:
            return found
    return None


def _named(case: Case) -> dict[str, set[str]]:
    """Return what the case's alerts name, each with the connectors that they came from."""
    named: dict[str, set[str]] = {entity: set() for entity in case.entities}
    for connector, entities in case.findings.values_list("connector", "entities"):
        for entity in entities:
            named.setdefault(entity, set()).add(connector)
    return named


def _with_prefix(named: Mapping[str, set[str]], *prefixes: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for prefix in prefixes:
        for entity, connectors in named.items():
            if entity.startswith(prefix):
                found.setdefault(entity.removeprefix(prefix), set()).update(connectors)
    return found
