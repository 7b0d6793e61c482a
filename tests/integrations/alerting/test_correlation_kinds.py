"""Sums, averages, parts of a whole, rules without others, and correlations of correlations."""

import datetime as dt
import random
import uuid

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.alerting.rows import CountedMatch, GroupLook, RuleHit, RulePack
from tenants import scope
from tenants.models import Finding
from tests.conftest import new_tenant
from tests.integrations.alerting.rules import IDS, correlation, install, record, rule, take
from tests.pipeline import drain, make_due

pytestmark = pytest.mark.django_db
START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)


def _at(minutes: float) -> str:
    return (START + dt.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")


def _settle() -> None:
    """Let the time come at which nothing more is awaited."""
    GroupLook.objects.update(next_at=timezone.now())
    make_due("detect")
    drain(["detect"])


def _hits(name: str) -> list[tuple[str, str]]:
    """What a correlation told: its number of events, and its times."""
    rows = Finding.objects.filter(title=f"Correlation {name}").order_by("time")
    return [(str(row.ocsf["count"]), row.time.strftime("%H:%M")) for row in rows]


def _metric(kind: str, **condition: object) -> dict:
    return correlation("d", kind, "a", condition={"field": "Size", **condition})


def test_a_sum_is_told_as_soon_as_it_is_reached(in_tenant) -> None:
    install(rule("a"), _metric("value_sum", gt=100))
    take(record("a", _at(0), Size=60), record("a", _at(15), Size=40.5))
    take(record("a", _at(16), Size="-5"), record("a", _at(16), Size="many"), record("a", _at(16)))
    assert _hits("d") == []
    # A late one makes the first window whole.
    take(record("a", _at(9), Size="40.01"))
    assert _hits("d") == [("2", "09:09")]
    assert CountedMatch.objects.count() == 3


@pytest.mark.parametrize(
    ("kind", "condition", "sizes", "is_told"),
    [
        ("value_avg", {"gte": 10}, [5, 15], True),
        ("value_avg", {"gte": 10.1}, [5, 15], False),
        ("value_avg", {"lt": 10.5}, [5, 15], True),
        ("value_median", {"gt": 9}, [1, 10, 1000], True),
        ("value_median", {"gt": 10}, [1, 10, 1000], False),
        ("value_percentile", {"gte": 90, "percentile": 90}, list(range(1, 101)), True),
        ("value_percentile", {"gt": 90, "percentile": 90}, list(range(1, 101)), False),
        ("value_sum", {"gte": 5, "lte": 15}, [5, 9], True),
        ("value_sum", {"gte": 5, "lte": 15}, [5, 11], False),
        ("value_count", {"eq": 2}, [5, 5, 7], True),
        ("value_count", {"neq": 2}, [5, 5, 7], False),
    ],
)
def test_what_a_late_event_may_take_back_is_told_when_its_time_is_over(
    in_tenant, kind, condition, sizes, is_told
) -> None:
    install(rule("a"), _metric(kind, **condition))
    take(*(record("a", _at(n / 20), Size=size) for n, size in enumerate(sizes)))
    assert _hits("d") == []
    _settle()
    assert bool(_hits("d")) is is_told
    assert not GroupLook.objects.exists()


def test_each_timespan_counts_by_itself_where_there_may_be_too_many(in_tenant) -> None:
    few = correlation("d", "event_count", "a", condition={"lt": 3})
    install(rule("a"), few)
    take(*(record("a", _at(minute)) for minute in (0, 1, 2, 10, 29)))
    _settle()
    assert _hits("d") == [("1", "09:10"), ("1", "09:29")]


def test_what_is_not_over_yet_waits(in_tenant) -> None:
    install(rule("a"), correlation("d", "event_count", "a", condition={"lt": 3}))
    now = timezone.now().strftime("%Y-%m-%dT%H:%M:%S")
    take(record("a", _at(0)), record("a", now))
    _settle()
    assert _hits("d") == [("1", "09:00")]
    assert GroupLook.objects.get().next_at > timezone.now() + dt.timedelta(minutes=59)


@pytest.mark.parametrize(
    ("order", "found"),
    [("a", 1), ("ab", 0), ("ba", 0), ("b", 0), ("ac", 1), ("c", 1), ("bc", 0)],
)
def test_rules_may_be_joined_by_or_and_not(in_tenant, order, found) -> None:
    told = correlation("d", "temporal", "abc", condition="(rule_a or rule_c) and not rule_b")
    install(rule("a"), rule("b"), rule("c"), told)
    take(*(record(name, _at(place)) for place, name in enumerate(order)))
    assert _hits("d") == []
    _settle()
    assert len(_hits("d")) == found


def test_what_must_not_be_seen_may_be_seen_long_after(in_tenant) -> None:
    install(
        rule("a"), rule("b"), correlation("d", "temporal", "ab", condition="rule_a and not rule_b")
    )
    take(record("a", _at(0)), record("b", _at(11)))
    _settle()
    assert _hits("d") == [("1", "09:00")]


@pytest.mark.parametrize(("condition", "order", "found"), [
    ("rule_a or rule_b or rule_c", "b", 1), ("rule_a and (rule_b or rule_c)", "ac", 1),
    ("rule_a and (rule_b or rule_c)", "bc", 0), ({"gte": 2}, "ca", 1), ({"gte": 2}, "aa", 0),
])  # fmt: skip
def test_some_of_the_rules_are_enough_where_it_says_so(in_tenant, condition, order, found) -> None:
    install(
        rule("a"), rule("b"), rule("c"), correlation("d", "temporal", "abc", condition=condition)
    )  # fmt: skip
    take(*(record(name, _at(place)) for place, name in enumerate(order)))
    assert len(_hits("d")) == found


def test_values_of_several_fields_are_counted_together(in_tenant) -> None:
    told = correlation(
        "d", "value_count", "a", condition={"field": ["ClientIP", "ObjectId"], "gte": 3}
    )
    install(rule("a"), told)
    pairs = [("203.0.113.1", "x"), ("203.0.113.2", "x"), ("203.0.113.2", "x")]
    take(*(record("a", _at(n), ClientIP=ip, ObjectId=o) for n, (ip, o) in enumerate(pairs)))
    assert _hits("d") == []
    take(record("a", _at(5), ClientIP="203.0.113.1", ObjectId="y"))
    assert len(_hits("d")) == 1


def _chain() -> None:
    """Three of a by one person; then b from the address of one of them, within half an hour."""
    many = {**correlation("c", "event_count", "a"), "name": "many"}
    then = correlation(
        "d", "temporal_ordered", "b", rules=["many", "rule_b"], timespan="30m",
        **{"group-by": ["ClientIP"]},
    )  # fmt: skip
    twice = correlation(
        "e", "event_count", "a", rules=["many"], timespan="3h", condition={"gte": 2}
    )
    install(rule("a"), rule("b"), many, then, twice)


def test_a_correlation_counts_another(in_tenant) -> None:
    _chain()
    take(*(record("a", _at(n)) for n in range(5)), record("b", _at(1)))
    assert (_hits("d"), _hits("e")) == ([], [])
    take(record("b", _at(20)))
    # Five are one episode, however many moments fulfil it.
    assert _hits("d") == [("2", "09:20")]
    assert _hits("e") == []
    # What is only counted tells nothing by itself.
    assert not RuleHit.objects.filter(rule_id=IDS["c"]).exists()
    take(*(record("a", _at(70 + n)) for n in range(3)))
    assert _hits("e") == [("2", "10:12")]
    assert "account:priya@acme.example" in Finding.objects.get(title="Correlation e").entities


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("aab"),
        st.sampled_from(["priya@acme.example", "sam@acme.example"]),
        st.integers(0, 150),
    ),
    min_size=4,
    max_size=16,
)


@settings(
    max_examples=10, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(events=EVENTS, seed=st.integers(0, 2**16))
def test_any_order_duplication_and_split_comes_to_the_same(db, events, seed: int) -> None:
    if not RulePack.objects.exists():
        _chain()
        install(
            correlation("f", "temporal", "ab", condition="rule_a and not rule_b"),
            correlation("g", "value_avg", "a", condition={"field": "Size", "gte": 60}),
            correlation("h", "value_sum", "ab", condition={"field": "Size", "gte": 150}),
        )
    records = [
        record(name, _at(at), UserId=user, ClientIP=f"203.0.113.{at % 2}", Size=at)
        for name, user, at in events
    ]
    chance = random.Random(seed)
    shuffled = records + chance.sample(records, len(records) // 2)
    chance.shuffle(shuffled)
    told = []
    for some, size in ((sorted(records, key=lambda one: one["CreationTime"]), 99), (shuffled, 3)):
        with scope.tenant(new_tenant(f"client-{uuid.uuid4().hex}").id):
            for first in range(0, len(some), size):
                take(*some[first : first + size])
            _settle()
            told.append(sorted(
                (one.uid, one.time, one.first_activity_at, one.ocsf["count"],
                 one.ocsf["unmapped"]["why"], one.entities)
                for one in Finding.objects.all()
            ))  # fmt: skip
    assert told[0] == told[1], f"seed {seed}"
