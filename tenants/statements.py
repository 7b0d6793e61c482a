"""Statements that are prepared by the server, and rows that are written many at once.

What is asked with each alert is planned once for each connection to the database, and asked of
libpq directly: objects between cost four times what the question does. Many rows travel as one JSON
text, of which the server makes rows of the columns' types.
"""

import datetime as dt
import itertools
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection, models
from psycopg import generators, pq
from psycopg.adapt import PyFormat, Transformer

Row = Mapping[str, Any]

_DONE: Final = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
# By connection: under which name a statement is prepared for values of some types.
_prepared: WeakKeyDictionary[Any, dict[tuple[bytes, tuple[int, ...]], bytes]] = WeakKeyDictionary()
# No name is taken twice: what was broken off may have been prepared by the server.
_numbers = itertools.count()


class Statement:
    """A fixed statement, in which ``%(name)s`` stands for a value.

    It runs in the transaction of Django's connection, and raises what Django raises.
    """

    def __init__(self, text: str) -> None:
        self._names = tuple(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
        places = {name: f"${place}" for place, name in enumerate(self._names, start=1)}
        self._text = re.sub(r"%\((\w+)\)s", lambda found: places[found[1]], text).encode()
        self._formats = [PyFormat.AUTO] * len(self._names)

    def rows(self, **told: Any) -> list[tuple[Any, ...]]:
        """Run it, and return the rows that it answers with."""
        values, result = self._run(told)
        values.set_pgresult(result)
        found: list[tuple[Any, ...]] = values.load_rows(0, result.ntuples, tuple)
        return found

    def count(self, **told: Any) -> int:
        """Run it, and return how many rows it touched."""
        return self._run(told)[1].command_tuples or 0

    def _run(self, told: Mapping[str, Any]) -> tuple[Any, Any]:
        connection.ensure_connection()
        connection.validate_no_broken_transaction()
        raw = connection.connection
        if connection.queries_logged:
            connection.queries_log.append({"sql": self._text.decode(), "time": ""})
        with connection.wrap_database_errors, raw.lock:
            values: Any = Transformer(raw)
            dumped = values.dump_sequence([told[name] for name in self._names], self._formats)
            if not raw.autocommit and raw.pgconn.transaction_status == pq.TransactionStatus.IDLE:
                raw.pgconn.send_query(b"BEGIN")
                _answer(raw)
            name = self._name(raw, tuple(values.types or ()))
            raw.pgconn.send_query_prepared(name, dumped, values.formats)
            return values, _answer(raw)

    def _name(self, raw: Any, types: tuple[int, ...]) -> bytes:
        known = _prepared.setdefault(raw, {})
        name = known.get((self._text, types))
        if name is None:
            name = f"holdfast_{next(_numbers)}".encode()
            raw.pgconn.send_prepare(name, self._text, types)
            _answer(raw)
            known[self._text, types] = name
        return name


def _answer(raw: Any) -> Any:
    (result,) = raw.wait(generators.execute(raw.pgconn))
    if result.status not in _DONE:
        raise psycopg.errors.error_from_result(result)
    return result


def insert(model: type[models.Model], rows: Sequence[Row]) -> None:
    """Insert rows, each with a value for every column, by attribute name."""
    if rows:
        _inserted(model).count(rows=as_json(rows))


def upsert(
    model: type[models.Model],
    rows: Sequence[Row],
    *,
    once: tuple[str, ...],
    changed: tuple[str, ...],
) -> None:
    """Insert rows; those that are there, by the columns `once`, get the columns `changed` anew.

    No two of the rows may be the same by `once`.
    """
    if rows:
        _upserted(model, once, changed).count(rows=as_json(rows))


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
    statement = _inserted_with_origin(model, origin)
    told = statement.rows(rows=as_json(rows), origins=as_json(list(origins)))
    return {found for (found,) in told}


def update(model: type[models.Model], rows: Sequence[Row]) -> None:
    """Write rows over those of the same ids, each with a value for every column."""
    if rows:
        _updated(model).count(rows=as_json(rows))


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
def _inserted(model: type[models.Model]) -> Statement:
    return Statement(_insert(model, "rows"))


@lru_cache
def _upserted(
    model: type[models.Model], once: tuple[str, ...], changed: tuple[str, ...]
) -> Statement:
    known = ", ".join(f'"{name}"' for name in once)
    values = ", ".join(f'"{name}" = excluded."{name}"' for name in changed)
    return Statement(f"{_insert(model, 'rows')} ON CONFLICT ({known}) DO UPDATE SET {values}")


@lru_cache
def _inserted_with_origin(model: type[models.Model], origin: type[models.Model]) -> Statement:
    # Foreign keys are checked at the end, so that the origins may follow.
    news = f"{_insert(model, 'rows')} ON CONFLICT DO NOTHING RETURNING raw_id"
    those = f"{_insert(origin, 'origins')} WHERE told.id IN (SELECT raw_id FROM news)"  # noqa: S608
    return Statement(f"WITH news AS ({news}) {those} RETURNING id")


@lru_cache
def _updated(model: type[models.Model]) -> Statement:
    changed = [field for field in _fields(model) if not field.primary_key]
    values = ", ".join(f'"{field.column}" = told."{field.column}"' for field in changed)
    table = model._meta.db_table
    return Statement(
        f'UPDATE "{table}" AS kept SET {values} FROM {_told(model, "rows")}'  # noqa: S608
        " WHERE kept.id = told.id"
    )
