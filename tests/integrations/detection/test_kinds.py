"""Records of one kind are looked at alike, and no record is taken for one of another kind.

What the engine tells is compared with what comes of looking at each record by itself, with nothing
remembered: its shape, its log sources, and each rule of them.
"""

import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import pytest
from sigma.types import SigmaString

from integrations.detection import predicates
from integrations.detection.conditions import Node, absent, any_of, field_node
from integrations.detection.engine import Engine, log_sources
from integrations.detection.fields import BARE, Sorter, shapes
from integrations.detection.keys import keys_of
from integrations.detection.rules import LogSource, Pack, Rule
from integrations.detection.standing import Layout
from integrations.detection.views import View

SEED = 20261126
# As vendors send them; what the tests change in them decides on the shape, the source or a match.
BASES: list[dict[str, Any]] = [
    {"Operation": "Set-Mailbox", "Workload": "Exchange", "ResultStatus": "x",
     "UserId": "nobody", "UserDomain": "x",
     "Parameters": [{"Name": "Identity", "Value": "x"}, {"Name": "status", "Value": "1"}]},
    {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": "C:\\a\\x.exe",
     "ParentImage": "x", "CommandLine": "x admin"},
    {"EventID": "4688", "Channel": "Security", "EventData": {"NewProcessName": "x", "User": "X"}},
    {"data": {"win": {"system": {"eventID": "1", "channel": "Security", "computer": "x"},
                      "eventdata": {"image": "C:\\x.exe", "commandLine": "x 1"}}},
     "rule": {"level": 3, "groups": ["x", "sysmon"], "id": "1"}, "agent": {"id": "1"}},
    {"event_simpleName": "ProcessRollup2", "event_platform": "Win", "CommandLine": "x",
     "ImageFileName": "x", "ParentBaseFileName": "x.exe"},
    {"event": {"event_simpleName": "AsepValueUpdate", "event_platform": "Win", "RegValueName": "x",
               "RegObjectName": "\\REGISTRY\\x"}},
    {"id": {"applicationName": "admin"}, "actor": {"email": "x@x.example"},
     "events": [{"name": "x", "type": "1", "parameters": [{"name": "status", "value": "x"}]}]},
    {"category": "AuditLogs", "operationName": "x", "resourceId": "/tenants/1",
     "properties": {"result": "x", "loggedByService": "PIM", "targetResources": [
         {"userPrincipalName": "x", "modifiedProperties": [{"displayName": "x", "newValue": "1"}]}
     ]}},
    {"category": "Administrative", "operationName": {"value": "x"}, "status": {"value": "1"},
     "resourceId": "/SUBSCRIPTIONS/1/x", "identity": {"claims": {"name": "x"}}},
    {"properties": {"ActionType": "ProcessCreated", "FolderPath": "x", "DeviceId": "1"}},
    {"class_uid": 1007, "activity_id": 1, "device": {"os": {"type_id": 100}},
     "process": {"name": "x", "cmd_line": "x", "file": {"path": "X"}}},
    {"class_uid": "3002", "user": {"name": "x"}, "src_endpoint": {"ip": "1"}},
]  # fmt: skip
WORDS = (
    "", "x", "X", "x.exe", "Exchange", "SECURITY", "4688", "1", "AuditLogs", "pim", "Win", "true",
    "Microsoft-Windows-Sysmon/Operational", "ProcessRollup2", "SyntheticProcessRollup2x", "a" * 120,
    "\ud800x", "\u017f", "\u0130x", "\u039f\u03a3", "{", '[{"name": "x"}]',
    '{"value": "x", "name": "1"}',
    "/subscriptions/1", "/\u017fubscriptions/1", "admin", "ProcessCreated",
)  # fmt: skip
FIELDS = (
    "Operation", "name", "status", "result", "Image", "CommandLine", "ParentImage", "TargetObject",
    "EventID", "level", "rule.level", "rule.groups", "rule.id", "Identity", "User", "eventName",
    "operationName", "properties.result", "UserDomain", "applicationName", "ResultStatus", "value",
    "TargetUserName", "ModifiedNewValue", "activity_id", "process.name", "events.name", "email",
)  # fmt: skip
TRIED = ("x", "1", "x.exe", "pim", "\\x.exe", ".x.example", "\u03bf\u03c3", "\\registry\\x\\x")


@cache
def _ready() -> Engine:
    """An engine that tells of each of the fields whether it is there, and what it holds."""
    nodes = [absent(field) for field in FIELDS]
    for field in FIELDS:
        nodes += [field_node(field, predicates.of_string(SigmaString(text))) for text in TRIED]
        parts = [predicates.of_string(SigmaString(f"*{text}*")) for text in ("set", "dmi")]
        nodes.append(any_of([field_node(field, part) for part in parts]))
        nodes.append(field_node(field, predicates.of_string(SigmaString("*\\\\x.exe"))))
    return Engine(Pack(tuple(_rule(number, node) for number, node in enumerate(nodes))))


def _rule(number: int, node: Node) -> Rule:
    return Rule(str(number), str(number), "low", LogSource(), node)


def _odd(rng: Random) -> Any:
    odd: tuple[Callable[[], Any], ...] = (
        lambda: rng.choice(WORDS),
        lambda: rng.choice((None, True, False, 0, 1, 1.0, 2.5, 10**20, [], [None], {}, [[]])),
        lambda: [rng.choice(WORDS), None, rng.choice(WORDS)],
        lambda: [{"Name": rng.choice(("status", "x", "value")), "Value": rng.choice(WORDS)}],
        lambda: [{"name": "result", "value": rng.choice(WORDS), "other": 1}],
        lambda: {"name": rng.choice(WORDS), "value": rng.choice(WORDS)},
    )
    return rng.choice(odd)()


def _changed(node: Any, rng: Random) -> Any:
    """A copy with about one change."""
    if isinstance(node, list):
        return [_changed(one, rng) for one in node]
    if not isinstance(node, dict):
        return _odd(rng) if rng.random() < 0.08 else node
    told: dict[str, Any] = {}
    for name, value in node.items():
        chance = rng.random()
        if chance < 0.04:
            continue
        key = rng.choice((name.upper(), name.lower(), name.title())) if chance < 0.1 else name
        told[key] = _wrapped(_changed(value, rng), rng)
    if rng.random() < 0.15:
        told[rng.choice((*FIELDS, "event", "data", "properties", "class_uid", "NAME"))] = _odd(rng)
    return told


def _wrapped(value: Any, rng: Random) -> Any:
    ways: tuple[Callable[[], Any], ...] = (
        lambda: [value],
        lambda: [value, _odd(rng)],
        lambda: json.dumps(value),
        lambda: (
            [{"Name": name, "Value": one} for name, one in value.items()]
            if isinstance(value, dict)
            else _odd(rng)
        ),
    )
    return rng.choice(ways)() if rng.random() < 0.05 else value


def _values(record: Any, layout: Layout, field: str) -> tuple[str, ...]:
    return View(record, ((record, layout),)).values(field)


def _laid_out(record: Any, *, is_ocsf: bool) -> Layout | None:
    keys = keys_of(tuple(record))
    for shape in shapes():
        if shape.is_ocsf == is_ocsf and all(
            test.holds(Sorter(test.values).of(_values(record, Layout(BARE, keys), test.field)))
            for test in shape.when
        ):
            return Layout(shape, keys)
    return None


def _view(record: Any, event: Any) -> View:
    parts = [(record, _laid_out(record, is_ocsf=False))]
    beside = event or record
    if "class_uid" in beside:
        parts.append((beside, _laid_out(beside, is_ocsf=True)))
    return View(record, tuple((one, layout) for one, layout in parts if layout))


def _sources(view: View) -> tuple[LogSource, ...]:
    return tuple(
        LogSource(source.product, source.service, source.category)
        for _, layout in view.parts
        for source in layout.shape.sources
        if all(test.holds(Sorter(test.values).of(view.values(test.field))) for test in source.when)
    )


def _expected(ready: Engine, record: Any, event: Any) -> tuple[tuple[LogSource, ...], list[str]]:
    view = _view(record, event)
    sources = _sources(view)
    return sources, [
        one.id
        for one in ready.pack.rules
        if any(map(one.source.covers, sources)) and one.node.test(view)
    ]


@pytest.mark.parametrize("values", [("ab",), ("ab*", "a*"), ("a\u03c3*",), ("a\u03c2*", "b")])
def test_how_a_text_begins_is_told_by_as_much_of_it_as_decides(values) -> None:
    # How a capital sigma is made small depends on whether a letter follows, be it behind dots.
    texts = ["Ab", "abc", "a", "a\u0130", "a\u03a3", "a\u03a3..", "a\u03a3..x", "bx", ""]
    expected = [Sorter(values).of((text,)) for text in texts]
    sorter = Sorter(values)
    for _ in range(2):
        for text, one in zip(texts, expected, strict=True):
            found = sorter.known.get(text[: sorter.reach])
            assert (sorter.learn(text) if found is None else found) == one, text


@pytest.mark.parametrize("number", range(4))
def test_each_record_is_seen_as_if_it_were_the_first(number) -> None:
    rng = Random(SEED + number)
    print(f"seed {SEED + number}")
    ready = _ready()
    for _ in range(150):
        record = _changed(rng.choice(BASES), rng)
        event = _changed(rng.choice(BASES[-2:]), rng) if rng.random() < 0.3 else None
        told = [match.rule.id for match in ready.detect(record, event)]
        told_sources = log_sources(record, event)
        assert (told_sources, told) == _expected(ready, record, event), (record, event)
