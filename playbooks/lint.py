"""What is wrong with a playbook as a whole: circles, steps never reached, facts nobody has.

`language` checks each value by itself first; this looks at how they fit together.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from integrations import catalog
from integrations.errors import UnknownAction
from playbooks import cel_tree
from playbooks.conditions import Condition, compile_condition, expressions_in
from playbooks.errors import ConditionError
from playbooks.playbook import (
    EXPECTED_KEYS,
    TEST_KEYS,
    PlaybookInput,
    PlaybookStep,
    ResultRow,
    VerdictRow,
)
from playbooks.problems import Problems

_Place = tuple[str | int, ...]
_ALWAYS_THERE = {"available", "reason", "provider"}


def in_order(steps: Sequence[PlaybookStep], problems: Problems) -> tuple[PlaybookStep, ...]:
    """Return the steps so that each comes after what it needs, otherwise in the file's order."""
    ids = {step.id for step in steps}
    waiting = list(steps)
    done: dict[str, PlaybookStep] = {}
    while waiting:
        ready = [i for i, one in enumerate(waiting) if all(n in done for n in ids & {*one.needs})]
        if not ready:
            circle = _circle(waiting)
            index = next(i for i, step in enumerate(steps) if step.id == circle[0])
            problems.add(
                f"these steps wait for each other: {' needs '.join(circle)}: drop one `needs:`",
                "steps", index, "needs",
            )  # fmt: skip
            return tuple(steps)
        step = waiting.pop(ready[0])
        done[step.id] = step
    return tuple(done.values())


def _circle(waiting: Sequence[PlaybookStep]) -> list[str]:
    """Return one circle among steps that each need another of them, its first step twice."""
    needs = {step.id: step.needs for step in waiting}
    way = [waiting[0].id]
    while True:
        following = next(name for name in needs[way[-1]] if name in needs)
        if following in way:
            return [*way[way.index(following) :], following]
        way.append(following)


def check(
    data: Mapping[str, Any],
    kind: str,
    trigger: Condition | None,
    steps: Sequence[PlaybookStep],
    rows: Sequence[VerdictRow],
    results: Sequence[ResultRow],
    inputs: Mapping[str, PlaybookInput],
    problems: Problems,
) -> None:
    """Add what is wrong with the playbook as a whole; `steps` are in the file's order."""
    if trigger is not None and kind in ("response", "investigation") and _is_never(trigger):
        problems.add(
            f"the trigger never holds, so this {kind} is never used: say when under `trigger:`",
            "trigger",
        )
    _reachable(steps, problems)
    told = data.get("verdicts")
    if isinstance(told, list) and len(told) == len(rows):
        _rows(rows, problems)
    for i, row in enumerate(results):
        if row.when is not None and _is_never(row.when):
            problems.add("this row is never said: drop it, or say when", "results", i, "when")
    evidence = _evidence(steps, kind)
    listed = {("steps", i) for i, step in enumerate(steps) if step.for_each is not None}
    listed |= {("results", i) for i, row in enumerate(results) if row.for_each is not None}
    for condition, place in _conditions(data):
        _facts(condition, place, listed, evidence, inputs, problems)
    _golden(data, kind, problems)


def _rows(rows: Sequence[VerdictRow], problems: Problems) -> None:
    """Add the rows of a verdict table that can never decide."""
    for i, row in enumerate(rows):
        constant = row.when.constant()
        if constant is False:
            problems.add("this row never holds: drop it, or say when", "verdicts", i, "when")
        if constant is True and i + 1 < len(rows):
            problems.add(
                "this row always holds, so no row after it is reached: put it last",
                "verdicts", i, "when",
            )  # fmt: skip


def _is_never(condition: Condition) -> bool:
    return condition.constant() is False


def _reachable(steps: Sequence[PlaybookStep], problems: Problems) -> None:
    never: dict[str, str] = {}
    for i, step in enumerate(steps):
        if step.when is not None and _is_never(step.when):
            never[step.id] = "its condition never holds"
            problems.add(
                f"{step.id!r} is never reached: its condition never holds", "steps", i, "when"
            )
        if step.for_each is not None and step.for_each.constant() == []:
            never[step.id] = "its list is always empty"
            problems.add(
                f"{step.id!r} is never reached: its list is always empty", "steps", i, "for_each"
            )
    found = True
    while found:
        found = False
        for i, step in enumerate(steps):
            needed = next((one for one in step.needs if one in never), None)
            if needed is not None and step.id not in never:
                never[step.id] = f"it needs {needed!r}"
                found = True
                problems.add(
                    f"{step.id!r} is never reached: it needs {needed!r}, which never is",
                    "steps", i, "needs",
                )  # fmt: skip


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
            found[step.id] = getattr(action, "facts", None) or {}
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
    for table in ("steps", "verdicts", "results"):
        rows = data.get(table)
        for i, row in enumerate(rows if isinstance(rows, list) else []):
            for key, value in row.items() if isinstance(row, dict) else []:
                if key in ("when", "for_each") and isinstance(value, str):
                    yield value, (table, i, key)
                elif key in ("with", "target", "why", "because", "says", "to_do"):
                    yield from ((one, (table, i, key)) for one in expressions_in(value))


def _facts(
    condition: Condition,
    place: _Place,
    listed: Collection[_Place],
    evidence: dict[str, Mapping[str, str]] | None,
    inputs: Mapping[str, PlaybookInput],
    problems: Problems,
) -> None:
    for path in sorted(condition.paths()):
        root, rest = path[0], path[1:]
        if root == "inputs" and rest and rest[0] not in inputs:
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


def _golden(data: Mapping[str, Any], kind: str, problems: Problems) -> None:
    tests = data.get("tests")
    for i, test in enumerate(tests if isinstance(tests, list) else []):
        if not isinstance(test, dict):
            continue
        for key in test.keys() - TEST_KEYS:
            problems.add(
                f"unknown key {key!r}; known: {', '.join(sorted(TEST_KEYS))}", "tests", i, key
            )
        for key, kinds in (("change", dict), ("expect", dict), ("rules", list)):
            if key in test and not isinstance(test[key], kinds):
                problems.add(f"{key} is a {kinds.__name__}", "tests", i, key)
        expected = test.get("expect")
        known = EXPECTED_KEYS.get(kind, set())
        for key in expected.keys() - known if isinstance(expected, dict) and known else ():
            problems.add(
                f"a golden case of this kind expects {', '.join(sorted(known))}, not {key!r}",
                "tests", i, "expect", key,
            )  # fmt: skip
        if not expected:
            problems.add("this golden case expects nothing: say what under `expect:`", "tests", i)
