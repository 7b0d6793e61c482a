"""What a routine reports: the rows of `results:` in a playbook's file."""

from collections.abc import Mapping
from typing import Any

from playbooks.authoring.playbook import MOST_ROWS, RESULT_KEYS, ResultRow
from playbooks.authoring.problems import Problems
from playbooks.expressions.conditions import expressions_in


def read_results(data: Mapping[str, Any], kind: str, problems: Problems) -> tuple[ResultRow, ...]:
    """Return the rows in the file's order, and add what is wrong with each to `problems`."""
    told = data.get("results") or []
    if not isinstance(told, list):
        problems.add("what is reported is a list of rows under `results:`", "results")
        return ()
    if told and kind != "routine":
        problems.add(f"results are what a routine reports, not what {kind}s do", "results")
        return ()
    if len(told) > MOST_ROWS:
        problems.add(f"more than {MOST_ROWS} rows", "results", MOST_ROWS)
        return ()
    return tuple(_row(row, i, problems) for i, row in enumerate(told))


def _row(told: Any, i: int, problems: Problems) -> ResultRow:
    here = ("results", i)
    told = problems.mapping(told, "a row of the results", *here)
    for key in told.keys() - RESULT_KEYS:
        known = ", ".join(sorted(RESULT_KEYS))
        problems.add(f"unknown key {key!r}; known: {known}", *here, key)
    texts = {key: problems.text(told, key, *here) for key in ("id", "says")}
    to_do = problems.text(told, "to_do", *here) if "to_do" in told else ""
    for key in ("says", "to_do"):
        for expression in expressions_in(told.get(key, "")):
            problems.condition(expression, *here, key, is_yes_or_no=False)
    when = problems.condition(told["when"], *here, "when") if "when" in told else None
    for_each = (
        problems.condition(told["for_each"], *here, "for_each", is_yes_or_no=False)
        if "for_each" in told
        else None
    )
    return ResultRow(texts["id"], texts["says"], to_do, when, for_each)
