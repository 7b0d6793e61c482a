"""Who is on leave or has left, as people say it: by hand, or from a list of the client's HR."""

import csv
import datetime as dt
import io
import uuid

from django.utils import timezone

from playbooks.errors import PlaybookError
from playbooks.models import Absence
from tenants import ledger, protection, scope
from tenants.errors import HoldfastError
from tenants.models import Person

COLUMNS = ("person", "state", "first_day", "last_day")
MOST_ROWS = 5000
_SHOWN = 10


def newest(person_id: uuid.UUID) -> Absence | None:
    """Return what was said last of a person."""
    return Absence.in_scope().filter(person=person_id).first()


def current() -> list[Absence]:
    """Return what was said last of each person of the scope's tenant."""
    rows = Absence.in_scope().order_by("person_id", "-created_at", "-id").distinct("person_id")
    return sorted(rows.select_related("person"), key=lambda row: row.person.display_name.lower())


def note(
    name: str, kind: str, first_day: dt.date, last_day: dt.date | None = None, *, actor: str
) -> Absence:
    """Keep that the person with this username, address or id is away, leaves, or works here.

    `first_day` of a leaver is the last day of work. PlaybookError or ProtectionError says what
    can't be kept. Runs in the tenant's scope.
    """
    if last_day is not None and last_day < first_day:
        raise PlaybookError(["The leave ends before it begins."])
    row = Absence.objects.create(
        tenant_id=scope.require_tenant_id(), person=_person(name), kind=kind, first_day=first_day,
        last_day=last_day, actor=actor, created_at=timezone.now(),
    )  # fmt: skip
    ledger.append(
        "person.absence", actor=actor, subject=str(row),
        body={"person": row.person_id, "kind": kind, "first_day": first_day, "last_day": last_day},
    )  # fmt: skip
    return row


def take_list(text: str, *, actor: str) -> int:
    """Keep a CSV list with the columns `COLUMNS`, whole or not at all; return how many rows.

    PlaybookError names each line that can't be kept, and why.
    """
    if "\0" in text:
        raise PlaybookError(["The list holds a NUL, which no text has: save it as CSV in UTF-8."])
    rows = csv.DictReader(io.StringIO(text))
    if rows.fieldnames is None or set(COLUMNS) - set(rows.fieldnames):
        raise PlaybookError([f"The first line has to name the columns {', '.join(COLUMNS)}."])
    kept, wrong = 0, []
    try:
        for kept, row in enumerate(rows, start=1):
            if kept > MOST_ROWS:
                raise PlaybookError([f"More than {MOST_ROWS} rows: split the list."])
            try:
                _note_row(row, actor)
            except (HoldfastError, ValueError) as error:
                wrong.append(f"Line {rows.line_num}: {error}")
    except csv.Error as error:
        raise PlaybookError([f"Line {rows.line_num}: {error}."]) from None
    if wrong:
        more = [f"… and {len(wrong) - _SHOWN} more."] if len(wrong) > _SHOWN else []
        raise PlaybookError([*wrong[:_SHOWN], *more])
    return kept


def _note_row(row: dict[str, str | None], actor: str) -> None:
    told = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if told["state"] not in Absence.Kind.values:
        raise PlaybookError([f"the state is one of {', '.join(Absence.Kind.values)}."])
    last_day = day(told["last_day"]) if told["last_day"] else None
    note(told["person"], told["state"], day(told["first_day"]), last_day, actor=actor)


def day(told: str) -> dt.date:
    """Return a day written as 2027-01-31; PlaybookError for anything else."""
    try:
        return dt.date.fromisoformat(told)
    except ValueError:
        raise PlaybookError([f"“{told}” is no day: write it as 2027-01-31."]) from None


def _person(name: str) -> Person:
    people = {row.person for row in protection.find(name) if row.person is not None}
    if len(people) != 1:
        raise PlaybookError([f"The directory knows no single person behind “{name}”."])
    return people.pop()
