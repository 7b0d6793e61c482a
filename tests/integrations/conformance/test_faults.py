"""Reads when the vendor is busy, refuses, fails, is slow, or answers with nonsense."""

from dataclasses import replace

import pytest

from integrations.errors import (
    NotFound,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    VendorError,
)
from tests.integrations.conformance.driving import key_of, read_once, reads_of
from tests.integrations.conformance.subject import QUICK
from tests.integrations.conformance.trap import Trap

ONCE = replace(QUICK, repeats=0)


@pytest.fixture
def impatient(vendor):
    """A client that waits only a little, and tries only once; it has its token already."""
    connected = vendor.connect(replace(ONCE, read=0.4, total=0.6))
    vendor.manifest.canary(connected)
    yield connected
    connected.close()


@pytest.mark.topic("throttling")
def test_a_throttled_read_waits_as_asked_and_goes_on(subject, vendor, client) -> None:
    whole = {key_of(item) for item in read_once(subject, client)}
    before = len(reads_of(vendor, subject))
    vendor.fault("throttle", path=subject.pages, times=2, retry_after=0)
    assert {key_of(item) for item in read_once(subject, client)} == whole
    statuses = [line["status"] for line in reads_of(vendor, subject)[before:]]
    assert statuses[:3] == [429, 429, 200]


@pytest.mark.topic("throttling")
def test_a_read_that_should_wait_long_is_given_back(subject, vendor, client) -> None:
    vendor.fault("throttle", path=subject.pages, retry_after=120)
    with pytest.raises(Throttled) as caught:
        read_once(subject, client)
    assert caught.value.retry_after == 120
    assert len(reads_of(vendor, subject)) == 1


REFUSALS = {401: Unauthorised, 403: PermissionMissing, 404: NotFound, 409: Rejected}


@pytest.mark.topic("refusals")
def test_a_refusal_has_its_own_error_and_is_not_repeated(subject, vendor, client) -> None:
    for status, error in REFUSALS.items():
        before = len(reads_of(vendor, subject))
        vendor.fault("refuse", path=subject.pages, status=status)
        with pytest.raises(error):
            read_once(subject, client)
        # After a 401 once more, with a fresh token.
        tries = 2 if status == 401 else 1
        assert len(reads_of(vendor, subject)) == before + tries, status
        vendor.clear_faults()


@pytest.mark.topic("server_errors")
def test_a_failing_read_is_tried_again_then_given_up(subject, vendor, client) -> None:
    whole = {key_of(item) for item in read_once(subject, client)}
    quick = vendor.connect(replace(QUICK, repeats=1))
    for status in (500, 502, 503, 504):
        vendor.fault("server_error", path=subject.pages, status=status, times=1)
        assert {key_of(item) for item in read_once(subject, client)} == whole, status
        before = len(reads_of(vendor, subject))
        vendor.fault("server_error", path=subject.pages, status=status)
        with pytest.raises(Unavailable):
            read_once(subject, quick)
        assert len(reads_of(vendor, subject)) == before + 2, status
        vendor.clear_faults()
    quick.close()


@pytest.mark.topic("timeouts")
def test_a_slow_answer_is_not_waited_for_without_end(subject, vendor, impatient) -> None:
    vendor.fault("slow", path=subject.pages, seconds=2)
    with pytest.raises(Unavailable):
        read_once(subject, impatient)


@pytest.mark.topic("slow_bodies")
def test_an_answer_that_trickles_is_cut_off(subject, vendor, impatient) -> None:
    vendor.fault("slow_body", path=subject.pages, seconds=3)
    with pytest.raises(Unavailable):
        read_once(subject, impatient)


@pytest.mark.topic("broken_answers")
def test_a_damaged_answer_to_a_read_is_tried_again(subject, vendor, client) -> None:
    whole = {key_of(item) for item in read_once(subject, client)}
    once = vendor.connect(ONCE)
    for kind in ("broken_json", "drop_after_effect", "drop_before_effect"):
        vendor.fault(kind, path=subject.pages, times=1)
        assert {key_of(item) for item in read_once(subject, client)} == whole, kind
        vendor.fault(kind, path=subject.pages)
        with pytest.raises(Unavailable):
            read_once(subject, once)
        vendor.clear_faults()
    once.close()


@pytest.mark.topic("redirects")
def test_a_redirect_is_not_followed(subject, vendor) -> None:
    once = vendor.connect(ONCE)
    with Trap() as trap:
        vendor.fault("redirect", path=subject.pages, location=trap.url)
        with pytest.raises(VendorError):
            read_once(subject, once)
        assert trap.hits == []
    once.close()
