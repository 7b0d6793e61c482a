"""YAML → a typed, frozen playbook. Every problem is reported at once, with its place."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from playbooks import yaml_reader
from playbooks.authoring import lint
from playbooks.authoring.playbook import (
    CONFIDENCES,
    FAILURES,
    INPUT_KEYS,
    INPUT_TYPES,
    KEYS,
    KINDS,
    MOST_ROWS,
    MOST_TESTS,
    NO_VERDICT,
    OF_ONE_ACCOUNT,
    VERDICT_KEYS,
    VERDICTS,
    Playbook,
    PlaybookInput,
    PlaybookStep,
    ResultRow,
    VerdictRow,
)
from playbooks.authoring.problems import Problems
from playbooks.authoring.result_reading import read_results
from playbooks.authoring.step_reading import read_steps
from playbooks.errors import PlaybookError
from playbooks.expressions import given as given_facts
from playbooks.expressions.conditions import expressions_in

_TEXTS = ("version", "title", "summary")
_LISTS = ("attack", "d3fend", "sources")

__all__ = [
    "CONFIDENCES",
    "FAILURES",
    "KINDS",
    "VERDICTS",
    "Playbook",
    "PlaybookInput",
    "PlaybookStep",
    "ResultRow",
    "VerdictRow",
    "load",
    "load_checked",
]


def load_checked(text: str, name: str = "playbook") -> Playbook:
    """Read a playbook that is new here: everything `load` refuses, and everything `lint` finds."""
    return _load(text, name, is_new=True)


def load(text: str, name: str = "playbook") -> Playbook:
    """Read one playbook; PlaybookError lists everything that keeps it from meaning something.

    A stored version goes on working when the lint of a later release becomes stricter.
    """
    return _load(text, name, is_new=False)


def _load(text: str, name: str, *, is_new: bool) -> Playbook:
    document = yaml_reader.parse(text, name)
    problems = Problems(document)
    data = document.data
    if not isinstance(data, dict):
        raise PlaybookError([f"{name}:1:1: a playbook is a mapping that begins with `id:`"])
    for key in data.keys() - KEYS:
        problems.add(f"unknown key {key!r}; known: {', '.join(sorted(KEYS))}", key)
    kind = problems.one_of(data.get("kind"), KINDS, "kind", "kind")
    steps = read_steps(data, kind, problems)
    verdicts = _verdicts(data, kind, problems)
    results = read_results(data, kind, problems)
    trigger = problems.condition(data.get("trigger", "false"), "trigger")
    tests = _tests(data, problems)
    playbook_id = problems.text(data, "id")
    plain: dict[str, Any] = {key: problems.text(data, key) for key in _TEXTS}
    plain |= {key: problems.texts(data.get(key), key, key) for key in _LISTS}
    responses = _responses(data, problems)
    is_for_company = _is_for_company(data, kind, problems)
    inputs = _inputs(data, problems)
    told = problems.optional_mapping(data.get("example"), "example", "example")
    example = _example(kind, steps, inputs, told)
    if is_new:
        lint.check_spelling(document, problems)
        parts = lint.Parts(kind, trigger, steps, verdicts, results, inputs, example)
        lint.check(data, parts, problems)
    ordered = lint.in_order(steps, problems)
    if problems.found or trigger is None:
        raise PlaybookError(problems.found)
    return Playbook(
        id=playbook_id,
        kind=kind,
        trigger=trigger,
        steps=ordered,
        verdicts=verdicts,
        results=results,
        responses=responses,
        inputs=inputs,
        example=example,
        tests=tests,
        source=text,
        source_sha256=hashlib.sha256(text.encode()).hexdigest(),
        is_for_company=is_for_company,
        **plain,
    )


def _tests(data: Mapping[str, Any], problems: Problems) -> tuple[Mapping[str, Any], ...]:
    told = [] if data.get("tests") is None else data["tests"]
    if not isinstance(told, list) or not all(isinstance(test, dict) for test in told):
        problems.add("golden cases are a list of mappings under `tests:`", "tests")
        return ()
    if not told:
        problems.add("no golden case: give at least one under `tests:`", "tests")
    if len(told) > MOST_TESTS:
        problems.add(f"more than {MOST_TESTS} golden cases", "tests", MOST_TESTS)
    return tuple(told)


def _is_for_company(data: Mapping[str, Any], kind: str, problems: Problems) -> bool:
    told = data.get("is_for_company", False)
    if not isinstance(told, bool):
        problems.add("is_for_company is true or false", "is_for_company")
    elif told and kind in KINDS and kind != "investigation":
        problems.add(f"a {kind} calls nothing harmless: leave out is_for_company", "is_for_company")
    return told is True


def _inputs(data: Mapping[str, Any], problems: Problems) -> dict[str, PlaybookInput]:
    told = problems.optional_mapping(data.get("inputs"), "inputs", "inputs")
    return {name: _input(name, one, problems) for name, one in told.items()}


def _input(name: str, told: Any, problems: Problems) -> PlaybookInput:
    here = ("inputs", name)
    told = problems.mapping(told, f"the input {name!r}", *here)
    for key in told.keys() - INPUT_KEYS:
        problems.add(f"unknown key {key!r}; known: {', '.join(sorted(INPUT_KEYS))}", *here, key)
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
    kind: str,
    steps: Sequence[PlaybookStep],
    inputs: Mapping[str, PlaybookInput],
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the base facts with the defaults of the inputs and the file's example over them."""
    base = dict(_base_facts())
    if kind == "investigation":
        del base["verdict"]
    if kind == "routine":
        base["verdict"] = NO_VERDICT
        if not any(step.target in OF_ONE_ACCOUNT for step in steps):
            del base["account"], base["mailbox"]
    defaults = {one.name: one.default for one in inputs.values() if one.default is not None}
    if inputs:
        base["inputs"] = defaults
    return dict(given_facts.merged(base, told))


@cache
def _base_facts() -> Mapping[str, Any]:
    path = Path(__file__).with_name("base_facts.yaml")
    return dict(yaml_reader.parse(path.read_text(encoding="utf-8"), path.name).data)


def _verdicts(data: Mapping[str, Any], kind: str, problems: Problems) -> tuple[VerdictRow, ...]:
    told = [] if data.get("verdicts") is None else data["verdicts"]
    if kind != "investigation":
        if told != [] and kind in KINDS:
            problems.add(f"a {kind} gives no verdict: an investigation does", "verdicts")
        return ()
    rows = []
    if not isinstance(told, list):
        problems.add("the verdict table is a list of rows", "verdicts")
        told = []
    if len(told) > MOST_ROWS:
        problems.add(f"more than {MOST_ROWS} rows", "verdicts", MOST_ROWS)
        return ()
    for i, row in enumerate(told):
        here = ("verdicts", i)
        row = problems.mapping(row, "a row of the verdict table", *here)
        for key in row.keys() - VERDICT_KEYS:
            known = ", ".join(sorted(VERDICT_KEYS))
            problems.add(f"unknown key {key!r}; known: {known}", *here, key)
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


def _responses(data: Mapping[str, Any], problems: Problems) -> dict[str, tuple[str, ...]]:
    told = problems.optional_mapping(data.get("responses"), "responses", "responses")
    found = {}
    for verdict, ids in told.items():
        problems.one_of(verdict, VERDICTS, "verdict", "responses", verdict)
        found[verdict] = problems.texts(ids, "responses", "responses", verdict)
    return found
