"""Checks what the official schemas let pass: steps that lead nowhere, circles, ids used twice."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from playbooks.cacao import words
from playbooks.errors import PlaybookError

_IDENTIFIER = re.compile(
    r"[a-z][a-z0-9-]+--[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    re.ASCII,
)
_STEP_TYPES = ("start", "end", "action", "parallel", "if-condition", "while-condition")
_DICTIONARIES = ("workflow", "agent_definitions", "target_definitions", "extension_definitions")
_OTHERS = ("playbook-action", "switch-condition")


def check(document: Mapping[str, Any]) -> None:
    """Refuse a document that is no whole CACAO 2.0 playbook of ours; every problem is told."""
    # Each check relies on what the one before has found to be right.
    for problems_of in (_head, _steps, _pointers, _way):
        problems = problems_of(document)
        if problems:
            raise PlaybookError(problems)


def _head(document: Mapping[str, Any]) -> list[str]:
    found = []
    if document.get("type") != "playbook":
        found.append(f"/type: {_shown(document.get('type'))} is no CACAO playbook: give 'playbook'")
    if document.get("spec_version") != words.SPEC_VERSION:
        version = _shown(document.get("spec_version"))
        found.append(f"/spec_version: {version} can't be read: export it as {words.SPEC_VERSION}")
    if document.get("revoked", False) is not False:
        found.append("/revoked: its author has withdrawn this playbook: get a later version")
    for key in ("id", "name", "workflow_start"):
        if not isinstance(document.get(key), str):
            found.append(f"/{key}: missing or no text: CACAO demands it")
    for key in _DICTIONARIES:
        if not isinstance(document.get(key), Mapping):
            found.append(f"/{key}: missing or no object: a playbook of Holdfast has one")
    extensions = document.get("playbook_extensions")
    ours = extensions.get(words.EXTENSION) if isinstance(extensions, Mapping) else None
    if not isinstance(ours, Mapping):
        found.append(
            f"/playbook_extensions/{words.EXTENSION}: missing: this playbook was made elsewhere and"
            " says nothing of conditions, tiers and golden cases. Write it anew in YAML"
        )
    return found


def _steps(document: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    parts: dict[str, str] = {}
    for dictionary in _DICTIONARIES:
        for name, value in document[dictionary].items():
            found += _part(f"/{dictionary}/{name}", name, value)
            number = name.rpartition("--")[2].lower()
            if parts.setdefault(number, name) != name:
                found.append(f"/{dictionary}/{name}: its UUID is that of {parts[number]} too")
    for name, step in document["workflow"].items():
        if isinstance(step, Mapping) and step.get("type") in _OTHERS:
            found.append(f"/workflow/{name}: Holdfast has no {step['type']}: use when: and needs:")
        elif isinstance(step, Mapping) and step.get("type") not in _STEP_TYPES:
            found.append(f"/workflow/{name}/type: {_shown(step.get('type'))} is no kind of step")
    return found


def _part(place: str, name: str, value: Any) -> list[str]:
    if not _IDENTIFIER.fullmatch(name):
        return [f"{place[:200]}: no identifier of CACAO: write type--UUID"]
    if not isinstance(value, Mapping):
        return [f"{place}: an object is missing here"]
    if not name.startswith(f"{value.get('type')}--"):
        return [f"{place}/type: {_shown(value.get('type'))} is not what the id says"]
    return []


def _pointers(document: Mapping[str, Any]) -> list[str]:
    """Say which references point at nothing, or at the wrong kind of thing."""
    found = _dangling("/workflow_start", document["workflow_start"], document, "start")
    if "workflow_exception" in document:
        found += _dangling("/workflow_exception", document["workflow_exception"], document)
    for name, step in document["workflow"].items():
        place = f"/workflow/{name}"
        if not isinstance(step.get("next_steps", []), list):
            found.append(f"{place}/next_steps: no list: it names the branches")
            continue
        for key, following in words.next_steps(step):
            found += _dangling(f"{place}/{key}", following, document)
        if step["type"] == "action":
            found += _of_action(place, step, document)
    ours = document["playbook_extensions"][words.EXTENSION]
    order = ours.get("steps")
    place = f"/playbook_extensions/{words.EXTENSION}/steps"
    if not isinstance(order, list):
        return [*found, f"{place}: missing or no list: it names the action steps in their order"]
    for i, named in enumerate(order):
        found += _dangling(f"{place}/{i}", named, document, "action")
    texts = Counter(named for named in order if isinstance(named, str))
    found += [f"{place}: {named} stands twice" for named, times in texts.items() if times > 1]
    for name, step in document["workflow"].items():
        if step["type"] == "action" and name not in texts:
            found.append(f"{place}: {name} is missing: each action step has its place in the file")
    return found


def _of_action(place: str, step: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    found = []
    if not _names(step.get("agent"), document, "agent_definitions"):
        found.append(f"{place}/agent: {_shown(step.get('agent'))} is no agent of this playbook")
    targets = step.get("targets")
    if not isinstance(targets, list):
        found.append(f"{place}/targets: missing or no list")
        targets = []
    for i, target in enumerate(targets):
        if not _names(target, document, "target_definitions"):
            found.append(f"{place}/targets/{i}: {_shown(target)} is no target of this playbook")
    extensions = step.get("step_extensions")
    ours = extensions.get(words.EXTENSION) if isinstance(extensions, Mapping) else None
    if not isinstance(ours, Mapping):
        return [*found, f"{place}/step_extensions/{words.EXTENSION}: missing: it names the action"]
    needs = ours.get("needs", [])
    where = f"{place}/step_extensions/{words.EXTENSION}/needs"
    if not isinstance(needs, list):
        return [*found, f"{where}: no list: it names the action steps that must be done before"]
    for i, needed in enumerate(needs):
        found += _dangling(f"{where}/{i}", needed, document, "action")
    return found


def _dangling(
    place: str, name: Any, document: Mapping[str, Any], kind: str | None = None
) -> list[str]:
    if not _names(name, document, "workflow"):
        return [f"{place}: {_shown(name)} is no step of this playbook: name one that is there"]
    if kind and document["workflow"][name]["type"] != kind:
        return [f"{place}: {_shown(name)} is no {kind} step"]
    return []


def _names(name: Any, document: Mapping[str, Any], dictionary: str) -> bool:
    return isinstance(name, str) and name in document[dictionary]


def _way(document: Mapping[str, Any]) -> list[str]:
    """Walk the workflow from its start without recursion: no circle, and no step left out."""
    workflow = document["workflow"]
    done: set[str] = set()
    open_: dict[str, None] = {}
    starts = [document["workflow_start"], document.get("workflow_exception")]
    waiting = [(name, False) for name in reversed(starts) if name is not None]
    while waiting:
        name, is_left = waiting.pop()
        if is_left:
            open_.pop(name)
            done.add(name)
        elif name in open_:
            return [f"/workflow/{name}: leads back to itself: take one of the steps out"]
        elif name not in done:
            open_[name] = None
            waiting.append((name, True))
            waiting += [
                (following, False)
                for _, following in words.next_steps(workflow[name])
                if following not in done
            ]
    return [
        f"/workflow/{name}: no other step leads here: remove it, or name it in one"
        for name in workflow
        if name not in done
    ]


def _shown(value: Any) -> str:
    return repr(value)[:120] if isinstance(value, str | int | float | None) else "an object or list"
