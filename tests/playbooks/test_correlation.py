"""The same alerts make the same cases: in any order, in any batches, by any worker."""

import dataclasses
import datetime as dt
import random
import threading
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playbooks import investigation, triage
from playbooks.cases import unread
from playbooks.correlating import joining
from playbooks.correlation import WINDOW, Group, Partition
from tenants import intake, scope
from tenants.models import Account, Case, Finding
from tenants.records import DirectoryItem, SourceRecord
from tenants.records import Finding as NormalisedFinding
from tests.conftest import new_tenant
from tests.examples import examples
from tests.playbooks.cases import make_account
from tests.waiting import wait_for_lock

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
Told = tuple[str, int, int, tuple[str, ...]]
ENTITIES = (
    "account:ann@acme.example", "account:bob@acme.example", "device:pc-1", "device:pc-2",
    "message:m1", f"file:{'a' * 64}", "process_tree:sentinelone:9", "indicator:evil.example",
    "ip:192.0.2.1",
)  # fmt: skip
SHARED_BY_STRANGERS = "ip:192.0.2.1"

# A clock that is so far ahead tells nothing: the alert counts as of when it came.
AHEAD = 10_000
_alerts = st.lists(
    st.tuples(
        st.integers(0, 120), st.integers(0, 30), st.sets(st.sampled_from(ENTITIES), max_size=3)
    ),
    min_size=1, max_size=14,
)  # fmt: skip


def _named(told: Sequence[tuple[int, int, set[str]]]) -> list[Told]:
    return [
        (f"f{place}", start, start + length, tuple(sorted(entities)))
        for place, (start, length, entities) in enumerate(told)
    ]


def _in_one_pass(alerts: Sequence[Told]) -> set[frozenset[str]]:
    """Join what shares something and is near, in the order of time, until nothing is left to."""
    sets: list[tuple[set[str], int, int, set[str]]] = []
    hours = WINDOW.total_seconds() / 3600
    for uid, start, end, entities in sorted(alerts, key=lambda one: one[1:3]):
        mine = ({uid}, start, end, set(entities) - {SHARED_BY_STRANGERS})
        while True:
            near = [
                one for one in sets
                if one[3] & mine[3] and one[1] <= mine[2] + hours and one[2] >= mine[1] - hours
            ]  # fmt: skip
            if not near:
                break
            for one in near:
                sets.remove(one)
                mine = (
                    mine[0] | one[0], min(mine[1], one[1]), max(mine[2], one[2]), mine[3] | one[3]
                )  # fmt: skip
        sets.append(mine)
    return {frozenset(one[0]) for one in sets}


def _at(hours: int) -> dt.datetime:
    return NOON + dt.timedelta(hours=hours)


def _finding(told: Told) -> NormalisedFinding:
    uid, start, end, entities = told
    return NormalisedFinding(
        uid=uid, class_uid=2004, title=f"Alert {uid}", time=_at(end), severity_id=3, ocsf={},
        first_activity_at=_at(start), last_activity_at=_at(end), entities=entities,
    )  # fmt: skip


def _take(alerts: Sequence[Told]) -> None:
    told = {alert[0]: _finding(alert) for alert in alerts}
    intake.take(
        connector="test", feed="alerts", records=[SourceRecord({"id": uid}) for uid in told],
        normalise=lambda record: told[record.body["id"]],
    )  # fmt: skip


def _deliver(
    told: Sequence[tuple[Told, int]], ahead: Collection[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Take alerts in, each when it is told, in one of two versions.

    The first comes when it begins, names only the half and no more at all, and knows no later
    activity; the second comes when it has ended. What is told by a clock that is `ahead` comes then
    in both. What comes at the same time is of one page.
    """
    pages: list[tuple[int, list[tuple[Told, int]]]] = []
    for alert, version in told:
        uid, start, end, _ = alert
        came = end if version == 2 or uid in ahead else start
        if not pages or pages[-1][0] != came:
            pages.append((came, []))
        pages[-1][1].append((alert, version))
    for came, page in pages:
        with monkeypatch.context() as at_that_time:
            at_that_time.setattr(timezone, "now", lambda came=came: _at(came))
            _take_page([_version(alert, version, ahead) for alert, version in page])


def _version(alert: Told, version: int, ahead: Collection[str]) -> NormalisedFinding:
    uid, start, end, entities = alert
    named = entities if version == 2 else entities[: len(entities) // 2]
    until = end if version == 2 else start
    by_their_clock = AHEAD if uid in ahead else 0
    told = _finding((uid, start + by_their_clock, until + by_their_clock, named))
    return dataclasses.replace(told, ocsf={"finding_info": {"modified_time": version}})


def _take_page(found: Sequence[NormalisedFinding]) -> None:
    # A relay stamps what it delivers twice.
    bodies = [
        {"id": one.uid, "place": place, "version": one.ocsf["finding_info"]["modified_time"]}
        for place, one in enumerate(found)
    ]
    intake.take(
        connector="test", feed="alerts", records=list(map(SourceRecord, bodies)),
        normalise=lambda record: found[record.body["place"]],
    )  # fmt: skip


def _triage(tenant_id: uuid.UUID) -> None:
    while Finding.objects.filter(needs_triage=True).exists():
        triage.triage(tenant_id, tenant_id)


def _cases() -> set[frozenset[str]]:
    open_ones = Case.objects.exclude(status=Case.Status.CLOSED)
    return {frozenset(one.findings.values_list("uid", flat=True)) for one in open_ones}


@given(_alerts, st.data())
@settings(max_examples=examples(100), deadline=None, print_blob=True)
def test_the_order_in_which_groups_are_joined_does_not_count(told, data) -> None:
    alerts = _named(told)
    ids = {uuid.uuid5(uuid.NAMESPACE_URL, one[0]): one[0] for one in alerts}
    by_uid = {uid: one for one, uid in ids.items()}
    found = Partition()
    for uid, start, end, entities in data.draw(st.permutations(alerts)):
        shared = frozenset(entities) - {SHARED_BY_STRANGERS}
        found.add(Group(by_uid[uid], shared, _at(start), _at(end)))
    sets = {frozenset(ids[one] for one in together) for together in found.together()}
    assert sets == _in_one_pass(alerts)


@pytest.mark.django_db(transaction=False)
@given(_alerts, st.data())
@settings(
    max_examples=15, deadline=None, print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_the_order_and_the_batches_of_arrival_do_not_count(monkeypatch, told, data) -> None:
    """Nor that alerts are told in two versions, late, more than once, and by wrong clocks."""
    monkeypatch.setattr(triage, "_BATCH", data.draw(st.integers(1, 5)))
    alerts = _named(told)
    ahead = data.draw(st.sets(st.sampled_from([one[0] for one in alerts]), max_size=3))
    with scope.tenant(new_tenant(f"acme-{uuid.uuid4().hex[:8]}").id):
        again = data.draw(st.lists(st.sampled_from(alerts), max_size=4))
        told_of = [(one, version) for one in alerts for version in (1, 2)]
        left = data.draw(st.permutations([*told_of, *((one, 2) for one in again)]))
        while left:
            now = data.draw(st.integers(1, len(left)))
            _deliver(left[:now], ahead, monkeypatch)
            _triage(scope.require_tenant_id())
            left = left[now:]
        known = [
            (uid, end if uid in ahead else start, end, entities)
            for uid, start, end, entities in alerts
        ]
        assert _cases() == _in_one_pass(known)
        assert Finding.objects.count() == len(alerts)
        gone = Case.objects.filter(merged_into__isnull=False)
        assert not Finding.objects.filter(case__in=gone).exists()
        assert not Finding.objects.filter(case=None).exists()
        for case in gone.select_related("merged_into"):
            assert case.merged_into.number < case.number
            assert case.merged_into.merged_into is None


def test_two_workers_make_the_same_cases(committed_database, make_tenant) -> None:
    """Each is told everything, in an order of its own and in both versions."""
    tenant = make_tenant("acme")
    alerts: list[Told] = [
        (f"f{n}", n * 9, n * 9 + 2, (ENTITIES[n % 3], ENTITIES[2 + n % 4])) for n in range(12)
    ]
    seed = random.randrange(10_000)
    print(f"seed {seed}")

    def work(seed: int) -> None:
        told = [(one, version) for one in alerts for version in (1, 2)]
        random.Random(seed).shuffle(told)
        try:
            for start in range(0, len(told), 2):
                with scope.tenant(tenant.id):
                    _take_page(
                        [_version(one, version, ()) for one, version in told[start : start + 2]]
                    )
                triage.triage(tenant.id, tenant.id)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=(seed + one,)) for one in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with scope.tenant(tenant.id):
        assert Finding.objects.filter(needs_triage=False).count() == len(alerts)
        assert _cases() == _in_one_pass(alerts)


def test_what_an_alert_tells_later_joins_as_well(in_tenant) -> None:
    _take([("a", 0, 0, (ENTITIES[0],)), ("b", 1, 1, (ENTITIES[2],))])
    _triage(in_tenant.id)
    assert len(_cases()) == 2
    told = _finding(("a", 0, 0, (ENTITIES[0], ENTITIES[2])))
    intake.take(
        connector="test", feed="alerts", records=[SourceRecord({"id": "a", "again": 1})],
        normalise=lambda record: told,
    )  # fmt: skip
    _triage(in_tenant.id)
    assert _cases() == {frozenset({"a", "b"})}


def _users_are_read() -> None:
    who = "ann@acme.example"
    item = DirectoryItem("account", "AB-12", who, attributes={"email": who})
    intake.take(
        connector="microsoft365", feed="users", records=[SourceRecord({"id": "AB-12"})],
        normalise=lambda record: item,
    )  # fmt: skip


def test_an_account_is_the_same_by_its_id_and_by_its_name(in_tenant) -> None:
    _users_are_read()
    _take([("a", 0, 0, ("account_id:ab-12",)), ("b", 1, 1, (ENTITIES[0],))])
    _take([("c", 1, 1, ("account_id:other",))])
    _triage(in_tenant.id)
    assert _cases() == {frozenset({"a", "b"}), frozenset({"c"})}
    assert Account.objects.get() in {case.account for case in Case.objects.all()}


def test_cases_that_came_before_the_directory_are_joined_when_it_is_read(in_tenant) -> None:
    """As they would have been if it had been read first."""
    for alert in [("a", 0, 0, ("account_id:ab-12",)), ("b", 1, 1, (ENTITIES[0],))]:
        _take([alert])
        _triage(in_tenant.id)
    assert len(_cases()) == 2
    _users_are_read()
    for case in Case.objects.order_by("number"):
        investigation.investigate(in_tenant.id, case.id)
        _triage(in_tenant.id)
    assert _cases() == {frozenset({"a", "b"})}


def test_an_alert_that_goes_on_for_days_is_joined_by_what_comes_then(in_tenant) -> None:
    """Not only by what comes within a day of when it was first told."""
    _take([("a", 0, 0, (ENTITIES[0],))])
    long_ago = _at(0)
    Finding.objects.update(received_at=long_ago, updated_at=long_ago)
    _triage(in_tenant.id)
    _take([("b", 73, 73, (ENTITIES[0],))])
    _take_page([_version(("a", 0, 72, (ENTITIES[0],)), 2, ())])
    _triage(in_tenant.id)
    assert _cases() == {frozenset({"a", "b"})}


def test_what_an_alert_tells_again_alone_changes_no_case(in_tenant) -> None:
    _take([("a", 0, 0, (ENTITIES[0],))])
    _triage(in_tenant.id)
    before = Case.objects.values().get()
    told = _finding(("a", 0, 0, (ENTITIES[0],)))
    intake.take(
        connector="test", feed="alerts", records=[SourceRecord({"id": "a", "again": 1})],
        normalise=lambda record: told,
    )  # fmt: skip
    _triage(in_tenant.id)
    assert Case.objects.values().get() == before


def _queries(alerts: Sequence[Told]) -> int:
    _take(alerts)
    rows = list(Finding.objects.filter(needs_triage=True).order_by("time", "id"))
    with CaptureQueriesContext(connection) as caught:
        joining.join(rows)
    return len(caught)


@pytest.mark.parametrize("shape", ["one case", "a case each"])
def test_the_queries_do_not_grow_with_alerts_and_cases(in_tenant, shape) -> None:
    def alerts(first: int, number: int) -> list[Told]:
        own: Any = (lambda n: "ann") if shape == "one case" else str
        return [
            (f"f{n}", 0, 0, (f"account:{own(n)}@acme.example", f"file:{n:064x}"))
            for n in range(first, first + number)
        ]

    few = _queries(alerts(0, 10))
    assert _queries(alerts(10, 200)) <= few + 6


def test_scoring_many_cases_anew_costs_little_for_each(in_tenant) -> None:
    """A flood brings something for many cases again and again."""

    def queries(first: int, number: int) -> int:
        for n in range(first, first + number):
            make_account(f"user{n}@acme.example")
        told = [(n, 0, (f"account:user{n}@acme.example",)) for n in range(first, first + number)]
        _take([(f"f{n}", hour, hour, who) for n, hour, who in told])
        _triage(in_tenant.id)
        _take([(f"g{n}", hour + 1, hour + 1, who) for n, hour, who in told])
        with CaptureQueriesContext(connection) as caught:
            _triage(in_tenant.id)
        return len(caught)

    few = queries(0, 5)
    # What became of the same person's cases, and that it is to be looked into.
    assert queries(5, 25) <= few + 2 * 20
    assert Case.objects.count() == 30
    assert not Case.objects.filter(account=None).exists()


def _told_again(uid: str, **changes: Any) -> None:
    """Let the vendor tell an alert once more, otherwise than before."""
    finding = dataclasses.replace(_finding((uid, 0, 1, (ENTITIES[0],))), **changes)
    intake.take(
        connector="test", feed="alerts",
        records=[SourceRecord({"id": uid, "changed": sorted(map(str, changes.items()))})],
        normalise=lambda record: finding,
    )  # fmt: skip


@pytest.fixture
def closed(in_tenant) -> Case:
    """A case that a verdict closed as harmless, with what it had read."""
    _take([("f", 0, 1, (ENTITIES[0],))])
    _triage(in_tenant.id)
    case = Case.objects.get()
    now = timezone.now()
    case.status, case.verdict, case.decided_at, case.closed_at = (
        Case.Status.CLOSED, "benign", now, now,
    )  # fmt: skip
    case.verdict_detail = {"read": unread.reading(now, case)}
    case.save()
    return case


@pytest.mark.parametrize(
    "changes",
    [{"severity_id": 5}, {"entities": (ENTITIES[0], ENTITIES[1])}, {"category": "ransomware"}],
    ids=["worse", "names another", "another kind"],
)
def test_an_alert_that_tells_more_later_has_its_closed_case_looked_into(closed, changes) -> None:
    _told_again("f", **changes)
    _triage(closed.tenant_id)
    closed.refresh_from_db()
    assert closed.status == Case.Status.INVESTIGATING
    assert set(changes.get("entities", ())) <= set(closed.entities)


def test_an_alert_that_its_vendor_only_settles_leaves_its_closed_case(closed) -> None:
    _told_again("f", vendor_status="resolved")
    _triage(closed.tenant_id)
    closed.refresh_from_db()
    assert closed.status == Case.Status.CLOSED


def test_an_alert_that_gets_worse_is_scored_anew(in_tenant) -> None:
    _take([("f", 0, 1, (ENTITIES[0],))])
    _triage(in_tenant.id)
    before = Case.objects.get()
    _told_again("f", severity_id=5)
    _triage(in_tenant.id)
    after = Case.objects.get()
    assert (before.severity_id, after.severity_id) == (3, 5)
    assert after.risk > before.risk


def test_an_alert_told_again_while_it_is_put_into_a_case_stays_there(committed_database) -> None:
    """Intake waits for triage's row, and takes nothing back that was just decided."""
    tenant = new_tenant("racing")
    with scope.tenant(tenant.id):
        _take([("f", 0, 1, (ENTITIES[0],))])

    def tell_again() -> None:
        try:
            with scope.tenant(tenant.id):
                _told_again("f", severity_id=5)
        finally:
            connections.close_all()

    teller = threading.Thread(target=tell_again)
    with scope.tenant(tenant.id):
        triage.triage(tenant.id, tenant.id)
        teller.start()
        wait_for_lock(teller)
    teller.join(20)
    with scope.tenant(tenant.id):
        finding = Finding.objects.get()
        assert finding.case_id == Case.objects.get().id
        assert (finding.severity_id, finding.needs_triage) == (5, True)
