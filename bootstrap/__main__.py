"""`python3 -m bootstrap setup|test|clean|distclean`: the first step of every make target."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    _use_new_enough_python()
    from bootstrap import cleaning, debian, servers, virtualenv
    from bootstrap.errors import SetupError

    command = arguments[0] if len(arguments) == 1 else ""
    try:
        if command in ("setup", "test"):
            for_tests = command == "test"
            debian.ensure_packages(for_tests=for_tests)
            if for_tests:
                servers.ensure_servers()
            virtualenv.ensure_virtualenv(ROOT, for_tests=for_tests)
        elif command == "clean":
            cleaning.clean(ROOT)
        elif command == "distclean":
            cleaning.clean_all(ROOT)
        else:
            print("usage: python3 -m bootstrap setup|test|clean|distclean", file=sys.stderr)
            return 2
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _use_new_enough_python() -> None:
    if sys.version_info >= OLDEST_PYTHON:
        return
    for name in ("python3.13", "python3.12", "python3.11"):
        other = shutil.which(name)
        if other is not None:
            os.execv(other, [other, "-B", "-m", "bootstrap", *sys.argv[1:]])
    have = ".".join(map(str, sys.version_info[:2]))
    print(
        f"error: Holdfast needs Python 3.11 or newer, python3 is {have}. Install a newer one "
        "(Debian 12 has it), then run the same again.",
        file=sys.stderr,
    )
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
