"""Rules and records for the tests of detection."""

import uuid
from typing import Any

import yaml

from integrations.detection import loading
from integrations.detection.engine import Engine, Match
from integrations.detection.rules import NotRun

# What makes a record one of Microsoft 365's audit log; its other fields are up to the test.
AUDIT = {"Operation": "Test", "Workload": "Exchange"}


def rule(detection: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {
        "title": "A test's rule",
        "id": str(uuid.uuid4()),
        "logsource": {"product": "m365", "service": "audit"},
        "level": "medium",
        "detection": detection,
        **other,
    }


def engine(*rules: dict[str, Any]) -> Engine:
    text = yaml.safe_dump_all(rules, sort_keys=False)
    pack = loading.loaded([("test.yml", text.encode())])
    assert pack.not_run == (), pack.not_run
    return Engine(pack)


def matches(detection: dict[str, Any], **fields: Any) -> list[Match]:
    return engine(rule(detection)).detect({**AUDIT, **fields})


def holds(item: Any, **fields: Any) -> bool:
    """Whether one selection holds for a record with these fields."""
    return bool(matches({"selection": item, "condition": "selection"}, **fields))


def refused(text: str | bytes, name: str = "test.yml") -> NotRun:
    content = text.encode() if isinstance(text, str) else text
    pack = loading.loaded([(name, content)])
    assert pack.rules == ()
    assert len(pack.not_run) == 1
    return pack.not_run[0]


def refused_rule(detection: dict[str, Any], **other: Any) -> NotRun:
    return refused(yaml.safe_dump(rule(detection, **other)))
