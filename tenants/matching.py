"""Which accounts are one person's, and what is doubtful about it. Pure.

The answer depends on what is known and decided, never on the order in which it came. Evidence is
weighed in levels, each on what the stronger ones have joined:

0. a technician's decision
1. an immutable id (of the synchronisation, or of the account at another provider)
2. the on-premises security identifier
3. an address that is both accounts' own name
4. an address that is an alias of one of them

At each level what hangs together is joined only where nothing in it speaks against it. Otherwise
none of it is, and each pair is a doubt. Two accounts that one provider has side by side are joined
by a technician only. A display name is no evidence.
"""

import datetime as dt
import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenants.identifiers import Identifier, Kind, Value

# What more accounts have than this belongs to an office and not to a person.
CROWD = 8
_STRONG: tuple[Kind, ...] = ("immutable_id", "sid")
_RANK: Mapping[str, int] = {"immutable_id": 0, "sid": 1, "address": 2}

Reason = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member's account. `current`: which of its identifiers it has now; the others it had."""

    id: uuid.UUID
    provider: str
    external_id: str
    identifiers: frozenset[Identifier]
    current: frozenset[Value]
    created_at: dt.datetime | None = None
    deleted_at: dt.datetime | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Its place in a row of accounts, whichever came first."""
        return self.provider, self.external_id


@dataclass(frozen=True, slots=True)
class Decided:
    """A technician's word on two accounts."""

    first: uuid.UUID
    second: uuid.UUID
    is_same: bool


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two people who may be one, by the accounts that speak for it most, and why."""

    first: uuid.UUID
    second: uuid.UUID
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The people, each as its accounts in their row, and the doubts."""

    people: list[list[Candidate]]
    doubts: list[Doubt]


@dataclass(frozen=True, slots=True)
class _Hint:
    """Two accounts that have an identifier in common and were not joined by it."""

    first: Candidate
    second: Candidate
    value: Value
    others: int


@dataclass(eq=False, slots=True)
class _Group:
    members: list[Candidate]
    providers: set[str] = field(default_factory=set)
    sids: set[str] = field(default_factory=set)
    anchors: set[str] = field(default_factory=set)
    told_anchors: set[str] = field(default_factory=set)

    def take(self, member: Candidate) -> None:
        self.providers.add(member.provider)
        for one in member.identifiers:
            if one.kind == "sid":
                self.sids.add(one.value)
            elif one.kind == "immutable_id":
                self.anchors.add(one.value)
                if not one.is_own:
                    self.told_anchors.add(one.value)


def resolve(
    accounts: Iterable[Candidate],
    decisions: Sequence[Decided] = (),
    crowded: frozenset[Value] = frozenset(),
) -> Resolved:
    """Return who is who among these accounts.

    `decisions` are in the order in which they were made. Identifiers in `crowded` count for
    nothing, nor do those that more than `CROWD` of these accounts have.
    """
    return _Matching(accounts, decisions, crowded).resolved()


class _Matching:
    def __init__(
        self,
        accounts: Iterable[Candidate],
        decisions: Sequence[Decided],
        crowded: frozenset[Value],
    ) -> None:
        self._accounts = sorted(accounts, key=lambda one: one.place)
        self._group: dict[uuid.UUID, _Group] = {}
        for one in self._accounts:
            self._group[one.id] = alone = _Group([one])
            alone.take(one)
        self._decisions = [d for d in decisions if {d.first, d.second} <= self._group.keys()]
        self._apart = {
            pair
            for d in self._decisions
            if not d.is_same
            for pair in ((d.first, d.second), (d.second, d.first))
        }
        self._holders: dict[Value, list[tuple[Candidate, bool]]] = defaultdict(list)
        for one in self._accounts:
            for known in sorted(one.identifiers):
                if known.kind != "login" and (known.kind, known.value) not in crowded:
                    self._holders[known.kind, known.value].append((one, known.is_own))
        for value in [v for v, held in self._holders.items() if not 1 < len(held) <= CROWD]:
            del self._holders[value]
        self._hints: list[_Hint] = []
        self._disputed: set[uuid.UUID] = set()

    def resolved(self) -> Resolved:
        for one in self._decisions:
            if one.is_same and not self._are_apart(self._group[one.first], self._group[one.second]):
                self._merge([self._group[one.first], self._group[one.second]])
        for kind in _STRONG:
            self._join_by(kind, self._pairs(kind, is_own=None))
        for is_own in (True, False):
            self._join_by("address", self._pairs("address", is_own=is_own))
        people = {id(group): group for group in self._group.values()}
        return Resolved([group.members for group in people.values()], self._doubts())

    # Joining

    def _pairs(self, kind: Kind, *, is_own: bool | None) -> list[_Hint]:
        """Return the pairs of groups that have an identifier in common, by accounts."""
        found = []
        for value, held in sorted(self._holders.items()):
            if value[0] != kind:
                continue
            groups = {id(self._group[one.id]) for one, _ in held}
            for (a, a_own), (b, b_own) in itertools.combinations(held, 2):
                if self._group[a.id] is self._group[b.id]:
                    continue
                if is_own is None or (a_own and b_own) == is_own:
                    found.append(_Hint(a, b, value, len(groups) - 2))
        return found

    def _join_by(self, kind: Kind, pairs: list[_Hint]) -> None:
        clear = []
        for pair in pairs:
            if kind == "address" and self._is_contested(pair.value):
                self._hints.append(pair)
            else:
                clear.append(pair)
        for groups, inside in self._hanging_together(clear):
            if not self._is_doubtful(kind, groups):
                self._merge(groups)
                continue
            self._hints += inside
            if kind != "address":
                self._disputed |= {one.id for group in groups for one in group.members}

    def _hanging_together(self, pairs: list[_Hint]) -> list[tuple[list[_Group], list[_Hint]]]:
        near: dict[int, list[_Group]] = defaultdict(list)
        start: dict[int, _Group] = {}
        for pair in pairs:
            a, b = self._group[pair.first.id], self._group[pair.second.id]
            near[id(a)].append(b)
            near[id(b)].append(a)
            start[id(a)], start[id(b)] = a, b
        found: list[tuple[list[_Group], list[_Hint]]] = []
        part_of: dict[int, int] = {}
        for key in start:
            if key in part_of:
                continue
            part, waiting = [], [start[key]]
            part_of[key] = len(found)
            while waiting:
                group = waiting.pop()
                part.append(group)
                for other in near[id(group)]:
                    if id(other) not in part_of:
                        part_of[id(other)] = len(found)
                        waiting.append(other)
            found.append((part, []))
        for pair in pairs:
            found[part_of[id(self._group[pair.first.id])]][1].append(pair)
        return found

    def _merge(self, groups: list[_Group]) -> None:
        whole = _Group([])
        for group in {id(group): group for group in groups}.values():
            whole.members += group.members
        whole.members.sort(key=lambda one: one.place)
        for member in whole.members:
            whole.take(member)
            self._group[member.id] = whole

    # What speaks against it

    def _is_contested(self, value: Value) -> bool:
        groups = {id(self._group[one.id]): self._group[one.id] for one, _ in self._holders[value]}
        return self._is_doubtful("address", list(groups.values()))

    def _is_doubtful(self, kind: Kind, groups: list[_Group]) -> bool:
        if kind == "sid" and any(
            one.id in self._disputed for group in groups for one in group.members
        ):
            return True
        return any(self._speaks_against(kind, a, b) for a, b in itertools.combinations(groups, 2))

    def _speaks_against(self, kind: Kind, a: _Group, b: _Group) -> bool:
        if self._are_apart(a, b) or _anchors_differ(a, b) or _stand_side_by_side(a, b):
            return True
        if kind == "sid":
            # After a migration an account has former identifiers: a row of them is one person.
            return False
        if _sids_differ(a, b):
            return True
        # What is gone was the same object where it had the immutable id; of one address it need
        # not be.
        return kind == "address" and bool(a.providers & b.providers or _reuse(a, b))

    def _are_apart(self, a: _Group, b: _Group) -> bool:
        return bool(self._apart) and any(
            (one.id, other.id) in self._apart for one in a.members for other in b.members
        )

    # Doubts

    def _doubts(self) -> list[Doubt]:
        by_pair: dict[frozenset[int], list[_Hint]] = defaultdict(list)
        for hint in self._hints:
            a, b = self._group[hint.first.id], self._group[hint.second.id]
            if a is not b and not self._are_apart(a, b) and not self._is_history(hint, a, b):
                by_pair[frozenset({id(a), id(b)})].append(hint)
        doubts = [self._doubt(hints) for hints in by_pair.values()]
        return sorted(doubts, key=lambda doubt: (doubt.first, doubt.second))

    def _is_history(self, hint: _Hint, a: _Group, b: _Group) -> bool:
        """Whether two people of one provider merely had the address one after the other."""
        return bool(a.providers & b.providers) and not all(
            any(hint.value in one.current for one in group.members) for group in (a, b)
        )

    def _doubt(self, hints: list[_Hint]) -> Doubt:
        hints.sort(key=lambda h: (_RANK[h.value[0]], h.value, h.first.place, h.second.place))
        first, second = hints[0].first, hints[0].second
        a, b = self._group[first.id], self._group[second.id]
        reasons = [_same(hint) for hint in hints]
        reasons += _against(a, b)
        others = max(hint.others for hint in hints)
        if others > 0:
            reasons.append({"code": "held_by_others", "others": others})
        elif len(reasons) == len(hints):
            reasons.append({"code": "would_join_more"})
        unique = {repr(sorted(reason.items())): reason for reason in reasons}
        return Doubt(first.id, second.id, tuple(unique.values()))


def _same(hint: _Hint) -> Reason:
    kind, value = hint.value
    formerly = [str(one.id) for one in (hint.first, hint.second) if hint.value not in one.current]
    return {"code": f"same_{kind}", "value": value} | ({"formerly": formerly} if formerly else {})


def _against(a: _Group, b: _Group) -> list[Reason]:
    found: list[Reason] = [
        {"code": "same_provider", "provider": provider}
        for provider in sorted(a.providers & b.providers)
    ]
    if _sids_differ(a, b):
        found.append({"code": "sids_differ", "first": sorted(a.sids), "second": sorted(b.sids)})
    if _anchors_differ(a, b):
        found.append({"code": "immutable_ids_differ"})
    reused = _reuse(a, b)
    if reused is not None:
        found.append({"code": "reused", "deleted_at": reused[0], "created_at": reused[1]})
    return found


def _sids_differ(a: _Group, b: _Group) -> bool:
    return bool(a.sids and b.sids and not a.sids & b.sids)


def _stand_side_by_side(a: _Group, b: _Group) -> bool:
    """Whether one provider has an account of each: two objects there, whatever both were told.

    By which identifiers they hang together, and which of them they still have, doesn't matter: that
    would depend on what came last.
    """
    return bool(_live_at(a) & _live_at(b))


def _live_at(group: _Group) -> set[str]:
    return {one.provider for one in group.members if one.deleted_at is None}


def _anchors_differ(a: _Group, b: _Group) -> bool:
    """Whether both were told what they are synchronised with, and it is not the same."""
    return bool(a.told_anchors and b.told_anchors and not a.anchors & b.anchors)


def _reuse(a: _Group, b: _Group) -> tuple[dt.datetime, dt.datetime] | None:
    """When an account of the one was gone and, later, one of the other made; None if that isn't."""
    for gone, made in ((a, b), (b, a)):
        for old in gone.members:
            for new in made.members:
                if old.deleted_at and new.created_at and new.created_at > old.deleted_at:
                    return old.deleted_at, new.created_at
    return None
