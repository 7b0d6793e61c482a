"""The Debian packages that Holdfast needs, and how they get there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from bootstrap.errors import SetupError

# WeasyPrint's libraries, and the face of the reports.
# https://doc.courtbouillon.org/weasyprint/stable/first_steps.html#debian-11
FOR_PDF = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-inter")
# libatomic1 is for the Node.js that Playwright brings.
FOR_TESTS = ("poppler-utils", "libatomic1")
BROWSER = "chromium"
_BROWSER_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

_APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0")


def ensure_packages(*, for_tests: bool) -> None:
    """Install what is missing; raises SetupError with the line to type where we may not."""
    missing = _missing(for_tests=for_tests)
    if not missing:
        return
    line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
    if not can_install():
        raise SetupError(
            "these packages (by their Debian names) are missing, and this system has no apt-get "
            f"to install them: {' '.join(missing)}"
        )
    rights = become_root()
    if rights is None:
        as_root = "sudo sh -c" if shutil.which("sudo") else "su -c"
        raise SetupError(
            "Debian packages are missing, and installing them takes root. Run this line, then "
            f"the same command again:\n\n    {as_root} '{line}'\n"
        )
    print(f"Installing Debian packages: {' '.join(missing)} …", flush=True)
    update(rights)
    if not install(rights, missing):
        # What an earlier, interrupted run left half-configured comes first.
        _run([*rights, "dpkg", "--configure", "-a"], check=False)
        install(rights, missing, check=True)


def can_install() -> bool:
    """Whether this system installs packages as Debian does."""
    return shutil.which("apt-get") is not None


def update(rights: Sequence[str]) -> None:
    """Learn which packages there are; an old list is better than none."""
    _run([*rights, *_APT, "update"], check=False)


def install(rights: Sequence[str], packages: Sequence[str], *, check: bool = False) -> bool:
    """Install packages; False (SetupError if `check`) where that fails."""
    command = [*rights, *_APT, "install", "-y", "--no-install-recommends", *packages]
    return _run(command, check=check)


def _missing(*, for_tests: bool) -> list[str]:
    wanted = [*FOR_PDF, *(FOR_TESTS if for_tests else ())]
    missing = [name for name in wanted if name not in installed(wanted)]
    if importlib.util.find_spec("ensurepip") is None:
        missing.insert(0, _venv_package())
    if for_tests and not any(shutil.which(name) for name in _BROWSER_PROGRAMS):
        if _is_ubuntu():
            print(
                "Note: the tests in a browser need Chromium, which Ubuntu has as a snap only: "
                "`sudo snap install chromium`. Without it they are skipped.",
                flush=True,
            )
        else:
            missing.append(BROWSER)
    return missing


def installed(names: Sequence[str]) -> set[str]:
    """Return which of these packages are installed."""
    if shutil.which("dpkg-query") is None:
        return set()
    told = subprocess.run(
        ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (line.split() for line in told.stdout.splitlines())
    return {words[0] for words in lines if words[1:] == ["installed"]}


def _venv_package() -> str:
    if os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3"):
        return "python3-venv"
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def _is_ubuntu() -> bool:
    try:
        with open("/etc/os-release", encoding="utf-8") as release:
            return "ID=ubuntu" in release.read().splitlines()
    except OSError:
        return False


def become_root() -> list[str] | None:
    """The words before a command that make it run as root; None where we may not."""
    settings = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=a"]
    if os.geteuid() == 0:
        return settings
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    asked = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False)
    return [sudo, "-n", *settings] if asked.returncode == 0 else None


def _run(command: list[str], *, check: bool) -> bool:
    """Run quietly; on failure show what it said, and raise SetupError if `check`."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return True
    print("\n".join(done.stdout.splitlines()[-15:]), file=sys.stderr)
    if check:
        shown = " ".join(command)
        raise SetupError(f"this failed: {shown}\nPut right what it says, then run the same again.")
    return False
