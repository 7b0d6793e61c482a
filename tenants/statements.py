"""Statements that are prepared by the server, and rows that are written many at once.

What is asked often is planned once for each connection to the database, and its values travel
beside it. Many rows travel as one JSON text, of which the server makes rows of the columns' types:
that costs a tenth of what an object for each row and a statement of literals cost.
"""

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from django.db import connection, models
from django.db.backends.utils import CursorWrapper

Row = Mapping[str, Any]


def execute(statement: str, told: Sequence[Any] | Mapping[str, Any]) -> CursorWrapper:
    """Run a statement, and return the cursor with its answer."""
    connection.ensure_connection()
    # The kind that Django makes writes the values into the statement.
    prepared: Any = psycopg.Cursor(connection.connection)
    cursor = connection.make_cursor(prepared)
    cursor.execute(statement, told)
    return cursor


def insert(model: type[models.Model], rows: Sequence[Row]) -> None:
    """Insert rows, each with a value for every column, by attribute name."""
    if rows:
        execute(_inserted(model), {"rows": as_json(rows)})


def insert_with_origin(
    model: type[models.Model],
    rows: Sequence[Row],
    origin: type[models.Model],
    origins: Iterable[Row],
) -> set[uuid.UUID]:
    """Insert rows of `model` that are not there yet, each with the row `raw_id` of its origin.

    Return the ids of those origins; of a row that a unique constraint refuses nothing is inserted.
    """
    if not rows:
        return set()
    told = {"rows": as_json(rows), "origins": as_json(list(origins))}
    return {found for (found,) in execute(_inserted_with_origin(model, origin), told).fetchall()}


def update(model: type[models.Model], rows: Sequence[Row]) -> None:
    """Write rows over those of the same ids, each with a value for every column."""
    if rows:
        execute(_updated(model), {"rows": as_json(rows)})


def row_of(found: models.Model) -> dict[str, Any]:
    """Return an object's values, as they are written."""
    return {field.attname: getattr(found, field.attname) for field in _fields(type(found))}


def as_json(told: Any) -> str:
    """Return the JSON text of rows: times, ids and bytes as texts that PostgreSQL reads."""
    return json.dumps(told, default=_text, check_circular=False, separators=(",", ":"))


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return "\\x" + value.hex()
    if isinstance(value, uuid.UUID | dt.datetime):
        return str(value)
    raise TypeError(f"{type(value).__name__} is written to no column")


def _fields(model: type[models.Model]) -> Sequence[models.Field]:
    return model._meta.concrete_fields


def _columns(model: type[models.Model]) -> str:
    return ", ".join(f'"{field.column}"' for field in _fields(model))


def _told(model: type[models.Model], name: str) -> str:
    """Return the rows of a parameter, as a table `told`."""
    types = ", ".join(f'"{field.column}" {field.db_type(connection)}' for field in _fields(model))
    return f"json_to_recordset(%({name})s::json) AS told({types})"


def _insert(model: type[models.Model], name: str) -> str:
    columns = _columns(model)
    return (
        f'INSERT INTO "{model._meta.db_table}" ({columns})'  # noqa: S608
        f" SELECT {columns} FROM {_told(model, name)}"
    )


@lru_cache
def _inserted(model: type[models.Model]) -> str:
    return _insert(model, "rows")


@lru_cache
def _inserted_with_origin(model: type[models.Model], origin: type[models.Model]) -> str:
    # Foreign keys are checked at the end, so that the origins may follow.
    news = f"{_insert(model, 'rows')} ON CONFLICT DO NOTHING RETURNING raw_id"
    those = f"{_insert(origin, 'origins')} WHERE told.id IN (SELECT raw_id FROM news)"  # noqa: S608
    return f"WITH news AS ({news}) {those} RETURNING id"


@lru_cache
def _updated(model: type[models.Model]) -> str:
    changed = [field for field in _fields(model) if not field.primary_key]
    values = ", ".join(f'"{field.column}" = told."{field.column}"' for field in changed)
    table = model._meta.db_table
    return (
        f'UPDATE "{table}" AS kept SET {values} FROM {_told(model, "rows")}'  # noqa: S608
        " WHERE kept.id = told.id"
    )
