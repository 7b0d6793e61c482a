"""What is wrong with a rule, and what to do about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from integrations.alerting import sources
from integrations.alerting.failing import Failing
from integrations.alerting.measuring import Measured
from integrations.alerting.rows import Stage
from integrations.alerting.rulebook import Entry
from integrations.alerting.sources import Reach
from integrations.detection.rules import LogSource

# What speaks for a rule in shadow: it fires seldom, and mostly where there was an attack.
_FEW_A_WEEK: Final = 10
_READY_PRECISION: Final = 50
_READY_CASES: Final = 3
# A person can look at so many hits of one rule and one client a week, and not at more.
_MANY_A_WEEK: Final = 100
_LEAST_CASES: Final = 5
_LEAST_PRECISION: Final = 30


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing: `kind` is failing, loud, wrong, duplicate, silent, ready, alerts, blind
    or never."""

    kind: str
    words: str
    fix: str


def on(
    entry: Entry, stage_at: Sequence[Stage], measured: Measured, reached: Mapping[Reach, int],
    needs: Sequence[LogSource], twin: Entry | None, fails: Failing | None = None,
) -> list[Advice]:  # fmt: skip
    """Return what is wrong with a rule.

    `stage_at` has its stage at each client that is looked at, `reached` counts those clients by
    whether its log sources come, `needs` are these, `twin` a rule that does the same, `fails` how
    often it failed.
    """
    if not any(stage in (Stage.SHADOW, Stage.LIVE) for stage in stage_at):
        return []
    clients = max(1, len(stage_at))
    found = [*_failing(entry, fails), *_loud(measured, clients), *_wrong(measured)]
    if twin is not None:
        found.append(
            Advice(
                "duplicate", f"It finds what “{twin.title}” finds.",
                "Keep the better of the two and set the other to off.",
            )
        )  # fmt: skip
    found += [*_reach(reached, clients, needs), *_ready(stage_at, measured, clients)]
    if measured.last_at is None and reached.get(Reach.SEEN):
        found.append(
            Advice(
                "never", "It never fired, though its log source comes.",
                "That may be as it should be: run detections try on older events.",
            )
        )  # fmt: skip
    return found


def _failing(entry: Entry, fails: Failing | None) -> list[Advice]:
    if fails is None:
        return []
    fix = (
        "Report it to Holdfast with these words." if entry.is_own
        else "Correct the rule and import it again: what waits is tried at once. Or set it to off."
    )  # fmt: skip
    return [Advice("failing", fails.words, fix)]


def _loud(measured: Measured, clients: int) -> list[Advice]:
    if measured.folded:
        words = f"It fired so often that {measured.folded:,} hits of 30 days were told together."
    elif measured.week > _MANY_A_WEEK * clients:
        words = f"It fired {measured.week:,} times in 7 days, more than anybody can look at."
    else:
        return []
    fix = "Look at what its hits share, set it to shadow, and leave that out in the rule."
    return [Advice("loud", words, fix)]


def _wrong(measured: Measured) -> list[Advice]:
    precision = measured.precision
    decided = measured.right + measured.wrong
    if precision is None or decided < _LEAST_CASES or precision >= _LEAST_PRECISION:
        return []
    words = f"It was right in {measured.right} of {decided} decided cases."
    fix = "Set it to shadow until it leaves out what was harmless."
    return [Advice("wrong", words, fix)]


def _ready(stage_at: Sequence[Stage], measured: Measured, clients: int) -> list[Advice]:
    decided = measured.shadow_decided
    if Stage.SHADOW not in stage_at or measured.week > _FEW_A_WEEK * clients:
        return []
    if decided < _READY_CASES:
        return []
    if 100 * measured.shadow_right < _READY_PRECISION * decided:
        return []
    words = (
        f"In shadow it fires seldom, and {measured.shadow_right} of {decided} decided cases about"
        " the same accounts or devices at that time were an attack or suspicious."
    )
    return [
        Advice("ready", words, "Look at its hits; if you want to be told of them, set it live.")
    ]


def _reach(reached: Mapping[Reach, int], clients: int, needs: Sequence[LogSource]) -> list[Advice]:
    found = []
    if silent := reached.get(Reach.SILENT):
        found.append(
            Advice(
                "silent", f"Its log source has brought nothing for a week{_at(silent, clients)}.",
                "Look under Connections whether the feed is read, and at the vendor's logging.",
            )
        )  # fmt: skip
    if alerts := reached.get(Reach.ALERTS):
        found.append(
            Advice(
                "alerts",
                f"What it looks at comes as the vendor's own alerts{_at(alerts, clients)}.",
                "Nothing: such an alert is a finding already, and no rule is run on it.",
            )
        )
    if blind := reached.get(Reach.BLIND):
        feeds = [sources.title(one) for one in sources.feeds_for(needs)]
        fix = (
            f"Connect what brings it: {' or '.join(feeds[:3])}." if feeds
            else "No connector brings it: send it through a webhook, or set it to off."
        )  # fmt: skip
        found.append(
            Advice("blind", f"No connection brings its log source{_at(blind, clients)}.", fix)
        )
    return found


def _at(number: int, clients: int) -> str:
    return "" if number == clients else f" at {number} of {clients} clients"
