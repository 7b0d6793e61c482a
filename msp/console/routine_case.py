"""What a routine's case shows in the place of a verdict: what was asked for, and what it found."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msp.console.routine_pages import in_words
from playbooks import library, routines
from playbooks.authoring.playbook import Playbook
from playbooks.people import named
from tenants.models import Case


@dataclass(frozen=True, slots=True)
class RoutineView:
    """What was asked for. `begins` is empty for one that was not put off, or has begun.

    `found`: what it reports, each line with what is left to do (empty for nothing).
    """

    playbook_id: str
    title: str
    asked: Sequence[tuple[str, str]]
    by: str
    begins: str
    begins_at: dt.datetime | None
    can_be_cancelled: bool
    found: Sequence[tuple[str, str]]


def read(case: Case) -> RoutineView | None:
    """Return what a routine's case shows; None for a case that is no routine."""
    if case.kind != Case.Kind.ROUTINE:
        return None
    request = case.request
    at = routines.begins_at(case)
    playbook_id = str(request.get("playbook", ""))
    ours = library.playbooks().get(playbook_id)
    return RoutineView(
        playbook_id=playbook_id,
        title=ours.title if ours else playbook_id,
        asked=_asked(ours, request.get("inputs", {})),
        by=named(str(request.get("by", ""))),
        begins=in_words(at, case.tenant.time_zone) if at else "",
        begins_at=at,
        can_be_cancelled=case.status == Case.Status.NEW,
        found=[
            (str(line.get("says", "")), str(line.get("to_do", "")))
            for line in case.verdict_detail.get("results", [])
        ],
    )


def _asked(ours: Playbook | None, inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    titles = {told.name: told.title for told in ours.inputs.values()} if ours else {}
    # The database keeps no order of keys; the playbook has one.
    names = [name for name in titles if name in inputs]
    names += [name for name in inputs if name not in titles]
    return [
        (titles.get(name) or name.replace("_", " ").capitalize(), _shown(inputs[name]))
        for name in names
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value) or "none"
