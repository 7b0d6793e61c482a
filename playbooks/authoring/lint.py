"""What is wrong with a playbook as a whole: circles, steps never reached, facts nobody has.

`language` checks each value by itself first; this looks at how they fit together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from playbooks.authoring import lint_expressions
from playbooks.authoring.lint_expressions import Parts
from playbooks.authoring.playbook import (
    CONFIDENCES,
    EXPECTED_KEYS,
    TEST_KEYS,
    VERDICTS,
    PlaybookStep,
    VerdictRow,
)
from playbooks.authoring.problems import Problems, shown
from playbooks.engagement import TIERS
from playbooks.expressions.conditions import Condition
from playbooks.yaml_reader import Document

_TEXT_KEYS = ("id", "version", "title", "summary", "why", "because", "no_reversal")
_WORDS = {dict: "mapping", list: "list"}
_EXPECTED = {"verdict": VERDICTS, "confidence": CONFIDENCES, "tier": TIERS}


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


def check_spelling(document: Document, problems: Problems) -> None:
    """Add what another reader of YAML, such as an editor's, may read as something else."""
    for path, told in document.doubtful.items():
        problems.add(told, *path)
    for path, written in document.respelled.items():
        is_text = path[-1] in _TEXT_KEYS and (len(path) == 1 or path[0] in ("steps", "verdicts"))
        if is_text and path not in document.doubtful:
            problems.add(f"{written} is read as another number: put it into quotes", *path)


def check(data: Mapping[str, Any], parts: Parts, problems: Problems) -> None:
    """Add what is wrong with the playbook as a whole."""
    kind, trigger = parts.kind, parts.trigger
    if trigger is not None and kind in ("response", "investigation") and _is_never(trigger):
        problems.add(
            f"the trigger never holds, so this {kind} is never used: say when under `trigger:`",
            "trigger",
        )
    _reachable(parts.steps, problems)
    told = data.get("verdicts")
    if isinstance(told, list) and len(told) == len(parts.verdicts):
        _rows(parts.verdicts, problems)
    for i, row in enumerate(parts.results):
        if row.when is not None and _is_never(row.when):
            problems.add("this row is never said: drop it, or say when", "results", i, "when")
    lint_expressions.check(data, parts, problems)
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
                problems.add(f"{key} is a {_WORDS[kinds]}", "tests", i, key)
        expected = test.get("expect")
        if not expected:
            problems.add("this golden case expects nothing: say what under `expect:`", "tests", i)
        elif isinstance(expected, dict):
            _expected(expected, kind, i, problems)


def _expected(expected: Mapping[str, Any], kind: str, i: int, problems: Problems) -> None:
    """Add what no plan or verdict could ever be."""
    known = EXPECTED_KEYS.get(kind, set(expected))
    for key, value in expected.items():
        told = ""
        if key not in known:
            keys = ", ".join(sorted(known))
            told = f"a golden case of this kind expects {keys}, not {key!r}"
        elif key in _EXPECTED and value not in _EXPECTED[key]:
            told = f"no plan or verdict has {key} {shown(value)}: {', '.join(_EXPECTED[key])}"
        elif key == "rule" and not isinstance(value, str):
            told = "rule is a text, in quotes"
        elif key in ("steps", "results") and not (
            isinstance(value, list) and all(isinstance(one, str) for one in value)
        ):
            told = f"{key} is a list of texts"
        if told:
            problems.add(told, "tests", i, "expect", key)
