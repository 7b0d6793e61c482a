"""Cases that name what has become known of attackers since, or is known no more: scored anew.

Indicators come later than the cases that name them, age, and are taken back. After each look for
sightings a client's cases of the last weeks are compared with what is known now. What was closed as
harmless and names what is surely known by now is looked into again, as far as there is room: one
address that much of the web is behind may be in hundreds of cases.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from integrations.intelligence import matching, sightings
from integrations.intelligence.slices import slices
from playbooks import triage
from playbooks.cases import case_signals, looking, risk, scoring
from tenants import ledger, scope, work
from tenants.models import HARMLESS, Case

# Of one client so many cases at a time; the rest takes its turn behind other clients.
AT_ONCE = 50
_CASES_AT_ONCE = 500
_TERM = "intelligence"
# So long what there is no room for waits.
_FULL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Change:
    """A case, and what its score says of known indicators, before and now.

    `is_news`: something is known of it that was not known before.
    """

    case_id: uuid.UUID
    is_closed: bool
    before: str
    now: str
    is_news: bool


def reconsider(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Score the client's cases anew of which something else is known. Handler of `reconsider`."""
    with scope.tenant(tenant_id):
        changes = list(_changes())
        open_ones = [one for one in changes if not one.is_closed]
        closed = [one for one in changes if one.is_closed]
        scoring.rescore([one.case_id for one in open_ones[:AT_ONCE]])
        room = min(AT_ONCE, looking.room_left())
        for change in closed[:room]:
            _look_again(change)
        if len(open_ones) > AT_ONCE:
            work.schedule("reconsider", tenant_id, lane=sightings.LANE, takes_turn=True)
        elif len(closed) > room:
            work.schedule("reconsider", tenant_id, delay=_FULL_SECONDS, lane=sightings.LANE)


def _changes() -> Iterator[_Change]:
    """Yield the cases that are to be told what is known now, the riskiest first.

    Of the closed ones those that were called harmless, and of which something has become known.
    """
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
            known = case_signals.surely_known(lookup.met_by(entities))
            vendors = case_signals.called_bad(entities)
            number, term = vendors + len(known.names), _term(terms)
            now = risk.of_indicators(number, known.told) if number else ""
            before = risk.known_in(term, vendors) if term else frozenset()
            change = _Change(
                case_id,
                is_closed=status == Case.Status.CLOSED,
                before=str(term["reason"]) if term else "",
                now=now,
                # What an earlier release counted without naming it is not new.
                is_news=before is not None and not before.issuperset(known.names),
            )
            if _matters(change, verdict):
                yield change


def _term(terms: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((one for one in terms if one["name"] == _TERM), None)


def _matters(change: _Change, verdict: str) -> bool:
    if change.is_closed:
        return change.is_news and verdict in HARMLESS
    return change.is_news or change.before != change.now


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
