"""The verdict table: the first row that holds decides, and everything it read is shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations import catalog
from playbooks.errors import ConditionError
from playbooks.expressions import cel_cost, given
from playbooks.expressions.conditions import Condition, fill
from playbooks.language import Playbook, VerdictRow

_HARMLESS = ("benign", "false_positive")
_HARMFUL = ("true_positive", "suspicious")
_PREFIX = "evidence."
_EMBEDDED = re.compile(r"\$\{[^{}]*\}")
# Between sentences, and not within an expression.
_SENTENCES = re.compile(r"(?<=[.])\s+(?![^{]*\})")
_ASKS_PRESENCE = re.compile(r"\bhas\s*\(|\bin\s+evidence\b|\bavailable\b")


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict with its reasons.

    `missing` is the evidence that could not be had, `untested` the rows that needed it, and
    `would_change` the rows above the deciding one that did not hold: each with what it would say.
    """

    verdict: str
    confidence: str
    rule: str
    because: str
    facts: Mapping[str, Any]
    missing: tuple[Mapping[str, str], ...]
    untested: tuple[Mapping[str, Any], ...]
    would_change: tuple[Mapping[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, as it is kept with the case and shown."""
        return {
            "verdict": self.verdict,
            "confidence": self.confidence,
            "rule": self.rule,
            "because": self.because,
            "facts": dict(self.facts),
            "missing": [dict(item) for item in self.missing],
            "untested": [dict(item) for item in self.untested],
            "would_change": [dict(item) for item in self.would_change],
        }


def decide(playbook: Playbook, facts: Mapping[str, Any]) -> Result:
    """Return the verdict of an investigation's table on the facts. Pure."""
    with cel_cost.bounded():
        return _decide(playbook, given.clean(facts))


def _decide(playbook: Playbook, facts: Mapping[str, Any]) -> Result:
    missing = unanswered(playbook, facts)
    lacking = {item["step"] for item in missing}
    untested: list[dict[str, Any]] = []
    would_change: list[dict[str, str]] = []
    for row in playbook.verdicts:
        needed = sorted(evidence_read(row.when) & lacking)
        other = {"rule": row.id, "verdict": row.verdict, "because": _says(row, facts)}
        if needed and not _fails_anyway(row.when, facts):
            untested.append({**other, "needs": needed})
            continue
        try:
            holds = row.when.holds(facts)
        except ConditionError as error:
            untested.append({**other, "needs": [str(error)]})
            continue
        if holds and row.verdict in _HARMLESS and any(r["verdict"] in _HARMFUL for r in untested):
            # What could not be looked at might have shown an attack.
            untested.append({**other, "needs": ["the rows above"]})
            continue
        if holds:
            return _result(row, facts, missing, untested, would_change)
        would_change.append({**other, "when": row.when.text})
    raise ConditionError(f"{playbook.id}: no row of the verdict table holds.")


def _says(row: VerdictRow, facts: Mapping[str, Any]) -> str:
    """Return what the row says, without the sentences that tell of a fact which is not known.

    Where that is all of them, the fact is left open.
    """
    known = [told for one in _SENTENCES.split(row.because) if (told := _filled(one, facts))]
    return " ".join(known) or _EMBEDDED.sub("…", row.because)


def _filled(sentence: str, facts: Mapping[str, Any]) -> str:
    try:
        return str(fill(sentence, facts))
    except ConditionError:
        return ""


def _fails_anyway(condition: Condition, facts: Mapping[str, Any]) -> bool:
    """Whether a condition on missing evidence is false, whatever that evidence would have been.

    CEL's && passes over an error where the other side is false. What asks whether something is
    there would take missing evidence for an answer.
    """
    if _ASKS_PRESENCE.search(condition.text):
        return False
    try:
        return not condition.holds(facts)
    except ConditionError:
        return False


def _result(
    row: VerdictRow,
    facts: Mapping[str, Any],
    missing: list[dict[str, str]],
    untested: list[dict[str, Any]],
    would_change: list[dict[str, str]],
) -> Result:
    return Result(
        verdict=row.verdict,
        confidence=row.confidence,
        rule=row.id,
        because=_says(row, facts),
        facts=row.when.facts_read(facts),
        missing=tuple(missing),
        untested=tuple(untested),
        would_change=tuple(would_change),
    )


def unanswered(playbook: Playbook, facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the questions of a playbook that got no answer: the step, its question, and why."""
    answers = facts.get("evidence", {})
    found = []
    for step in playbook.steps:
        if not catalog.get(step.uses).is_read_only:
            continue
        answer = answers.get(step.id, {})
        if not isinstance(answer, Mapping):
            answer = {"reason": f"the answer is a {type(answer).__name__}, not an object"}
        if answer.get("available") is not True:
            reason = str(answer.get("reason") or "it was not asked")
            found.append({"step": step.id, "uses": step.uses, "reason": reason})
    return found


def evidence_read(condition: Condition) -> set[str]:
    """Return the steps whose answers a condition looks at."""
    return {
        path.removeprefix(_PREFIX).split(".")[0]
        for path in condition.reads
        if path.startswith(_PREFIX)
    }
