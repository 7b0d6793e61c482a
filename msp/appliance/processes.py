"""A small supervisor: the processes of one installation, started, kept alive and stopped together.

Each child leads a process group of its own, so that stopping it also stops what it started. A
child that ends by itself is started again, later each time. When the supervisor itself is killed,
the kernel's parent-death signal and `guard.py` end its children.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

from msp.appliance.errors import AlreadyRunning, ProcessFailed
from msp.appliance.paths import log_dir

GRACE_SECONDS = 10.0
# A busy or slow machine takes its time; who ends before is noticed at once.
READY_SECONDS = 180.0
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
# A child that lived this long starts with the short backoff again.
STEADY_SECONDS = 30.0
_TICK_SECONDS = 0.05
_TAIL_BYTES = 20_000


@dataclass(frozen=True)
class ProcessSpec:
    """What to run: `name` is that of its log file, `ready` says when others may rely on it."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    ready: Callable[[], bool] | None = None


@dataclass
class _Child:
    spec: ProcessSpec
    log: Path
    process: subprocess.Popen[bytes]
    started_at: float
    starts: int = 1
    failures: int = 0
    backoff: float = FIRST_BACKOFF_SECONDS
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Starts children in order, watches them, and stops them in reverse order.

    Used as a context manager in the main thread: within it, SIGTERM and SIGHUP end the block the
    way Ctrl-C does (KeyboardInterrupt), and leaving it stops every child.
    """

    logs: Path = field(default_factory=log_dir)
    grace: float = GRACE_SECONDS
    each_second: Callable[[], None] | None = None
    """Called about once a second in a thread, for what is looked after besides the children."""
    max_failures: int | None = None
    """Raise ProcessFailed when a child failed so often in a row; None: try for ever. A child that
    somebody killed has not failed."""
    _children: list[_Child] = field(default_factory=list, init=False)
    _guard: subprocess.Popen[str] | None = field(default=None, init=False)
    _handlers: dict[int, object] = field(default_factory=dict, init=False)
    _besides: threading.Thread | None = field(default=None, init=False)
    _leaving: threading.Event = field(default_factory=threading.Event, init=False)
    _error: Exception | None = field(default=None, init=False)

    def __enter__(self) -> Supervisor:
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, _interrupt)
        self._guard = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(Path(__file__).with_name("guard.py")),
                str(self.grace),
            ],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if self.each_second is not None:
            self._besides = threading.Thread(target=self._look_besides, daemon=True)
            self._besides.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A second Ctrl-C must not leave half of the children behind.
        self._handlers[signal.SIGINT] = signal.getsignal(signal.SIGINT)
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]

    def start(self, spec: ProcessSpec, timeout: float = READY_SECONDS) -> None:
        """Start a child and wait up to `timeout` seconds until it is ready.

        Raises ProcessFailed with the end of its log when it ends first or takes longer.
        """
        log = self.logs / f"{spec.name}.log"
        offset = log.stat().st_size if log.exists() else 0
        child = _Child(spec, log, self._spawn(spec, log), time.monotonic())
        self._children.append(child)
        deadline = time.monotonic() + timeout
        while spec.ready is not None and not spec.ready():
            code = child.process.poll()
            if code is not None or time.monotonic() > deadline:
                what = f"ended with code {code}" if code is not None else "is not ready"
                raise ProcessFailed(
                    f"{spec.name} {what} after {time.monotonic() - child.started_at:.0f} s. "
                    f"The end of {log}:\n{_tail(log, offset)}"
                )
            self.tick()
            time.sleep(_TICK_SECONDS)

    def tick(self) -> None:
        """Look after the children once: note who ended, start again whose backoff is over."""
        now = time.monotonic()
        if self._error is not None:
            raise self._error
        for child in self._children:
            if child.restart_at is not None:
                if now >= child.restart_at:
                    child.process = self._spawn(child.spec, child.log)
                    child.started_at, child.restart_at = now, None
                    child.starts += 1
            elif child.process.poll() is not None:
                self._end_group(child.process, grace=0.0)
                steady = now - child.started_at > STEADY_SECONDS
                wait = FIRST_BACKOFF_SECONDS if steady else child.backoff
                child.restart_at = now + wait
                child.backoff = min(wait * 2, MAX_BACKOFF_SECONDS)
                code = child.process.returncode
                _note(child.log, f"ended with code {code}; again in {wait} s")
                child.failures = (0 if steady else child.failures) + (code >= 0)
                if self.max_failures is not None and child.failures >= self.max_failures:
                    raise ProcessFailed(
                        f"{child.spec.name} failed {child.failures} times in a row. The end of "
                        f"{child.log}:\n{_tail(child.log, 0)}"
                    )

    def wait_until(
        self,
        condition: Callable[[], bool],
        timeout: float | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> bool:
        """Look after the children until `condition` holds; False when `timeout` seconds pass first.

        `progress` is called about once a second with the seconds that have passed.
        """
        began = time.monotonic()
        told = began
        while not condition():
            now = time.monotonic()
            if timeout is not None and now - began > timeout:
                return False
            if progress is not None and now - told >= 1.0:
                progress(now - began)
                told = now
            self.tick()
            time.sleep(_TICK_SECONDS)
        return True

    def run(self) -> None:
        """Look after the children until Ctrl-C or SIGTERM, which end the block quietly."""
        with suppress(KeyboardInterrupt):
            self.wait_until(lambda: False)

    def stop(self) -> None:
        """Stop every child in reverse order: SIGTERM, and SIGKILL after the grace time."""
        self._leaving.set()
        if self._besides is not None:
            self._besides.join()
            self._besides = None
        for child in reversed(self._children):
            self._end_group(child.process, self.grace)
        self._children.clear()
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError):
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    def pids(self) -> dict[str, int]:
        """The process number of each child that is not waiting for its restart."""
        return {c.spec.name: c.process.pid for c in self._children if c.restart_at is None}

    def starts(self, name: str) -> int:
        """How often the child `name` was started."""
        return next(child.starts for child in self._children if child.spec.name == name)

    def _spawn(self, spec: ProcessSpec, log: Path) -> subprocess.Popen[bytes]:
        # SIGTERM, so that a child with children can end them; the guard follows with SIGKILL.
        # By setpriv, because a preexec_fn is not safe in a process with threads.
        command = ["setpriv", "--pdeathsig", "TERM", "--", *spec.argv]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                command,
                env=None if spec.env is None else {**os.environ, **spec.env},
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                process_group=0,
            )
        self._tell_guard(f"+{process.pid}")
        return process

    def _end_group(self, process: subprocess.Popen[bytes], grace: float) -> None:
        group = process.pid
        deadline = time.monotonic() + grace
        if grace > 0:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)
        while _group_lives(process) and time.monotonic() < deadline:
            time.sleep(_TICK_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        process.wait()
        self._tell_guard(f"-{group}")

    def _look_besides(self) -> None:
        """Apart from the main thread, which may be waiting for what is looked after here."""
        try:
            while self.each_second is not None and not self._leaving.wait(1.0):
                self.each_second()
        except Exception as error:
            self._error = error

    def _tell_guard(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError):
                self._guard.stdin.write(line + "\n")
                self._guard.stdin.flush()


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the place named by the file `lock`; a killed holder's place is free again.

    Raises AlreadyRunning, with the holder's process number, when it is taken.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    place = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(place, 32, 0).decode().strip() or "unknown"
            raise AlreadyRunning(
                f"already running as process {holder}. Stop it with Ctrl-C in its terminal, or "
                f"with `kill {holder}`."
            ) from None
        os.ftruncate(place, 0)
        os.pwrite(place, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(place, 0)
    finally:
        os.close(place)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    """Whether someone in the group still runs; the dead that nobody reaped don't count."""
    if process.poll() is None:
        return True
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            # proc(5): pid (comm) state ppid pgrp …; the name may contain spaces and brackets.
            state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(group) == process.pid and state not in "ZX":
                return True
    return False


def _note(log: Path, text: str) -> None:
    with log.open("a") as out:
        out.write(f"[supervisor] {text}\n")


def _tail(log: Path, offset: int, lines: int = 20) -> str:
    with log.open("rb") as file:
        file.seek(max(offset, log.stat().st_size - _TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
