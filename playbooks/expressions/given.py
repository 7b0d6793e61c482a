"""Facts as playbooks may see them: clean, bounded, and in one order.

What a vendor lists in whatever order means the same, so lists are put in order of content: the
same facts give the same plan.
"""

from collections.abc import Mapping
from typing import Any

from playbooks.errors import PlaybookError
from tenants.canonical import canonical_json, jsonable
from tenants.storable import storable

# A condition walks through lists; beyond this it would take seconds.
LONGEST_LIST = 2000
_MAPPINGS = (
    "case", "tenant", "account", "mailbox", "evidence", "verdict", "device", "message", "person",
    "on_premises", "indicator", "inputs", "directory",
)  # fmt: skip


def merged(example: Any, change: Any) -> Any:
    """Return the example with a change laid over it; lists are replaced whole."""
    if not isinstance(example, Mapping) or not isinstance(change, Mapping):
        return change
    both = {key: merged(value, change[key]) for key, value in example.items() if key in change}
    return {**example, **change, **both}


def clean(facts: Any) -> dict[str, Any]:
    """Return the facts ready for conditions; PlaybookError names everything that is wrong."""
    if not isinstance(facts, Mapping):
        raise PlaybookError(["The facts are no JSON object."])
    problems = [
        f"The fact {name!r} is no JSON object."
        for name in _MAPPINGS
        if name in facts and not isinstance(facts[name], Mapping)
    ]
    if problems:
        raise PlaybookError(problems)
    try:
        return dict(_ordered(storable(jsonable(facts)), "facts"))
    except (TypeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PlaybookError([f"The facts are no plain JSON: {reason}."]) from None


def _ordered(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(value[key], f"{path}.{key}") for key in sorted(value)}
    if isinstance(value, list):
        if len(value) > LONGEST_LIST:
            raise PlaybookError(
                [f"{path} has {len(value)} items, more than {LONGEST_LIST}: gather fewer days."]
            )
        return sorted((_ordered(item, path) for item in value), key=canonical_json)
    return value
