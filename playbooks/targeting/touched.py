"""How many objects each step of a plan touches, as far as it can be known before. Pure.

Nearly every step is one action on one target. Some name several objects in what they are given,
and of some it shows only when they are carried out. What the plan holds already says it, so that
plans of earlier releases say it too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations import catalog
from integrations.errors import UnknownAction

# What an input lists, one and several.
_LISTED = {"patches": ("update", "updates")}
_NOUNS = {
    "mailbox_rule": "inbox rule",
    "auth_method": "sign-in method",
    "oauth_grant": "app's permission",
    "role_assignment": "administrator role",
    "mailbox_delegate": "access to a mailbox",
    "process": "program",
    "indicator": "address, domain or file",
    "policy_setting": "setting",
    "tenant": "client",
}


def count(step: Mapping[str, Any]) -> int | None:
    """Return how many objects a step of a plan touches; None where nobody can know before."""
    try:
        action = catalog.get(step["action"])
    except UnknownAction:
        # Of an earlier release: a step has one target.
        return 1
    if action.uncounted:
        return None
    listed = step.get("inputs", {}).get(action.counted_input)
    return len(listed) if isinstance(listed, list) else 1


def in_words(step: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> str:
    """Say how many objects a step touches, and how many the whole plan does with its action."""
    number = count(step)
    if number is None:
        return f"Not known before: {catalog.get(step['action']).uncounted}."
    same = sum(one["action"] == step["action"] for one in steps)
    among = f", one of {same} that this plan does it to" if same > 1 else ""
    return f"{number} {_noun(step, number)}{among}"


def _noun(step: Mapping[str, Any], number: int) -> str:
    for name in _LISTED.keys() & step.get("inputs", {}).keys():
        return _LISTED[name][number != 1]
    kind = str(step["target"]["kind"])
    return _NOUNS.get(kind, kind.replace("_", " "))
