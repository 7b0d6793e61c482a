"""How many objects each step of a plan touches, told from plans as they are made and were made."""

import json
from pathlib import Path
from typing import Any

import pytest

from integrations import catalog
from playbooks import engagement, library, planner
from playbooks.targeting import touched

HISTORIES = Path(__file__).parent / "histories"


def _step(action: str, **inputs: Any) -> dict[str, Any]:
    kind = catalog.get(action).target
    return {"action": action, "target": {"kind": kind, "name": "x"}, "inputs": inputs}


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (_step("identity.disable_sign_in"), "1 account"),
        (_step("mailbox.delete_inbox_rule"), "1 inbox rule"),
        (_step("patch.install", patches=["KB1", "KB2", "KB3"]), "3 updates"),
        (_step("patch.install", patches=["KB1"]), "1 update"),
        (_step("identity.revoke_sessions"), "Not known before: the sessions that are open then."),
        ({**_step("endpoint.isolate"), "action": "endpoint.of_old"}, "1 device"),
    ],
)
def test_a_step_says_what_it_touches(step, says) -> None:
    assert touched.in_words(step, [step]) == says


def test_each_copy_of_a_message_is_one_of_all_that_were_found() -> None:
    playbook = library.get("remove-message-everywhere")
    document = planner.plan(playbook, playbook.example, engagement.default())
    steps = [one for one in document["steps"] if one["action"] == "email.quarantine_message"]
    assert len(steps) > 1
    for step in steps:
        told = touched.in_words(step, document["steps"])
        assert told == f"1 message, one of {len(steps)} that this plan does it to"


@pytest.mark.parametrize("path", sorted(HISTORIES.glob("*.json")), ids=lambda path: path.stem)
def test_plans_of_earlier_releases_say_it_as_well(path) -> None:
    text = path.read_text(encoding="utf-8")
    documents = [one for one in _dicts(json.loads(text)) if "steps" in one and "engagement" in one]
    assert documents
    for document in documents:
        for step in document["steps"]:
            assert touched.in_words(step, document["steps"])


def _dicts(value: Any) -> list[dict[str, Any]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict) else []
    return found + [one for item in inner for one in _dicts(item)]
