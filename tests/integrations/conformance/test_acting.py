"""Actions: snapshot, call, read-back, the same call twice, reversal; and writes that go wrong."""

from dataclasses import replace

import pytest

from integrations import catalog, registry
from integrations.errors import (
    NotFound,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    VendorError,
)
from tests.integrations.conformance.driving import (
    intend,
    intention,
    observed,
    sweep,
    writes_of,
)
from tests.integrations.conformance.subject import PASSWORD, QUICK

TOPIC = "actions"


def test_an_action_is_had_once_read_back_and_undone(subject, vendor, client, case) -> None:
    action = registry.action(subject.manifest.id, case.action)
    target = case.target(vendor)
    untouched = observed(vendor, case, target)
    intended = intend(vendor, client, case, target)
    before = observed(vendor, case, target)
    assert not action.read_back(client, intended).holds
    assert PASSWORD not in repr((action.call(client, intended), intended))
    during = observed(vendor, case, target)
    assert during != before
    seen = action.read_back(client, intended)
    assert seen.holds, seen.explanation
    action.call(client, intended)
    assert observed(vendor, case, target) == during
    assert action.read_back(client, intended).holds
    _is_not_undone_by_who_found_it_so(vendor, client, case, intended)
    assert observed(vendor, case, target) == during
    if case.undoes:
        assert during == untouched
    _undo(subject, vendor, client, case, intended, before)


def _undo(subject, vendor, client, case, done, before) -> None:
    action = registry.action(subject.manifest.id, case.action)
    name, inputs = catalog.get(case.action).reversal, action.reversal_inputs(done)
    if name is None or case.no_reversal:
        assert inputs is None
        return
    assert inputs is not None, "the action says that there is nothing to undo"
    undoing = registry.action(subject.manifest.id, name)
    undone = intention(vendor, client, name, done.target, inputs)
    undoing.call(client, undone)
    seen = undoing.read_back(client, undone)
    assert seen.holds, seen.explanation
    assert observed(vendor, case, done.target) == before


def _is_not_undone_by_who_found_it_so(vendor, client, case, done) -> None:
    action = registry.action(vendor.manifest.id, case.action)
    if catalog.get(case.action).reversal is None:
        return
    again = intention(vendor, client, case.action, done.target, done.inputs)
    action.call(client, again)
    assert action.reversal_inputs(again) is None


@pytest.mark.topic("late_effects")
def test_an_effect_that_shows_late_is_not_believed_early(subject, vendor, client, case) -> None:
    action = registry.action(subject.manifest.id, case.action)
    target = case.target(vendor)
    intended = intend(vendor, client, case, target)
    vendor.fault("stale_reads", **case.request, reads=2, times=1)
    action.call(client, intended)
    seen = [action.read_back(client, intended).holds for _ in range(6)]
    assert not seen[0]
    assert seen[-1]
    assert sorted(seen) == seen


@pytest.mark.topic("permissions")
def test_an_action_works_with_exactly_its_permissions(subject, vendor, client, case) -> None:
    action = registry.action(subject.manifest.id, case.action)
    target = case.target(vendor)
    intended = intend(vendor, client, case, target)
    # A real server gives all that there are to begin with: what needs them all is tried above.
    everything = {one.name for one in subject.manifest.permissions}
    if not subject.real_server or set(action.permissions) != everything:
        vendor.grant(action.permissions)
        least = vendor.connect()
        action.snapshot(least, intended)
        action.call(least, intended)
        assert action.read_back(least, intended).holds
        least.close()
    vendor.grant([])
    nothing = vendor.connect()
    with pytest.raises((PermissionMissing, Unauthorised)) as caught:
        action.call(nothing, intended)
    assert any(name in str(caught.value) for name in action.permissions)
    nothing.close()


@pytest.mark.topic("permissions")
def test_a_feed_works_with_exactly_its_permissions(subject, vendor, feed_name) -> None:
    feed = subject.manifest.feed(feed_name)
    vendor.grant(feed.permissions)
    least = vendor.connect()
    assert any(page.records for page in feed.fetch(least, {}))
    least.close()
    vendor.grant([])
    nothing = vendor.connect()
    with pytest.raises((PermissionMissing, Unauthorised)) as caught:
        sweep(subject.manifest, nothing, feed_name)
    assert any(name in str(caught.value) for name in feed.permissions)
    nothing.close()


@pytest.mark.topic("throttling")
def test_a_throttled_write_is_not_repeated(subject, vendor, client, write) -> None:
    action, intended, before = _ready(subject, vendor, client, write)
    vendor.fault("throttle", **write.request, retry_after=7)
    with pytest.raises(Throttled) as caught:
        action.call(client, intended)
    assert caught.value.retry_after == 7
    assert observed(vendor, write, intended.target) == before


@pytest.mark.topic("server_errors")
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_write_that_fails_at_the_vendor_may_have_been_done(
    subject, vendor, client, write, status
) -> None:
    action, intended, _ = _ready(subject, vendor, client, write)
    sent = len(writes_of(vendor, write))
    vendor.fault("server_error", **write.request, status=status)
    with pytest.raises(OutcomeUnknown):
        action.call(client, intended)
    assert len(writes_of(vendor, write)) == sent + 1


@pytest.mark.topic("refusals")
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Unauthorised), (403, PermissionMissing), (404, NotFound), (409, Rejected)],
)
def test_a_refused_write_is_not_repeated_nor_believed(
    subject, vendor, client, write, status, error
) -> None:
    action, intended, before = _ready(subject, vendor, client, write)
    sent = len(writes_of(vendor, write))
    vendor.fault("refuse", **write.request, status=status)
    with pytest.raises(error):
        action.call(client, intended)
    # After a 401 once more, with a fresh token.
    assert len(writes_of(vendor, write)) - sent <= (2 if status == 401 else 1)
    assert observed(vendor, write, intended.target) == before
    vendor.clear_faults()
    assert not action.read_back(client, intended).holds


@pytest.mark.topic("timeouts")
def test_a_slow_write_is_settled_by_reading_back(subject, vendor, write) -> None:
    client = vendor.connect(replace(QUICK, read=0.4))
    action, intended, _ = _ready(subject, vendor, client, write)
    sent = len(writes_of(vendor, write))
    vendor.fault("slow", **write.request, seconds=0.8, times=1)
    with pytest.raises(OutcomeUnknown):
        action.call(client, intended)
    _settle(action, client, intended, write)
    assert len(writes_of(vendor, write)) == sent + write.requests
    client.close()


@pytest.mark.topic("broken_answers")
def test_a_lost_answer_is_settled_by_reading_back(subject, vendor, client, write) -> None:
    action, intended, _ = _ready(subject, vendor, client, write)
    sent = len(writes_of(vendor, write))
    vendor.fault("drop_after_effect", **write.request, times=1)
    with pytest.raises(OutcomeUnknown):
        action.call(client, intended)
    _settle(action, client, intended, write)
    assert len(writes_of(vendor, write)) == sent + write.requests


def _settle(action, client, intended, write) -> None:
    """As the runner: ask; what takes several requests is called again for what is left."""
    if write.requests > 1:
        assert not action.read_back(client, intended).holds
        action.call(client, intended)
    assert action.read_back(client, intended).holds


@pytest.mark.topic("token_expiry")
def test_a_token_that_expires_before_a_write_is_renewed(subject, vendor, client, write) -> None:
    action, intended, _ = _ready(subject, vendor, client, write)
    vendor.fault("expired_tokens")
    action.call(client, intended)
    assert action.read_back(client, intended).holds
    statuses = [line["status"] for line in writes_of(vendor, write)]
    assert sum(200 <= status < 300 for status in statuses) == write.requests


@pytest.mark.topic("refusals")
def test_a_target_that_does_not_exist_is_told_or_has_nothing_to_lose(
    subject, vendor, client, write
) -> None:
    real = write.target(vendor)
    gone = replace(real, external_id="00000000-0000-0000-0000-00000000dead")
    before = observed(vendor, write, real)
    action = registry.action(subject.manifest.id, write.action)
    try:
        inputs = write.inputs(vendor, real)
        done = intention(vendor, client, write.action, gone, inputs)
        action.call(client, done)
    except VendorError:
        pass
    else:
        # Nothing is there that could be removed, which is what was wanted.
        assert action.reversal_inputs(done) is None
    assert observed(vendor, write, real) == before


def _ready(subject, vendor, client, case):
    target = case.target(vendor)
    intended = intend(vendor, client, case, target)
    action = registry.action(subject.manifest.id, case.action)
    return action, intended, observed(vendor, case, target)
