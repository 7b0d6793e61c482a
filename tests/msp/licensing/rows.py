"""Rows by which people count, or don't."""

import datetime as dt
from typing import Any

from msp.licensing.models import Seat, SeatCount
from tenants.models import Account, Person


def person(name: str) -> Person:
    """Make a person of the scope's tenant."""
    return Person.objects.create(display_name=name)


def account(owner: Person | None = None, **fields: Any) -> Account:
    """Make an account; an enabled member's unless told otherwise."""
    number = Account.objects.count()
    told = {"provider": "microsoft365", "is_enabled": True, **fields}
    return Account.objects.create(
        person=owner, external_id=f"id-{number}", username=f"user{number}@x.example", **told
    )


def seats(day: dt.date, people: list[Person]) -> None:
    """Make the rows of a day that was counted."""
    now = dt.datetime.combine(day, dt.time(12), dt.UTC)
    for one in people:
        Seat.objects.create(day=day, person=one, basis=[], counted_at=now)
    SeatCount.objects.create(day=day, seats=len(people), counted_at=now)
