"""The risk of a case, and scoring it anew where something that weighs in it has changed.

What is known of attackers, how critical people and devices are, their rights and exposure, and what
became of other cases may all change while a case is open. `rescore` is for whoever changes one of
them, and once an hour all open cases are looked through.
"""

import random
import uuid
from collections.abc import Collection, Sequence
from typing import Final

from django.db.models import QuerySet

from playbooks.cases import case_signals, risk
from tenants import ledger, scope, work
from tenants.models import Case, Tenant, Work

KIND: Final = "rescore"
LANE: Final = "scores"
_AT_ONCE: Final = 50
_SPREAD_SECONDS: Final = 600.0
_PRIVILEGE: Final = "privilege"


def score(case: Case, signals: risk.Signals, roles: Sequence[str] = ()) -> None:
    """Work out a case's risk of what its alerts tell; it is not saved.

    `roles`: what its account holds as its vendor says, where the directory doesn't know it yet.
    """
    parts = risk.terms(
        signals, case.account, case_signals.devices(case), case_signals.history(case), roles=roles
    )
    case.risk_terms = list(parts)
    case.risk = risk.total(parts)


def score_privilege(case: Case, roles: Sequence[str]) -> None:
    """Score a case anew where its account turns out to be privileged: it holds these roles.

    A client's roles may be read after its first alerts.
    """
    is_scored = any(term["name"] == _PRIVILEGE for term in case.risk_terms)
    if case.account is None or is_scored or not (roles or case.account.is_privileged):
        return
    told = case_signals.of_cases([case]).get(case.id)
    if told is None:
        return
    score(case, told.signals, roles)
    case.save(update_fields=["risk_terms", "risk"])


def rescore_open(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Score a client's open cases anew. Handler of work `rescore`."""
    with scope.tenant(tenant_id):
        ids = list(_open().order_by("-risk", "id").values_list("id", flat=True))
    for first in range(0, len(ids), _AT_ONCE):
        work.renew()
        with scope.tenant(tenant_id):
            rescore(ids[first : first + _AT_ONCE])


def rescore(case_ids: Collection[uuid.UUID]) -> int:
    """Score those of these cases anew that are open; return how many have another risk now.

    The change stands in the ledger, and what waits for somebody's consent is planned again on it.
    Runs inside the tenant's scope.
    """
    rows = _open().filter(id__in=list(case_ids)).select_for_update(of=("self",))
    cases = list(rows.select_related("account__person").order_by("id"))
    told = case_signals.of_cases(cases)
    changed = [
        case for case in cases if case.id in told and _score_again(case, told[case.id].signals)
    ]
    if any(case.status == Case.Status.AWAITING_APPROVAL for case in changed):
        work.schedule("replan", scope.require_tenant_id())
    return len(changed)


def plan() -> int:
    """Have each active client's open cases scored anew; return how many clients have some.

    Not all at once, and in turns with each other: an alert must not wait behind them.
    """
    planned = Work.objects.filter(kind=KIND).values("tenant_id")
    with scope.reading(scope.ALL):
        clients = set(
            _open().exclude(tenant__in=planned).values_list("tenant_id", flat=True).distinct()
        )
    active = Tenant.objects.filter(id__in=clients, is_active=True).values_list("id", flat=True)
    for tenant_id in active:
        with scope.tenant(tenant_id):
            delay = random.uniform(0, _SPREAD_SECONDS)  # noqa: S311
            work.schedule(KIND, tenant_id, delay=delay, lane=LANE)
    return len(active)


def _open() -> QuerySet[Case]:
    rows = Case.in_scope().filter(kind=Case.Kind.INCIDENT)
    return rows.exclude(status=Case.Status.CLOSED)


def _score_again(case: Case, signals: risk.Signals) -> bool:
    """Score a case anew, and keep what changed; return whether its risk did."""
    before, terms = case.risk, case.risk_terms
    score(case, signals)
    _keep_privilege(case, terms)
    if case.risk_terms == terms:
        return False
    case.save(update_fields=["risk_terms", "risk"])
    if case.risk == before:
        return False
    ledger.append(
        "case.rescored", actor="engine", case_id=case.id, subject=str(case),
        body={"before": before, "risk": case.risk, "terms": _as_told(case.risk_terms)},
    )  # fmt: skip
    return True


def _as_told(terms: Sequence[risk.Term]) -> list[dict[str, object]]:
    """Return terms without the names that are kept to compare with, some for own eyes alone."""
    return [{name: one for name, one in term.items() if name != "known"} for term in terms]


def _keep_privilege(case: Case, before: Sequence[risk.Term]) -> None:
    """Let a right weigh that its account had when it was scored: evidence may have told of it, and
    that it was taken away since makes what happened no less grave.
    """
    had = [term for term in before if term["name"] == _PRIVILEGE]
    if had and all(term["name"] != _PRIVILEGE for term in case.risk_terms):
        case.risk_terms = [*case.risk_terms, *had]
        case.risk = risk.total(case.risk_terms)
