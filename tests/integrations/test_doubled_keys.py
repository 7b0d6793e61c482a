"""A key that stands twice in one object of JSON: both values are kept, and it is said."""

import json

import pytest

from integrations import files
from integrations.connectors.webhook.manifest import MANIFEST as WEBHOOK
from integrations.envelopes import Exploder
from tenants.records import SourceRecord, Unreadable

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
]


@pytest.mark.parametrize("content", BODIES)
def test_only_the_record_that_has_it_is_set_aside_with_both_values(content) -> None:
    found = list(files.records(content.encode(), Exploder(lists=("value",))))
    assert [one.body["id"] for one in found if isinstance(one, SourceRecord)] == [1, 3]
    [aside] = [one for one in found if getattr(one, "code", "") == "doubled_key"]
    assert json.loads(aside.body) == {"id": 2, "user": {"name": ["ann", "bob"], "NAME": "x"}}
    assert "'name' twice" in aside.reason


def test_three_values_at_the_top_are_kept_in_order_and_lists_stay_lists() -> None:
    content = b'{"a": [1], "b": 0, "a": null, "a": {"c": 1}}'
    [aside] = files.records(content, WEBHOOK.explode)
    assert isinstance(aside, Unreadable)
    assert json.loads(aside.body) == {"a": [[1], None, {"c": 1}], "b": 0}


def test_lists_of_records_under_one_name_are_all_read() -> None:
    content = b'{"value": [{"id": 1}], "value": [{"id": 2}, {"id": 3}]}'
    found = list(files.records(content, Exploder(lists=("value",))))
    assert [one.body["id"] for one in found if isinstance(one, SourceRecord)] == [1, 2, 3]


def test_what_was_set_aside_can_be_taken_in_as_it_is_kept() -> None:
    [aside] = files.records(DOUBLED.encode(), WEBHOOK.explode)
    assert isinstance(aside, Unreadable)
    [again] = files.records(aside.body, WEBHOOK.explode)
    assert isinstance(again, SourceRecord)
