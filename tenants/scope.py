"""The only way to reach tenant data.

PostgreSQL's row-level security reads two settings that live exactly as long as the transaction:
`app.tenant` (one tenant, read and write) and `app.tenants` (several tenants, or ``*``; read
only, for the MSP's own views). Without either, every query returns nothing.

Session-level settings would leak through the connection pool, so nothing here uses them.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection, transaction

from tenants.errors import ScopeError
from tenants.statements import Statement

_tenant: ContextVar[uuid.UUID | None] = ContextVar("holdfast_tenant", default=None)
_readable: ContextVar[str] = ContextVar("holdfast_readable_tenants", default="")

ALL = "*"
_SET = Statement(
    "SELECT set_config('app.tenant', %(tenant)s, true),"
    " set_config('app.tenants', %(tenants)s, true)"
)


def current_tenant_id() -> uuid.UUID | None:
    """Return the tenant of the innermost scope, or None outside one or in a reading scope."""
    return _tenant.get()


def require_tenant_id() -> uuid.UUID:
    """Return the tenant of the innermost scope; ScopeError where there is none."""
    tenant_id = _tenant.get()
    if tenant_id is None:
        raise ScopeError("This needs a tenant: do it inside `with scope.tenant(...)`.")
    return tenant_id


@contextmanager
def tenant(tenant_id: uuid.UUID) -> Iterator[None]:
    """Open a transaction that reads and writes the rows of one tenant, and of no other."""
    if not isinstance(tenant_id, uuid.UUID):
        raise ScopeError(f"A tenant scope takes a tenant's id, not {tenant_id!r}.")
    with _entered(tenant_id, ""):
        yield


@contextmanager
def reading(tenant_ids: Iterable[uuid.UUID] | str) -> Iterator[None]:
    """Open a transaction that reads the rows of several tenants (`ALL`: of every tenant).

    Nothing can be written in it; open a `tenant` scope inside for that.
    """
    readable = tenant_ids if isinstance(tenant_ids, str) else ",".join(str(t) for t in tenant_ids)
    if isinstance(tenant_ids, str) and tenant_ids != ALL:
        raise ScopeError("A reading scope takes tenant ids, or scope.ALL.")
    with _entered(None, readable):
        yield


@contextmanager
def _entered(tenant_id: uuid.UUID | None, readable: str) -> Iterator[None]:
    before = (_tenant.get(), _readable.get())
    is_inside = connection.in_atomic_block
    with transaction.atomic():
        _apply(tenant_id, readable)
        tenant_token, readable_token = _tenant.set(tenant_id), _readable.set(readable)
        try:
            yield
        finally:
            _tenant.reset(tenant_token)
            _readable.reset(readable_token)
        # The end of a transaction and a rollback restore the settings by themselves.
        if is_inside:
            _apply(*before)


def _apply(tenant_id: uuid.UUID | None, readable: str) -> None:
    _SET.rows(tenant=str(tenant_id) if tenant_id else "", tenants=readable)
