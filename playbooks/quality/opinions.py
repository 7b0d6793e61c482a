"""How far second opinions agree with the first. Pure.

Beside how many gave the same verdict stands how near the others came: to see an attack where the
first saw nothing is worse than to be unsure. On the scale harmless, undecided, attack two verdicts
at the same place count whole, neighbours half, the ends nothing. Kappa (Cohen's, with these
weights; Psychological Bulletin 70, 1968) leaves out the agreement that chance alone would bring.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tenants.models import Verdict

_SCALE: Final = {
    Verdict.BENIGN: 0,
    Verdict.FALSE_POSITIVE: 0,
    Verdict.INSUFFICIENT_DATA: 1,
    Verdict.SUSPICIOUS: 1,
    Verdict.TRUE_POSITIVE: 2,
}
_LONGEST: Final = 2


@dataclass(frozen=True, slots=True)
class Opinions:
    """Second opinions: how many, how many with the same verdict, and how near they came.

    `nearness` is the sum of their weights; `kappa` is 1 for full agreement and 0 for what chance
    brings, None where it can't be told (none, or all at one place).
    """

    given: int
    agreed: int
    nearness: float
    kappa: float | None

    @property
    def percent(self) -> int | None:
        """Return the share with the same verdict, rounded down; None where none was given."""
        return 100 * self.agreed // self.given if self.given else None

    @property
    def weighted_percent(self) -> int | None:
        """Return how near they came, rounded down; None where none was given."""
        return int(100 * self.nearness // self.given) if self.given else None


def compared(pairs: Iterable[tuple[str, str]]) -> Opinions:
    """Compare the first verdict of each case with the second."""
    told = list(pairs)
    places = [(_place(first), _place(second)) for first, second in told]
    nearness = sum(_weight(first, second) for first, second in places)
    agreed = sum(first == second for first, second in told)
    return Opinions(len(told), agreed, nearness, _kappa(places, nearness))


def _kappa(places: list[tuple[int, int]], nearness: float) -> float | None:
    if not places:
        return None
    number = len(places)
    firsts, seconds = (Counter(one[at] for one in places) for at in (0, 1))
    by_chance = sum(
        firsts[first] * seconds[second] * _weight(first, second)
        for first in firsts
        for second in seconds
    ) / (number * number)
    if by_chance == 1:
        return None
    return round((nearness / number - by_chance) / (1 - by_chance), 2)


def _place(verdict: str) -> int:
    # What nobody decided is as good as undecided.
    return _SCALE.get(Verdict(verdict), 1) if verdict else 1


def _weight(first: int, second: int) -> float:
    return 1 - abs(first - second) / _LONGEST
