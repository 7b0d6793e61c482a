"""`.venv` from the lock files, every file checked against its hash.

A stamp is written last, so that a set-up which was interrupted is known for what it is and made
again from scratch; the stamp names the lock's content, the interpreter and the place.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap.errors import SetupError

RUNTIME_LOCK = "requirements.lock"
DEVELOPMENT_LOCK = "requirements-dev.lock"
_NEWS_SECONDS = 10.0


def ensure_virtualenv(root: Path, *, for_tests: bool) -> None:
    """Make or complete `root/.venv`; raises SetupError when packages cannot be had."""
    venv = root / ".venv"
    locks = [RUNTIME_LOCK, *([DEVELOPMENT_LOCK] if for_tests else [])]
    if all(_is_stamped(root, venv, lock) for lock in locks):
        return
    with _alone(root) as lock_file:
        if not _is_stamped(root, venv, RUNTIME_LOCK) or _is_half_installed(venv):
            _create(root, venv)
        for lock in locks:
            if not _is_stamped(root, venv, lock):
                _install(root, venv, lock, lock_file)


def _stamp_path(venv: Path, lock: str) -> Path:
    return venv / f".installed-{lock}"


def _stamp(root: Path, lock: str) -> str:
    content = hashlib.sha256((root / lock).read_bytes()).hexdigest()
    # Without the third number: a security update of Python leaves a virtualenv valid.
    return f"{content}\npython {sys.version_info.major}.{sys.version_info.minor}\n{root}\n"


def _is_stamped(root: Path, venv: Path, lock: str) -> bool:
    try:
        stamped = _stamp_path(venv, lock).read_text(encoding="utf-8")
    except OSError:
        return False
    return stamped == _stamp(root, lock) and (venv / "bin" / "python").exists()


def _is_half_installed(venv: Path) -> bool:
    return (venv / ".installing").exists()


def _create(root: Path, venv: Path) -> None:
    if venv.is_symlink():
        venv.unlink()
    shutil.rmtree(venv, ignore_errors=True)
    print("Creating .venv …", flush=True)
    # Not sys.executable: typed in an activated .venv, that is the one just removed.
    python = getattr(sys, "_base_executable", sys.executable)
    made = subprocess.run(
        [python, "-m", "venv", str(venv)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise SetupError(f"cannot create {venv}:\n{(made.stderr or made.stdout).strip()}")
    # Makes the rooms importable from every tool of the virtualenv, wherever it is started.
    packages = sysconfig.get_path("purelib", "venv", {"base": str(venv), "platbase": str(venv)})
    (Path(packages) / "holdfast.pth").write_text(f"{root}\n", encoding="utf-8")


def _install(root: Path, venv: Path, lock: str, lock_file: int) -> None:
    count = (root / lock).read_text(encoding="utf-8").count("==")
    print(f"Installing the {count} Python packages of {lock}: about a minute …", flush=True)
    marker = venv / ".installing"
    marker.touch()
    log = venv / "install.log"
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
    command += ["--no-deps", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["-r", str(root / lock)]
    began = time.monotonic()
    with log.open("wb") as out:
        # pip inherits the lock: if we are killed, the next set-up waits until it has ended.
        pip = subprocess.Popen(command, stdout=out, stderr=out, pass_fds=[lock_file])
        try:
            while True:
                try:
                    code = pip.wait(timeout=_NEWS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    print(f"  … {time.monotonic() - began:.0f} s", flush=True)
        except BaseException:
            pip.terminate()
            pip.wait()
            raise
    if code != 0:
        said = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise SetupError(
            f"pip could not install {lock}:\n{said}\n\nThe whole log is {log}. Check the network "
            "and pip's settings (`pip config list`), then run the same again."
        )
    marker.unlink()
    stamp = _stamp_path(venv, lock)
    fresh = stamp.with_name(stamp.name + ".new")
    fresh.write_text(_stamp(root, lock), encoding="utf-8")
    os.replace(fresh, stamp)


@contextmanager
def _alone(root: Path) -> Iterator[int]:
    """One set-up at a time; the lock is the directory's own and ends with its last holder."""
    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another set-up of this checkout …", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
