"""The steps of a playbook's file → PlaybookStep, checked against the catalog of actions."""

from collections.abc import Mapping
from typing import Any

from integrations import catalog
from integrations.errors import UnknownAction
from playbooks.authoring.playbook import (
    DURATION,
    FAILURES,
    LONGEST_TIMEOUT,
    MOST_OBJECTS,
    MOST_STEPS,
    STEP_KEYS,
    TARGET_FACTS,
    UNITS,
    PlaybookStep,
)
from playbooks.authoring.problems import Problems
from playbooks.engagement import TIERS
from playbooks.expressions.conditions import expressions_in


def read_steps(data: Mapping[str, Any], kind: str, problems: Problems) -> tuple[PlaybookStep, ...]:
    """Return the steps in the file's order, and add what is wrong with each to `problems`."""
    told = data.get("steps")
    if not isinstance(told, list) or not told:
        problems.add("a playbook has at least one step under `steps:`", "steps")
        return ()
    if len(told) > MOST_STEPS:
        problems.add(f"more than {MOST_STEPS} steps: split the playbook", "steps", MOST_STEPS)
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


def _step(told: Any, i: int, kind: str, problems: Problems) -> PlaybookStep:
    here = ("steps", i)
    if not isinstance(told, dict):
        problems.add("a step is a mapping with `id:` and `uses:`", *here)
        told = {}
    for key in told.keys() - STEP_KEYS:
        problems.add(f"unknown key {key!r}; known: {', '.join(sorted(STEP_KEYS))}", *here, key)
    given = problems.optional_mapping(told.get("with"), "with", *here, "with")
    uses = problems.text(told, "uses", *here)
    target = told.get("target", "account")
    _check_action(uses, target, given, kind, told, problems, i)
    for expression in expressions_in([given, target, told.get("why", "")]):
        problems.condition(expression, *here, is_yes_or_no=False)
    at_most = told.get("at_most", 20 if "for_each" in told else 1)
    if type(at_most) is not int or not 1 <= at_most <= MOST_OBJECTS:
        problems.add(f"at_most is a number from 1 to {MOST_OBJECTS}", *here, "at_most")
    return PlaybookStep(
        id=problems.text(told, "id", *here),
        uses=uses,
        target=target,
        given=given,
        when=problems.condition(told["when"], *here, "when") if "when" in told else None,
        needs=problems.texts(told.get("needs"), "needs", *here, "needs"),
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
    problems: Problems,
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
        problems.add(
            f"{uses} has neither a reversal nor a reason: say why under `no_reversal:`", *here
        )
    if isinstance(target, dict) and not target.get("external_id"):
        problems.add("a target has an `external_id:`", "steps", i, "target")
    elif not isinstance(target, str | dict):
        problems.add("a target is `account`, `mailbox`, or a mapping", "steps", i, "target")
    if isinstance(target, str) and TARGET_FACTS.get(target) != action.target:
        problems.add(
            f"{uses} acts on {catalog.a(action.target)}, not on {target!r}:"
            f" {_which(action.target)}",
            "steps", i, "target",
        )  # fmt: skip
    known = {*action.inputs, *action.optional_inputs}
    for name in given.keys() - known:
        problems.add(f"{uses} takes no {name!r}; it takes: {sorted(known)}", "steps", i, "with")
    for name in action.inputs.keys() - given.keys():
        problems.add(f"{uses} needs {name!r} under `with:`", *here)


def _which(kind: str) -> str:
    """Say what a step on a kind of target may name."""
    facts = [fact for fact, of_kind in TARGET_FACTS.items() if of_kind == kind]
    mapping = "`for_each:` with a mapping under `target:`"
    return f"name {' or '.join(facts)}, or give {mapping}" if facts else f"give {mapping}"


def _seconds(told: Any, problems: Problems, *path: str | int) -> int:
    """Return a duration such as `90s`, `15m` or `2h` in seconds."""
    found = DURATION.fullmatch(told) if isinstance(told, str) else None
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_TIMEOUT:
        problems.add(f"{told!r} is no time: write `90s`, `15m` or `2h`, at most 24h", *path)
        return 0
    return seconds
