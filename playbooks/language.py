"""YAML → a typed, frozen playbook. Every problem is reported at once, with its place."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from integrations import catalog
from integrations.errors import UnknownAction
from playbooks import given as given_facts
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
# The facts that a step may name as its target, and the kind of target that each is.
TARGET_FACTS = {
    "account": "account", "mailbox": "mailbox", "device": "device", "message": "message",
    "on_premises": "account", "indicator": "indicator", "tenant": "tenant",
}  # fmt: skip
CONFIDENCES = ("high", "medium", "low")
FAILURES = ("stop", "continue", "roll_back")
_KEYS = {
    "id", "version", "kind", "title", "summary", "trigger", "inputs", "steps", "verdicts",
    "responses", "attack", "d3fend", "sources", "example", "tests",
}  # fmt: skip
_STEP_KEYS = {
    "id", "uses", "with", "target", "when", "needs", "for_each", "at_most", "on_failure", "tier",
    "why", "timeout", "no_reversal",
}  # fmt: skip
_INPUT_KEYS = {"type", "title", "default", "required"}
INPUT_TYPES = {"string": str, "boolean": bool, "integer": int, "list": list, "object": dict}
_MOST_OBJECTS = 100
_DURATION = re.compile(r"([0-9]{1,6})([smh])")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_TIMEOUT = 24 * 3600


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
    timeout_seconds: int = 0
    no_reversal: str = ""

    def inputs(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the action's inputs, with the expressions in them replaced by their values."""
        return fill(self.given, facts)


@dataclass(frozen=True, slots=True)
class PlaybookInput:
    """What a person or a schedule gives when the playbook is started; `inputs.<name>` in CEL."""

    name: str
    type: str
    title: str
    default: Any = None
    is_required: bool = False


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
    d3fend: tuple[str, ...]
    inputs: Mapping[str, PlaybookInput]
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
    d3fend = problems.texts(data.get("d3fend") or [], "d3fend", "d3fend")
    inputs = _inputs(data, problems)
    example = problems.mapping(data.get("example") or {}, "example", "example")
    steps = _in_order(steps, problems)
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
        d3fend=d3fend,
        inputs=inputs,
        sources=sources,
        example=_example(kind, inputs, example),
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
        seen[step.id] = i
    for i, step in enumerate(steps):
        for needed in step.needs:
            if needed not in seen:
                problems.add(f"{step.id!r} needs {needed!r}, which is no step", "steps", i, "needs")
    return tuple(steps)


def _in_order(steps: tuple[PlaybookStep, ...], problems: _Problems) -> tuple[PlaybookStep, ...]:
    """Return the steps so that each comes after what it needs, else in the file's order."""
    ids = {step.id for step in steps}
    waiting = list(steps)
    done: dict[str, PlaybookStep] = {}
    while waiting:
        ready = [s for s in waiting if all(n in done for n in s.needs if n in ids)]
        if not ready:
            index = steps.index(waiting[0])
            circle = ", ".join(step.id for step in waiting)
            problems.add(f"these steps wait for each other: {circle}", "steps", index, "needs")
            return steps
        done[ready[0].id] = ready[0]
        waiting.remove(ready[0])
    return tuple(done.values())


def _seconds(told: Any, problems: _Problems, *path: str | int) -> int:
    """Return a duration such as `90s`, `15m` or `2h` in seconds."""
    found = _DURATION.fullmatch(told) if isinstance(told, str) else None
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= _LONGEST_TIMEOUT:
        problems.add(f"{told!r} is no time: write `90s`, `15m` or `2h`, at most 24h", *path)
        return 0
    return seconds


def _inputs(data: Mapping[str, Any], problems: _Problems) -> dict[str, PlaybookInput]:
    told = problems.mapping(data.get("inputs") or {}, "inputs", "inputs")
    return {name: _input(name, one, problems) for name, one in told.items()}


def _input(name: str, told: Any, problems: _Problems) -> PlaybookInput:
    here = ("inputs", name)
    told = problems.mapping(told, f"the input {name!r}", *here)
    for key in told.keys() - _INPUT_KEYS:
        problems.add(f"unknown key {key!r}; known: {', '.join(sorted(_INPUT_KEYS))}", *here, key)
    kind = problems.one_of(told.get("type"), tuple(INPUT_TYPES), "type", *here, "type")
    default = told.get("default")
    if default is not None and type(default) is not INPUT_TYPES.get(kind, type(default)):
        problems.add(f"the default {default!r} is no {kind}", *here, "default")
    required = told.get("required", False)
    if not isinstance(required, bool):
        problems.add("required is true or false", *here, "required")
    title = problems.text(told, "title", *here)
    return PlaybookInput(name, kind, title, default, required is True)


def _example(
    kind: str, inputs: Mapping[str, PlaybookInput], told: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the base facts with the defaults of the inputs and the file's example over them."""
    base = dict(_base_facts())
    if kind == "investigation":
        del base["verdict"]
    defaults = {one.name: one.default for one in inputs.values() if one.default is not None}
    if inputs:
        base["inputs"] = defaults
    return dict(given_facts.merged(base, told))


@cache
def _base_facts() -> Mapping[str, Any]:
    path = Path(__file__).with_name("base_facts.yaml")
    return dict(yaml_reader.parse(path.read_text(encoding="utf-8"), path.name).data)


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
    _check_action(uses, target, given, kind, told, problems, i)
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
        timeout_seconds=(
            _seconds(told["timeout"], problems, *here, "timeout") if "timeout" in told else 0
        ),
        no_reversal=(problems.text(told, "no_reversal", *here) if "no_reversal" in told else ""),
    )


def _check_action(
    uses: str,
    target: Any,
    given: Mapping[str, Any],
    kind: str,
    told: Mapping[str, Any],
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
    has_reason = action.no_reversal or told.get("no_reversal")
    if not action.is_read_only and not action.reversal and not has_reason:
        problems.add(f"{uses} has neither a reversal nor a reason why there is none", *here)
    if isinstance(target, dict) and not target.get("external_id"):
        problems.add("a target has an `external_id:`", "steps", i, "target")
    elif not isinstance(target, str | dict):
        problems.add("a target is `account`, `mailbox`, or a mapping", "steps", i, "target")
    if isinstance(target, str) and TARGET_FACTS.get(target) != action.target:
        problems.add(
            f"{uses} acts on a {action.target}, not on {target!r}"
            + ("" if "for_each" in told else ": give `for_each:` and `target:`"),
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
