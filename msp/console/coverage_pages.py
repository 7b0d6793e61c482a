"""What the page about ATT&CK coverage shows beside the techniques: by tactic, and by feed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.alerting import coverage, sources
from integrations.alerting.coverage import Technique


@dataclass(frozen=True, slots=True)
class Tactic:
    """One tactic's techniques; how many of them are covered, blind, or neither."""

    name: str
    techniques: Sequence[Technique]
    covered: int
    blind: int


def to_connect(techniques: Sequence[Technique]) -> list[tuple[str, int]]:
    """Return each feed that is missing and how many techniques wait for it, most first."""
    waiting = Counter(feed for one in techniques for feed in one.missing)
    return sorted(
        ((sources.title(feed), count) for feed, count in waiting.items()),
        key=lambda one: (-one[1], one[0]),
    )


def by_tactic(techniques: Sequence[Technique]) -> list[Tactic]:
    """Return the techniques under each of their tactics, in the order of an attack."""
    known = coverage.tactics()
    others = {tactic: tactic for one in techniques for tactic in one.tactics}
    names = {**known, **{tactic: name for tactic, name in others.items() if tactic not in known}}
    found = [
        (name, [one for one in techniques if tactic in one.tactics])
        for tactic, name in names.items()
    ]
    rest = [one for one in techniques if not one.tactics]
    return [
        Tactic(
            name, under,
            sum(bool(one.covered) for one in under), sum(bool(one.blind) for one in under),
        )
        for name, under in [*found, ("Without a tactic", rest)]
        if under
    ]  # fmt: skip
