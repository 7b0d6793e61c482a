"""The append-only ledger of a tenant, chained by SHA-256.

Entries are inserted freely in the transaction that they describe, so that a tenant's transactions
never wait for each other; `seal` gives each its place in the chain within about a second. What is
not sealed yet is shown by `verify` as the tail.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from tenants import scope
from tenants.canonical import jsonable, sha256_of
from tenants.models import LedgerEntry, LedgerSeal

GENESIS = "0" * 64
_BATCH = 2000


def append(
    kind: str,
    *,
    actor: str,
    subject: str,
    body: Mapping[str, Any] | None = None,
    case_id: uuid.UUID | None = None,
) -> LedgerEntry:
    """Write one entry in the current transaction of the scope's tenant."""
    return LedgerEntry.objects.create(
        tenant_id=scope.require_tenant_id(),
        at=timezone.now(),
        kind=kind,
        actor=actor,
        case_id=case_id,
        subject=subject[:200],
        body=jsonable(body or {}),
    )


def append_all(entries: Iterable[LedgerEntry]) -> None:
    """Write many entries, which say what was done and to which case, with one statement."""
    now, rows = timezone.now(), list(entries)
    for row in rows:
        row.tenant_id, row.at = scope.require_tenant_id(), now
        row.subject, row.body = row.subject[:200], jsonable(row.body or {})
    LedgerEntry.objects.bulk_create(rows, batch_size=_BATCH)


def entry_hash(entry: LedgerEntry) -> str:
    """Return the SHA-256 of the entry's content."""
    return sha256_of(
        {
            "id": entry.id,
            "tenant": entry.tenant_id,
            "at": entry.at,
            "kind": entry.kind,
            "actor": entry.actor,
            "case": entry.case_id,
            "subject": entry.subject,
            "body": entry.body,
        }
    )


def chain_hash(previous: str, hash_of_entry: str, sequence: int) -> str:
    """Return the hash that binds an entry to everything before it."""
    return sha256_of({"previous": previous, "entry": hash_of_entry, "sequence": sequence})


def seal() -> int:
    """Chain the unsealed entries of the scope's tenant, oldest first; return how many."""
    tenant_id = scope.require_tenant_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"seal {tenant_id}"]
        )
    last = LedgerSeal.objects.order_by("-sequence").first()
    sequence, previous = (last.sequence, last.chain_hash) if last else (0, GENESIS)
    seals = []
    now = timezone.now()
    for entry in LedgerEntry.objects.filter(seal=None).order_by("id")[:_BATCH]:
        sequence += 1
        hashed = entry_hash(entry)
        previous = chain_hash(previous, hashed, sequence)
        seals.append(
            LedgerSeal(
                tenant_id=tenant_id,
                sequence=sequence,
                entry=entry,
                entry_hash=hashed,
                chain_hash=previous,
                sealed_at=now,
            )
        )
    LedgerSeal.objects.bulk_create(seals)
    return len(seals)


def tenants_with_tail(since: dt.datetime | None = None) -> list[uuid.UUID]:
    """Return the tenants that have unsealed entries (in a reading scope).

    With `since`, only entries made after it are looked at: the whole ledger grows for ever.
    """
    entries = LedgerEntry.objects.filter(seal=None)
    if since is not None:
        # A UUIDv7 begins with its milliseconds, so the primary key finds the newest.
        entries = entries.filter(id__gte=uuid.UUID(int=int(since.timestamp() * 1000) << 80))
    return list(entries.order_by("tenant_id").values_list("tenant_id", flat=True).distinct())


def head() -> str:
    """Return the newest chain hash of the scope's tenant; the genesis hash for an empty ledger."""
    newest = LedgerSeal.objects.order_by("-sequence").values_list("chain_hash", flat=True).first()
    return newest or GENESIS


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. `broken` names the first row that is wrong, and how."""

    sealed: int
    unsealed: int
    head: str
    broken: str

    @property
    def is_ok(self) -> bool:
        """Whether every sealed entry is there, unchanged and in its place."""
        return not self.broken


def verify() -> Verification:
    """Recompute the whole chain of the scope's tenant."""
    previous, expected = GENESIS, 0
    seals = LedgerSeal.objects.select_related("entry").order_by("sequence")
    for row in seals.iterator(chunk_size=_BATCH):
        expected += 1
        broken = _what_is_wrong(row, expected, previous)
        if broken:
            return Verification(expected - 1, 0, previous, broken)
        previous = row.chain_hash
    unsealed = LedgerEntry.objects.filter(seal=None).count()
    return Verification(expected, unsealed, previous, "")


def _what_is_wrong(row: LedgerSeal, expected: int, previous: str) -> str:
    if row.sequence != expected:
        return f"entry {expected} is missing: the chain goes on with {row.sequence}"
    hashed = entry_hash(row.entry)
    if hashed != row.entry_hash:
        return f"entry {expected} ({row.entry.kind}, {row.entry_id}) was changed after sealing"
    if chain_hash(previous, hashed, expected) != row.chain_hash:
        return f"entry {expected} ({row.entry.kind}, {row.entry_id}) does not follow entry before"
    return ""
