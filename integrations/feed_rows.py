"""A feed's row with its connection's, for polls: read and locked with statements written once.

Of a poll that brings nothing, most of the time went into writing these two anew each time.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.db import connection as database
from django.db.models import Field, JSONField, Model

from integrations.models import Connection, FeedState
from tenants import scope
from tenants.models import Secret, Tenant

_JOINS = """
  FROM integrations_feedstate
  JOIN integrations_connection ON integrations_connection.id = integrations_feedstate.connection_id
"""
_AND_MORE = """
  JOIN tenants_tenant ON tenants_tenant.id = integrations_feedstate.tenant_id
  LEFT JOIN tenants_secret ON tenants_secret.id = integrations_connection.secret_id
"""
_ONE = " WHERE integrations_feedstate.tenant_id = %s AND integrations_feedstate.id = %s"


def read(state_id: uuid.UUID) -> FeedState | None:
    """Return a feed of the scope's tenant with its connection, that one's secret, and its tenant.

    None where there is none, or its connection was removed.
    """
    return _one((FeedState, Connection, Tenant, Secret), _JOINS + _AND_MORE + _ONE, state_id)


def lock(state_id: uuid.UUID) -> FeedState | None:
    """Return a feed of the scope's tenant with its connection, locking the feed; None as `read`."""
    end = f"{_JOINS}{_ONE} FOR UPDATE OF integrations_feedstate"
    return _one((FeedState, Connection), end, state_id)


def _one(models: tuple[type[Model], ...], end: str, state_id: uuid.UUID) -> FeedState | None:
    with database.cursor() as cursor:
        cursor.execute(_select(models) + end, [scope.require_tenant_id(), state_id])
        row = cursor.fetchone()
    if row is None:
        return None
    state, connection, *more = _instances(models, row)
    assert isinstance(state, FeedState)
    assert isinstance(connection, Connection)
    if connection.removed_at is not None:
        return None
    state.connection = connection
    for one in more:
        if isinstance(one, Tenant):
            state.tenant = one
        elif isinstance(one, Secret):
            connection.secret = one
    return state


@cache
def _select(models: tuple[type[Model], ...]) -> str:
    columns = (
        f"{model._meta.db_table}.{field.column}" for model in models for field in _fields(model)
    )
    return f"SELECT {', '.join(columns)}"


@cache
def _fields(model: type[Model]) -> tuple[Field, ...]:
    return tuple(model._meta.concrete_fields)


def _instances(models: Iterable[type[Model]], row: Sequence[Any]) -> Iterable[Model | None]:
    """Make an instance of each model; None where its part of the row is empty."""
    at = 0
    for model in models:
        fields = _fields(model)
        values = row[at : at + len(fields)]
        at += len(fields)
        if values[0] is None:
            yield None
            continue
        yield model.from_db(
            database.alias,
            [field.attname for field in fields],
            [_value(field, value) for field, value in zip(fields, values, strict=True)],
        )


def _value(field: Field, value: Any) -> Any:
    if isinstance(field, JSONField):
        return None if value is None else json.loads(value, cls=field.decoder)
    return value
