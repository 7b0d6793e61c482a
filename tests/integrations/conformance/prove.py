"""Writes each connector's proofs.json: python -m tests.integrations.conformance.prove."""

import json
import os
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings")
django.setup()

from integrations import catalog  # noqa: E402
from tests.integrations.conformance.conftest import SUBJECTS  # noqa: E402
from tests.integrations.conformance.subject import TOPICS, Subject  # noqa: E402

CONNECTORS = Path(__file__).parents[3] / "integrations/connectors"


def proved(subject: Subject) -> dict[str, Any]:
    """What a subject lets the suite try."""
    told = {
        "topics": [topic for topic in TOPICS if not subject.why_not(topic)],
        "left_out": dict(subject.left_out),
        "contract": subject.contract.name if subject.contract else "",
        "judges": list(subject.contract.judges) if subject.contract else [],
        "recorded": sorted({recorded.path for recorded in subject.records}),
        "real_server": subject.real_server,
    }
    if subject.left_out:
        told["excused"] = dict(subject.excused)
    outside = {case.action: case.outside_contract for case in subject.actions}
    outside = {**subject.feeds_outside, **outside}
    if any(outside.values()):
        told["outside_contract"] = {name: why for name, why in sorted(outside.items()) if why}
    if subject.unrecorded:
        told["unrecorded"] = subject.unrecorded
    irreversible = _irreversible(subject)
    return {**told, "irreversible": irreversible} if irreversible else told


def _irreversible(subject: Subject) -> dict[str, str]:
    """Why the vendor can't take back what the catalog can; the suite sees that nobody tries."""
    names = {action.name for action in subject.manifest.actions}
    return {
        case.action: case.no_reversal
        for case in subject.actions
        if case.no_reversal and catalog.get(case.action).reversal not in names
    }


def path_of(subject: Subject) -> Path:
    """The file that holds a connector's proofs."""
    return CONNECTORS / subject.manifest.id / "proofs.json"


if __name__ == "__main__":
    for one in SUBJECTS:
        path_of(one).write_text(json.dumps(proved(one), indent=2) + "\n", "utf-8")
