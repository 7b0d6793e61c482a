"""Testing a new connection live, permission by permission."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from integrations import checking, connections, health, problems
from integrations.contract import Feed, Manifest
from integrations.errors import PermissionMissing
from integrations.models import Connection
from msp.onboarding.csv_file import Row
from msp.onboarding.errors import FieldProblem
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import Tenant

Outcome = Literal["granted", "missing", "not told", "failed"]


@dataclass(frozen=True, slots=True)
class Tested:
    """One permission: what came of it, and what to do where something is to be done."""

    permission: str
    outcome: Outcome
    words: str = ""


def try_permissions(tenant_id: uuid.UUID, connection_id: uuid.UUID) -> tuple[str, list[Tested]]:
    """Read once through the whole path and try every permission; return what the canary saw.

    Where the vendor doesn't tell what is granted, the first page of each feed is read: then the
    permissions of actions show only when one is used. Raises the error that the canary met.
    Outside any transaction.
    """
    seen = checking.once(tenant_id, connection_id)
    with scope.tenant(tenant_id):
        connection = Connection.objects.get(id=connection_id)
    manifest = health.manifest_of(connection)
    if manifest is None:
        return seen, []
    if connection.granted is not None:
        return seen, [_as_told(manifest, connection, one) for one in problems.needed(manifest)]
    tried = _by_reading(connection, manifest)
    return seen, [
        tried.get(one, Tested(one, "not told", "It shows when it is first used."))
        for one in problems.needed(manifest)
    ]


def try_rows(rows: Sequence[Row]) -> None:
    """Test what each row of a file connected, and note in the row what came of it.

    A row whose vendors don't answer, or lack a permission, has a problem then; no row waits for
    another's. Outside any transaction.
    """
    for row in rows:
        tenant = Tenant.objects.filter(slug=row.slug).first()
        if tenant is None or not row.is_ok:
            continue
        with scope.tenant(tenant.id):
            connected = list(Connection.objects.order_by("connector"))
        row.problems = [problem for one in connected for problem in _problems(one, row)]


def _problems(connection: Connection, row: Row) -> Iterator[FieldProblem]:
    try:
        seen, tried = try_permissions(connection.tenant_id, connection.id)
    except HoldfastError as error:
        yield FieldProblem(connection.connector, str(error))
        return
    row.did.append(f"{connection.connector} tested: {seen}")
    for one in tried:
        if one.outcome in ("missing", "failed"):
            yield FieldProblem(connection.connector, f"{one.permission}: {one.words}")


def _as_told(manifest: Manifest, connection: Connection, permission: str) -> Tested:
    if permission in (connection.granted or ()):
        return Tested(permission, "granted")
    return Tested(permission, "missing", problems.grant_of(manifest, permission))


def _by_reading(connection: Connection, manifest: Manifest) -> dict[str, Tested]:
    found: dict[str, Tested] = {}
    with connections.client(connection.tenant_id, connection.id) as client:
        for feed in manifest.feeds:
            if feed.fetch is not None:
                for permission in feed.permissions:
                    one = _first_page(client, manifest, feed, permission)
                    known = found.get(permission)
                    if known is None or known.outcome != "granted":
                        found[permission] = one
    return found


def _first_page(client: Any, manifest: Manifest, feed: Feed, permission: str) -> Tested:
    assert feed.fetch is not None
    try:
        page = next(iter(feed.fetch(client, {})), None)
        if page is not None and page.refused is not None:
            raise page.refused
    except PermissionMissing as error:
        if permission not in problems.named(feed.permissions, str(error)):
            return Tested(permission, "not told", f"{feed.title} lacks another permission.")
        return Tested(permission, "missing", problems.grant_of(manifest, permission))
    except HoldfastError as error:
        return Tested(permission, "failed", f"{feed.title}: {error}")
    return Tested(permission, "granted")
