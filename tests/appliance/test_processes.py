"""The supervisor: real children, really killed."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from msp.appliance.errors import AlreadyRunning, ProcessFailed
from msp.appliance.processes import ProcessSpec, Supervisor, only_one
from tests.appliance.helpers import PATIENCE_SECONDS, lives, python, read_line, wait_for

# Writes its number to the first argument's file; on SIGTERM its name to the second's, and ends.
CHILD = """
import os, signal, sys, time
def leave(*_):
    with open(sys.argv[2], "a") as out:
        out.write(os.path.basename(sys.argv[1]) + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
with open(sys.argv[1] + ".new", "w") as out:
    out.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    time.sleep(60)
"""

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import signal, time\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\nprint('ready', flush=True)\\ntime.sleep(600)"],
    stdout=subprocess.PIPE)
grandchild.stdout.readline()
with open(sys.argv[1] + ".new", "w") as out:
    out.write(f"{os.getpid()} {grandchild.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""

SUPERVISE = """
import sys
from contextlib import suppress
from pathlib import Path
from msp.appliance.processes import ProcessSpec, Supervisor, only_one
place, code = Path(sys.argv[1]), sys.argv[2]
# The signal may come before run() does.
with suppress(KeyboardInterrupt), only_one(place / "demo.lock"):
    with Supervisor(logs=place, grace=0.5) as supervisor:
        for name in ("one", "two"):
            file = place / name
            argv = [sys.executable, "-c", code, str(file), str(place / "left")]
            supervisor.start(ProcessSpec(name, argv, ready=file.exists))
        print("up", flush=True)
        supervisor.run()
print("down", flush=True)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(logs=tmp_path / "log", grace=0.5) as supervisor:
        yield supervisor


def _child(place: Path, name: str, code: str = CHILD) -> ProcessSpec:
    file = place / name
    argv = [sys.executable, "-c", code, str(file), str(place / "left")]
    return ProcessSpec(name, argv, ready=file.exists)


def _numbers(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()]


def test_starts_children_and_stops_them_in_reverse_order(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(_child(tmp_path, "first"))
    supervisor.start(_child(tmp_path, "second"))
    pids = supervisor.pids()
    assert pids == {name: _numbers(tmp_path / name)[0] for name in ("first", "second")}
    supervisor.stop()
    assert (tmp_path / "left").read_text().split() == ["second", "first"]
    assert not any(lives(pid) for pid in pids.values())


def test_gives_a_child_its_environment_and_log(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "log" / "talker.log"
    argv = [sys.executable, "-uc", "import os, time; print(os.environ['WORD']); time.sleep(60)"]
    said = lambda: log.exists() and "hello" in log.read_text()  # noqa: E731
    supervisor.start(ProcessSpec("talker", argv, env={"WORD": "hello"}, ready=said))
    assert log.read_text() == "hello\n"


def test_starts_a_crashed_child_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(_child(tmp_path, "child"))
    first = supervisor.pids()["child"]
    os.kill(first, signal.SIGKILL)
    assert supervisor.wait_until(lambda: supervisor.starts("child") == 2, PATIENCE_SECONDS)
    again = supervisor.pids()["child"]
    assert again != first
    wait_for(lambda: _numbers(tmp_path / "child") == [again], "the second life")
    assert "ended with code -9" in (tmp_path / "log" / "child.log").read_text()


def test_a_child_that_keeps_crashing_is_started_ever_later(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(ProcessSpec("broken", [sys.executable, "-c", "raise SystemExit(3)"]))
    log = tmp_path / "log" / "broken.log"
    for told in ("ended with code 3; again in 0.5 s", "ended with code 3; again in 1.0 s"):
        assert supervisor.wait_until(lambda told=told: told in log.read_text(), PATIENCE_SECONDS)


def test_gives_up_on_a_child_that_cannot_run_where_told_to(tmp_path: Path) -> None:
    with Supervisor(logs=tmp_path, max_failures=2) as supervisor:
        supervisor.start(ProcessSpec("broken", [sys.executable, "-c", "raise SystemExit('why')"]))
        with pytest.raises(ProcessFailed, match=r"(?s)broken failed 2 times in a row.*why"):
            supervisor.wait_until(lambda: False, PATIENCE_SECONDS)


def test_never_gives_up_on_a_child_that_is_killed(tmp_path: Path) -> None:
    with Supervisor(logs=tmp_path, max_failures=1) as supervisor:
        supervisor.start(_child(tmp_path, "child"))
        os.kill(supervisor.pids()["child"], signal.SIGKILL)
        assert supervisor.wait_until(lambda: supervisor.starts("child") == 2, PATIENCE_SECONDS)


def test_says_why_a_child_did_not_become_ready(supervisor: Supervisor) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('no such port')"]
    with pytest.raises(ProcessFailed, match=r"(?s)web ended with code 1 .*no such port"):
        supervisor.start(ProcessSpec("web", argv, ready=lambda: False))


def test_says_which_child_takes_too_long(supervisor: Supervisor, tmp_path: Path) -> None:
    argv = _child(tmp_path, "web").argv
    with pytest.raises(ProcessFailed, match="web is not ready after"):
        supervisor.start(ProcessSpec("web", argv, ready=lambda: False), timeout=0.3)


def test_kills_who_ignores_the_request_and_what_it_started(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(_child(tmp_path, "stubborn", STUBBORN))
    pids = _numbers(tmp_path / "stubborn")
    assert len(pids) == 2
    supervisor.stop()
    assert not any(lives(pid) for pid in pids)


def test_waits_with_progress_and_gives_up_in_time(supervisor: Supervisor) -> None:
    told: list[float] = []
    assert not supervisor.wait_until(lambda: False, timeout=1.3, progress=told.append)
    assert len(told) == 1
    assert supervisor.wait_until(lambda: True, timeout=0)


def test_looks_after_other_things_even_while_its_user_waits(tmp_path: Path) -> None:
    called = threading.Event()
    with Supervisor(logs=tmp_path, each_second=called.set):
        assert called.wait(PATIENCE_SECONDS)


def test_an_error_in_what_is_looked_after_ends_the_watch(tmp_path: Path) -> None:
    def fail() -> None:
        raise ProcessFailed("the disk is full")

    with (
        Supervisor(logs=tmp_path, each_second=fail) as supervisor,
        pytest.raises(ProcessFailed, match="the disk is full"),
    ):
        supervisor.wait_until(lambda: False, PATIENCE_SECONDS)


@pytest.mark.parametrize("code", [CHILD, STUBBORN], ids=["obedient", "stubborn"])
def test_a_killed_supervisor_leaves_no_orphan(tmp_path: Path, code: str) -> None:
    supervisor = python(SUPERVISE, tmp_path, code)
    assert read_line(supervisor) == "up"
    pids = _numbers(tmp_path / "one") + _numbers(tmp_path / "two")
    assert all(lives(pid) for pid in pids)
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not any(lives(pid) for pid in pids), "the children to end")
    with only_one(tmp_path / "demo.lock"):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(tmp_path: Path, number: signal.Signals) -> None:
    supervisor = python(SUPERVISE, tmp_path, CHILD)
    assert read_line(supervisor) == "up"
    pids = _numbers(tmp_path / "one") + _numbers(tmp_path / "two")
    supervisor.send_signal(number)
    assert read_line(supervisor) == "down"
    assert supervisor.wait(timeout=PATIENCE_SECONDS) == 0
    assert (tmp_path / "left").read_text().split() == ["two", "one"]
    assert not any(lives(pid) for pid in pids)


def test_only_one_at_a_time_and_names_the_holder(tmp_path: Path) -> None:
    lock = tmp_path / "var" / "demo.lock"
    with (
        only_one(lock),
        pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"),
        only_one(lock),
    ):
        pass
    with only_one(lock):
        pass
