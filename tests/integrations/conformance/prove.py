"""Writes each connector's proofs.json: python -m tests.integrations.conformance.prove."""

import json
import os
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings")
django.setup()

from tests.integrations.conformance.conftest import SUBJECTS  # noqa: E402
from tests.integrations.conformance.subject import TOPICS, Subject  # noqa: E402

CONNECTORS = Path(__file__).parents[3] / "integrations/connectors"


def proved(subject: Subject) -> dict[str, Any]:
    """What a subject lets the suite try."""
    return {
        "topics": [topic for topic in TOPICS if not subject.why_not(topic)],
        "left_out": dict(subject.left_out),
        "contract": subject.contract.name if subject.contract else "",
        "recorded": sorted({recorded.path for recorded in subject.records}),
        "real_server": subject.real_server,
    }


def path_of(subject: Subject) -> Path:
    """The file that holds a connector's proofs."""
    return CONNECTORS / subject.manifest.id / "proofs.json"


if __name__ == "__main__":
    for one in SUBJECTS:
        path_of(one).write_text(json.dumps(proved(one), indent=2) + "\n", "utf-8")
