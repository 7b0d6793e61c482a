"""Who is slow or throttled waits by itself: the others' turns are counted, no time is measured."""

import uuid
from collections import Counter

import pytest
from django.db import connection
from dramatiq.middleware import TimeLimitExceeded

from tenants import scope, turns, work
from tenants.models import Tenant, Work

pytestmark = pytest.mark.usefixtures("committed_database")
LANES = ("microsoft365", "google_workspace")


@pytest.fixture(autouse=True)
def _six_turns(settings) -> None:
    settings.WORK_TURNS = 6


def _ask(tenant: Tenant, lane: str = LANES[0], feeds: int = 1, holder: uuid.UUID | None = None):
    """Make feeds of one connection (or each of its own) due, the earlier asked the earlier due."""
    with scope.tenant(tenant.id):
        for _ in range(feeds):
            work.schedule("poll", uuid.uuid4(), lane=lane, holder=holder or uuid.uuid4())


def _claim_all() -> list[work.Claim]:
    found = []
    while (held := turns.claim_next()) is not None:
        found.append(held)
    return found


def _make(change: str, tenant: Tenant | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE tenants_work SET {change} WHERE %s::uuid IS NULL OR tenant_id = %s",
            [tenant and tenant.id] * 2,
        )


def _again(held: work.Claim) -> None:
    """End a turn, with the next one due at once."""
    with scope.tenant(held.tenant_id):
        work.schedule(held.kind, held.subject)
    work.complete(held)


def test_whoever_is_due_longest_is_next(make_tenant) -> None:
    first, second = make_tenant("first"), make_tenant("second")
    _ask(first)
    _ask(second)
    assert [held.tenant_id for held in _claim_all()] == [first.id, second.id]


def test_a_client_with_a_thousand_feeds_has_its_share_of_turns(make_tenant) -> None:
    big, small = make_tenant("big"), [make_tenant(f"small-{number}") for number in range(4)]
    _ask(big, feeds=1000)
    for tenant in small:
        _ask(tenant)
    held = Counter(one.tenant_id for one in _claim_all())
    assert held[big.id] == 2
    # What is left of one vendor's share.
    assert sum(held[tenant.id] for tenant in small) == 3


def test_one_connection_is_asked_one_thing_at_a_time(make_tenant) -> None:
    tenant = make_tenant("one")
    _ask(tenant, feeds=5, holder=uuid.uuid4())
    served = []
    while len(served) < 5:
        [held] = _claim_all()
        served.append(held.subject)
        work.complete(held)
    assert len(set(served)) == 5


def test_one_vendor_leaves_turns_to_the_others(make_tenant) -> None:
    for number in range(20):
        _ask(make_tenant(f"ms-{number}"))
    _ask(make_tenant("google"), lane=LANES[1])
    held = _claim_all()
    lanes = Counter(Work.objects.get(id=one.id).lane for one in held)
    assert lanes == {LANES[0]: 5, LANES[1]: 1}


def test_slow_clients_wait_for_each_other_and_nobody_for_them(make_tenant) -> None:
    slow = [make_tenant(f"slow-{number}") for number in range(10)]
    for tenant in slow:
        _ask(tenant)
    _make(f"took_seconds = {work.SLOW_SECONDS + 1}")
    healthy = make_tenant("healthy")
    _ask(healthy)
    stuck = _claim_all()
    assert Counter(one.tenant_id == healthy.id for one in stuck) == {False: 3, True: 1}
    # The slow ones never end: the healthy one has turn after turn.
    own = next(one for one in stuck if one.tenant_id == healthy.id)
    for _ in range(20):
        _again(own)
        [own] = _claim_all()
        assert own.tenant_id == healthy.id


def test_who_turns_slow_in_the_middle_counts_as_slow_at_once(make_tenant) -> None:
    for number in range(3):
        _ask(make_tenant(f"hangs-{number}"))
    assert len(_claim_all()) == 3
    _make("began_at = now() - interval '1 minute'")
    known, fresh = make_tenant("known"), make_tenant("fresh")
    _ask(known)
    _make(f"took_seconds = {work.SLOW_SECONDS + 1}", known)
    _ask(fresh)
    assert [held.tenant_id for held in _claim_all()] == [fresh.id]


def test_a_throttled_client_costs_no_turn_until_its_time_comes(make_tenant) -> None:
    throttled, other = make_tenant("throttled"), make_tenant("other")
    _ask(throttled)
    [held] = _claim_all()
    with scope.tenant(throttled.id):
        work.schedule("poll", held.subject, delay=3600)
    work.complete(held)
    _ask(other)
    assert [held.tenant_id for held in _claim_all()] == [other.id]


def test_a_turn_ends_and_a_dead_workers_turn_comes_again(make_tenant) -> None:
    tenant = make_tenant("one")
    _ask(tenant)
    [held] = _claim_all()
    assert _claim_all() == []
    _make("leased_until = now() - interval '1 second'")
    [again] = _claim_all()
    assert again.id == held.id
    _again(again)
    row = Work.objects.get()
    assert row.took_seconds is not None
    assert row.waited_seconds is not None
    assert row.lane == LANES[0]


def test_messages_are_sent_for_free_turns_only(make_tenant) -> None:
    for number in range(20):
        _ask(make_tenant(f"t-{number}"))
    assert len(turns.unsent()) == 6
    assert work.unsent() == []
    held = _claim_all()
    assert len(turns.unsent()) == 6 - len(held)


def test_a_message_serves_all_that_is_due_and_a_failure_stops_nobody(make_tenant) -> None:
    tenants = [make_tenant(f"t-{number}") for number in range(12)]
    for tenant in tenants:
        _ask(tenant)
    served: list[uuid.UUID] = []

    def poll(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        served.append(tenant_id)
        if tenant_id == tenants[3].id:
            raise ValueError("a normaliser's own mistake")

    sent: list[uuid.UUID] = []
    work.on_send(lambda work_id, kind: sent.append(work_id))
    with pytest.raises(ValueError, match="own mistake"):
        turns.perform(Work.objects.earliest("due_at").id, {"poll": poll})
    assert len(sent) == 1
    turns.perform(sent[0], {"poll": poll})
    assert served == [tenant.id for tenant in tenants]
    assert Work.objects.count() == 1


def test_at_the_default_a_vendor_that_hangs_leaves_a_turn_to_the_others(
    settings, make_tenant
) -> None:
    settings.WORK_TURNS = 3
    for number in range(3):
        _ask(make_tenant(f"hangs-{number}"), feeds=17)
    healthy = make_tenant("healthy")
    _ask(healthy, LANES[1], feeds=5)
    stuck = _claim_all()
    own = next(held for held in stuck if held.tenant_id == healthy.id)
    assert len(stuck) == 3
    for _ in range(4):
        _again(own)
        [own] = _claim_all()
        assert own.tenant_id == healthy.id


@pytest.mark.parametrize("number", range(2, 40))
def test_no_lane_and_not_all_that_is_slow_ever_has_every_turn(number) -> None:
    share = turns.shares(number)
    assert max(share.of_lane, share.of_slow, share.of_tenant) < number


def _repeat(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
    with scope.tenant(tenant_id):
        work.repeat("poll", subject, delay=60)


@pytest.mark.parametrize("ends", ["complete", "postpone", "repeat"])
def test_one_slow_feed_makes_its_whole_connection_slow(make_tenant, ends) -> None:
    tenant, holder = make_tenant("slow"), uuid.uuid4()
    _ask(tenant, feeds=4, holder=holder)
    _ask(tenant)
    held = turns.claim_next()
    assert held is not None
    _make("began_at = now() - interval '1 minute'")
    if ends == "complete":
        _again(held)
    elif ends == "repeat":
        work.carry_out(held, _repeat, [])
    else:
        work.postpone(held, 60, "Timeout", failures=1)
    rows = Work.objects.values_list("holder", "took_seconds")
    assert all((took or 0) > work.SLOW_SECONDS for whose, took in rows if whose == holder)
    assert [took for whose, took in rows if whose != holder] == [None]


def test_what_a_time_limit_cuts_counts_as_slow_and_comes_again(make_tenant) -> None:
    _ask(make_tenant("one"))

    def poll(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        _make("began_at = now() - interval '5 minutes'")
        raise TimeLimitExceeded

    with pytest.raises(TimeLimitExceeded):
        turns.perform(Work.objects.get().id, {"poll": poll})
    row = Work.objects.get()
    assert (row.leased_until, row.last_error) == (None, "TimeLimitExceeded")
    assert (row.took_seconds or 0) > work.SLOW_SECONDS
