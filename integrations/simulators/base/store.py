"""What the simulator knows: tenants, their records, and what readers may already see of them.

Records live in memory and, where a file is given, are written through to SQLite after every
request, so that a killed simulator comes back with the same state, ids and tokens.
"""

from __future__ import annotations

import copy
import json
import secrets
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

Record = dict[str, Any]
_ID_SPACE = uuid.UUID("6d6d1f0e-3c52-5f0b-9a4d-9d5b1c1f2a11")


# A seed asks for the same ones again and again.
@lru_cache(maxsize=32768, typed=True)
def stable_id(*parts: object) -> str:
    """A GUID that is the same for the same parts."""
    return str(uuid.uuid5(_ID_SPACE, "/".join(str(part) for part in parts)))


@dataclass
class Shadow:
    """The old version of a record that readers still get after a write."""

    old: Record | None
    visible_at: float
    reads_left: int
    sequence: int


@dataclass
class Delay:
    """How long a write stays invisible: seconds from now, and a number of reads."""

    seconds: float = 0.0
    reads: int = 0


@dataclass
class App:
    """An application registered in a tenant: what a client signs in as."""

    client_id: str
    name: str
    secret: str
    permissions: list[str] = field(default_factory=list)


class Tenant:
    """One organisation at the vendor: its applications and collections of records by id.

    `tracked` are the collections whose changes are numbered, for reading what changed since.
    """

    tracked: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, store: Store, tenant_id: str, name: str, domain: str) -> None:
        self.store = store
        self.id = tenant_id
        self.name = name
        self.domain = domain
        self.apps: dict[str, App] = {}
        self.changes: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        self._collections: dict[str, dict[str, Record]] = {}
        self._shadows: dict[tuple[str, str], Shadow] = {}
        self._read_now: set[tuple[str, str]] = set()
        self.delay: Delay | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names by which it can be asked for, in lower case."""
        return frozenset({self.id.casefold(), self.domain.casefold()})

    def new_id(self, kind: str) -> str:
        """A fresh GUID; the same in every simulator that was driven in the same way."""
        return stable_id(self.id, kind, self.store.next("id"))

    def true(self, collection: str, record_id: str) -> Record | None:
        """The record as it really is, for writers."""
        return self._collections.get(collection, {}).get(record_id)

    def true_all(self, collection: str) -> list[Record]:
        """Every record of a collection as it really is, for writers."""
        return list(self._collections.get(collection, {}).values())

    def get(self, collection: str, record_id: str) -> Record | None:
        """The record as readers see it now."""
        shadow = self._shadow(collection, record_id)
        return shadow.old if shadow else self.true(collection, record_id)

    def all(self, collection: str) -> list[Record]:
        """The records of a collection as readers see them now, oldest first."""
        records = self._collections.get(collection, {})
        seen = [self.get(collection, record_id) for record_id in records]
        gone = [
            self.get(collection, record_id)
            for name, record_id in list(self._shadows)
            if name == collection and record_id not in records
        ]
        return [record for record in [*seen, *gone] if record is not None]

    def put(self, collection: str, record: Record, record_id: str | None = None) -> Record:
        """Create or replace a record."""
        key = record_id or str(record["id"])
        self._before_write(collection, key)
        self._collections.setdefault(collection, {})[key] = record
        self._changed(collection, key, is_deleted=False)
        return record

    def update(
        self, collection: str, record_id: str, changes: Record, *, unseen: bool = False
    ) -> Record:
        """Change some properties of a record that exists."""
        record = copy.deepcopy(self._collections[collection][record_id])
        record.update(copy.deepcopy(changes))
        delay, self.delay = self.delay, None if unseen else self.delay
        try:
            return self.put(collection, record, record_id)
        finally:
            self.delay = delay

    def remove(self, collection: str, record_id: str) -> None:
        """Delete a record that exists."""
        self._before_write(collection, record_id)
        del self._collections[collection][record_id]
        self._changed(collection, record_id, is_deleted=True)

    def newest_visible_change(self) -> int:
        """The change number up to which readers see everything."""
        hidden = [s.sequence for key, s in list(self._shadows.items()) if self._shadow(*key)]
        return min(hidden) - 1 if hidden else self.store.counters.get("change", 0)

    def end_request(self) -> None:
        """Count one read against every old version that this request was shown."""
        for key in self._read_now:
            if key in self._shadows:
                self._shadows[key].reads_left -= 1
        self._read_now.clear()
        self.delay = None

    def _shadow(self, collection: str, record_id: str) -> Shadow | None:
        key = (collection, record_id)
        shadow = self._shadows.get(key)
        if shadow is None:
            return None
        if shadow.reads_left <= 0 and self.store.clock() >= shadow.visible_at:
            del self._shadows[key]
            return None
        self._read_now.add(key)
        return shadow

    def _before_write(self, collection: str, record_id: str) -> None:
        if self.delay is None:
            return
        key = (collection, record_id)
        current = self.true(collection, record_id)
        old = self._shadows[key].old if key in self._shadows else copy.deepcopy(current)
        self._shadows[key] = Shadow(
            old,
            self.store.clock() + self.delay.seconds,
            self.delay.reads,
            self.store.counters.get("change", 0) + 1,
        )

    def _changed(self, collection: str, record_id: str, *, is_deleted: bool) -> None:
        number = self.store.next("change")
        self.store.touch(self.id, collection, record_id)
        if collection not in self.tracked:
            return
        key = f"{collection}/{record_id}"
        self.changes.pop(key, None)
        self.deleted.pop(key, None)
        (self.deleted if is_deleted else self.changes)[key] = number

    def snapshot(self, collection: str = "") -> dict[str, Any]:
        """A collection as it really is, or every one by name; a copy."""
        found = self._collections.get(collection, {}) if collection else self._collections
        return copy.deepcopy(found)

    def load(self, collection: str, record_id: str, record: Record) -> None:
        """Put a record back as it was saved, without counting it as a change."""
        self._collections.setdefault(collection, {})[record_id] = record


class Store:
    """All tenants, the counters, and the file that keeps them."""

    def __init__(
        self,
        path: Path | None,
        clock: Callable[[], float],
        tenant_class: type[Tenant] = Tenant,
    ) -> None:
        self.clock = clock
        self._tenant_class = tenant_class
        self.tenants: dict[str, Tenant] = {}
        self.counters: dict[str, int] = {}
        self.signing_key = secrets.token_hex(32)
        self._touched: set[tuple[str, str, str]] = set()
        self._saved_meta = ""
        self._database = self._open(path) if path else None
        if self._database:
            self._read()

    def next(self, counter: str) -> int:
        """The next number of a named counter, from 1."""
        self.counters[counter] = self.counters.get(counter, 0) + 1
        return self.counters[counter]

    def touch(self, tenant_id: str, collection: str, record_id: str) -> None:
        """Remember that a record has to be saved."""
        self._touched.add((tenant_id, collection, record_id))

    def add_tenant(self, tenant_id: str, name: str, domain: str) -> Tenant:
        """A new, empty tenant; one with the same id is replaced."""
        tenant = self._tenant_class(self, tenant_id, name, domain)
        self.tenants[tenant_id] = tenant
        return tenant

    def find(self, name: str) -> Tenant | None:
        """A tenant by its id or one of its domains."""
        wanted = name.casefold()
        for tenant in self.tenants.values():
            if wanted in tenant.names:
                return tenant
        return None

    def clear(self) -> None:
        """Forget everything but the key that signs tokens."""
        self.tenants.clear()
        self.counters.clear()
        self._touched.clear()
        if self._database:
            self._database.execute("DELETE FROM record")
            self._database.execute("DELETE FROM meta")
            self._database.commit()

    def save(self) -> None:
        """Write what changed to the file, if there is one, in one transaction."""
        meta = json.dumps(self._meta()) if self._database else ""
        if not self._database or (not self._touched and meta == self._saved_meta):
            self._touched.clear()
            return
        for tenant_id, collection, record_id in self._touched:
            tenant = self.tenants.get(tenant_id)
            record = tenant.true(collection, record_id) if tenant else None
            key = (tenant_id, collection, record_id)
            if record is None:
                self._database.execute("DELETE FROM record WHERE t=? AND c=? AND i=?", key)
            else:
                self._database.execute(
                    "INSERT INTO record VALUES (?,?,?,?) "
                    "ON CONFLICT (t,c,i) DO UPDATE SET body=excluded.body",
                    (*key, json.dumps(record)),
                )
        self._touched.clear()
        self._saved_meta = meta
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (1, ?)", (meta,))
        self._database.commit()

    def close(self) -> None:
        """Save and let go of the file."""
        self.save()
        if self._database:
            self._database.close()
            self._database = None

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS record "
            "(t TEXT, c TEXT, i TEXT, body TEXT, PRIMARY KEY (t, c, i))"
        )
        database.execute("CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY, body TEXT)")
        return database

    def _meta(self) -> dict[str, Any]:
        return {
            "signing_key": self.signing_key,
            "counters": self.counters,
            "tenants": [
                {
                    "id": tenant.id,
                    "name": tenant.name,
                    "domain": tenant.domain,
                    "apps": [vars(app) for app in tenant.apps.values()],
                    "changes": tenant.changes,
                    "deleted": tenant.deleted,
                }
                for tenant in self.tenants.values()
            ],
        }

    def _read(self) -> None:
        assert self._database is not None
        row = self._database.execute("SELECT body FROM meta").fetchone()
        if row is None:
            return
        meta = json.loads(row[0])
        self.signing_key = meta["signing_key"]
        self.counters = meta["counters"]
        for saved in meta["tenants"]:
            tenant = self.add_tenant(saved["id"], saved["name"], saved["domain"])
            tenant.apps = {app["client_id"]: App(**app) for app in saved["apps"]}
            tenant.changes, tenant.deleted = saved["changes"], saved["deleted"]
        for tenant_id, collection, record_id, body in self._rows():
            if tenant_id in self.tenants:
                self.tenants[tenant_id].load(collection, record_id, json.loads(body))

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        assert self._database is not None
        yield from self._database.execute("SELECT t, c, i, body FROM record ORDER BY rowid")
