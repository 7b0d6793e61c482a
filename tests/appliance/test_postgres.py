"""The embedded PostgreSQL: one for all who use it, whatever happened to it before."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from msp.appliance import engine
from msp.appliance.errors import EmbeddedDatabaseError
from msp.appliance.postgres import Cluster, embedded_database, revive_embedded_database
from tests.appliance.helpers import PATIENCE_SECONDS, python, read_line, wait_for

HOLD = """
import sys
from pathlib import Path
from msp.appliance.postgres import Cluster
home = Path(sys.argv[1])
with Cluster(home=home, log=home.parent / "postgres.log").running():
    print("in", flush=True)
    sys.stdin.read()
"""


def _cluster(home: Path) -> Cluster:
    return Cluster(home=home, log=home.parent / "postgres.log")


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that nobody has used yet: its first start makes it."""
    cluster = _cluster(tmp_path / "var" / "postgres")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cluster = _cluster(tmp_path_factory.mktemp("template") / "postgres")
    with cluster.running():
        pass
    return cluster.home


@pytest.fixture
def cluster(template: Path, untouched: Cluster) -> Cluster:
    """A cluster that was used before and doesn't run."""
    untouched.home.parent.mkdir()
    subprocess.run(["cp", "-a", template, untouched.home], check=True)
    return untouched


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that runs for all tests which only look at it."""
    cluster = _cluster(tmp_path_factory.mktemp("prepared") / "postgres")
    with cluster.running():
        yield cluster


def _ask(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def _hold(cluster: Cluster) -> subprocess.Popen[str]:
    holder = python(HOLD, cluster.home)
    assert read_line(holder) == "in"
    return holder


def _end(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    assert holder.wait(timeout=PATIENCE_SECONDS) == 0


def _kill_postmaster(cluster: Cluster) -> int:
    pid = engine.postmaster_pid(cluster.data)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


# --- start and stop ---


def test_keeps_its_rows_from_use_to_use_and_runs_only_while_used(untouched: Cluster) -> None:
    with untouched.running():
        assert untouched.is_running()
        _ask(untouched.owner_url(), "CREATE TABLE kept AS SELECT 7 AS n")
    assert not untouched.is_running()
    assert engine.server_processes(untouched.data) == []
    with untouched.running():
        assert _ask(untouched.app_url(), "SELECT n FROM kept") == 7


def test_stops_only_behind_its_last_user(cluster: Cluster) -> None:
    with cluster.running():
        holder = _hold(cluster)
        with _cluster(cluster.home).running():
            pass
        assert cluster.is_running()
    assert cluster.is_running(), "stopped while another process used it"
    _end(holder)
    assert not cluster.is_running()


def test_many_processes_may_be_the_first(untouched: Cluster) -> None:
    holders = [python(HOLD, untouched.home) for _ in range(4)]
    assert [read_line(holder) for holder in holders] == ["in"] * 4
    assert _ask(untouched.app_url(), "SELECT 1") == 1
    for holder in holders:
        _end(holder)
    assert not untouched.is_running()


def test_ensure_started_leaves_it_running_and_stop_stops_it(cluster: Cluster) -> None:
    cluster.ensure_started()
    cluster.ensure_started()
    assert cluster.is_running()
    cluster.stop()
    cluster.stop()
    assert not cluster.is_running()


def test_an_error_in_the_block_stops_it_too(cluster: Cluster) -> None:
    with pytest.raises(ZeroDivisionError), cluster.running():
        _ = 1 / 0
    assert not cluster.is_running()


# --- after a crash ---


def test_goes_on_after_its_postmaster_was_killed(cluster: Cluster) -> None:
    with cluster.running():
        _ask(cluster.owner_url(), "CREATE TABLE kept AS SELECT 7 AS n")
        _kill_postmaster(cluster)
        cluster.ensure_started()
        assert _ask(cluster.owner_url(), "SELECT n FROM kept") == 7


def test_is_not_fooled_by_a_dead_servers_number_given_to_another(cluster: Cluster) -> None:
    with cluster.running():
        pass
    # The shape that PostgreSQL leaves behind, with the number of a living stranger: this test.
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n0\n1\n\n\n\n")
    assert not cluster.is_running()
    with cluster.running():
        assert _ask(cluster.app_url(), "SELECT 1") == 1


def test_the_next_user_goes_on_where_one_was_killed(cluster: Cluster) -> None:
    holder = _hold(cluster)
    holder.kill()
    holder.wait()
    assert cluster.is_running()
    with cluster.running():
        assert _ask(cluster.app_url(), "SELECT 1") == 1
    assert not cluster.is_running(), "the killed user still counted"


def test_begins_again_when_killed_while_the_cluster_was_made(untouched: Cluster) -> None:
    holder = python(HOLD, untouched.home)
    wait_for(lambda: any(untouched.home.glob("data.new-*/base")), "a half-made cluster")
    holder.kill()
    holder.wait()
    assert not untouched.data.exists()
    with untouched.running():
        assert _ask(untouched.app_url(), "SELECT 1") == 1


def test_sets_up_the_rest_when_killed_before_the_roles_were_made(cluster: Cluster) -> None:
    with cluster.running():
        with psycopg.connect(cluster.owner_url("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE holdfast")
        with _cluster(cluster.home).running():
            assert _ask(cluster.app_url(), "SELECT 1") == 1


# --- where it lies ---


@pytest.mark.parametrize("name", ["with space, 'quote' and ü", "/".join(["deep" * 20] * 5)])
def test_lives_in_any_directory(tmp_path: Path, name: str) -> None:
    cluster = _cluster(tmp_path / name / "postgres")
    with cluster.running():
        assert _ask(cluster.app_url(), "SELECT 1") == 1
    assert not cluster.is_running()


def test_takes_another_port_when_its_own_is_in_use(cluster: Cluster) -> None:
    with cluster.running():
        before = psycopg.conninfo.conninfo_to_dict(cluster.app_url())["port"]
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(str(before))))
        other.listen()
        with cluster.running():
            after = psycopg.conninfo.conninfo_to_dict(cluster.app_url())["port"]
            assert after != before
            assert _ask(cluster.app_url(), "SELECT 1") == 1


def test_refuses_files_it_did_not_make(untouched: Cluster) -> None:
    untouched.data.mkdir(parents=True)
    (untouched.data / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedDatabaseError, match="Move it away"), untouched.running():
        pass
    assert (untouched.data / "letter.txt").read_text() == "mine"


def test_says_what_to_do_when_its_passwords_are_lost(cluster: Cluster) -> None:
    with cluster.running():
        pass
    (cluster.home / "secrets.json").unlink()
    with pytest.raises(EmbeddedDatabaseError, match="make clean"), cluster.running():
        pass


def test_refuses_a_cluster_of_another_major_version(cluster: Cluster) -> None:
    with cluster.running():
        pass
    (cluster.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedDatabaseError, match="made by PostgreSQL 9"), cluster.running():
        pass


def test_stays_out_of_it_when_the_environment_names_a_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOLDFAST_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/else")
    with embedded_database() as cluster:
        assert cluster is None
    assert not (tmp_path / "var").exists()


def test_is_revived_for_those_who_use_it_and_for_nobody_else(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    monkeypatch.setenv("HOLDFAST_VAR", str(cluster.home.parent))
    revive_embedded_database()
    assert not cluster.is_running(), "started although this process works on another database"
    for name in ("DATABASE_URL", "HOLDFAST_APP_DATABASE_URL", "HOLDFAST_OWNER_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with embedded_database():
        killed = _kill_postmaster(cluster)
        wait_for(lambda: not cluster.is_running(), "the postmaster's end")
        revive_embedded_database()
        assert engine.postmaster_pid(cluster.data) not in (None, killed)
        assert _ask(os.environ["HOLDFAST_APP_DATABASE_URL"], "SELECT 1") == 1
    assert not cluster.is_running()


# --- who may do what ---


def test_neither_role_can_go_round_row_level_security(prepared: Cluster) -> None:
    with psycopg.connect(prepared.app_url()) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolreplication, rolcreatedb"
            " FROM pg_roles WHERE rolname IN ('holdfast_owner', 'holdfast_app') ORDER BY 1"
        ).fetchall()
    assert rows == [
        ("holdfast_app", False, False, False, False, False),
        ("holdfast_owner", False, False, False, False, True),
    ]


def test_the_app_role_uses_the_owners_tables_and_owns_nothing(prepared: Cluster) -> None:
    prepared.prepare_database("trial")
    prepared.prepare_database("trial")
    _ask(prepared.owner_url("trial"), "CREATE TABLE note (id bigserial PRIMARY KEY, t text)")
    app = prepared.app_url("trial")
    _ask(app, "INSERT INTO note (t) VALUES ('a')")
    _ask(app, "UPDATE note SET t = 'b'")
    assert _ask(app, "SELECT t FROM note") == "b"
    _ask(app, "DELETE FROM note")
    for forbidden in (
        "CREATE TABLE own (n int)",
        "CREATE TEMP TABLE own (n int)",
        "CREATE SCHEMA own",
        "CREATE DATABASE own",
        "CREATE ROLE own",
        "TRUNCATE note",
        "ALTER TABLE note DISABLE ROW LEVEL SECURITY",
        "SET ROLE holdfast_owner",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            _ask(app, forbidden)
    owned = "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid = %s::regrole"
    with psycopg.connect(app) as connection:
        row = connection.execute(owned, ["holdfast_app"]).fetchone()
    assert row == (0,)
    prepared.drop_database("trial")
    prepared.drop_database("trial")


def test_a_database_that_the_owner_role_makes_serves_the_app_role(prepared: Cluster) -> None:
    _ask(prepared.owner_url(), "CREATE DATABASE made_by_owner")
    _ask(prepared.owner_url("made_by_owner"), "CREATE TABLE t AS SELECT 5 AS n")
    assert _ask(prepared.app_url("made_by_owner"), "SELECT n FROM t") == 5


def test_every_connection_takes_its_own_password(prepared: Cluster) -> None:
    secrets = json.loads((prepared.home / "secrets.json").read_text())
    assert len(set(secrets.values())) == 3
    assert (prepared.home / "secrets.json").stat().st_mode & 0o777 == 0o600
    for wrong in ("", "guess", secrets["app"]):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(prepared.owner_url(), password=wrong or " ")
    assert "trust" not in {
        line.split()[-1]
        for line in (prepared.data / "pg_hba.conf").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    }


def test_listens_on_loopback_only(prepared: Cluster) -> None:
    assert _ask(prepared.owner_url(), "SHOW listen_addresses") == "127.0.0.1"
    port = psycopg.conninfo.conninfo_to_dict(prepared.app_url())["port"]
    assert not Path(f"/tmp/.s.PGSQL.{port}").exists()


def test_does_not_run_as_root(prepared: Cluster) -> None:
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in engine.server_processes(prepared.data)}
    assert owners
    assert 0 not in owners
