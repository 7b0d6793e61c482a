"""What a routine found, in words: its result rows on the facts, and what could not be looked at.

A line that says what is to be done keeps the routine's case with a technician; without any, the
case closes with the lines as its proof in words.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from integrations import catalog
from playbooks import verdicts
from playbooks.authoring.playbook import MOST_OBJECTS
from playbooks.errors import ConditionError
from playbooks.expressions import cel_cost, given
from playbooks.expressions.conditions import fill
from playbooks.language import Playbook, ResultRow

_REST = "The evidence names them."
_LOOK = "Look it up by hand, or mend the connection and start this again."


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a routine reports. `to_do`: what a technician must do; empty for nothing."""

    id: str
    says: str
    to_do: str = ""

    @property
    def words(self) -> str:
        """Return the whole line, for a person."""
        return f"{self.says} {self.to_do}".strip()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, as it is kept with the case."""
        return asdict(self)


def of(playbook: Playbook, facts: Mapping[str, Any]) -> list[Line]:
    """Return what a routine reports on the facts. Pure.

    A row that reads an answer which could not be had is left out: that it is missing is a line
    of its own, always with something to do. Of an answer that isn't whole, what is known is told.
    """
    with cel_cost.bounded():
        return _of(playbook, given.clean(facts))


def _of(playbook: Playbook, facts: Mapping[str, Any]) -> list[Line]:
    missing = verdicts.unanswered(playbook, facts)
    lacking = {item["step"] for item in missing}
    known = _known(facts, lacking)
    evidence = {
        **facts.get("evidence", {}),
        **{step: {**facts["evidence"][step], **known[step]} for step in known},
    }
    told = {**facts, "evidence": evidence}
    unknown = lacking - known.keys()
    lines = [line for row in playbook.results for line in _lines(row, told, lacking, unknown)]
    titles = {step.id: catalog.get(step.uses).title for step in playbook.steps}
    return lines + [
        Line(
            item["step"],
            f"“{titles[item['step']]}” "
            f"{'was not all told' if item['step'] in known else 'got no answer'}: "
            f"{str(item['reason']).rstrip('.')}.",
            _LOOK,
        )
        for item in missing
    ]


def _known(facts: Mapping[str, Any], lacking: set[str]) -> dict[str, Mapping[str, Any]]:
    """Return what is known of the answers that aren't whole, by the step that asked."""
    answers = {step: facts.get("evidence", {}).get(step) for step in lacking}
    return {
        step: answer["known"]
        for step, answer in answers.items()
        if isinstance(answer, Mapping) and isinstance(answer.get("known"), Mapping)
    }


def _lines(
    row: ResultRow, facts: Mapping[str, Any], lacking: set[str], unknown: set[str]
) -> list[Line]:
    """Return a row's lines. Each thing that is known is told; nothing follows from all of them."""
    if row.when is not None and verdicts.evidence_read(row.when) & lacking:
        return []
    if row.for_each is not None and verdicts.evidence_read(row.for_each) & unknown:
        return []
    try:
        if row.when is not None and not row.when.holds(facts):
            return []
        if row.for_each is None:
            return [_line(row, facts)]
        items = row.for_each.evaluate(facts)
        if not isinstance(items, list):
            raise ConditionError(f"{row.for_each.text!r} is no list.")
        lines = [_line(row, {**facts, "item": item}) for item in items[:MOST_OBJECTS]]
    except ConditionError as error:
        return [Line(row.id, f"“{row.id}” could not be told: {error}", "Look at it by hand.")]
    left = len(items) - MOST_OBJECTS
    return lines if left <= 0 else [*lines, Line(row.id, f"And {left} more.", row.to_do and _REST)]


def _line(row: ResultRow, facts: Mapping[str, Any]) -> Line:
    says, to_do = str(fill(row.says, facts)).strip(), str(fill(row.to_do, facts)).strip()
    return Line(row.id, says, to_do)
