"""Connections: making them, opening a client, and their health."""

import datetime as dt
import hashlib
import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings as installation
from django.utils import timezone

from integrations import registry, signing
from integrations.contract import Client, Feed, Manifest
from integrations.errors import ConnectionMisconfigured, VendorError
from integrations.models import Connection, FeedState
from tenants import ledger, scope, vault, work

# Small: they keep a token each, and share their sockets.
_CLIENTS_KEPT = 2000
_HEALTH_IS_FRESH = dt.timedelta(minutes=1)
_clients: OrderedDict[str, Client] = OrderedDict()
_lock = threading.Lock()
_DOOR = "/api/v1/in"


def create(
    *,
    connector: str,
    name: str,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    actor: str,
) -> Connection:
    """Connect the scope's tenant to a vendor, and start to poll the feeds that can be polled.

    Where a feed is pushed and no signing key is given, one is made.
    """
    manifest = registry.connector(connector)
    _check(manifest.settings, settings, "setting")
    _check(manifest.secrets, secrets, "secret")
    _check_feed(manifest, settings)
    pushed = manifest.pushed_feed(settings)
    if pushed is not None:
        pushed.normaliser(settings)
        secrets = _with_key(secrets)
    secret = vault.put(secret_name(connector, name), secrets)
    connection = Connection.objects.create(
        tenant_id=scope.require_tenant_id(),
        connector=connector,
        name=name,
        settings=dict(settings),
        secret=secret,
    )
    for feed in feeds_of(manifest, settings):
        if feed.fetch is not None or feed.is_pushed:
            state = FeedState.objects.create(
                tenant_id=connection.tenant_id, connection=connection, feed=feed.name
            )
            if feed.fetch is not None:
                work.schedule("poll", state.id, lane=connector, holder=connection.id)
    ledger.append(
        "connection.created",
        actor=actor,
        subject=f"{connector} {name}",
        body={"settings": sorted(settings)},
    )
    return connection


def _check_feed(manifest: Manifest, settings: Mapping[str, str]) -> None:
    pushed = [feed.name for feed in manifest.feeds if feed.is_pushed]
    if len(pushed) > 1 and settings.get("feed") not in pushed:
        raise ConnectionMisconfigured(f"feed must be one of: {', '.join(pushed)}.")


def secret_name(connector: str, name: str) -> str:
    """Return under what name the vault keeps the secrets of a connection."""
    return f"connection/{connector}/{name}"


def door(connection: Connection) -> str:
    """Return the address to which a connection's pushed feed is sent.

    Without its host where HOLDFAST_PUBLIC_URL doesn't say how this installation is reached.
    """
    return f"{installation.PUBLIC_URL}{_DOOR}/{connection.tenant_id}/{connection.id}"


def feeds_of(manifest: Manifest, settings: Mapping[str, str]) -> tuple[Feed, ...]:
    """Return the feeds that a connection with these settings has: of those pushed only its own."""
    pushed = manifest.pushed_feed(settings)
    return tuple(
        feed
        for feed in manifest.feeds
        if not feed.is_pushed or feed.fetch is not None or feed is pushed
    )


def _with_key(secrets: Mapping[str, str]) -> Mapping[str, str]:
    given = secrets.get(signing.KEY, "")
    if given:
        signing.check_key(given)
        return secrets
    return {**secrets, signing.KEY: signing.new_key()}


def _check(known: Mapping[str, str], given: Mapping[str, str], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    missing = sorted(
        key for key, text in known.items() if not text.startswith("Optional") and not given.get(key)
    )
    if unknown or missing:
        raise ConnectionMisconfigured(
            f"Unknown {what}s: {', '.join(unknown) or 'none'}; missing: "
            f"{', '.join(f'{key} ({known[key]})' for key in missing) or 'none'}."
        )


def by_connector() -> dict[str, Connection]:
    """Return the scope's first connection of each connector, leaving out those that are paused."""
    rows = Connection.in_scope().exclude(state=Connection.State.PAUSED)
    return {row.connector: row for row in rows.order_by("-created_at")}


def for_connector(connector: str) -> Connection | None:
    """Return the scope's first connection of a connector that isn't paused, if there is one."""
    return by_connector().get(connector)


@contextmanager
def client(tenant_id: uuid.UUID, connection_id: uuid.UUID) -> Iterator[Client]:
    """Lend the connection's client; never inside a transaction, since calls take long.

    ConnectionMisconfigured where the connection is paused or its settings can't work.
    """
    with scope.tenant(tenant_id):
        connection = Connection.objects.select_related("secret").get(id=connection_id)
        if connection.state == Connection.State.PAUSED:
            raise ConnectionMisconfigured(f"The connection {connection.name} is paused: resume it.")
        secrets = vault.open_secret(connection.secret) if connection.secret else {}
    yield _kept(connection, secrets)


def _kept(connection: Connection, secrets: Mapping[str, str]) -> Client:
    """Return a client made for exactly these settings and secrets, made once a process."""
    content = json.dumps([connection.settings, dict(secrets)], sort_keys=True)
    key = f"{connection.id} {hashlib.sha256(content.encode()).hexdigest()}"
    with _lock:
        if key not in _clients:
            manifest = registry.connector(connection.connector)
            told = dict(connection.settings)
            if manifest.pushed_feed(told) is not None:
                told["door"] = door(connection)
            _clients[key] = manifest.connect(told, secrets)
            while len(_clients) > _CLIENTS_KEPT:
                # Not closed: another thread may be using it. Its sockets go with the last user.
                _clients.popitem(last=False)
        _clients.move_to_end(key)
        return _clients[key]


def check(tenant_id: uuid.UUID, connection_id: uuid.UUID) -> str:
    """Read once through the whole path; return what was seen, or raise the vendor's error.

    The connection's health is recorded either way.
    """
    with scope.tenant(tenant_id):
        connector = Connection.objects.get(id=connection_id).connector
    try:
        with client(tenant_id, connection_id) as vendor:
            seen = registry.connector(connector).canary(vendor)
    except VendorError as error:
        with scope.tenant(tenant_id):
            mark_broken(connection_id, str(error))
        raise
    with scope.tenant(tenant_id):
        mark_healthy(connection_id)
    return seen


def mark_broken(connection_id: uuid.UUID, error: str) -> None:
    """Record that the connection needs a person, and why; say so in the ledger once."""
    changed = (
        Connection.objects.filter(id=connection_id)
        .exclude(state__in=[Connection.State.BROKEN, Connection.State.PAUSED])
        .update(state=Connection.State.BROKEN, error=error)
    )
    if changed:
        ledger.append(
            "connection.broken", actor="engine", subject=str(connection_id), body={"error": error}
        )


def mark_healthy(connection_id: uuid.UUID) -> None:
    """Record that a read through the whole path worked; once a minute is often enough."""
    seen = Connection.objects.values_list("state", "last_healthy_at").get(id=connection_id)
    now = timezone.now()
    if seen[0] == Connection.State.ACTIVE and seen[1] and now - seen[1] < _HEALTH_IS_FRESH:
        return
    Connection.objects.filter(id=connection_id).update(last_healthy_at=now)
    recovered = Connection.objects.filter(id=connection_id, state=Connection.State.BROKEN).update(
        state=Connection.State.ACTIVE, error=""
    )
    if recovered:
        ledger.append("connection.recovered", actor="engine", subject=str(connection_id))
