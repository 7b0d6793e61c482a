"""What the page of doubtful matches shows: two people side by side, and why they may be one."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from msp.console import words
from playbooks.people import named
from tenants.models import Account, MatchDecision, MatchDoubt
from tenants.storable import moment

_DECIDED = 50
_MOST_PEOPLE = 50
_SPEAKS_FOR = "same_"
_NOT_EVIDENCE = "same_provider"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two people, as the accounts that are theirs now."""

    name: str
    accounts: list[Account]


@dataclass(frozen=True, slots=True)
class Row:
    """One doubt, as a technician reads it."""

    doubt: MatchDoubt
    sides: tuple[Side, Side]
    speaks_for: list[str]
    speaks_against: list[str]

    @property
    def shown(self) -> list[uuid.UUID]:
        """The accounts on both sides: whoever decides has seen these."""
        return [account.id for side in self.sides for account in side.accounts]


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision that was made, and by whom."""

    row: MatchDecision
    by: str
    reverted_by: str


def doubts(client: str = "") -> QuerySet[MatchDoubt]:
    """Return the doubts of the scope, the oldest first; `client` leaves out all others' (slug)."""
    rows = MatchDoubt.in_scope().select_related("tenant", "first", "second")
    return (rows.filter(tenant__slug=client) if client else rows).order_by("found_at", "id")


def rows(page: Iterable[MatchDoubt]) -> list[Row]:
    """Return what is shown of each doubt."""
    found = list(page)
    ends = [account for doubt in found for account in (doubt.first, doubt.second)]
    people = {account.person_id for account in ends if account.person_id}
    of_person: dict[uuid.UUID, list[Account]] = {}
    known = Account.in_scope().filter(person__in=people).select_related("person")
    for account in known.order_by("provider", "external_id"):
        assert account.person_id is not None
        of_person.setdefault(account.person_id, []).append(account)
    return [_row(doubt, of_person) for doubt in found]


def joined(asked: str, client: str = "") -> list[list[Account]]:
    """Return people of several accounts, one of which has a name or address like what is asked."""
    if not asked:
        return []
    found = Account.in_scope().exclude(person=None)
    found = found.filter(Q(username__icontains=asked) | Q(email__icontains=asked))
    if client:
        found = found.filter(tenant__slug=client)
    people = list(dict.fromkeys(found.order_by("username").values_list("person", flat=True)))
    rows = Account.in_scope().filter(person__in=people[:_MOST_PEOPLE]).select_related("tenant")
    of_person: dict[Any, list[Account]] = {}
    for account in rows.order_by("provider", "external_id"):
        of_person.setdefault(account.person_id, []).append(account)
    return [accounts for accounts in of_person.values() if len(accounts) > 1]


def decisions(client: str = "") -> list[Decision]:
    """Return what was decided last, the newest first."""
    found = MatchDecision.in_scope().select_related("tenant", "first", "second")
    if client:
        found = found.filter(tenant__slug=client)
    return [
        Decision(row, named(row.decided_by), named(row.reverted_by) if row.reverted_by else "")
        for row in found[:_DECIDED]
    ]


def _row(doubt: MatchDoubt, of_person: Mapping[uuid.UUID, list[Account]]) -> Row:
    sides = []
    for account in (doubt.first, doubt.second):
        own = of_person.get(account.person_id, [account]) if account.person_id else [account]
        name = next((one.person.display_name for one in own if one.person), account.username)
        sides.append(Side(name, own))
    names = {str(account.id): account.username for side in sides for account in side.accounts}
    told = [(str(reason.get("code")), _words(reason, names)) for reason in doubt.reasons]
    is_for = [_is_evidence(code) for code, _ in told]
    return Row(
        doubt,
        (sides[0], sides[1]),
        [sentence for (_, sentence), good in zip(told, is_for, strict=True) if good],
        [sentence for (_, sentence), good in zip(told, is_for, strict=True) if not good],
    )


def _is_evidence(code: str) -> bool:
    return code.startswith(_SPEAKS_FOR) and code != _NOT_EVIDENCE


def _words(reason: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return a reason of `tenants.matching` as a sentence."""
    value = reason.get("value", "")
    match reason.get("code"):
        case "same_address":
            return f"Both have the address {value}.{_formerly(reason, names)}"
        case "same_sid":
            return f"Both have the on-premises security identifier {value}."
        case "same_immutable_id":
            return f"Both have the immutable id {value}."
        case "same_provider":
            return (
                f"Both have an account at {words.provider(str(reason['provider']))}: an "
                "administrator may have two, most people have one."
            )
        case "sids_differ":
            return (
                "Their on-premises security identifiers differ: "
                f"{_listed(reason['first'])} and {_listed(reason['second'])}."
            )
        case "immutable_ids_differ":
            return "They are synchronised with two different accounts."
        case "reused":
            return (
                f"One was deleted on {_day(reason['deleted_at'])}, the other made later, on "
                f"{_day(reason['created_at'])}: somebody new may have got the address."
            )
        case "held_by_others":
            return "Others have it as well, so it does not say whose this is."
        case _:
            return "Joining them would also join accounts that speak against each other."


def _formerly(reason: Mapping[str, Any], names: Mapping[str, str]) -> str:
    former = [names.get(one, "an account") for one in reason.get("formerly", [])]
    return f" {_listed(former)} had it before, and has it no more." if former else ""


def _listed(values: Sequence[str]) -> str:
    return ", ".join(str(value) for value in values[:3]) + (" …" if len(values) > 3 else "")


def _day(told: object) -> str:
    at = moment(told)
    return f"{at:%Y-%m-%d}" if at else "an unknown day"
