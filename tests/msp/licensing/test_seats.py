"""Who is a protected person, on which day."""

import datetime as dt
import threading

import pytest
from django.db import connections
from django.utils import timezone

from msp.licensing.actions import count_seats
from msp.licensing.errors import DayError
from msp.licensing.models import Seat, SeatCount
from tenants import scope
from tenants.models import Account, LedgerEntry
from tests.conftest import new_tenant
from tests.msp.licensing.rows import account, person


def today() -> dt.date:
    """Return the day that it is in UTC."""
    return timezone.now().date()


def test_a_person_counts_once_however_many_accounts(tenant):
    with scope.tenant(tenant.id):
        anna = person("Anna")
        account(anna)
        account(anna, provider="google")
        account(person("Ben"), is_licensed=False)
    count = count_seats(tenant.id, today())
    assert count.seats == 2
    with scope.tenant(tenant.id):
        seat = Seat.objects.get(person=anna)
    assert [basis["provider"] for basis in seat.basis] == ["microsoft365", "google"]


def test_who_does_not_count_is_told_by_reason(tenant):
    with scope.tenant(tenant.id):
        account(person("Guest"), kind=Account.Kind.GUEST)
        account(kind=Account.Kind.SHARED)
        account(kind=Account.Kind.SERVICE)
        account(person("Left"), is_enabled=False)
        account(person("Unknown"), is_enabled=None)
        account(person("Gone"), deleted_upstream_at=timezone.now())
        account(None)
        account(person("Safe"), is_break_glass=True)
    count = count_seats(tenant.id, today())
    assert count.seats == 0
    assert count.not_counted == {
        "deleted": 1, "disabled": 1, "emergency": 1, "guest": 1, "service": 1, "shared": 1,
        "state_unknown": 1, "without_person": 1,
    }  # fmt: skip


def test_one_enabled_account_is_enough(tenant):
    with scope.tenant(tenant.id):
        anna = person("Anna")
        account(anna, is_enabled=False)
        account(anna, kind=Account.Kind.GUEST)
        account(anna)
    assert count_seats(tenant.id, today()).seats == 1


def test_counting_again_keeps_what_was_counted_and_adds_who_came(tenant):
    with scope.tenant(tenant.id):
        anna = account(person("Anna"))
    count_seats(tenant.id, today())
    with scope.tenant(tenant.id):
        first = Seat.objects.get()
        Account.objects.filter(id=anna.id).update(is_enabled=False)
        account(person("Ben"))
    count = count_seats(tenant.id, today())
    assert count.seats == 2
    assert count.not_counted == {"disabled": 1}
    with scope.tenant(tenant.id):
        assert Seat.objects.get(id=first.id).counted_at == first.counted_at
        assert Seat.objects.count() == 2
        assert SeatCount.objects.count() == 1


def test_the_ledger_says_what_was_counted_and_only_when_something_is_new(tenant):
    with scope.tenant(tenant.id):
        account(person("Anna"))
    for _ in range(3):
        count_seats(tenant.id, today())
    with scope.tenant(tenant.id):
        entry = LedgerEntry.objects.get(kind="seats.counted")
    assert entry.body["seats"] == 1
    assert entry.body["day"] == today().isoformat()


def test_a_day_that_has_not_begun_at_the_client_is_refused(db):
    late, early = (
        new_tenant("late", time_zone="Etc/GMT+12"),
        new_tenant("early", time_zone="Etc/GMT-14"),
    )
    now = timezone.now()
    with pytest.raises(DayError, match="has not begun"):
        count_seats(late.id, now.astimezone(dt.timezone(dt.timedelta(hours=14))).date())
    assert count_seats(early.id, now.astimezone(dt.timezone(dt.timedelta(hours=14))).date())


def test_other_clients_people_do_not_count(tenant, other_tenant):
    with scope.tenant(other_tenant.id):
        account(person("Somebody else's"))
    assert count_seats(tenant.id, today()).seats == 0


def test_two_workers_at_once_count_each_person_once(committed_database, make_tenant):
    tenant = make_tenant("busy")
    with scope.tenant(tenant.id):
        for number in range(30):
            account(person(f"Person {number}"))
    errors: list[Exception] = []

    def count() -> None:
        try:
            count_seats(tenant.id, today())
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with scope.tenant(tenant.id):
        assert Seat.objects.count() == 30
        assert SeatCount.objects.get().seats == 30
