"""Which rules can match a record at all: by exact values, and by literals in one pass."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from ahocorasick_rs import AhoCorasick

from integrations.detection.conditions import Way
from integrations.detection.fields import Place
from integrations.detection.predicates import How, folded, readable, tail
from integrations.detection.rules import Rule
from integrations.detection.texts import completed

# A longer text is not looked through for literals: overlapping ones could be told without end.
_LONGEST_TEXT = 64 * 1024
# What was looked up before is remembered: names of programs and operations come again and again.
_MOST_REMEMBERED = 1_024
_LONGEST_REMEMBERED = 96
_SHORT = 4
_OF_A_FIELD = 4

Numbers = tuple[int, ...]


class Known(dict[str, Numbers]):
    """Which rules are worth trying for a value; what was looked up before is remembered."""

    __slots__ = ("_look",)

    def __init__(self, look: Callable[[str], Numbers]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, value: str) -> Numbers:
        found = self._look(value)
        if len(value) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[value] = found
        return found


class Field:
    """What one field tells: which rules are worth trying for a value."""

    __slots__ = ("_at", "_automaton", "_numbers", "_tails", "_whole", "known", "name")

    def __init__(self, name: str, triggers: dict[How, dict[str, list[int]]]) -> None:
        self.name = name
        self._whole = {text: tuple(numbers) for text, numbers in triggers[How.WHOLE].items()}
        self._tails = {text: tuple(numbers) for text, numbers in triggers[How.TAIL].items()}
        parts = triggers[How.PART]
        self._automaton = AhoCorasick(list(parts)) if parts else None
        self._numbers = [tuple(numbers) for numbers in parts.values()]
        self.known = Known(self._look)
        self._at: dict[Place, Known] = {}

    def known_at(self, place: Place | None) -> Known:
        """The same by what stands at a place, which the place completes to the field's value."""
        if place is None:
            return self.known
        known = self._at.get(place)
        if known is None:
            known = self._at[place] = Known(
                lambda text: self._of_all(completed(readable(text), place))
            )
        return known

    def _of_all(self, texts: Iterable[str]) -> Numbers:
        return tuple(number for text in texts for number in self.known[text])

    def _look(self, value: str) -> Numbers:
        text = folded(readable(value))
        found = self._whole.get(text, ())
        if self._tails:
            found += self._tails.get(tail(text), ())
        if self._automaton is None:
            return found
        if len(text) > _LONGEST_TEXT:
            return found + tuple(number for some in self._numbers for number in some)
        # Each hit once: a text may hold the same literal many times.
        hits = self._automaton.find_matches_as_indexes(text, overlapping=True)
        if not hits:
            return found
        return found + tuple({n for at in {hit[0] for hit in hits} for n in self._numbers[at]})


class Index:
    """Rules of one log source: `always` are those that are tried on each of its records.

    For the others `fields` tell by their values which are worth trying, and `anywhere` by any text
    of a record. No rule is left out that matches.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.always: Numbers = tuple(
            number for number, rule in enumerate(self.rules) if not rule.node.ways
        )
        triggers: dict[str, dict[How, dict[str, list[int]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        for number, way in _chosen(self.rules).items():
            for trigger in way:
                triggers[trigger.field][trigger.how][trigger.text].append(number)
        anywhere = triggers.pop("", None)
        self.fields = tuple(Field(name, told) for name, told in triggers.items())
        self.anywhere = Field("", anywhere) if anywhere else None

    def in_order(self, numbers: Numbers) -> Sequence[Rule]:
        """The rules with these numbers, each once."""
        if len(numbers) == 1:
            return (self.rules[numbers[0]],)
        return [self.rules[number] for number in sorted(set(numbers))]


def _chosen(rules: Sequence[Rule]) -> dict[int, Way]:
    """For each rule the way by which it is found: of few fields in all, each value in few rules."""
    popular = Counter(
        trigger
        for rule in rules
        for trigger in {trigger for way in rule.node.ways for trigger in way}
    )
    fields: set[str] = set()
    chosen: dict[int, Way] = {}

    def cost(way: Way) -> tuple[int, int, int, int]:
        shared = sum(popular[trigger] for trigger in way) // len(way)
        short = sum(t.how is How.PART and len(t.text) < _SHORT for t in way)
        new = len({trigger.field for trigger in way} - fields)
        parts = sum(trigger.how is How.PART for trigger in way)
        # Another field has to be read from each record, a popular value only tries more rules.
        dear = shared.bit_length() + 2 * short + _OF_A_FIELD * new
        return (dear, new, parts, -min(len(trigger.text) for trigger in way))

    # Those with the least choice first: they say which fields have to be read anyway.
    for number in sorted(range(len(rules)), key=lambda number: len(rules[number].node.ways)):
        if ways := rules[number].node.ways:
            chosen[number] = min(ways, key=cost)
            fields.update(trigger.field for trigger in chosen[number])
    return chosen
