"""The language as a JSON Schema, for editors: completion, and mistakes shown while typing.

Made of the tables that the loader uses, and of the catalog of actions. It can't tell everything
that `playbook lint` tells (conditions, circles, facts); what it refuses, the loader refuses too.
In draft 7, as most editors read no later one. A file names it in its first line:

    # yaml-language-server: $schema=playbook.schema.json

https://json-schema.org/draft-07
"""

from typing import Any

from integrations import catalog
from integrations.catalog import CatalogAction
from playbooks.authoring.playbook import (
    CONFIDENCES,
    EXPECTED_KEYS,
    FAILURES,
    INPUT_KEYS,
    INPUT_TYPES,
    KEYS,
    KINDS,
    MOST_OBJECTS,
    MOST_ROWS,
    MOST_STEPS,
    MOST_TESTS,
    RESULT_KEYS,
    STEP_KEYS,
    TARGET_FACTS,
    TEST_KEYS,
    VERDICT_KEYS,
    VERDICTS,
)
from playbooks.engagement import TIERS

DIALECT = "http://json-schema.org/draft-07/schema#"
_TEXT: dict[str, Any] = {"type": ["string", "number"], "minLength": 1}
_NAMES: dict[str, Any] = {"type": ["array", "null"], "items": {"type": "string"}}
_CONDITION: dict[str, Any] = {"type": ["string", "boolean"], "description": "A condition in CEL."}
_OBJECT: dict[str, Any] = {"type": ["object", "null"]}
_TYPES = {
    "string": "string", "boolean": "boolean", "integer": "integer", "list": "array",
    "object": "object",
}  # fmt: skip


def playbook_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of a playbook's file."""
    return {
        "$schema": DIALECT,
        "title": "Holdfast playbook",
        **_mapping(_top(), KEYS, ["id", "version", "kind", "title", "summary", "steps", "tests"]),
        "allOf": [_of_kind(kind) for kind in KINDS],
        "definitions": {"step": _step(), "row": _row(), "result": _result(), "input": _input()},
    }


def _mapping(known: dict[str, Any], keys: set[str], required: list[str]) -> dict[str, Any]:
    """Return a schema of a mapping with exactly these keys, each described."""
    return {
        "type": "object",
        "properties": {key: known[key] for key in sorted(keys)},
        "required": required,
        "additionalProperties": False,
    }


def _top() -> dict[str, Any]:
    return {
        "id": _TEXT,
        "version": _TEXT,
        "title": _TEXT,
        "summary": {**_TEXT, "description": "What the owner reads, in plain words."},
        "kind": {"enum": list(KINDS)},
        "trigger": {**_CONDITION, "description": "When it is used: a condition in CEL."},
        "inputs": {**_OBJECT, "additionalProperties": {"$ref": "#/definitions/input"}},
        "steps": {
            "type": "array", "minItems": 1, "maxItems": MOST_STEPS,
            "items": {"$ref": "#/definitions/step"},
        },
        "verdicts": {
            "type": ["array", "null"], "maxItems": MOST_ROWS,
            "items": {"$ref": "#/definitions/row"},
        },
        "results": {
            "type": ["array", "null"], "maxItems": MOST_ROWS,
            "items": {"$ref": "#/definitions/result"},
            "description": "What a routine reports: every row that holds is said.",
        },
        "responses": {
            **_OBJECT, "propertyNames": {"enum": list(VERDICTS)}, "additionalProperties": _NAMES,
        },
        "is_for_company": {
            "type": "boolean",
            "description": "Whether its evidence may call a change harmless that holds for a whole "
            "company.",
        },
        "attack": {**_NAMES, "description": "Techniques of MITRE ATT&CK, such as T1078.004."},
        "d3fend": {**_NAMES, "description": "Techniques of MITRE D3FEND, such as D3-AL."},
        "sources": {**_NAMES, "description": "The practice that it follows: pages, documents."},
        "example": {**_OBJECT, "description": "Facts, laid over those of an ordinary case."},
        "tests": {
            "type": "array", "minItems": 1, "maxItems": MOST_TESTS, "items": {"type": "object"},
        },
    }  # fmt: skip


def _of_kind(kind: str) -> dict[str, Any]:
    """Return what holds for one kind of playbook: its actions, its table, its golden cases."""
    allowed = [one.name for one in catalog.ACTIONS if _may_use(kind, one)]
    then: dict[str, Any] = {
        "steps": {"items": {"properties": {"uses": {"enum": sorted(allowed)}}}},
        "tests": {"items": _test(kind)},
    }
    required = []
    if kind == "investigation":
        then["verdicts"] = {"type": "array", "minItems": 1}
        required = ["verdicts"]
    else:
        then["is_for_company"] = {"const": False}
        then["verdicts"] = {"enum": [None, []]}
    if kind != "routine":
        then["results"] = {"enum": [None, []]}
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"properties": then, "required": required},
    }


def _may_use(kind: str, action: CatalogAction) -> bool:
    return kind == "routine" or action.is_read_only == (kind == "investigation")


def _test(kind: str) -> dict[str, Any]:
    expected = {
        "verdict": {"enum": list(VERDICTS)},
        "confidence": {"enum": list(CONFIDENCES)},
        "rule": {"type": "string"},
        "tier": {"enum": list(TIERS)},
        "steps": {"type": "array", "items": {"type": "string"}},
        "results": {"type": "array", "items": {"type": "string"}},
    }
    known = {
        "name": {},
        "change": {"type": "object", "description": "Facts, laid over the example."},
        "rules": {"type": "array", "description": "Rules of engagement, on top of the default."},
        "expect": {**_mapping(expected, EXPECTED_KEYS[kind], []), "minProperties": 1},
    }
    return _mapping(known, TEST_KEYS, ["expect"])


def _input() -> dict[str, Any]:
    known = {"type": {"enum": list(INPUT_TYPES)}, "title": _TEXT, "default": {},
             "required": {"type": "boolean"}}  # fmt: skip
    return _mapping(known, INPUT_KEYS, ["type", "title"])


def _row() -> dict[str, Any]:
    known = {
        "id": _TEXT,
        "when": _CONDITION,
        "verdict": {"enum": list(VERDICTS)},
        "confidence": {"enum": list(CONFIDENCES)},
        "because": {**_TEXT, "description": "Why, in plain words, with ${ expressions }."},
    }
    return _mapping(known, VERDICT_KEYS, sorted(VERDICT_KEYS))


def _result() -> dict[str, Any]:
    known = {
        "id": _TEXT,
        "when": _CONDITION,
        "for_each": {**_CONDITION, "type": "string", "description": "A list, in CEL."},
        "says": {**_TEXT, "description": "What was found, in plain words, with ${ expressions }."},
        "to_do": {**_TEXT, "description": "What a technician must do: the case stays open."},
    }
    return _mapping(known, RESULT_KEYS, ["id", "says"])


def _step() -> dict[str, Any]:
    target = {
        "type": "object",
        "properties": {"external_id": {}, "name": {}, "provider": {}},
        "required": ["external_id"],
    }
    known = {
        "id": _TEXT,
        "uses": {"enum": sorted(action.name for action in catalog.ACTIONS)},
        "target": {"anyOf": [{"enum": list(TARGET_FACTS)}, target]},
        "with": _OBJECT,
        "when": _CONDITION,
        "for_each": {**_CONDITION, "type": "string", "description": "A list, in CEL."},
        "at_most": {"type": "integer", "minimum": 1, "maximum": MOST_OBJECTS},
        "needs": _NAMES,
        "on_failure": {"enum": list(FAILURES)},
        "tier": {"enum": list(TIERS)},
        "why": {"type": ["string", "number", "boolean", "null"]},
        "timeout": {"type": "string", "pattern": "^[0-9]{1,6}[smh]$"},
        "no_reversal": {**_TEXT, "description": "Why it can't be undone."},
    }
    return {**_mapping(known, STEP_KEYS, ["id", "uses"]), "allOf": _of_actions()}


def _of_actions() -> list[dict[str, Any]]:
    """Return, for each action, what it may be given and which facts may be its target."""
    found = []
    for action in catalog.ACTIONS:
        inputs = {
            name: {"type": sorted({_TYPES[kind], "string"})}
            for name, kind in {**action.optional_inputs, **action.inputs}.items()
        }
        given: dict[str, Any] = {"properties": inputs, "additionalProperties": False}
        facts = [fact for fact, kind in TARGET_FACTS.items() if kind == action.target]
        named = [{"enum": facts}] if facts else []
        then: dict[str, Any] = {
            "properties": {
                "with": {**given, "required": sorted(action.inputs)},
                "target": {"anyOf": [*named, {"type": "object"}]},
            }
        }
        required = [] if "account" in facts else ["target"]
        then["required"] = [*required, *(["with"] if action.inputs else [])]
        condition = {"properties": {"uses": {"const": action.name}}, "required": ["uses"]}
        found.append({"if": condition, "then": then})
    return found
