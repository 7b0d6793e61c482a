"""What is wrong with what a playbook's expressions ask, and with what its actions are given."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import catalog
from integrations.errors import UnknownAction
from playbooks.authoring import fact_check
from playbooks.authoring.playbook import (
    INPUT_TYPES,
    TARGET_FACTS,
    PlaybookInput,
    PlaybookStep,
    ResultRow,
    VerdictRow,
)
from playbooks.authoring.problems import Problems, shown
from playbooks.errors import ConditionError
from playbooks.expressions import cel_tree
from playbooks.expressions.conditions import (
    Condition,
    compile_condition,
    expressions_in,
    without_expressions,
)

_Place = tuple[str | int, ...]
_ALWAYS_THERE = {"available", "is_askable", "reason", "provider", "known"}
_SENTENCES = ("with", "target", "why", "because", "says", "to_do")


@dataclass(frozen=True, slots=True)
class Parts:
    """What has been read of a playbook; `steps` are in the file's order."""

    kind: str
    trigger: Condition | None
    steps: Sequence[PlaybookStep]
    verdicts: Sequence[VerdictRow]
    results: Sequence[ResultRow]
    inputs: Mapping[str, PlaybookInput]
    example: Mapping[str, Any]


def check(data: Mapping[str, Any], parts: Parts, problems: Problems) -> None:
    """Add what is wrong with the expressions of a file and the steps that were read of it."""
    evidence = _evidence(parts.steps, parts.kind)
    known = fact_check.Known(parts.example, _changes(data), evidence)
    for condition, place in _conditions(data):
        _facts(condition, place, parts, evidence, problems)
        for told in fact_check.wrong(condition, known):
            problems.add(told, *place)
        _patterns(condition, place, problems)
    for value, place in _sentences(data):
        if "${" in without_expressions(value):
            problems.add("this ${ is never filled in: it ends with } and has no { in it", *place)
    for i, step in enumerate(parts.steps):
        _given(step, i, problems)
        _other_target(step, i, problems)


def _changes(data: Mapping[str, Any]) -> list[Any]:
    tests = data.get("tests")
    told = tests if isinstance(tests, list) else []
    changes = [test.get("change") for test in told if isinstance(test, dict)]
    return [change for change in changes if isinstance(change, dict)]


def _evidence(steps: Sequence[PlaybookStep], kind: str) -> dict[str, Mapping[str, str]] | None:
    """Return what can be asked of each step's answer; None where other playbooks have asked.

    A gatherer that doesn't state its answers may have any: {}.
    """
    if kind == "response":
        return None
    found: dict[str, Mapping[str, str]] = {}
    for step in steps:
        try:
            action = catalog.get(step.uses)
        except UnknownAction:
            found[step.id] = {}
            continue
        if action.is_read_only:
            found[step.id] = action.facts
    return found


def _conditions(data: Mapping[str, Any]) -> Iterator[tuple[Condition, _Place]]:
    """Yield every condition and expression of the file that can be compiled, with its place."""
    for text, place in _texts(data):
        try:
            yield compile_condition(text.strip()), place
        except ConditionError:
            # It has been reported with its value.
            continue


def _texts(data: Mapping[str, Any]) -> Iterator[tuple[str, _Place]]:
    told = data.get("trigger")
    if isinstance(told, str):
        yield told, ("trigger",)
    for key, value, place in _values(data):
        if key in ("when", "for_each") and isinstance(value, str):
            yield value, place
    for value, place in _sentences(data):
        yield from ((one, place) for one in expressions_in(value))


def _sentences(data: Mapping[str, Any]) -> Iterator[tuple[Any, _Place]]:
    """Yield what may have expressions in it."""
    for key, value, place in _values(data):
        if key in _SENTENCES:
            yield value, place


def _values(data: Mapping[str, Any]) -> Iterator[tuple[str, Any, _Place]]:
    """Yield each value of a step, and of a row of a table."""
    for table in ("steps", "verdicts", "results"):
        rows = data.get(table)
        for i, row in enumerate(rows if isinstance(rows, list) else []):
            for key, value in row.items() if isinstance(row, dict) else []:
                yield key, value, (table, i, key)


def _facts(
    condition: Condition,
    place: _Place,
    parts: Parts,
    evidence: dict[str, Mapping[str, str]] | None,
    problems: Problems,
) -> None:
    listed = {("steps", i) for i, step in enumerate(parts.steps) if step.for_each is not None}
    listed |= {("results", i) for i, row in enumerate(parts.results) if row.for_each is not None}
    for path in sorted(condition.paths()):
        root, rest = path[0], path[1:]
        if root == "inputs" and rest and rest[0] not in parts.inputs:
            problems.add(f"no input {rest[0]!r}: name it under `inputs:`", *place)
        if root == "item" and place[:2] not in listed:
            what = "row of the results" if place[0] == "results" else "step"
            problems.add(f"`item` is known only in a {what} with `for_each:`", *place)
        if root == "evidence" and rest and evidence is not None:
            _answer(rest, evidence, place, problems)
    if evidence is not None:
        _no_order(condition.tree, evidence, place, problems)


def _answer(
    rest: tuple[str, ...],
    evidence: Mapping[str, Mapping[str, str]],
    place: _Place,
    problems: Problems,
) -> None:
    step, names = rest[0], rest[1:]
    if step not in evidence:
        known = ", ".join(sorted(evidence)) or "none"
        problems.add(
            f"evidence.{step}: no step {step!r} asks for it; steps that ask: {known}", *place
        )
    elif evidence[step] and names and names[0] not in _ALWAYS_THERE | evidence[step].keys():
        known = ", ".join(sorted(_ALWAYS_THERE | evidence[step].keys()))
        problems.add(f"evidence.{step} has no {names[0]!r}; it has: {known}", *place)


def _no_order(
    tree: cel_tree.Node,
    evidence: Mapping[str, Mapping[str, str]],
    place: _Place,
    problems: Problems,
) -> None:
    """Refuse lists made of an answer that is an object: the order of its keys means nothing."""
    for node in tree.walk():
        path = node.parts[0].path() if node.makes_list else ()
        is_answer = len(path) == 3 and path[0] == "evidence"
        if is_answer and evidence.get(path[1], {}).get(path[2]) == "object":
            problems.add(
                f"{'.'.join(path)} is an object, which has no fixed order: use a list", *place
            )


def _patterns(condition: Condition, place: _Place, problems: Problems) -> None:
    """Add what is written as a pattern for `matches` and is none."""
    for node in condition.tree.walk():
        pattern = node.parts[-1] if node.kind == "call" and node.text == "matches" else None
        if pattern is None or pattern.type != "string":
            continue
        try:
            compile_condition(f"''.matches({json.dumps(pattern.text)})").evaluate({})
        except ConditionError as error:
            problems.add(f"{shown(pattern.text)} is no pattern: {error}", *place)


def _given(step: PlaybookStep, i: int, problems: Problems) -> None:
    """Add what is written out under `with:` and is not of the type that the action takes."""
    try:
        action = catalog.get(step.uses)
    except UnknownAction:
        return
    types = {**action.optional_inputs, **action.inputs}
    for name, value in step.given.items():
        is_filled_in = isinstance(value, str) and bool(expressions_in(value))
        kind = types.get(name)
        if kind and not is_filled_in and type(value) is not INPUT_TYPES[kind]:
            problems.add(
                f"{step.uses} takes {name} as {kind}, not {shown(value)}", "steps", i, "with", name
            )


def _other_target(step: PlaybookStep, i: int, problems: Problems) -> None:
    """Add a target given by a fact of another kind, such as a device where an account is meant."""
    if not isinstance(step.target, Mapping):
        return
    expressions = expressions_in(step.target.get("external_id"))
    try:
        wanted = catalog.get(step.uses).target
        paths = [path for one in expressions for path in compile_condition(one).paths()]
    except (UnknownAction, ConditionError):
        return
    kinds = {TARGET_FACTS[path[0]] for path in paths if path[1:] == ("external_id",)
             and path[0] in TARGET_FACTS}  # fmt: skip
    for kind in sorted(kinds - {wanted}):
        problems.add(
            f"{step.uses} acts on {catalog.a(wanted)}, not on {catalog.a(kind)}",
            "steps", i, "target", "external_id",
        )  # fmt: skip
