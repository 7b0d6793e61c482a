"""Cases that name what has become known of attackers since, or is known no more: scored anew.

Indicators come later than the cases that name them, age, and are taken back. After each look for
sightings a client's cases of the last weeks are compared with what is known now. What was closed as
harmless and names what is surely known by now is looked into again.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from integrations.intelligence import matching, sightings
from integrations.intelligence.slices import slices
from playbooks import triage
from playbooks.cases import case_signals, risk, scoring
from tenants import ledger, scope, work
from tenants.models import HARMLESS, Case

# Of one client so many cases at a time; the rest takes its turn behind other clients.
AT_ONCE = 50
_CASES_AT_ONCE = 500
_TERM = "intelligence"


@dataclass(frozen=True, slots=True)
class _Change:
    """A case, and what its score says of known indicators, before and now."""

    case_id: uuid.UUID
    is_closed: bool
    before: str
    now: str


def reconsider(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Score the client's cases anew of which something else is known. Handler of `reconsider`."""
    with scope.tenant(tenant_id):
        changes = list(_changes())
        some = changes[:AT_ONCE]
        scoring.rescore([one.case_id for one in some if not one.is_closed])
        for change in some:
            if change.is_closed:
                _look_again(change)
        if len(changes) > AT_ONCE:
            work.schedule("reconsider", tenant_id, lane=sightings.LANE, takes_turn=True)


def _changes() -> Iterator[_Change]:
    """Yield the cases whose score does not tell what is known now, the riskiest first."""
    rows = Case.in_scope().filter(
        kind=Case.Kind.INCIDENT, merged_into=None,
        last_activity_at__gte=timezone.now() - sightings.WINDOW,
    )  # fmt: skip
    told = rows.order_by("-risk", "number").values_list(
        "id", "entities", "risk_terms", "status", "verdict"
    )
    for some in slices(told.iterator(), _CASES_AT_ONCE):
        lookup = matching.Lookup(one for _, entities, *_ in some for one in entities)
        for case_id, entities, terms, status, verdict in some:
            names = case_signals.sure_names(lookup.met_by(entities))
            vendors = case_signals.called_bad(entities)
            now = risk.of_indicators(vendors + len(names), names) if vendors or names else ""
            change = _Change(case_id, status == Case.Status.CLOSED, _reason(terms), now)
            if change.before != now and _matters(change, names, verdict):
                yield change


def _reason(terms: Iterable[Mapping[str, object]]) -> str:
    return next((str(one["reason"]) for one in terms if one["name"] == _TERM), "")


def _matters(change: _Change, names: Sequence[str], verdict: str) -> bool:
    """Whether a case is assessed anew; a closed one only where something has become known."""
    if not change.is_closed:
        return True
    # An earlier release gave a number and no names: what it knew then is not new.
    is_silent = bool(change.before) and not risk.names_in(change.before)
    is_new = any(name not in change.before for name in names[: risk.NAMED])
    return verdict in HARMLESS and is_new and not is_silent


def _look_again(change: _Change) -> None:
    case = Case.in_scope().select_for_update(of=("self",)).get(id=change.case_id)
    before = case.risk
    triage.assess([case])
    ledger.append(
        "case.known_anew", actor="engine", case_id=case.id, subject=str(case),
        body={
            "before": before, "risk": case.risk, "known_before": change.before,
            "known": change.now,
        },
    )  # fmt: skip
