"""The two database roles and what each may do.

The owner role makes and owns the tables; the app role owns nothing and cannot bypass row-level
security. Plain SQL of PostgreSQL 15, over a connection of a role that may create roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection, sql

SUPERUSER = "holdfast_super"
OWNER = "holdfast_owner"
APP = "holdfast_app"

_ATTRIBUTES = {
    OWNER: "LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    APP: "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
}

# Read last of all that ensure_roles and ensure_database do, so that a set-up which was killed
# half-way is done again.
_PREPARED = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
_MARK = "Holdfast, roles and privileges version 1"


def are_prepared(connection: Connection[Any], database: str) -> bool:
    """Whether roles and `database` were set up to the end by this version."""
    row = connection.execute(_PREPARED, [database]).fetchone()
    return row is not None and row[0] == _MARK


def ensure_roles(connection: Connection[Any], passwords: Mapping[str, str]) -> None:
    """Create both roles if missing, and give them their attributes and passwords."""
    for role, password in ((OWNER, passwords["owner"]), (APP, passwords["app"])):
        name = sql.Identifier(role)
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        # Hashed here, so that no statement carries the password into a log.
        hashed = connection.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        statement = sql.SQL("ALTER ROLE {} " + _ATTRIBUTES[role] + " PASSWORD {}")
        connection.execute(statement.format(name, sql.Literal(hashed)))


def ensure_database(connection: Connection[Any], name: str) -> None:
    """Create database `name` if missing; it belongs to the owner role, strangers stay outside."""
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    database, owner = sql.Identifier(name), sql.Identifier(OWNER)
    if known is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    app = sql.Identifier(APP)
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, app))


def grant_to_app(connection: Connection[Any], name: str) -> None:
    """Let the app role use database `name`, to which `connection` leads; marks it as set up."""
    grant_by_default(connection)
    app = sql.Identifier(APP)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(app))
    mark = sql.SQL("COMMENT ON DATABASE {} IS {}")
    connection.execute(mark.format(sql.Identifier(name), sql.Literal(_MARK)))


def grant_by_default(connection: Connection[Any]) -> None:
    """Whatever the owner role creates in this database from now on, the app role may use.

    Set in template1, it holds for every database made later, such as those of the tests.
    """
    for privileges, kind in (
        ("USAGE", "SCHEMAS"),
        ("SELECT, INSERT, UPDATE, DELETE", "TABLES"),
        ("USAGE, SELECT", "SEQUENCES"),
    ):
        statement = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}} GRANT {privileges} ON {kind} TO {{}}"
        connection.execute(sql.SQL(statement).format(sql.Identifier(OWNER), sql.Identifier(APP)))


def drop_database(connection: Connection[Any], name: str) -> None:
    """Drop database `name` if it exists, disconnecting who uses it."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    connection.execute(statement.format(sql.Identifier(name)))
