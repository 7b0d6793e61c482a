"""Feeds with a host, token or paging of their own: the cheap faults are tried on each of them.

What is dear, such as kill -9, is tried on the sample feed only.
"""

import json
from dataclasses import replace

import pytest

from integrations.errors import Throttled, Unavailable
from tests.integrations.conformance.driving import key_of, sweep
from tests.integrations.conformance.subject import QUICK

ONCE = replace(QUICK, repeats=0)


@pytest.fixture
def read(subject, door):
    """Read the door's feed through, by a client."""
    return lambda client: {key_of(item) for item in sweep(subject.manifest, client, door.feed)[0]}


@pytest.fixture
def once(vendor):
    """A client that tries everything once."""
    connected = vendor.connect(ONCE)
    yield connected
    connected.close()


def statuses(vendor, door) -> list[int]:
    """How the requests for the door's pages were answered."""
    return [line["status"] for line in vendor.requests(path=door.pages)]


@pytest.mark.topic("throttling")
def test_a_busy_vendor_is_waited_for_as_it_asks(vendor, client, door, read) -> None:
    whole = read(client)
    before = len(statuses(vendor, door))
    assert whole
    assert before
    vendor.fault("throttle", path=door.pages, times=1, retry_after=0)
    assert read(client) == whole
    assert statuses(vendor, door)[before:][:2] == [429, 200]
    before = len(statuses(vendor, door))
    vendor.fault("throttle", path=door.pages, retry_after=120)
    with pytest.raises(Throttled) as caught:
        read(client)
    assert caught.value.retry_after == 120
    assert statuses(vendor, door)[before:] == [429]


@pytest.mark.topic("token_expiry")
def test_a_token_that_expires_in_mid_read_is_renewed(subject, vendor, client, door, read) -> None:
    whole = read(client)
    feed = subject.manifest.feed(door.feed)
    pages = feed.fetch(client, {})
    first = next(pages)
    vendor.fault("expired_tokens")
    found = [*first.records, *(record for page in pages for record in page.records)]
    assert {key_of(feed.normalise(record)) for record in found} == whole
    vendor.fault("expired_tokens")
    assert read(client) == whole


@pytest.mark.topic("server_errors")
def test_a_failing_vendor_is_tried_again_then_given_up(vendor, client, once, door, read) -> None:
    whole = read(client)
    vendor.fault("server_error", path=door.pages, status=503, times=1)
    assert read(client) == whole
    before = len(statuses(vendor, door))
    vendor.fault("server_error", path=door.pages, status=500)
    with pytest.raises(Unavailable):
        read(once)
    assert len(statuses(vendor, door)) == before + door.tries


@pytest.mark.topic("broken_answers")
def test_a_damaged_answer_is_tried_again_then_given_up(vendor, client, once, door, read) -> None:
    whole = read(client)
    vendor.fault("broken_json", path=door.pages, times=1)
    assert read(client) == whole
    vendor.fault("broken_json", path=door.pages)
    with pytest.raises(Unavailable):
        read(once)


@pytest.mark.topic("duplicates")
def test_a_second_reading_brings_the_same_records(subject, vendor, client, door) -> None:
    """What is the same to the last character is kept once; also where a page repeats another."""

    def records() -> set[str]:
        pages = subject.manifest.feed(door.feed).fetch(client, {})
        found = [record for page in pages for record in page.records]
        return {json.dumps([dict(r.body), dict(r.context)], sort_keys=True) for r in found}

    first = records()
    assert first
    assert records() == first
    vendor.fault("duplicate_records", path=door.pages)
    assert records() == first
