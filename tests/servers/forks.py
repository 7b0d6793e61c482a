"""Processes of the product that are forked from one which has imported it all already.

To import the product takes seconds of a processor, and tests kill processes by the dozen. What is
forked is a process of its own like any other: it leads a session, and is killed for real.

Run as a module this is the one that forks: it reads a request a line from its standard input, and
answers each with the new process's number. It ends with its standard input.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[2]
# Nearly all that the processes import, but for the queue, which connects at once.
_READY = ("msp.urls", "msp.scheduler", "dramatiq.cli", "uvicorn")
# Is another for each test, and no business of the product's.
_OF_PYTEST = "PYTEST_CURRENT_TEST"


class Forked:
    """A process that was forked for us, by somebody else: it can be killed and waited for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._descriptor = None

    def wait(self) -> None:
        """Return when it has ended."""
        if self._descriptor is not None:
            select.select([self._descriptor], [], [])
            os.close(self._descriptor)
            self._descriptor = None


class Forker:
    """Asks the process that forks; starts another one where the environment is another."""

    def __init__(self) -> None:
        self._environment: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def start(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> Forked:
        """Start Python with arguments (``-m module …`` or a script …), writing to a log."""
        wanted = {name: value for name, value in environment.items() if name != _OF_PYTEST}
        if self._process is None or wanted != self._environment:
            self.close()
            self._environment = wanted
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__], cwd=ROOT, env=wanted, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": list(arguments), "log": str(log)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()))

    def close(self) -> None:
        """Let the one that forks end; what was forked goes on."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


@contextmanager
def forker() -> Iterator[Forker]:
    """One that forks, until the end."""
    started = Forker()
    try:
        yield started
    finally:
        started.close()


def _serve() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings")
    django.setup()
    for name in _READY:
        importlib.import_module(name)
    _read_what_comes_with_the_product()
    assert threading.active_count() == 1, "a thread would not be there after a fork"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(request["arguments"], request["log"])
        print(pid, flush=True)


def _read_what_comes_with_the_product() -> None:
    """Rules and playbooks, which a process reads when it first needs them: in two seconds."""
    book = importlib.import_module("integrations.alerting.rulebook")
    book.made_of([(name, content, book.OWN, "") for name, content in book.own_files()])
    importlib.import_module("playbooks.library").playbooks()


def _become(arguments: list[str], log: str) -> None:
    """Be what was asked for; the process ends with it."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing, told = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND)
    for descriptor, number in ((nothing, 0), (told, 1), (told, 2)):
        os.dup2(descriptor, number)
    code: object = 0
    try:
        _run(arguments)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else bool(code))


def _run(arguments: list[str]) -> None:
    """Run a module or a script as Python itself does."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    _serve()
