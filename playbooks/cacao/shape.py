"""Whether a workflow says just what Holdfast would, whatever ids its parts have."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from playbooks.cacao import words

_ADVICE = (
    "differs from what its extension and `needs` say, so it would be lost: change it there, or"
    " write the playbook anew in YAML"
)


def difference(document: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return the place where the workflow differs from ours, and what to do; '' where nowhere."""
    for (name, theirs), (_, expected) in zip(_walk(document), _walk(ours), strict=False):
        if _written(theirs) != _written(expected):
            keys = sorted(
                key
                for key in theirs.keys() | expected.keys()
                if _written(theirs.get(key)) != _written(expected.get(key))
            )
            return f"/workflow/{name}: {', '.join(keys)} {_ADVICE}"
    if len(document["workflow"]) != len(ours["workflow"]):
        return f"/workflow: the number of steps {_ADVICE}"
    key = "playbook_variables"
    if _written(document.get(key)) != _written(ours.get(key)):
        return f"/{key}: what the extension's inputs say is another thing: change them there"
    return ""


def _walk(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the steps as met from the start, with numbers of meeting in the place of ids."""
    workflow = document["workflow"]
    numbers: dict[str, int] = {}
    waiting: deque[str] = deque()

    def number(name: str) -> int:
        if name not in numbers:
            numbers[name] = len(numbers)
            waiting.append(name)
        return numbers[name]

    number(document["workflow_start"])
    number(document.get("workflow_exception", document["workflow_start"]))
    while waiting:
        name = waiting.popleft()
        step = dict(workflow[name])
        for key in words.NEXT_KEYS:
            if key in step:
                step[key] = number(step[key])
        if "next_steps" in step:
            step["next_steps"] = [number(following) for following in step["next_steps"]]
        if step["type"] in ("start", "end", "parallel"):
            step = {key: step[key] for key in step.keys() - {"name", "description"}}
        if step["type"] == "action":
            step = _action(step, workflow)
        yield name, step


def _action(step: Mapping[str, Any], workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what comes from the catalog: its words may be others in another release."""
    commands = step.get("commands")
    known = {"description", "playbook_activity"}
    return {
        **{key: step[key] for key in step.keys() - {"agent"}},
        "commands": [
            {key: command[key] for key in command.keys() - known}
            if isinstance(command, dict)
            else command
            for command in (commands if isinstance(commands, list) else [commands])
        ],
        "targets": len(step["targets"]),
        # What a step needs is compared by name: it may be met only later.
        "step_extensions": _with_names(step["step_extensions"], workflow),
    }


def _with_names(extensions: Mapping[str, Any], workflow: Mapping[str, Any]) -> dict[str, Any]:
    ours = dict(extensions[words.EXTENSION])
    ours["needs"] = [workflow[needed]["name"] for needed in ours.get("needs", [])]
    return {**extensions, words.EXTENSION: ours}


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
