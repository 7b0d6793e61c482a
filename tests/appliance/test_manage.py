"""manage.py brings its own database, gives it back, and ends as its command did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from msp.appliance.postgres import Cluster
from tests.appliance.helpers import PATIENCE_SECONDS, ROOT, wait_for

COUNT_ROLES = (
    "from django.db import connection as c; cursor = c.cursor();"
    "cursor.execute('SELECT current_user'); print(cursor.fetchone()[0])"
)


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A state directory that doesn't exist yet."""
    return tmp_path / "var"


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory that the tests here share."""
    return tmp_path_factory.mktemp("used") / "var"


def _start(var: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    inherited = {k: v for k, v in os.environ.items() if "DATABASE" not in k}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=var.parent,
        env={**inherited, "HOLDFAST_VAR": str(var), **environment},
    )


def _run(var: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    process = _start(var, *arguments, **environment)
    out, err = process.communicate(timeout=3 * PATIENCE_SECONDS)
    return process.returncode, out, err


def _is_running(var: Path) -> bool:
    return Cluster(home=var / "postgres", log=var / "log" / "postgres.log").is_running()


def test_a_command_finds_a_database_and_leaves_none_running(used: Path) -> None:
    code, out, err = _run(used, "shell", "-v", "0", "-c", COUNT_ROLES)
    assert (code, out.strip()) == (0, "holdfast_app"), err
    assert not _is_running(used)


def test_the_exit_code_is_that_of_the_command(used: Path) -> None:
    code, _, err = _run(used, "shell", "-v", "0", "-c", "raise SystemExit(7)")
    assert code == 7, err
    assert not _is_running(used)


def test_help_takes_no_database(var: Path) -> None:
    code, out, _ = _run(var, "version")
    assert code == 0
    assert out.startswith("5.2")
    assert not (var / "postgres").exists()


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_gives_the_database_back(
    used: Path, number: signal.Signals, expected: int
) -> None:
    (used.parent / "in").unlink(missing_ok=True)
    wait = "import time; open('in', 'w').close(); time.sleep(600)"
    process = _start(used, "shell", "-v", "0", "-c", wait)
    wait_for((used.parent / "in").exists, "the command to begin")
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == expected, err
    assert "Traceback" not in err
    assert not _is_running(used)


def test_a_place_it_cannot_write_to_is_named_without_a_traceback(var: Path) -> None:
    var.write_text("a file where the directory should be")
    code, _, err = _run(var, "check")
    assert code == 1
    assert err.startswith("error: ")
    assert str(var) in err
    assert "Traceback" not in err


def test_a_named_database_that_does_not_answer_is_an_error_not_a_traceback(var: Path) -> None:
    nowhere = "postgresql://holdfast_app:x@127.0.0.1:1/holdfast"
    code, _, err = _run(
        var, "migrate", "--database", "owner", DATABASE_URL=nowhere, DATABASE_OWNER_URL=nowhere
    )
    assert code == 1
    assert "the database does not answer" in err
    assert "Traceback" not in err
    assert not (var / "postgres").exists()
