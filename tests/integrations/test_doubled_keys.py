"""A key that stands twice in one object of JSON: both values are kept, and it is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from integrations import doubled, files, json_text, registry, taking_again
from integrations.alerting.watching import RuleWatch
from integrations.connectors.webhook.manifest import MANIFEST as WEBHOOK
from integrations.detection import loading
from integrations.detection.engine import Engine
from integrations.envelopes import Exploder
from integrations.transport import Call, Transport
from tenants import intake
from tenants.models import Event, Finding, RawRecord
from tenants.records import SourceRecord
from tests.integrations.alerting.rules import IDS, install, record, rule

DOUBLED = '{"id": 2, "user": {"name": "ann", "NAME": "x", "name": "bob"}}'
BODIES = [
    f'{{"id": 1}}\n{DOUBLED}\n{{"id": 3}}',
    f'[{{"id": 1}}, {DOUBLED}, {{"id": 3}}]',
    f'{{"value": [{{"id": 1}}, {DOUBLED}, {{"id": 3}}]}}',
    json.dumps(
        {
            "url": "https://x/",
            "status": 200,
            "body": f'{{"value": [{{"id": 1}}, {DOUBLED}, {{"id": 3}},]}}',
        }
    ),
    json.dumps({"_unparsed": f'{{"value": [{{"id": 1}}, {DOUBLED}, {{"id": 3}}, {{"id": '})[:-1]
    + "}",
    'id,user\n1,a\n2,"' + '{""name"": ""ann"", ""NAME"": ""x"", ""name"": ""bob""}' + '"\n3,c\n',
]


@pytest.mark.parametrize("content", BODIES)
def test_it_is_taken_with_both_values_and_a_note(content, tmp_path) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    found = [one for one in files.read(path, Exploder(lists=("value",)))
             if isinstance(one, SourceRecord)]  # fmt: skip
    assert [str(one.body["id"]) for one in found] == ["1", "2", "3"]
    assert found[1].body["user"] == {"name": ["ann", "bob"], "NAME": "x"}
    assert found[1].context[doubled.NOTE] == [["user", "name"]]
    assert "'name' twice" in doubled.words(found[1].context)
    assert doubled.NOTE not in found[0].context


def test_values_keep_their_order_and_lists_stay_lists() -> None:
    content = b'{"a": [1], "b": 0, "a": null, "a": {"c": 1, "c": [2]}}'
    [found] = files.records(content, WEBHOOK.explode)
    assert isinstance(found, SourceRecord)
    assert found.body == {"a": [[1], None, {"c": [1, [2]]}], "b": 0}
    seen: list[Any] = []
    doubled.read_by(seen.append)(found)  # type: ignore[arg-type]
    assert seen[0].body == {"a": {"c": [2]}, "b": 0}
    assert doubled.NOTE not in seen[0].context


def test_lists_of_records_under_one_name_are_all_read() -> None:
    content = b'{"value": [{"id": 1}], "value": [{"id": 2}, {"id": 3}]}'
    found = list(files.records(content, Exploder(lists=("value",))))
    assert [one.body["id"] for one in found if isinstance(one, SourceRecord)] == [1, 2, 3]


def test_what_a_vendor_is_asked_for_is_read_alike() -> None:
    transport = Transport(allow_private=False)
    call = Call("GET", "https://vendor.example/")
    told = transport._parse(call, 200, f'{{"value": [{DOUBLED}]}}'.encode())
    transport.close()
    [row] = told["value"]
    assert row["user"]["name"] == "bob"
    kept = doubled.noted(SourceRecord(row))
    assert kept.body["user"]["name"] == ["ann", "bob"]


def _twice(node: Any) -> list[str]:
    """Each way to write an object as JSON with one more value for one of its keys."""
    ways = []
    for key in node:
        for order in (0, 1):
            pairs = [
                part
                for name, value in node.items()
                for part in ([(name, value), (name, "decoy")][:: 1 - 2 * order]
                             if name == key else [(name, value)])
            ]  # fmt: skip
            told = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
            ways.append(f"{{{told}}}")
    return ways


def test_nobody_hides_an_event_from_our_rules_by_doubling_a_key() -> None:
    """With any other value before or behind it; a rule's exceptions may hold for it, of course."""
    pack = loading.load(loading.OUR_RULES)
    engine = Engine(pack)
    missed = []
    for one in pack.rules:
        cases = json.loads(
            (loading.OUR_RULES / Path(one.file).with_suffix(".cases.json")).read_text()
        )
        for text in _twice(cases["positive"][0]):
            body, _ = json_text.spread(json_text.parsed(text))
            if one.id not in {match.rule.id for match in engine.detect(body)}:
                missed.append((one.file, text))
    assert not missed, (len(missed), missed[:5])


def _taken(told: str, feed: str = "unified_audit") -> intake.Outcome:
    connector = registry.connector("microsoft365")
    return intake.take(
        connector="microsoft365", feed=feed,
        records=files.records(told.encode(), connector.explode),
        normalise=connector.feed(feed).normaliser({}), watch=RuleWatch(),
    )  # fmt: skip


@pytest.mark.django_db
def test_a_sender_that_doubles_a_key_blinds_no_client(in_tenant) -> None:
    install(rule("a"))
    told = json.dumps(record("a"))
    outcome = _taken(f'{told[:-1]}, "Data": 1, "Data": 2, "Operation": "Other"}}')
    assert (outcome.events, outcome.detections, outcome.unread) == (1, 1, 0)
    finding = Finding.objects.get()
    assert finding.uid.startswith(f"detection:{IDS['a']}")
    why = finding.ocsf["unmapped"]["why"]
    assert why[0]["value"] == "Test-a"
    assert "'Data', 'Operation' twice" in why[-1]["condition"]
    raw = Event.objects.get().raw
    assert json.loads(bytes(raw.body))["Data"] == [1, 2]
    assert raw.context[doubled.NOTE] == [["Operation"], ["Data"]]


@pytest.mark.django_db
def test_what_a_normaliser_refuses_says_it_and_is_read_again_as_it_was(in_tenant) -> None:
    outcome = _taken('{"Id": "x", "Data": 1, "Data": 2}')
    assert outcome.quarantined == 1
    kept = RawRecord.objects.get()
    assert "'Data' twice" in kept.reason
    [again] = taking_again._records(
        kept, registry.connector("microsoft365"),
        registry.connector("microsoft365").feed("unified_audit"),
    )  # fmt: skip
    assert isinstance(again, SourceRecord)
    seen: list[Any] = []
    doubled.read_by(seen.append)(again)  # type: ignore[arg-type]
    assert seen[0].body == {"Id": "x", "Data": 2}
