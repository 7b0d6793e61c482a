"""How the month's cases went, in the owner's words; the numbers are those of `measures`."""

import datetime as dt

from msp.reports.content import Performance, Stage, Work
from playbooks.quality import baselines
from playbooks.quality.measures import Measures, Share

_STAGES = {
    "acknowledge": "Looked at",
    "investigate": "Decided what it was",
    "contain": "Contained and checked",
    "remediate": "Real attack closed",
}


def of(measured: Measures) -> Performance:
    """Return what the report says of the measures."""
    return Performance(
        stages=tuple(
            Stage(
                _STAGES[name], told.cases, length(told.median), length(told.p90),
                length(told.median_without_waiting),
            )
            for name, told in measured.times.items()
        ),
        without_escalation=measured.without_escalation,
        second_opinions=Share(measured.opinions.agreed, measured.opinions.given),
        minutes_saved=measured.minutes_saved,
        work=tuple(
            Work(_title(one.playbook), one.times, one.minutes)
            for one in measured.saved
        ),
    )  # fmt: skip


def _title(playbook: str) -> str:
    # What was looked into is not yet what happened: four looks may be at one attack, or at none.
    title = baselines.title_of(playbook)
    return f"Looked into: {title}" if baselines.is_investigation(playbook) else title


def length(seconds: float | None) -> dt.timedelta | None:
    """Return measured seconds as a length of time; None where there are none."""
    return None if seconds is None else dt.timedelta(seconds=seconds)
