"""Findings → case: what belongs together, how urgent it is, and what looks into it."""

import uuid
from collections.abc import Collection, Mapping

from django.db.models import Q, prefetch_related_objects
from django.db.models.functions import Lower

from playbooks.cases import case_alerts, case_signals, looking, scoring, unread
from playbooks.correlating import joining
from playbooks.plans import standing
from tenants import scope, work
from tenants.models import Account, Case, Finding, Verdict

# What the vendor itself has settled needs no case; the finding stays and is counted.
SETTLED = (
    "resolved", "remediated", "dismissed", "confirmedsafe",  # Microsoft
    "closed", "deleted", "false_positive", "ignored",  # CrowdStrike, Google
    "suppressed", "archived",  # OCSF
)  # fmt: skip
_BATCH = 500
_ASSESSED = ("account", "risk_terms", "risk", "severity_id", "title")
_ACCOUNTS = ("account_id:", "account:", "mailbox:")


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

    Runs inside the tenant's scope, with the cases locked.
    """
    prefetch_related_objects(list(cases), "account__person")
    told = case_signals.of_cases(cases)
    for case in cases:
        case.account = case.account or find_account(case)
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
    return any(e.startswith(_ACCOUNTS) for e in case.entities)


def find_account(case: Case) -> Account | None:
    """Return whom the case is about, as far as the directory knows the account by now.

    An id beats a name. Where several accounts have it, the one of the provider that the alert came
    from is meant. Accounts that were deleted at their provider are nobody any more.
    """
    named = _named(case)
    ids = _with_prefix(named, "account_id:")
    # Alerts name ids in lower case.
    by_id = Account.objects.annotate(named=Lower("external_id")).filter(
        named__in=ids, deleted_upstream_at=None
    )
    found = min(
        by_id,
        key=lambda one: (
            # As the database writes it: of few letters Python makes others.
            one.provider not in ids[one.named], not one.is_privileged, one.external_id,
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
    for connector, entity in case_alerts.named(case, *_ACCOUNTS):
        named.setdefault(entity, set()).add(connector)
    return named


def _with_prefix(named: Mapping[str, set[str]], *prefixes: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for prefix in prefixes:
        for entity, connectors in named.items():
            if entity.startswith(prefix):
                found.setdefault(entity.removeprefix(prefix), set()).update(connectors)
    return found
