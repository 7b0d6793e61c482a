"""The tests' database: migrated once for each state of the migrations, then copied.

Migrating takes longer than many test files; copying a migrated database takes half a second.
"""

import hashlib
import sys
from importlib.metadata import distributions
from pathlib import Path

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from msp.appliance import postgres
from msp.appliance.postgres import Cluster
from tenants import rls

TEST_DATABASE = "holdfast_test"
_MIGRATED = "holdfast_migrated"
# Any number, the same for all that make the database which others copy.
_LOCK = 7_041_992


def make(cluster: Cluster, name: str) -> None:
    """Make database `name` with the schema of now, and point both aliases at it."""
    with psycopg.connect(cluster.owner_url(), autocommit=True) as owner:
        owner.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        for leftover in _left_by_killed_runs(owner):
            cluster.drop_database(leftover)
        source = f"{_MIGRATED}_{_state_of_migrations()}"
        if source not in _names(owner, _MIGRATED):
            _migrate_into(cluster, owner, source)
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        owner.execute(copy.format(sql.Identifier(name), sql.Identifier(source)))
        # No test outlives the server, and each that commits would wait for the disk.
        quick = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off")
        owner.execute(quick.format(sql.Identifier(name)))
    cluster.prepare_database(name)
    _point_at(name)


def _migrate_into(cluster: Cluster, owner: psycopg.Connection, name: str) -> None:
    """Migrate a new database; it bears its name only when it is whole."""
    unfinished = f"{name}_unfinished"
    for outdated in _names(owner, _MIGRATED):
        cluster.drop_database(outdated)
    cluster.prepare_database(unfinished)
    _point_at(unfinished)
    call_command("migrate", database="owner", verbosity=0)
    _disconnect()
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    owner.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))


def _state_of_migrations() -> str:
    """A digest of all that a migrated database depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for name in sorted(f"{one.name} {one.version}" for one in distributions()):
        digest.update(name.encode())
    files = [Path(rls.__file__)]
    for app in apps.get_app_configs():
        files += sorted(Path(app.path, "migrations").glob("*.py"))
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _point_at(name: str) -> None:
    _disconnect()
    for alias in ("default", "owner"):
        settings.DATABASES[alias]["NAME"] = name
        connections[alias].settings_dict["NAME"] = name


def _disconnect() -> None:
    connections["default"].close_pool()
    for connection in connections.all():
        connection.close()


def _names(owner: psycopg.Connection, prefix: str) -> list[str]:
    found = owner.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix]
    )
    return [str(row[0]) for row in found]


def _left_by_killed_runs(owner: psycopg.Connection) -> list[str]:
    """Return the test databases whose test process is gone."""
    names = _names(owner, f"{TEST_DATABASE}_")
    return [name for name in names if not Path(f"/proc/{name.rsplit('_', 1)[1]}").exists()]


# Told by the file's size: a table that nobody wrote to has none. In one message to the server.
_EMPTY = """
DO $$
DECLARE of_test regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR of_test IN
        SELECT format('%I.%I', schemaname, tablename)::regclass FROM pg_tables
        WHERE schemaname = 'public'
        AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
    LOOP
        IF pg_relation_size(of_test) > 0 THEN
            EXECUTE format('DELETE FROM %s', of_test);
        END IF;
    END LOOP;
END $$
"""


def empty(name: str) -> None:
    """Delete every row but those of the migrations.

    As the superuser and without triggers: to truncate all tables takes a second, and to delete
    rows is what the ledger forbids.
    """
    with postgres.embedded()._connect(name) as connection:
        connection.execute(_EMPTY)


def drop(cluster: Cluster, name: str) -> None:
    """Drop what `make` made."""
    _disconnect()
    cluster.drop_database(name)
