"""Feeds: read whole, page by page, and again; late, double and disordered records."""

import json

import pytest

from integrations import ocsf
from tenants.records import DirectoryItem, Finding
from tests.integrations.conformance.driving import key_of, read_once, sweep

TOPIC = "paging"


def test_each_feed_is_read_whole_and_again_without_loss(subject, client, feed_name) -> None:
    first, cursor = sweep(subject.manifest, client, feed_name)
    assert first
    brought = {item.kind for item in first if isinstance(item, DirectoryItem)}
    told_in_passing = set(subject.told_in_passing.get(feed_name, ()))
    assert brought - told_in_passing <= set(subject.manifest.feed(feed_name).lists)
    assert _states(first) == []
    again, _ = sweep(subject.manifest, client, feed_name, cursor)
    assert {key_of(item) for item in again} <= {key_of(item) for item in first}


def _states(found) -> list[str]:
    """Vulnerabilities and failed checks: states, not attacks, of which each would open a case."""
    states = (ocsf.VULNERABILITY_FINDING, ocsf.COMPLIANCE_FINDING)
    return [one.title for one in found if isinstance(one, Finding) and one.class_uid in states]


def test_a_reader_that_stops_after_every_page_misses_nothing(subject, client, feed_name) -> None:
    feed = subject.manifest.feed(feed_name)
    whole, _ = sweep(subject.manifest, client, feed_name)
    cursor: dict = {}
    found = []
    for _ in range(300):
        page = next(feed.fetch(client, cursor))
        cursor = json.loads(json.dumps(dict(page.cursor)))
        found += [feed.normalise(record) for record in page.records]
        if page.is_last:
            break
    else:
        pytest.fail("the feed never came to an end")
    assert {key_of(item) for item in found} == {key_of(item) for item in whole}


def test_the_sample_feed_has_several_pages(subject, client) -> None:
    feed = subject.manifest.feed(subject.feed)
    pages = list(feed.fetch(client, {}))
    assert 3 <= len(pages) <= 20
    keys = [key_of(feed.normalise(record)) for page in pages for record in page.records]
    assert len(set(keys)) == len(keys)


@pytest.mark.topic("token_expiry")
def test_a_token_that_expires_between_two_pages_is_renewed(subject, vendor, client) -> None:
    whole = read_once(subject, client)
    feed = subject.manifest.feed(subject.feed)
    pages = feed.fetch(client, {})
    records = list(next(pages).records)
    vendor.fault("expired_tokens")
    records += [record for page in pages for record in page.records]
    assert {key_of(feed.normalise(r)) for r in records} == {key_of(item) for item in whole}
