"""CACAO 2.0 as the specification demands it, written down for checking what we export.

Sections 3 (playbook), 4 (workflow), 5 (commands), 7 (agents and targets), 8 (extensions) and 10
(data types) of https://docs.oasis-open.org/cacao/security-playbooks/v2.0/, limited to the kinds
of objects that Holdfast writes; any other kind counts as a violation. The official schemas are
looser: they follow no reference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_ACTIVITIES = [
    "compose-content", "deliver-content", "identify-audience", "identify-channel", "scan-system",
    "match-indicator", "analyze-collected-data", "identify-indicators", "scan-vulnerabilities",
    "configure-systems", "restrict-access", "disconnect-system", "eliminate-risk",
    "revert-system", "restore-data", "restore-capabilities", "map-network", "identify-steps",
    "step-sequence", "prepare-engagement", "execute-operation", "analyze-engagement-results",
]  # fmt: skip
_TYPES = [
    "attack", "detection", "engagement", "investigation", "mitigation", "notification",
    "prevention", "remediation",
]  # fmt: skip
_FEATURES = [
    "manual_playbook", "external_playbooks", "parallel_processing", "if_logic", "while_logic",
    "switch_logic", "temporal_logic", "data_markings", "digital_signatures",
    "countersigned_signatures", "extensions",
]  # fmt: skip
_NEXT = ("on_completion", "on_success", "on_failure", "on_true", "on_false")


def _id(*kinds: str) -> Schema:
    return {"type": "string", "pattern": f"^({'|'.join(kinds)})--{_UUID}$"}


def _list(item: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": item, "minItems": least}


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": sorted(required),
        "additionalProperties": False,
    }


def _keyed(kinds: Mapping[str, Schema], uuid: str = _UUID) -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "patternProperties": {f"^{kind}--{uuid}$": schema for kind, schema in kinds.items()},
        "additionalProperties": False,
    }


_EXTENSIONS = _keyed(
    {
        "extension-definition": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z0-9_]{3,250}$"},
        }
    }
)
_REFERENCE = {
    **_object(
        {"name": _NAME},
        dict.fromkeys(("description", "source", "url", "external_id", "reference_id"), _TEXT),
    ),
    "minProperties": 2,
}
_VARIABLE = _object(
    {"type": {"enum": ["bool", "dictionary", "float", "integer", "long", "string"]}},
    {
        "description": _TEXT,
        "value": {"type": ["string", "null"]},
        "constant": {"type": "boolean"},
        "external": {"type": "boolean"},
    },
)
_VARIABLES = {
    "type": "object",
    "patternProperties": {"^__[a-zA-Z][a-zA-Z0-9_-]{0,199}__$": _VARIABLE},
    "additionalProperties": False,
}
_STEP = _id("start", "end", "action", "parallel", "if-condition", "while-condition")
_COMMON = {
    "name": _TEXT,
    "description": _TEXT,
    "external_references": _list(_REFERENCE),
    "timeout": {"type": "integer", "minimum": 0},
    "step_variables": _VARIABLES,
    "step_extensions": _EXTENSIONS,
}
_COMMAND = _object(
    {"type": {"const": "manual"}, "command": _NAME, "playbook_activity": {"enum": _ACTIVITIES}},
    {"description": _TEXT, "version": _TEXT, "external_references": _list(_REFERENCE)},
)


def _step(kind: str, required: Schema, optional: Schema | None = None) -> Schema:
    """Return the schema of a step that goes on: by completion, or by success (and failure)."""
    after = dict.fromkeys(("on_completion", "on_success", "on_failure"), _STEP)
    return {
        **_object({"type": {"const": kind}, **required}, {**_COMMON, **after, **(optional or {})}),
        "oneOf": [
            {
                "required": ["on_completion"],
                "properties": {"on_success": False, "on_failure": False},
            },
            {"required": ["on_success"], "properties": {"on_completion": False}},
        ],
    }


_STEPS = {
    "start": _object({"type": {"const": "start"}, "on_completion": _STEP}, _COMMON),
    "end": _object({"type": {"const": "end"}}, _COMMON),
    "action": _step(
        "action",
        {"commands": _list(_COMMAND), "agent": _id("security-category")},
        {"targets": _list(_id("individual", "organization", "security-category"))},
    ),
    "parallel": _step("parallel", {"next_steps": _list(_STEP, 2)}),
    "if-condition": _step(
        "if-condition", {"condition": _NAME, "on_true": _STEP}, {"on_false": _STEP}
    ),
    "while-condition": _step("while-condition", {"condition": _NAME, "on_true": _STEP}),
}
_ABOUT = {"name": _NAME}
_WHO = {
    "individual": _object({"type": {"const": "individual"}, **_ABOUT}, {"description": _TEXT}),
    "organization": _object({"type": {"const": "organization"}, **_ABOUT}, {"description": _TEXT}),
    "security-category": _object(
        {
            "type": {"const": "security-category"},
            "category": _list({"enum": ["endpoint", "orchestrator", "server", "desktop"]}),
            **_ABOUT,
        },
        {"description": _TEXT},
    ),
}
_DEFINITION = _object(
    {
        "type": {"const": "extension-definition"},
        "name": _NAME,
        "created_by": _id("identity"),
        "schema": _NAME,
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    },
    {"description": _TEXT, "external_references": _list(_REFERENCE)},
)
PLAYBOOK: Schema = _object(
    {
        "type": {"const": "playbook"},
        "spec_version": {"const": "cacao-2.0"},
        "id": _id("playbook"),
        "name": _NAME,
        "created_by": _id("identity"),
        "created": _TIME,
        "modified": _TIME,
        "workflow_start": _id("start"),
        "workflow": {**_keyed(_STEPS, _UUID4), "minProperties": 3},
    },
    {
        "description": _TEXT,
        "playbook_types": _list({"enum": _TYPES}),
        "playbook_activities": _list({"enum": _ACTIVITIES}),
        "playbook_processing_summary": _object({}, {key: {"type": "boolean"} for key in _FEATURES}),
        "labels": _list(_TEXT),
        "external_references": _list(_REFERENCE),
        "playbook_variables": _VARIABLES,
        "workflow_exception": _STEP,
        "playbook_extensions": _EXTENSIONS,
        "agent_definitions": _keyed({"security-category": _WHO["security-category"]}),
        "target_definitions": _keyed(_WHO),
        "extension_definitions": _keyed({"extension-definition": _DEFINITION}),
    },
)
_VALIDATOR = Draft202012Validator(PLAYBOOK)


def violations(document: Mapping[str, Any]) -> list[str]:
    """Return what in a document is against the specification, with the place of each."""
    found = [
        f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in _VALIDATOR.iter_errors(document)
    ]
    return found or [*_references(document), *_branches(document), *_summaries(document)]


def _references(document: Mapping[str, Any]) -> Iterator[str]:
    """Every id that is named must be there, and its UUID must be its alone."""
    steps = document["workflow"]
    for name in (document["workflow_start"], document.get("workflow_exception")):
        if name is not None and name not in steps:
            yield f"{name} is no step"
    for place, step in steps.items():
        for name in _following(step):
            if name not in steps:
                yield f"{place}: {name} is no step"
        if step["type"] == "action":
            if step["agent"] not in document["agent_definitions"]:
                yield f"{place}: {step['agent']} is no agent"
            for name in set(step["targets"]) - document["target_definitions"].keys():
                yield f"{place}: {name} is no target"
        for name in step.get("step_extensions", {}).keys() - document["extension_definitions"]:
            yield f"{place}: {name} is no extension"
    for name in document["playbook_extensions"].keys() - document["extension_definitions"]:
        yield f"{name} is no extension"
    names = [document["id"], document["created_by"], *steps, *document["agent_definitions"]]
    names += [*document["target_definitions"], *document["extension_definitions"]]
    for uuid, times in Counter(name.rpartition("--")[2] for name in names).items():
        if times > 1:
            yield f"the UUID {uuid} has {times} objects"


def _branches(document: Mapping[str, Any]) -> Iterator[str]:
    """Each branch ends in an end step that is its alone; a variable asked for is declared."""
    steps = document["workflow"]
    ends: Counter[str] = Counter()
    for name, step in steps.items():
        branches = [*step.get("next_steps", []), *(step[k] for k in _NEXT[3:] if k in step)]
        for first in branches:
            ends[_end_of(first, steps)] += 1
        if "condition" in step:
            asked = re.match(r"(__\w+__):value = 'true'$", step["condition"])
            if not asked or asked[1] not in step["step_variables"]:
                yield f"{name}: the condition asks for no variable of its step"
    ends[_end_of(document["workflow_start"], steps)] += 1
    for end, times in ends.items():
        if times > 1:
            yield f"{end} ends {times} branches"


def _end_of(name: str, steps: Mapping[str, Any]) -> str:
    seen = set()
    while steps[name]["type"] != "end":
        assert name not in seen, f"{name} leads back to itself"
        seen.add(name)
        name = steps[name].get("on_completion") or steps[name]["on_success"]
    return name


def _following(step: Mapping[str, Any]) -> list[str]:
    return [*(step[key] for key in _NEXT if key in step), *step.get("next_steps", [])]


def _summaries(document: Mapping[str, Any]) -> Iterator[str]:
    """What is summed up at the top must be what the steps do."""
    steps = list(document["workflow"].values())
    done = {c["playbook_activity"] for step in steps for c in step.get("commands", [])}
    if document["playbook_types"] and set(document["playbook_activities"]) != done:
        yield f"/playbook_activities: the steps do {sorted(done)}"
    types = {step["type"] for step in steps}
    summary = document["playbook_processing_summary"]
    for feature, kind in (
        ("parallel_processing", "parallel"),
        ("if_logic", "if-condition"),
        ("while_logic", "while-condition"),
    ):
        if summary[feature] != (kind in types):
            yield f"/playbook_processing_summary/{feature}: {kind} steps say otherwise"
