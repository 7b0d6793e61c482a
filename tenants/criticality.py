"""How critical people and devices are, as a technician says: above what any directory tells.

The number, from 1 (low) to 4 (critical), weighs in the risk of every case about them.
"""

import csv
import io
from collections.abc import Mapping
from typing import Final

from django.db.models import Q

from tenants import excluded_devices, ledger, people, protection, scope, work
from tenants.errors import CriticalityError, HoldfastError
from tenants.models import Account, Device

LEVELS: Final[Mapping[int, str]] = {1: "low", 2: "normal", 3: "high", 4: "critical"}
COLUMNS: Final = ("kind", "name", "level", "reason")
AS_TOLD: Final = "as told"
MOST_ROWS: Final = 5000
_LONGEST_REASON = 1000
_SHOWN = 10


def people_of_client() -> list[Account]:
    """Return the accounts of the scope's tenant whose people more or less hangs on, and of whom a
    technician said it.
    """
    rows = Account.in_scope().filter(Q(person__criticality__gt=2) | ~Q(criticality_by_hand=None))
    return list(rows.select_related("person").order_by("username", "provider"))


def devices_of_client() -> list[Device]:
    """Return the devices of the scope's tenant of which a technician said it, by hostname."""
    rows = Device.in_scope().exclude(criticality_by_hand=None)
    return list(rows.order_by("hostname", "provider", "external_id"))


def level_of(told: str) -> int | None:
    """Return the level that a text names, by number or word; None for "as told".

    CriticalityError for anything else.
    """
    word = told.strip().lower()
    if word in (AS_TOLD, AS_TOLD.replace(" ", "_")):
        return None
    for level, name in LEVELS.items():
        if word in (str(level), name):
            return level
    choices = ", ".join(f"{level} ({name})" for level, name in LEVELS.items())
    raise CriticalityError(f"“{told}” is no level: choose {choices} or “{AS_TOLD}”.")


def mark_person(name: str, level: int | None, *, actor: str, reason: str) -> list[Account]:
    """Say how critical the person with this username, address or id is; None takes the word back.

    CriticalityError where no reason is given, ProtectionError where the directory knows no such
    account. Return the accounts so named. Runs inside the tenant's scope.
    """
    reason = _reason(reason)
    people.lock()
    found = protection.find(name)
    before = {row.id: row.criticality_by_hand for row in found}
    changed = people.mark_criticality(found, level, actor=actor, reason=reason)
    for row in changed:
        ledger.append(
            "account.criticality", actor=actor, subject=row.username,
            body={"provider": row.provider, "before": before.get(row.id), "level": level,
                  "reason": reason},
        )  # fmt: skip
    if changed:
        work.schedule("rescore", scope.require_tenant_id())
    ids = [row.id for row in found]
    return list(Account.objects.filter(id__in=ids).select_related("person").order_by("provider"))


def mark_device(name: str, level: int | None, *, actor: str, reason: str) -> list[Device]:
    """Say how critical the device of this hostname or id is; None takes the word back.

    It is kept at every connector that knows it, and taken back wherever it was kept by one word.
    CriticalityError where no reason is given, ProtectionError where the directory knows none, or
    too many. Runs inside the tenant's scope.
    """
    reason = _reason(reason)
    named = excluded_devices.find(name)
    ids = {row.id for row in (named if level else [*named, *_marked_with(named)])}
    rows = list(Device.objects.select_for_update(of=("self",)).filter(id__in=ids).order_by("id"))
    for row in rows:
        before = row.criticality_by_hand
        row.criticality_by_hand = level
        row.criticality_by, row.criticality_because = (actor, reason) if level else ("", "")
        row.save(update_fields=["criticality_by_hand", "criticality_by", "criticality_because"])
        ledger.append(
            "device.criticality", actor=actor, subject=str(row),
            body={"provider": row.provider, "before": before, "level": level, "reason": reason},
        )  # fmt: skip
    work.schedule("rescore", scope.require_tenant_id())
    return rows


def _marked_with(named: list[Device]) -> list[Device]:
    """Return what one word was said of together with these: each connector has its own id."""
    words = Q(pk__in=[])
    for row in named:
        if row.hostname and row.criticality_by_hand is not None:
            words |= Q(
                hostname__iexact=row.hostname, criticality_by_hand=row.criticality_by_hand,
                criticality_by=row.criticality_by, criticality_because=row.criticality_because,
            )  # fmt: skip
    return list(Device.objects.filter(words))


def take_list(text: str, *, actor: str) -> int:
    """Keep a CSV list with the columns `COLUMNS`, whole or not at all; return how many rows.

    CriticalityError names each line that can't be kept, and why. Runs inside the tenant's scope.
    """
    if "\0" in text:
        raise CriticalityError("The list holds a NUL, which no text has: save it as CSV in UTF-8.")
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    kept, wrong = 0, []
    try:
        if set(COLUMNS) - set(rows.fieldnames or ()):
            raise CriticalityError(f"The first line has to name the columns {', '.join(COLUMNS)}.")
        for kept, row in enumerate(rows, start=1):
            if kept > MOST_ROWS:
                raise CriticalityError(f"More than {MOST_ROWS} rows: split the list.")
            try:
                _mark_row(row, actor)
            except HoldfastError as error:
                wrong.append(f"Line {rows.line_num}: {error}")
    except csv.Error as error:
        raise CriticalityError(f"Line {rows.line_num}: {error}.") from None
    if wrong:
        more = f" … and {len(wrong) - _SHOWN} more." if len(wrong) > _SHOWN else ""
        raise CriticalityError(" ".join(wrong[:_SHOWN]) + more)
    return kept


def _mark_row(row: Mapping[str, str | None], actor: str) -> None:
    told = {name: (row.get(name) or "").strip() for name in COLUMNS}
    level = level_of(told["level"])
    if told["kind"] == "person":
        mark_person(told["name"], level, actor=actor, reason=told["reason"])
    elif told["kind"] == "device":
        mark_device(told["name"], level, actor=actor, reason=told["reason"])
    else:
        raise CriticalityError("the kind is person or device.")


def _reason(reason: str) -> str:
    told = reason.strip()[:_LONGEST_REASON]
    if not told:
        raise CriticalityError("Say why: it is kept in the client's ledger, and shown on cases.")
    return told
