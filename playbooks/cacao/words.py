"""What the two ways share: our extension, the ids, and which property says what."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

SPEC_VERSION = "cacao-2.0"
# Chosen once, by chance; a document is ours when it carries this extension.
EXTENSION = "extension-definition--aba9ae7e-7111-48d3-a8a5-2b785dcfdcec"
IDENTITY = "identity--fe859f26-cbe2-43a9-8082-83703bcb1b3d"
AGENT = "security-category--dd19e827-61aa-4ff3-a7db-db8cc5a973a6"
# CACAO's own namespace is for ids made of name and types alone; ours also name the content.
NAMESPACE = uuid.UUID("2dfb1563-e234-4b1c-8cc3-829e0a1f35fe")
NO_TIME = "1970-01-01T00:00:00.000Z"

ATTACK, D3FEND, SOURCE = "MITRE ATT&CK", "MITRE D3FEND", "Source of practice"
ATTACK_URL = "https://attack.mitre.org/techniques/"
D3FEND_URL = "https://d3fend.mitre.org/technique/"

# The extension of the playbook: its property → the key in the file, in the file's order.
PLAYBOOK_KEYS = {
    "playbook_id": "id", "version": "version", "kind": "kind", "trigger": "trigger",
    "inputs": "inputs", "verdicts": "verdicts", "responses": "responses", "results": "results",
    "example": "example", "tests": "tests", "is_for_company": "is_for_company",
}  # fmt: skip
# The keys of a step that CACAO's own properties tell; the extension carries all others.
NATIVE_STEP_KEYS = {"id", "why", "needs", "timeout"}
NATIVE_KEYS = {"title", "summary", "attack", "d3fend", "sources", "steps"}

NEXT_KEYS = ("on_completion", "on_success", "on_failure", "on_true", "on_false")


def identifier(kind: str, *parts: str) -> str:
    """Return the id of a part of a playbook: the same for the same parts, on every machine.

    The specification wants version 4 for steps; chance would make each export another one, so
    the 122 bits are those of a SHA-256.
    """
    name = json.dumps([str(NAMESPACE), kind, *parts])
    digest = hashlib.sha256(name.encode()).digest()
    return f"{kind}--{uuid.UUID(bytes=digest[:16], version=4)}"


def next_steps(step: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the steps that may follow one, each with the property that names it."""
    for key in NEXT_KEYS:
        if key in step:
            yield key, step[key]
    for i, name in enumerate(step.get("next_steps", [])):
        yield f"next_steps/{i}", name
