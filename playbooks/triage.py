"""Findings → case: what belongs together, how urgent it is, and what looks into it."""

import uuid
from collections.abc import Collection

from django.db.models import prefetch_related_objects

from playbooks.cases import case_accounts, case_alerts, case_signals, looking, scoring, unread
from playbooks.correlating import joining
from playbooks.plans import standing
from tenants import scope, work
from tenants.models import Case, Finding, Verdict

# What the vendor itself has settled needs no case; the finding stays and is counted.
SETTLED = (
    "resolved", "remediated", "dismissed", "confirmedsafe",  # Microsoft
    "closed", "deleted", "false_positive", "ignored",  # CrowdStrike, Google
    "suppressed", "archived",  # OCSF
)  # fmt: skip
_BATCH = 500
_ASSESSED = ("account", "risk_terms", "risk", "severity_id", "title")


def triage(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Put every finding without a case into one. Handler of work `triage`.

    A batch at a time: what is left takes its turn behind what others wait for.
    """
    with scope.tenant(tenant_id):
        joining.lock()
        new = Finding.objects.filter(needs_triage=True).defer("ocsf", "description")
        # Locked, so that what its vendor tells of one meanwhile is triaged after it.
        batch = list(new.select_for_update().order_by("time", "id")[:_BATCH])
        _settle([one for one in batch if _is_settled(one)])
        assess(joining.join([one for one in batch if not _is_settled(one)]))
        if len(batch) == _BATCH:
            work.schedule("triage", tenant_id, takes_turn=True)


def _is_settled(finding: Finding) -> bool:
    return finding.case_id is None and finding.vendor_status.lower() in SETTLED


def _settle(findings: Collection[Finding]) -> None:
    if findings:
        ids = [one.id for one in findings]
        Finding.objects.filter(id__in=ids).update(needs_triage=False)


def assess(cases: Collection[Case]) -> None:
    """Find whom cases are about, score their risk, and have them looked into.

    One that has no alerts any more stays as it is: nothing tells of it. Runs inside the tenant's
    scope, with the cases locked.
    """
    told = case_signals.of_cases(cases)
    cases = [case for case in cases if case.id in told]
    prefetch_related_objects(cases, "account__person")
    for case in cases:
        case.account = case.account or case_accounts.find(case)
        worst = told[case.id].worst
        case.severity_id, case.title = worst.severity_id, worst.title
        scoring.score(case, told[case.id].signals)
    Case.objects.bulk_update(cases, _ASSESSED, batch_size=100)
    looking.look_into([case for case in cases if _goes_on(case)])


def _goes_on(case: Case) -> bool:
    """Let a case go on with what it has now; return whether it is to be looked into."""
    if case.status == Case.Status.CLOSED:
        _reopen(case)
    elif case.status == Case.Status.AWAITING_APPROVAL:
        _look_before_they_decide(case)
    return case.status in (Case.Status.NEW, Case.Status.NEEDS_TECHNICIAN)


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


def join_again(case: Case) -> None:
    """Look once more for what belongs to a case whose account the directory knows only now.

    Another case may call the same person otherwise.
    """
    told = [one.id for one in case_alerts.of_case(case)]
    Finding.objects.filter(id__in=told).update(needs_triage=True)
    work.schedule("triage", case.tenant_id)


def names_an_account(case: Case) -> bool:
    """Whether the findings say whom the case is about, known to the directory or not."""
    return any(e.startswith(case_accounts.PREFIXES) for e in case.entities)
