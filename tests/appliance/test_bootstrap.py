"""The first step of every make target, before there is a virtualenv."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap import cleaning, virtualenv
from bootstrap.errors import SetupError
from msp.appliance.postgres import Cluster
from msp.appliance.processes import only_one
from tests.appliance.helpers import ROOT, wait_for

MAKE_VIRTUALENV = """
import sys
from pathlib import Path
from bootstrap import virtualenv
virtualenv.ensure_virtualenv(Path(sys.argv[1]), for_tests=False)
"""


def _checkout(place: Path) -> Path:
    """A checkout whose lock files name no package, so that only the mechanism takes time."""
    for lock in (virtualenv.RUNTIME_LOCK, virtualenv.DEVELOPMENT_LOCK):
        (place / lock).write_text("# nothing\n")
    return place


def test_makes_the_virtualenv_once_and_again_when_it_is_not_whole(tmp_path: Path) -> None:
    root = _checkout(tmp_path)
    venv = root / ".venv"
    maker = subprocess.Popen([sys.executable, "-c", MAKE_VIRTUALENV, str(root)], cwd=ROOT)
    wait_for((venv / "bin").exists, "a half-made virtualenv")
    maker.send_signal(signal.SIGKILL)
    maker.wait()

    virtualenv.ensure_virtualenv(root, for_tests=True)
    asked = [venv / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(asked, capture_output=True, check=False).returncode == 0
    (venv / "mark").touch()
    virtualenv.ensure_virtualenv(root, for_tests=True)
    assert (venv / "mark").exists(), "made again although nothing had changed"

    # Another lock, with a line that has no hash.
    (root / virtualenv.RUNTIME_LOCK).write_text("sqlparse==0.5.0\n")
    with pytest.raises(SetupError, match=r"(?is)pip could not install.*hash"):
        virtualenv.ensure_virtualenv(root, for_tests=False)
    assert not (venv / "mark").exists(), "the lock changed and the virtualenv did not"


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_names_the_line_to_type_where_it_may_not_install(open_place: Path) -> None:
    """As an ordinary user without sudo, on a system where dpkg knows none of the packages."""
    programs = open_place / "bin"
    programs.mkdir()
    for name in ("dpkg-query", "apt-get"):
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
        (programs / name).chmod(0o755)
    for package in ("bootstrap", "msp/appliance"):
        shutil.copytree(ROOT / package, open_place / package)
    command = ["/usr/bin/python3", "-B", "-m", "bootstrap", "test"]
    if os.geteuid() == 0:
        command = ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", *command]
    told = subprocess.run(
        ["env", f"PATH={programs}", *command],
        cwd=open_place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1, told.stderr
    line = "su -c 'apt-get update && apt-get install -y --no-install-recommends "
    assert line in told.stderr
    for package in ("libpango-1.0-0", "libharfbuzz-subset0", "fonts-inter", "poppler-utils"):
        assert package in told.stderr
    assert not (open_place / ".venv").exists()


def test_clean_stops_the_database_and_removes_var_only(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").touch()
    var = tmp_path / "var"
    cluster = Cluster(home=var / "postgres", log=var / "log" / "postgres.log")
    cluster.ensure_started()
    data = cluster.data
    assert cluster.is_running()
    cleaning.clean(tmp_path)
    assert not cluster.is_running()
    assert not data.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.txt"]
    cleaning.clean(tmp_path)


def test_clean_removes_nothing_while_something_runs(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with only_one(var / "demo.lock"), pytest.raises(SetupError, match="Stop it first"):
        cleaning.clean(tmp_path)
    cluster = Cluster(home=var / "postgres", log=var / "log" / "postgres.log")
    with cluster.running(), pytest.raises(SetupError, match="Stop it first"):
        cleaning.clean(tmp_path)
    assert var.is_dir()
