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

from integrations import organisations, registry, setting_choices, signing
from integrations.contract import Client, Feed, Manifest
from integrations.errors import ConnectionMisconfigured, OrganisationTaken
from integrations.models import Connection, FeedState, Problem, Subscription
from integrations.problems import FOR_A_PERSON, problem_of
from tenants import directory, ledger, scope, vault, work
from tenants.errors import HoldfastError, VaultError

# Small: they keep a token each, and share their sockets.
_CLIENTS_KEPT = 2000
# What may pass by itself, such as a vendor that is down, needs a person only when it lasts.
_PATIENCE = dt.timedelta(minutes=30)
_LONGEST_SEEN = 500
# Deliveries may come by the second; once a minute is often enough to note it.
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

    Where a feed is pushed and no signing key is given, one is made. OrganisationTaken where another
    client is connected to the same.
    """
    manifest = registry.connector(connector)
    _check(manifest.settings, settings, "setting")
    _check(manifest.secrets, secrets, "secret")
    _check_values(manifest, settings)
    organisations.check_free(manifest, settings)
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
    check_soon(connection)
    ledger.append(
        "connection.created",
        actor=actor,
        subject=f"{connector} {name}",
        body={"settings": sorted(settings)},
    )
    return connection


def _check_values(manifest: Manifest, settings: Mapping[str, str]) -> None:
    setting_choices.check(manifest, settings)
    pushed = [feed.name for feed in manifest.feeds if feed.is_pushed]
    if len(pushed) > 1 and settings.get("feed") not in pushed:
        raise ConnectionMisconfigured(f"feed must be one of: {', '.join(pushed)}.")


def change(
    connection_id: uuid.UUID,
    *,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    expires_at: dt.datetime | None,
    actor: str,
    replaces: bool = False,
) -> Connection:
    """Correct a connection's settings and give it new secrets; a secret left out stays.

    It is then checked and read at once. Another organisation is refused unless the connection
    `replaces` its own: then all is read anew, and what was read is marked as deleted.
    ConnectionMisconfigured says what can't work.
    """
    row = Connection.objects.select_related("secret").select_for_update(of=("self",))
    connection = row.get(id=connection_id)
    manifest = registry.connector(connection.connector)
    given = {name: value for name, value in secrets.items() if value}
    _check(manifest.settings, settings, "setting")
    _check_values(manifest, settings)
    merged = {**_opened(connection), **given}
    _check(manifest.secrets, merged, "secret")
    try_settings(manifest, settings, merged)
    differs = organisations.is_another(manifest, connection.settings, settings)
    is_another = differs or (
        # The settings are the same, and the vendor says that what they lead to is not.
        replaces and connection.problem == Problem.ORGANISATION
    )
    may_be_same = manifest.organisation.is_a_way and bool(connection.organisation)
    if is_another and not replaces and not may_be_same:
        raise organisations.refuse_another(manifest)
    organisations.check_free(manifest, settings)
    changed = sorted(n for n in manifest.settings if settings.get(n) != connection.settings.get(n))
    connection.settings = dict(settings)
    connection.secret = vault.put(secret_name(connection.connector, connection.name), merged)
    connection.expires_at, connection.expiry_by_hand = expires_at, expires_at is not None
    connection.save(update_fields=["settings", "secret", "expires_at", "expiry_by_hand"])
    ledger.append(
        "connection.changed",
        actor=actor,
        subject=f"{connection.connector} {connection.name}",
        body={"settings": changed, "secrets": sorted(given)},
    )
    if is_another and replaces:
        _begin_anew(connection, actor=actor)
    elif differs:
        _wait_for_check(connection)
    _go_on(connection)
    return connection


def read_by(settings: Mapping[str, str], name: str) -> dict[str, str]:
    """Return by what a connection's records are read: its settings, and its name as `connection`.

    The ids of a client's own systems may be alike; the name tells which of them counts.
    """
    return {**settings, "connection": name}


def try_settings(
    manifest: Manifest, settings: Mapping[str, str], secrets: Mapping[str, str]
) -> None:
    """Find out whether settings can work, as far as that can be told without asking the vendor.

    ConnectionMisconfigured says what can't.
    """
    pushed = manifest.pushed_feed(settings)
    if pushed is not None:
        pushed.normaliser(settings)
    else:
        manifest.connect(settings, secrets).close()


def set_paused(connection_id: uuid.UUID, *, paused: bool, actor: str) -> None:
    """Read and do nothing through a connection, or go on."""
    row = Connection.objects.select_for_update().get(id=connection_id)
    if (row.state == Connection.State.PAUSED) == paused:
        return
    row.state = Connection.State.PAUSED if paused else Connection.State.ACTIVE
    row.save(update_fields=["state"])
    ledger.append(
        f"connection.{'paused' if paused else 'resumed'}",
        actor=actor,
        subject=f"{row.connector} {row.name}",
    )
    if not paused:
        _go_on(row)


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


def _opened(connection: Connection) -> dict[str, str]:
    """Return the secrets that are kept; none where they can't be opened and must be entered."""
    try:
        return vault.open_secret(connection.secret) if connection.secret else {}
    except VaultError:
        return {}


def _wait_for_check(connection: Connection) -> None:
    """Read and do nothing until the vendor has said that another way leads to the same."""
    connection.problem = Problem.ORGANISATION
    connection.error = "It is being checked whether this leads to the same organisation as before."
    connection.save(update_fields=["problem", "error"])


def _begin_anew(connection: Connection, *, actor: str) -> None:
    """Read another organisation from its beginning; what was read of the one before is gone."""
    # First, so that a page of the one before is either stored by now or never.
    Subscription.objects.filter(feed__connection=connection).delete()
    connection.feeds.update(cursor={}, caught_up_at=None, last_record_at=None)
    gone = directory.mark_all_deleted(connection.connector)
    connection.organisation, connection.organisation_since = "", timezone.now()
    if connection.problem == Problem.ORGANISATION:
        connection.problem = connection.error = ""
    connection.save(update_fields=["organisation", "organisation_since", "problem", "error"])
    # What is planned for the one before is withdrawn.
    work.schedule("replan", connection.tenant_id)
    ledger.append(
        "connection.organisation_replaced",
        actor=actor,
        subject=f"{connection.connector} {connection.name}",
        body={"marked_deleted": gone, "feeds_read_anew": connection.feeds.count()},
    )


def _go_on(connection: Connection) -> None:
    """Check and read now what was waiting for a correction."""
    Connection.objects.filter(id=connection.id).update(standing_at=None)
    check_soon(connection)
    manifest = registry.connector(connection.connector)
    for state in connection.feeds.all():
        if manifest.feed(state.feed).fetch is not None:
            work.schedule("poll", state.id, lane=connection.connector, holder=connection.id)


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


def connectors() -> list[str]:
    """Return the connectors of all the scope's connections, of the paused ones too."""
    return list(Connection.in_scope().order_by().values_list("connector", flat=True).distinct())


def for_connector(connector: str) -> Connection | None:
    """Return the scope's first connection of a connector that isn't paused, if there is one."""
    return by_connector().get(connector)


@contextmanager
def client(
    tenant_id: uuid.UUID, connection_id: uuid.UUID, *, to_check: bool = False
) -> Iterator[Client]:
    """Lend the connection's client; never inside a transaction, since calls take long.

    ConnectionMisconfigured where the connection is paused, its settings can't work, or, save
    `to_check` it, the vendor says that it is not the organisation that it should be.
    """
    with scope.tenant(tenant_id):
        connection = Connection.ever.select_related("secret").get(id=connection_id)
    yield client_of(connection, to_check=to_check)


def client_of(connection: Connection, *, to_check: bool = False) -> Client:
    """Return the client of a connection that was read just now, its secret with it; see `client`.

    It is lent: whoever has it doesn't close it.
    """
    if connection.removed_at is not None:
        raise ConnectionMisconfigured(
            f"The connection {connection.name} was removed: connect it again."
        )
    if connection.state == Connection.State.PAUSED:
        raise ConnectionMisconfigured(f"The connection {connection.name} is paused: resume it.")
    if connection.problem == Problem.ORGANISATION and not to_check:
        raise OrganisationTaken(connection.error)
    secrets = vault.open_secret(connection.secret) if connection.secret else {}
    return _kept(connection, secrets)


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


def check_soon(row: Connection, delay: float = 0) -> None:
    """Have a connection checked in `delay` seconds.

    It takes a turn of its vendor's, as feeds do; it doesn't wait for the connection's own feeds,
    or one that hangs would hide that nothing works.
    """
    work.schedule("check", row.id, delay=delay, lane=row.connector)


def mark_broken(connection_id: uuid.UUID, error: HoldfastError) -> None:
    """Note that the connection needs a person, and why; technicians are told by its next check."""
    row = Connection.objects.select_for_update().filter(id=connection_id).first()
    if row is not None and row.state == Connection.State.ACTIVE:
        failed(row, error)
        check_soon(row)


def seen_to_work(connection_id: uuid.UUID) -> None:
    """Note that the vendor has just answered: a connection that was broken is checked at once."""
    row = Connection.objects.filter(id=connection_id, state=Connection.State.BROKEN).first()
    if row is not None:
        check_soon(row)


def is_news_that_it_works(state: str, problem: str, last_healthy_at: dt.datetime | None) -> bool:
    """Whether it is worth noting that a connection of this standing has just worked."""
    is_fresh = last_healthy_at and timezone.now() - last_healthy_at < _HEALTH_IS_FRESH
    return state != Connection.State.ACTIVE or bool(problem) or not is_fresh


def delivered(connection_id: uuid.UUID) -> None:
    """Note that a source's signed delivery was taken: it came the whole way."""
    worked(Connection.objects.get(id=connection_id), "A signed delivery was taken.")


def failed(row: Connection, error: HoldfastError) -> None:
    """Keep that a read through the whole path failed; say in the ledger once that it is broken.

    What may pass by itself breaks the connection only when it has lasted.
    """
    now = timezone.now()
    row.problem, row.error, row.checked_at = problem_of(error), str(error), now
    row.failing_since = row.failing_since or now
    lasts = row.problem in FOR_A_PERSON or now - row.failing_since >= _PATIENCE
    is_new = lasts and row.state == Connection.State.ACTIVE
    if is_new:
        row.state = Connection.State.BROKEN
    row.save(update_fields=["problem", "error", "checked_at", "failing_since", "state"])
    if is_new:
        ledger.append(
            "connection.broken", actor="engine", subject=str(row.id), body={"error": row.error}
        )


def worked(row: Connection, seen: str) -> None:
    """Keep that a canary has just read through the whole path, and what it saw."""
    recovered = row.state == Connection.State.BROKEN
    if recovered:
        row.state = Connection.State.ACTIVE
    row.problem, row.error, row.failing_since = "", "", None
    row.seen, row.checked_at = seen[:_LONGEST_SEEN], timezone.now()
    row.last_healthy_at = row.checked_at
    row.save(
        update_fields=[
            "state", "problem", "error", "failing_since", "seen", "checked_at", "last_healthy_at",
        ]
    )  # fmt: skip
    if recovered:
        ledger.append("connection.recovered", actor="engine", subject=str(row.id))
