"""A playbook → a CACAO 2.0 document."""

import copy
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from integrations import catalog
from playbooks import yaml_reader
from playbooks.cacao import words
from playbooks.cacao.files import check_values
from playbooks.cacao.workflow import Workflow, activity
from playbooks.language import Playbook, PlaybookInput

_TYPES = {
    "investigation": ["investigation"],
    "response": ["mitigation", "remediation"],
    "routine": ["prevention"],
}
# CACAO has no lists: one is a text in JSON.
_VARIABLE_TYPES = {
    "string": "string",
    "boolean": "bool",
    "integer": "integer",
    "list": "string",
    "object": "dictionary",
}
_VARIABLE = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_ABOUT_EXTENSION = (
    "What a Holdfast playbook says beyond CACAO: conditions in CEL, tiers of approval, lists to "
    "go through, verdict tables, responses, inputs, golden cases, and the text of the file."
)
_SCHEMA = (
    "On the playbook: playbook_id, version, kind, trigger (CEL), inputs, verdicts, responses, "
    "results, example, tests, steps (ids of the action steps in the file's order), source_text and "
    "source_sha256. On an action step: uses (the catalog's action), with, target, when (CEL), "
    "for_each (CEL), at_most, on_failure, tier, no_reversal, and needs (ids of action steps that "
    "must be done before). The name of an action step is its id in the file, its description is "
    "why it is done."
)


def export(playbook: Playbook) -> dict[str, Any]:
    """Return the playbook as a CACAO 2.0 document; `to_yaml` gives it back.

    Nothing in it depends on the clock or on chance: `created` and `modified` are always
    1970-01-01, and the id is made of the playbook's id and the SHA-256 of its file, so each
    version is a document of its own. PlaybookError where a value has no exact form in JSON.
    """
    told = yaml_reader.parse(playbook.source, playbook.id).data
    check_values(told)
    workflow = Workflow(playbook, told["steps"])
    document = {
        "type": "playbook",
        "spec_version": words.SPEC_VERSION,
        "id": f"playbook--{_playbook_uuid(playbook)}",
        "name": playbook.title,
        "description": playbook.summary,
        "playbook_types": _TYPES[playbook.kind],
        "playbook_activities": sorted(
            {activity(catalog.get(step.uses)) for step in playbook.steps}
        ),
        "playbook_processing_summary": _summary(workflow.steps),
        "created_by": words.IDENTITY,
        "created": words.NO_TIME,
        "modified": words.NO_TIME,
        "labels": ["holdfast", playbook.kind],
        "external_references": _references(told),
        "playbook_variables": _variables(playbook.inputs),
        "workflow_start": workflow.start,
        "workflow_exception": workflow.stopped,
        "workflow": workflow.steps,
        "playbook_extensions": {words.EXTENSION: _extension(playbook, told, workflow)},
        "agent_definitions": {words.AGENT: _agent()},
        "target_definitions": workflow.targets,
        "extension_definitions": {words.EXTENSION: _definition()},
    }
    # A copy: who changes the document must not change our vocabulary with it.
    return copy.deepcopy({key: told for key, told in document.items() if told not in ([], {})})


def _playbook_uuid(playbook: Playbook) -> uuid.UUID:
    name = f"{playbook.id.encode('utf-8', 'surrogatepass').hex()}/{playbook.source_sha256}"
    return uuid.uuid5(words.NAMESPACE, name)


def _extension(playbook: Playbook, told: Mapping[str, Any], workflow: Workflow) -> dict[str, Any]:
    exact = {"id": playbook.id, "version": playbook.version}
    properties = {
        name: exact.get(key, told.get(key))
        for name, key in words.PLAYBOOK_KEYS.items()
        if key in told
    }
    others = told.keys() - set(words.PLAYBOOK_KEYS.values()) - words.NATIVE_KEYS
    return {
        **properties,
        **{key: told[key] for key in sorted(others)},
        "steps": workflow.order,
        "source_text": playbook.source,
        "source_sha256": playbook.source_sha256,
    }


def _references(told: Mapping[str, Any]) -> list[dict[str, str]]:
    attack = [
        {
            "name": words.ATTACK,
            "external_id": technique,
            "url": words.ATTACK_URL + technique.replace(".", "/"),
        }
        for technique in told.get("attack") or []
    ]
    d3fend = [
        {"name": words.D3FEND, "external_id": technique, "description": "Countermeasure"}
        for technique in told.get("d3fend") or []
    ]
    sources = [
        {"name": words.SOURCE, "url" if source.startswith("https://") else "source": source}
        for source in told.get("sources") or []
    ]
    return [*attack, *d3fend, *sources]


def _variables(inputs: Mapping[str, PlaybookInput]) -> dict[str, dict[str, Any]]:
    """Return the inputs as variables that whoever starts the playbook gives."""
    found = {}
    for i, (name, told) in enumerate(inputs.items(), 1):
        default = told.default
        text = default if isinstance(default, str) else json.dumps(default, sort_keys=True)
        word = name if _VARIABLE.fullmatch(name) else str(i)
        found[f"__input_{word}__"] = {
            "type": _VARIABLE_TYPES[told.type],
            "description": told.title,
            "external": True,
            **({} if default is None else {"value": text}),
        }
    return found


def _summary(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
    types = {step["type"] for step in steps.values()}
    return {
        "manual_playbook": True,
        "external_playbooks": False,
        "parallel_processing": "parallel" in types,
        "if_logic": "if-condition" in types,
        "while_logic": "while-condition" in types,
        "switch_logic": False,
        "temporal_logic": any("timeout" in step for step in steps.values()),
        "data_markings": False,
        "digital_signatures": False,
        "countersigned_signatures": False,
        "extensions": True,
    }


def _agent() -> dict[str, Any]:
    return {
        "type": "security-category",
        "name": "Holdfast",
        "description": "Carries out the steps by itself; elsewhere, a technician does by hand.",
        "category": ["orchestrator"],
    }


def _definition() -> dict[str, Any]:
    return {
        "type": "extension-definition",
        "name": "Holdfast playbook",
        "description": _ABOUT_EXTENSION,
        "created_by": words.IDENTITY,
        "schema": _SCHEMA,
        "version": "1.0.0",
    }
