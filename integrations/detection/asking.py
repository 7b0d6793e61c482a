"""What is looked at in a record to tell of which kind it is, and where its fields stand.

A decision asks one question after the other: which keys a part has, what a field holds. What comes
of it depends on the answers alone, so that the questions make a tree. A record that gives the same
answers as an earlier one is of the same kind, and nothing is worked out again for it.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Generic, NamedTuple, TypeVar

from integrations.detection.fields import Sorter
from integrations.detection.keys import MOST_KEYS, Keys, is_worth_keeping, keys_of
from integrations.detection.standing import NOWHERE, UNSURE, Layout, Spot
from integrations.detection.texts import is_something
from integrations.detection.views import Record, View

# The record as its vendor sent it; behind it the OCSF event made of it, if there is one.
Records = tuple[Record, ...]
# The number of one of the records, then keys, or 0 for the only item of a list.
Steps = tuple[Any, ...]
Question = Callable[[Records], Any]
Parts = tuple[tuple[int, Layout], ...]
Found = TypeVar("Found")

# What is kept is weighed in bytes, by its keys: what a record's sender chooses stays bounded.
_OF_A_KEY: Final = 256
_OF_AN_ANSWER: Final = 1_024


class Sign(Enum):
    """An answer that is no value of any record.

    A part of it is UNCLEAR that has to be looked through in each record: a longer list, a text that
    holds JSON.
    """

    ABSENT = "absent"
    UNCLEAR = "unclear"
    ONLY = "only"


class Below(NamedTuple):
    """The keys of a part of a record; `is_only`: it is the only item of a list."""

    keys: Keys
    is_only: bool


Facts = Mapping[Steps, Below | Sign]


class Asking:
    """The questions that a decision asks of records, in order, with their answers.

    `facts` are known already and not asked again. `is_worth_keeping` is False where an answer is
    too large to be remembered; the others take about as many bytes as `weight` says.
    """

    __slots__ = ("_sorts", "facts", "is_worth_keeping", "log", "records", "weight")

    def __init__(self, records: Records, facts: Facts | None = None) -> None:
        self.records = records
        self.facts: dict[Steps, Below | Sign] = dict(facts or {})
        self._sorts: dict[Hashable, tuple[str, ...] | None] = {}
        self.log: list[tuple[Question, Hashable]] = []
        self.is_worth_keeping = True
        self.weight = 0

    def top(self, number: int) -> Keys:
        """The keys of a record itself."""
        known = self.facts.get((number,))
        if not isinstance(known, Below):
            keys = tuple(self.records[number])
            self._note(_keys_of_record(number), keys, keys)
            known = self.facts[(number,)] = Below(keys_of(keys), False)
        return known.keys

    def below(self, steps: Steps) -> Below | Sign:
        """The keys of a part of a record; ABSENT where it can have none, or UNCLEAR."""
        known = self.facts.get(steps)
        if known is None:
            question = _keys_at(steps)
            answer = question(self.records)
            known = self.facts[steps] = _told(answer)
            self._note(question, answer, tuple(known.keys.own) if isinstance(known, Below) else ())
        return known

    def sort(self, field: str, parts: Parts, sorter: Sorter) -> tuple[str, ...] | None:
        """Which of the sorter's patterns the field fulfils; None where it isn't there."""
        spot = spot_of(field, parts, self.below)
        if spot is NOWHERE:
            return None
        # Whoever asks for it, and by whatever name: what stands at a spot is looked at once.
        key = (field, parts) if spot is UNSURE or spot.place else (sorter, spot.steps)
        if key not in self._sorts:
            if sorter.is_presence and isinstance(self.facts.get(spot.steps), Below):
                return ()
            question = _sort_at(field, parts, spot, sorter)
            self._sorts[key] = answer = question(self.records)
            self._note(question, answer, ())
        return self._sorts[key]

    def _note(self, question: Question, answer: Hashable, keys: tuple[Any, ...]) -> None:
        self.log.append((question, answer))
        self.weight += _OF_AN_ANSWER + sum(_OF_A_KEY + 2 * len(str(key)) for key in keys)
        if not is_worth_keeping(keys):
            self.is_worth_keeping = False


def spot_of(field: str, parts: Parts, below: Callable[[Steps], Below | Sign]) -> Spot:
    """Where a field stands in records of which `below` tells the keys.

    The spot is the first place that isn't ruled out by keys: what stands there counts if it is a
    text or a number. NOWHERE or UNSURE where there is no such spot.
    """
    for number, layout in parts:
        for place in layout.shape.places(field):
            steps = _exact(number, place.path, below)
            if steps is Sign.ABSENT:
                continue
            if isinstance(steps, Sign) or place.joined or place.domains:
                return UNSURE
            return Spot(steps, None if place.is_plain else place)
    return NOWHERE


def _exact(
    number: int, path: Iterable[str], below: Callable[[Steps], Below | Sign]
) -> Steps | Sign:
    """The path with the keys that the records have, or a sign."""
    steps: Steps = (number,)
    for step in path:
        found = below(steps)
        if isinstance(found, Sign):
            return found
        keys, is_only = found
        key = keys.find(step, step.lower())
        if is_only:
            if keys.is_pair or (key is None and keys.has_pair):
                # A list of names with values is read by name.
                return Sign.UNCLEAR
            steps = (*steps, 0)
        if key is None:
            return Sign.ABSENT
        steps = (*steps, key)
    return steps


def view_of(records: Records, parts: Parts) -> View:
    """The records' fields, looked for in the parts."""
    return View(records[0], tuple((records[number], layout) for number, layout in parts))


def _keys_of_record(number: int) -> Question:
    return lambda records: tuple(records[number])


def _keys_at(steps: Steps) -> Question:
    def ask(records: Records) -> Any:
        node: Any = records
        for step in steps:
            node = node[step]
        kind = type(node)
        if kind is dict:
            return tuple(node) if len(node) <= MOST_KEYS else Sign.UNCLEAR
        if kind is str:
            return Sign.UNCLEAR if node[:1] in ("{", "[") else Sign.ABSENT
        if kind is list and len(node) == 1 and type(node[0]) is dict:
            return (Sign.ONLY, tuple(node[0])) if len(node[0]) <= MOST_KEYS else Sign.UNCLEAR
        return Sign.ABSENT if node is None or kind in (bool, int, float) else Sign.UNCLEAR

    return ask


def _told(answer: Any) -> Below | Sign:
    if isinstance(answer, Sign):
        return answer
    if answer[:1] == (Sign.ONLY,):
        return Below(keys_of(answer[1]), True)
    return Below(keys_of(answer), False)


def _sort_at(field: str, parts: Parts, spot: Spot, sorter: Sorter) -> Question:
    def look(records: Records) -> Any:
        return sorter.of(view_of(records, parts).values(field))

    if spot is UNSURE or spot.place is not None:
        return look
    *before, key = spot.steps
    steps, known, learn, reach = tuple(before), sorter.known, sorter.learn, sorter.reach

    def is_there(records: Records) -> Any:
        node: Any = records
        for step in steps:
            node = node[step]
        node = node[key]
        return () if type(node) is str or is_something(node) else look(records)

    def ask(records: Records) -> Any:
        node: Any = records
        for step in steps:
            node = node[step]
        node = node[key]
        kind = type(node)
        if kind is str:
            found = known.get(node[:reach])
            return learn(node) if found is None else found
        if kind is int:
            return learn(str(node))
        return look(records)

    return is_there if sorter.is_presence else ask


class _Node(Generic[Found]):
    """A question, and what follows from each of its answers; the last has what was found."""

    __slots__ = ("found", "next", "question")

    def __init__(self) -> None:
        self.question: Question | None = None
        self.next: dict[Hashable, _Node[Found]] = {}
        self.found: Found | None = None


class Tree(Generic[Found]):
    """What was found for records, by the answers that they give."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[Found] = _Node()

    def find(self, records: Records) -> Found | None:
        """What was found for the records' kind; None where none of that kind has been seen."""
        node: _Node[Found] | None = self._root
        while node is not None:
            question = node.question
            if question is None:
                return node.found
            node = node.next.get(question(records))
        return None

    def keep(self, asked: Asking, found: Found) -> None:
        """Remember what was found for records that answer what was asked as these did."""
        node = self._root
        for question, answer in asked.log:
            if node.question is None:
                node.question = question
            node = node.next.setdefault(answer, _Node())
        node.found = found
