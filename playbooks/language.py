"""YAML → a typed, frozen playbook. Every problem is reported at once, with its place."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations import catalog
from integrations.errors import UnknownAction
from playbooks import yaml_reader
from playbooks.conditions import (
    Condition,
    compile_condition,
    compile_yes_or_no,
    expressions_in,
    fill,
)
from playbooks.engagement import TIERS
from playbooks.errors import ConditionError, PlaybookError
from playbooks.yaml_reader import Document

KINDS = ("investigation", "response", "routine")
VERDICTS = ("true_positive", "suspicious", "benign", "false_positive", "insufficient_data")
CONFIDENCES = ("high", "medium", "low")
FAILURES = ("stop", "continue", "roll_back")
_KEYS = {
    "id", "version", "kind", "title", "summary", "trigger", "inputs", "steps", "verdicts",
    "responses", "attack", "sources", "example", "tests",
}  # fmt: skip
_STEP_KEYS = {
    "id", "uses", "with", "target", "when", "needs", "for_each", "at_most", "on_failure", "tier",
    "why",
}  # fmt: skip
_MOST_OBJECTS = 100


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One step: a catalog action on one target, or on each of a bounded list."""

    id: str
    uses: str
    target: str | Mapping[str, Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    when: Condition | None = None
    needs: tuple[str, ...] = ()
    for_each: Condition | None = None
    at_most: int = 1
    on_failure: str = "stop"
    tier: str = "automatic"
    why: str = ""

    def inputs(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the action's inputs, with the expressions in them replaced by their values."""
        return fill(self.given, facts)


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One row of a verdict table; the first row that holds decides."""

    id: str
    when: Condition
    verdict: str
    confidence: str
    because: str


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook, as its file says it. `source_sha256` names exactly this content."""

    id: str
    version: str
    kind: str
    title: str
    summary: str
    trigger: Condition
    steps: tuple[PlaybookStep, ...]
    verdicts: tuple[VerdictRow, ...]
    responses: Mapping[str, tuple[str, ...]]
    attack: tuple[str, ...]
    sources: tuple[str, ...]
    example: Mapping[str, Any]
    tests: tuple[Mapping[str, Any], ...]
    source: str
    source_sha256: str


class _Problems:
    """Collects what is wrong, each with its place."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: list[str] = []

    def add(self, message: str, *path: str | int) -> None:
        self.found.append(f"{self.document.at(*path)}: {message}")

    def condition(self, text: Any, *path: str | int, is_yes_or_no: bool = True) -> Condition | None:
        if isinstance(text, bool):
            text = "true" if text else "false"
        if not isinstance(text, str):
            self.add("a condition is written as text", *path)
            return None
        try:
            return compile_yes_or_no(text.strip()) if is_yes_or_no else compile_condition(text)
        except ConditionError as error:
            self.add(str(error), *path)
            return None

    def text(self, data: Mapping[str, Any], key: str, *path: str | int) -> str:
        value = data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            self.add(f"{key!r} is missing or no text", *path, key)
            return ""
        return value.strip()

    def mapping(self, value: Any, what: str, *path: str | int) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.add(f"{what} is a mapping, not {value!r}", *path)
            return {}
        return value

    def texts(self, value: Any, what: str, *path: str | int) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.add(f"{what} is a list of names, not {value!r}", *path)
            return ()
        return tuple(value)

    def one_of(self, value: Any, allowed: tuple[str, ...], what: str, *path: str | int) -> str:
        if value not in allowed:
            self.add(f"{what} {value!r} is none of: {', '.join(allowed)}", *path)
        return str(value)


def load(text: str, name: str = "playbook") -> Playbook:
    """Read and check one playbook; PlaybookError lists everything that is wrong with it."""
    document = yaml_reader.parse(text, name)
    problems = _Problems(document)
    data = document.data
    if not isinstance(data, dict):
        raise PlaybookError([f"{name}:1:1: a playbook is a mapping that begins with `id:`"])
    for key in data.keys() - _KEYS:
        problems.add(f"unknown key {key!r}; known: {', '.join(sorted(_KEYS))}", key)
    kind = problems.one_of(data.get("kind"), KINDS, "kind", "kind")
    steps = _steps(data, kind, problems)
    verdicts = _verdicts(data, kind, problems)
    trigger = problems.condition(data.get("trigger", "false"), "trigger")
    tests = data.get("tests") or []
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        problems.add("golden cases are a list of mappings under `tests:`", "tests")
    elif not tests:
        problems.add("no golden case: give at least one under `tests:`", "tests")
    playbook_id = problems.text(data, "id")
    head = {key: problems.text(data, key) for key in ("version", "title", "summary")}
    responses = _responses(data, problems)
    attack = problems.texts(data.get("attack") or [], "attack", "attack")
    sources = problems.texts(data.get("sources") or [], "sources", "sources")
    example = problems.mapping(data.get("example") or {}, "example", "example")
    if problems.found or trigger is None:
        raise PlaybookError(problems.found)
    return Playbook(
        id=playbook_id,
        kind=kind,
        trigger=trigger,
        steps=steps,
        verdicts=verdicts,
        responses=responses,
        attack=attack,
        sources=sources,
        example=example,
        tests=tuple(tests),
        source=text,
        source_sha256=hashlib.sha256(text.encode()).hexdigest(),
        **head,
    )


def _steps(data: Mapping[str, Any], kind: str, problems: _Problems) -> tuple[PlaybookStep, ...]:
    told = data.get("steps")
    if not isinstance(told, list) or not told:
        problems.add("a playbook has at least one step under `steps:`", "steps")
        return ()
    steps = [_step(step, i, kind, problems) for i, step in enumerate(told)]
    seen: dict[str, int] = {}
    for i, step in enumerate(steps):
        if step.id in seen:
            problems.add(f"the step id {step.id!r} stands twice", "steps", i, "id")
        # A step may only need an earlier one, so there can be no circle.
        for needed in step.needs:
            if needed not in seen:
                problems.add(
                    f"{step.id!r} needs {needed!r}, which is no earlier step", "steps", i, "needs"
                )
        seen[step.id] = i
    return tuple(steps)


def _step(told: Any, i: int, kind: str, problems: _Problems) -> PlaybookStep:
    here = ("steps", i)
    if not isinstance(told, dict):
        problems.add("a step is a mapping with `id:` and `uses:`", *here)
        told = {}
    for key in told.keys() - _STEP_KEYS:
        problems.add(f"unknown key {key!r}; known: {', '.join(sorted(_STEP_KEYS))}", *here, key)
    given = problems.mapping(told.get("with") or {}, "with", *here, "with")
    uses = problems.text(told, "uses", *here)
    target = told.get("target", "account")
    _check_action(uses, target, given, kind, "for_each" in told, problems, i)
    for expression in expressions_in([given, target, told.get("why", "")]):
        problems.condition(expression, *here, is_yes_or_no=False)
    at_most = told.get("at_most", 20 if "for_each" in told else 1)
    if type(at_most) is not int or not 1 <= at_most <= _MOST_OBJECTS:
        problems.add(f"at_most is a number from 1 to {_MOST_OBJECTS}", *here, "at_most")
    return PlaybookStep(
        id=problems.text(told, "id", *here),
        uses=uses,
        target=target,
        given=given,
        when=problems.condition(told["when"], *here, "when") if "when" in told else None,
        needs=problems.texts(told.get("needs") or [], "needs", *here, "needs"),
        for_each=(
            problems.condition(told["for_each"], *here, "for_each", is_yes_or_no=False)
            if "for_each" in told
            else None
        ),
        at_most=at_most if isinstance(at_most, int) else 1,
        on_failure=problems.one_of(
            told.get("on_failure", "stop"), FAILURES, "on_failure", *here, "on_failure"
        ),
        tier=problems.one_of(told.get("tier", "automatic"), TIERS, "tier", *here, "tier"),
        why=str(told.get("why", "")).strip(),
    )


def _check_action(
    uses: str,
    target: Any,
    given: Mapping[str, Any],
    kind: str,
    is_for_each: bool,
    problems: _Problems,
    i: int,
) -> None:
    here = ("steps", i, "uses")
    try:
        action = catalog.get(uses)
    except UnknownAction as error:
        problems.add(str(error), *here)
        return
    if kind == "investigation" and not action.is_read_only:
        problems.add(f"{uses} changes something: an investigation only reads", *here)
    if kind == "response" and action.is_read_only:
        problems.add(f"{uses} changes nothing: a response acts, an investigation asks", *here)
    if not action.is_read_only and not action.reversal and not action.no_reversal:
        problems.add(f"{uses} has neither a reversal nor a reason why there is none", *here)
    if isinstance(target, dict) and not target.get("external_id"):
        problems.add("a target has an `external_id:`", "steps", i, "target")
    elif not isinstance(target, str | dict):
        problems.add("a target is `account`, `mailbox`, or a mapping", "steps", i, "target")
    if isinstance(target, str) and target != action.target:
        problems.add(
            f"{uses} acts on a {action.target}, not on {target!r}"
            + ("" if is_for_each else ": give `for_each:` and `target:`"),
            "steps", i, "target",
        )  # fmt: skip
    known = {*action.inputs, *action.optional_inputs}
    for name in given.keys() - known:
        problems.add(f"{uses} takes no {name!r}; it takes: {sorted(known)}", "steps", i, "with")
    for name in action.inputs.keys() - given.keys():
        problems.add(f"{uses} needs {name!r} under `with:`", *here)


def _verdicts(data: Mapping[str, Any], kind: str, problems: _Problems) -> tuple[VerdictRow, ...]:
    told = data.get("verdicts") or []
    if kind != "investigation":
        return ()
    rows = []
    if not isinstance(told, list):
        problems.add("the verdict table is a list of rows", "verdicts")
        told = []
    for i, row in enumerate(told):
        here = ("verdicts", i)
        row = problems.mapping(row, "a row of the verdict table", *here)
        when = problems.condition(row.get("when", ""), *here, "when")
        verdict = problems.one_of(row.get("verdict"), VERDICTS, "verdict", *here, "verdict")
        confidence = problems.one_of(
            row.get("confidence"), CONFIDENCES, "confidence", *here, "confidence"
        )
        because = problems.text(row, "because", *here)
        for expression in expressions_in(because):
            problems.condition(expression, *here, "because", is_yes_or_no=False)
        if when is not None:
            rows.append(
                VerdictRow(problems.text(row, "id", *here), when, verdict, confidence, because)
            )
    last = rows[-1] if rows else None
    if last is None or last.verdict != "insufficient_data" or last.when.text != "true":
        problems.add(
            "the verdict table ends with `when: true`, `verdict: insufficient_data`", "verdicts"
        )
    return tuple(rows)


def _responses(data: Mapping[str, Any], problems: _Problems) -> dict[str, tuple[str, ...]]:
    told = problems.mapping(data.get("responses") or {}, "responses", "responses")
    found = {}
    for verdict, ids in told.items():
        problems.one_of(verdict, VERDICTS, "verdict", "responses", verdict)
        found[verdict] = problems.texts(ids or [], "responses", "responses", verdict)
    return found
