"""What belongs together: alerts that share something, near in time, are one case. Pure.

Two groups (a case, or an alert without one) are one where they share an account, a device, a
message, a process tree or an indicator, and no more than a day lies between what the one and the
other have seen. A group only grows by that, in what it has and in time, and what was near enough
stays so: whichever two are joined first, the same groups come out in the end. So it does not count
in which order, how many at a time, or by which worker alerts come.

An address or a domain is something that strangers share, unless the alert is about it. So is a
name that is nobody's, such as "unknown" or localhost; and what many of a client's own people share
(`shared_names`) joins only what names nothing else.
"""

import datetime as dt
import ipaddress
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from integrations.endpoints import account_name
from integrations.traces import is_of_nothing
from tenants.models import Finding

WINDOW = dt.timedelta(hours=24)
# `indicator:` is what an alert itself calls bad: an address, a domain, a link.
_KINDS = (
    "account:", "account_id:", "device:", "device_id:", "message:", "mailbox:", "incident:",
    "process_tree:", "indicator:",
)  # fmt: skip
_ATTACKED = re.compile(r"account(_id)?:|device(_id)?:|mailbox:|message:")
_FILE_HASH = re.compile(r"file:([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})")
# What products write where they know no name.
_NOBODY = frozenset(
    {"", "-", "--", "?", "unknown", "n/a", "na", "none", "null", "(null)", "<null>", "nil",
     "undefined", "unspecified", "not available", "not applicable", "anonymous", "anonymous logon",
     "localhost", "localhost.localdomain", "localhost4", "localhost6", "false", "true"}
)  # fmt: skip
# Every computer has them: without its name, or a domain's, they are nobody's.
_EVERYWHERE = frozenset(
    {"administrator", "admin", "guest", "user", "default", "defaultaccount", "nobody", "test"}
)
_ZEROS = re.compile(r"[0-]+")
_NUMBERS = re.compile(r"[\d.]+|.*:.*")
# Alerts are told late, but not this late: an older date is a clock that was never set.
_OLDEST = dt.timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class Group:
    """A case, or an alert without one: what it shares with others, and when it was seen."""

    id: uuid.UUID
    shared: frozenset[str]
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class Names:
    """What a client's directory says of names: `shared` are those that many people have.

    `people` are the entities of accounts and mailboxes with whose they are, as ``person:ID``: one
    product calls an account by its address, another by its login.
    """

    shared: frozenset[str] = frozenset()
    people: Mapping[str, str] = field(default_factory=dict)


NOT_KNOWN = Names()


def joining(entities: Iterable[str], names: Names = NOT_KNOWN) -> frozenset[str]:
    """Return by which of its entities an alert belongs to others that have them.

    What many share counts where nobody and nothing else is named that is attacked. A computer goes
    by its short name, since only some products tell its domain.
    """
    found = frozenset(filter(None, map(_joined_by, entities)))
    others = found.difference(map(_joined_by, names.shared))
    found = others if any(map(_ATTACKED.match, others)) else found
    return found | {names.people[one] for one in found if one in names.people}


def _joined_by(entity: str) -> str:
    kind, _, name = entity.partition(":")
    if kind == "file":
        return entity if _FILE_HASH.fullmatch(entity) and not is_of_nothing(name) else ""
    if f"{kind}:" not in _KINDS:
        return ""
    if kind == "device":
        name = short_name(name.strip().rstrip("."))
    if not _names_one(kind, name):
        return ""
    return f"{kind}:{name}"


def short_name(host: str) -> str:
    """Return a computer's name without its domain; an address as it is."""
    return host if _NUMBERS.fullmatch(host) else host.partition(".")[0]


def _names_one(kind: str, name: str) -> bool:
    """Whether a name tells one from all others."""
    told = name.rpartition(":")[2] if kind == "device_id" else name.strip()
    if told in _NOBODY or _ZEROS.fullmatch(told):
        return False
    if kind == "account":
        return name not in _EVERYWHERE and account_name(name) != ""
    return kind != "device" or not _is_anybodys(told)


def _is_anybodys(host: str) -> bool:
    """Whether a computer is named by an address only, and one of no single computer."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_global or address.is_loopback or address.is_unspecified


def span(finding: Finding) -> tuple[dt.datetime, dt.datetime]:
    """Return from when until when what an alert tells of happened, as far as can be believed.

    Nothing is told before it happened, so a clock that is ahead counts as when the alert was told
    last; and a date of long ago, such as year 1, says nothing.
    """
    start = finding.first_activity_at or finding.time
    end = finding.last_activity_at or finding.time
    start, end = min(start, end), max(start, end)
    came = finding.updated_at
    end = min(end, came)
    if end < came - _OLDEST:
        return came, came
    start = min(start, end)
    return (start if start >= came - _OLDEST else end), end


def shifted(time: dt.datetime, by: dt.timedelta) -> dt.datetime:
    """Return `time` moved, within the years that there are."""
    try:
        return time + by
    except OverflowError:
        return time


class Partition:
    """Groups that belong together, found one after the other.

    `apart` holds pairs of ids that a person has separated: they are never joined, and what belongs
    to both goes to the one that was added first.
    """

    def __init__(self, apart: Collection[frozenset[uuid.UUID]] = ()) -> None:
        self._apart: dict[uuid.UUID, set[uuid.UUID]] = {}
        for pair in apart:
            for one in pair:
                self._apart.setdefault(one, set()).update(pair - {one})
        self._members: dict[int, list[uuid.UUID]] = {}
        self._shared: dict[int, set[str]] = {}
        self._span: dict[int, tuple[dt.datetime, dt.datetime]] = {}
        self._having: dict[str, set[int]] = {}
        # The sets that share something with each, near in time or not.
        self._sharing: dict[int, set[int]] = {}
        self._place: dict[uuid.UUID, int] = {}
        self._next = 0

    def add(self, group: Group) -> None:
        """Take a group in, and join what it brings together."""
        place, self._next = self._next, self._next + 1
        self._members[place] = [group.id]
        self._shared[place] = set(group.shared)
        self._span[place] = group.start, group.end
        self._place[group.id] = place
        self._sharing[place] = self._having_any(group.shared)
        for other in self._sharing[place]:
            self._sharing[other].add(place)
        for entity in group.shared:
            self._having.setdefault(entity, set()).add(place)
        while (beside := self._beside(place)) is not None:
            place = self._joined(place, beside)

    def is_near(self, group: Group) -> bool:
        """Whether a group that is not in yet belongs to one that is."""
        return any(
            self._is_within(other, group.start, group.end)
            for other in self._having_any(group.shared)
        )

    def together(self) -> list[list[uuid.UUID]]:
        """Return the ids that belong together, each set in the order in which they were added."""
        return [self._members[place] for place in sorted(self._members)]

    def shared(self, one: uuid.UUID) -> set[str]:
        """Return what the set shares that the group `one` is in by now."""
        return self._shared[self._place[one]]

    def span(self, one: uuid.UUID) -> tuple[dt.datetime, dt.datetime]:
        """Return when the set was seen that the group `one` is in by now."""
        return self._span[self._place[one]]

    def _having_any(self, shared: Iterable[str]) -> set[int]:
        """Return the sets that have one of these."""
        return set().union(*(self._having.get(entity, ()) for entity in shared))

    def _beside(self, place: int) -> int | None:
        """Return the first set that belongs to the set `place`."""
        for other in sorted(self._sharing[place]):
            if self._is_within(other, *self._span[place]) and not self._are_apart(place, other):
                return other
        return None

    def _is_within(self, place: int, start: dt.datetime, end: dt.datetime) -> bool:
        begins, ends = self._span[place]
        return begins <= shifted(end, WINDOW) and ends >= shifted(start, -WINDOW)

    def _are_apart(self, one: int, other: int) -> bool:
        if not self._apart:
            return False
        kept_from = set().union(*(self._apart.get(id_, ()) for id_ in self._members[one]))
        return not kept_from.isdisjoint(self._members[other])

    def _joined(self, one: int, other: int) -> int:
        """Put two sets into one; the earlier stays."""
        stays, goes = min(one, other), max(one, other)
        for id_ in self._members[goes]:
            self._place[id_] = stays
        self._members[stays] += self._members.pop(goes)
        for entity in self._shared[goes]:
            self._having[entity].discard(goes)
            self._having[entity].add(stays)
        self._shared[stays] |= self._shared.pop(goes)
        for other in self._sharing[goes]:
            self._sharing[other].discard(goes)
            self._sharing[other].add(stays)
        self._sharing[stays] = (self._sharing[stays] | self._sharing.pop(goes)) - {stays, goes}
        (start, end), (begins, ends) = self._span[stays], self._span.pop(goes)
        self._span[stays] = min(start, begins), max(end, ends)
        return stays
