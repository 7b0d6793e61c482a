"""Which rules can match a record at all: by exact values, and by literals in one pass."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ahocorasick_rs import AhoCorasick

from integrations.detection.fields import View
from integrations.detection.predicates import folded
from integrations.detection.rules import Rule

# A longer text is not looked through for literals: overlapping ones could be told without end.
_LONGEST_TEXT = 64 * 1024


class Index:
    """Rules of one log source. `candidates` leaves none out that matches."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._always: list[int] = []
        exact: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        literal: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, rule in enumerate(self.rules):
            if rule.node.triggers is None:
                self._always.append(number)
                continue
            for trigger in rule.node.triggers:
                into = exact if trigger.is_whole else literal
                into[trigger.field][trigger.text].append(number)
        self._exact = {field: dict(texts) for field, texts in exact.items()}
        self._literal = [
            (field, AhoCorasick(list(texts)), list(texts.values()))
            for field, texts in literal.items()
        ]

    def candidates(self, view: View) -> Iterable[Rule]:
        """The rules worth trying on a record, in order."""
        found = set(self._always)
        for field, texts in self._exact.items():
            for value in view.values(field):
                found.update(texts.get(folded(value), ()))
        for field, automaton, numbers in self._literal:
            for value in view.values(field) if field else view.texts():
                if len(value) > _LONGEST_TEXT:
                    found.update(number for some in numbers for number in some)
                    continue
                for at, _, _ in automaton.find_matches_as_indexes(folded(value), overlapping=True):
                    found.update(numbers[at])
        return (self.rules[number] for number in sorted(found))
