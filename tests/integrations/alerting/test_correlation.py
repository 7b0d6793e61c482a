"""Correlations come to the same whatever the order in which events come, and how they are split."""

import datetime as dt
import random
import threading
import uuid

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.alerting import pacing, sighting, stages
from integrations.alerting.rows import CountedMatch, GroupLook, RuleFailure, RuleHit, RulePack
from tenants import scope
from tenants.models import Case, Finding
from tests.conftest import new_tenant
from tests.integrations.alerting.rules import IDS, correlation, install, record, rule, take
from tests.pipeline import drain, make_due

START = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)


def _at(minutes: float) -> str:
    return (START + dt.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")


def _told() -> list[tuple]:
    """Everything about the findings of correlations that their order of arrival must not change."""
    return sorted(
        (
            one.uid, one.connector, one.time, one.first_activity_at, one.last_activity_at,
            one.ocsf["count"], one.ocsf["unmapped"]["why"], one.entities, one.raw.content_hash,
        )
        for one in Finding.objects.select_related("raw")
    )  # fmt: skip


@pytest.mark.django_db
def test_events_are_counted_in_a_window_that_slides(in_tenant) -> None:
    install(rule("a"), correlation("d", "event_count", "a"))
    assert take(record("a", _at(0)), record("a", _at(9))).detections == 0
    # Three within ten minutes, though not with the first.
    assert take(record("a", _at(15)), record("a", _at(18))).detections == 1
    found = Finding.objects.get()
    assert found.title == "Correlation d"
    assert (found.first_activity_at, found.last_activity_at) == (
        START + dt.timedelta(minutes=9), START + dt.timedelta(minutes=18),
    )  # fmt: skip
    assert {"field": "UserId", "value": "priya@acme.example",
            "condition": "is the same in all of them"} in found.ocsf["unmapped"]["why"]  # fmt: skip
    # The rule that is counted tells nothing by itself.
    assert RuleHit.objects.values_list("rule_id", flat=True).get() == IDS["d"]


@pytest.mark.django_db
def test_a_late_event_makes_the_window_whole(in_tenant) -> None:
    install(rule("a"), correlation("d", "event_count", "a"))
    take(record("a", _at(0)), record("a", _at(8)))
    assert not Finding.objects.exists()
    assert take(record("a", _at(4))).detections == 1
    assert take(record("a", _at(5))).detections == 1
    assert Finding.objects.get().ocsf["count"] == 4


@pytest.mark.django_db
def test_a_repeated_event_counts_once(in_tenant) -> None:
    install(rule("a"), correlation("d", "event_count", "a"))
    one, two = record("a", _at(0)), record("a", _at(1))
    take(one, two, one)
    take({**one, "ResultStatus": "Failed"}, two)
    assert not Finding.objects.exists()
    assert CountedMatch.objects.count() == 2


@pytest.mark.django_db
def test_groups_are_counted_apart(in_tenant) -> None:
    install(rule("a"), correlation("d", "event_count", "a"))
    take(*(record("a", _at(n), UserId=f"user{n % 2}@acme.example") for n in range(4)))
    assert not Finding.objects.exists()
    take(record("a", _at(5), UserId="USER1@acme.example"))
    assert Finding.objects.get().ocsf["count"] == 3


@pytest.mark.django_db
def test_different_values_are_counted(in_tenant) -> None:
    spray = correlation(
        "d", "value_count", "a", **{"group-by": ["ClientIP"]},
        condition={"field": "UserId", "gt": 2},
    )  # fmt: skip
    install(rule("a"), spray)
    users = [f"user{n}@acme.example" for n in range(3)]
    take(*(record("a", _at(n), UserId=users[n % 2]) for n in range(6)))
    assert not Finding.objects.exists()
    take(record("a", _at(7), UserId=users[2]))
    found = Finding.objects.get()
    assert {f"account:{user}" for user in users} <= set(found.entities)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "order", "found"),
    [
        ("temporal", "ba", 1), ("temporal", "ab", 1), ("temporal", "aa", 0),
        ("temporal_ordered", "ab", 1), ("temporal_ordered", "ba", 0),
    ],
)  # fmt: skip
def test_rules_are_seen_together_or_in_order(in_tenant, kind, order, found) -> None:
    install(rule("a"), rule("b"), correlation("d", kind, "ab"))
    take(*(record(name, _at(place)) for place, name in enumerate(order)))
    assert Finding.objects.count() == found


@pytest.mark.django_db
def test_rules_name_a_field_in_their_own_way(in_tenant) -> None:
    told = correlation(
        "d", "temporal", "ab", **{"group-by": ["who"]},
        aliases={"who": {"rule_a": "UserId", "rule_b": "ObjectId"}},
    )  # fmt: skip
    install(rule("a"), rule("b"), told)
    take(record("a", _at(0)), record("b", _at(1), UserId="x@acme.example", ObjectId="other"))
    assert not Finding.objects.exists()
    take(record("b", _at(2), UserId="x@acme.example", ObjectId="priya@acme.example"))
    assert Finding.objects.count() == 1


@pytest.mark.django_db
def test_a_counted_rule_tells_of_itself_where_it_is_to(in_tenant) -> None:
    install(rule("a"), correlation("d", "event_count", "a", generate=True))
    take(record("a", _at(0)))
    assert Finding.objects.get().title == "Rule a"


@pytest.mark.django_db
def test_a_correlation_in_shadow_silences_no_live_rule(in_tenant) -> None:
    install(rule("a"))
    install(correlation("d", "event_count", "a"), stage="shadow")
    take(record("a", _at(0)))
    assert Finding.objects.get().title == "Rule a"


@pytest.mark.django_db
def test_another_packs_correlation_silences_no_rule(in_tenant) -> None:
    install(rule("a"))
    install(correlation("d", "event_count", "a"), pack="Another")
    take(record("a", _at(0)))
    assert Finding.objects.get().title == "Rule a"


@pytest.mark.django_db
def test_what_an_episode_has_more_reaches_the_case(in_tenant) -> None:
    told = correlation("d", "value_count", "a", **{
        "group-by": ["ClientIP"], "condition": {"gte": 3, "field": "UserId"},
    })  # fmt: skip
    install(rule("a"), told)
    take(*(record("a", _at(n), UserId=f"user{n}@acme.example") for n in range(3)))
    drain(["triage"])
    case = Case.objects.get()
    assert "account:user3@acme.example" not in case.entities
    take(record("a", _at(4), UserId="user3@acme.example"))
    drain(["triage"])
    case.refresh_from_db()
    assert "account:user3@acme.example" in case.entities


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["priya@acme.example", "sam@acme.example"]),
        st.integers(0, 150),
    ),
    min_size=3,
    max_size=14,
)


@pytest.mark.django_db
@settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(events=EVENTS, seed=st.integers(0, 2**16))
def test_any_order_duplication_and_split_comes_to_the_same(db, events, seed: int) -> None:
    if not RulePack.objects.exists():
        _install_all()
    records = [
        record(name, _at(minute), UserId=user, ClientIP=f"203.0.113.{minute % 5}")
        for name, user, minute in events
    ]
    chance = random.Random(seed)
    shuffled = records + chance.sample(records, len(records) // 2)
    chance.shuffle(shuffled)
    told = []
    for parts in ([sorted(records, key=lambda one: one["CreationTime"])], _split(shuffled, chance)):
        with scope.tenant(new_tenant(f"client-{uuid.uuid4().hex}").id):
            for part in parts:
                take(*part)
            told.append(_told())
    assert told[0] == told[1]


@pytest.mark.django_db
def test_a_large_group_is_worked_out_now_and_then_and_comes_to_the_same(db, monkeypatch) -> None:
    _install_all()
    chance = random.Random(5)
    records = [
        record(chance.choice("ab"), _at(chance.randint(0, 150)), ClientIP=f"203.0.113.{n % 4}")
        for n in range(30)
    ]
    with scope.tenant(new_tenant("at once").id):
        take(*records)
        expected = _told()
    monkeypatch.setattr(pacing, "LARGE", 4)
    looks = []
    look = sighting.look
    monkeypatch.setattr(sighting, "look", lambda *told: looks.append(told) or look(*told))
    with scope.tenant(new_tenant("paced").id):
        for one in records:
            take(one)
        while_it_lasted = len(looks)
        assert _told() != expected
        _catch_up()
        assert _told() == expected
        assert not GroupLook.objects.exclude(since=None).exists()
    # Without that it would be one for each event and correlation.
    assert while_it_lasted < 30


@pytest.mark.django_db
def test_a_group_that_can_not_be_worked_out_is_told_and_tried_again(in_tenant, monkeypatch):
    install(rule("a"), correlation("d", "event_count", "a"))
    monkeypatch.setattr(pacing, "LARGE", 3)
    take(*(record("a", _at(n)) for n in range(3)))
    take(record("a", _at(4)))
    with monkeypatch.context() as broken:
        broken.setattr(sighting, "_why", lambda *_: 1 / 0)
        _catch_up()
        assert (RuleFailure.objects.get().rule_id, RuleFailure.objects.get().times) == (IDS["d"], 1)
        assert Finding.objects.get().ocsf["count"] == 3
    _catch_up()
    assert Finding.objects.get().ocsf["count"] == 4


def _catch_up() -> None:
    GroupLook.objects.update(next_at=timezone.now())
    make_due("detect")
    drain(["detect"])


def _install_all() -> None:
    install(
        rule("a"), rule("b"), correlation("c", "event_count", "ab"),
        correlation("d", "temporal", "ab"), correlation("e", "temporal_ordered", "ab"),
        correlation("f", "value_count", "ab", condition={"field": "ClientIP", "gte": 3}),
    )  # fmt: skip


def _split(records: list, chance: random.Random) -> list[list]:
    parts: list[list] = [[]]
    for one in records:
        if chance.random() < 0.4:
            parts.append([])
        parts[-1].append(one)
    return parts


def test_two_workers_at_once_come_to_the_same_as_one(committed_database) -> None:
    _install_all()
    chance = random.Random(20261126)
    records = [
        record(chance.choice("ab"), _at(chance.randint(0, 30)), ClientIP=f"203.0.113.{n % 4}")
        for n in range(16)
    ]
    alone, together = new_tenant("alone"), new_tenant("together")
    with scope.tenant(alone.id):
        take(*sorted(records, key=lambda one: one["CreationTime"]))
        expected = _told()
    assert len(expected) > 2

    def work(mine: list) -> None:
        try:
            for one in mine:
                with scope.tenant(together.id):
                    take(one)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=(records[n % 2 :: 1 + n % 2],)) for n in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with scope.tenant(together.id):
        assert _told() == expected


@pytest.mark.django_db
def test_an_episode_kept_in_shadow_is_told_when_it_grows_after_the_rule_is_live(in_tenant) -> None:
    install(rule("a"), stage="live")
    install(correlation("d", "event_count", "a"), stage="shadow")
    take(*(record("a", _at(minute)) for minute in (0, 3, 6)))
    assert RuleHit.objects.filter(rule_id=IDS["d"], finding=None).count() == 1
    told_before = Finding.objects.filter(title="Correlation d").count()
    stages.set_for_all(IDS["d"], "live", actor="test", why="It is right.")
    assert take(record("a", _at(9))).detections >= 1
    found = Finding.objects.get(title="Correlation d")
    assert (told_before, found.ocsf["count"]) == (0, 4)
    hit = RuleHit.objects.get(rule_id=IDS["d"])
    assert (hit.finding, hit.stage) == (found, "live")
    # From then on it grows as others do.
    take(record("a", _at(12)))
    found.refresh_from_db()
    assert (found.ocsf["count"], found.times_seen) == (5, 2)
