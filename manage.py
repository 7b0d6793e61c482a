#!/usr/bin/env python3
"""Django's manage.py, bringing its own PostgreSQL.

Unless the environment names a database, each command runs on the embedded one: it is started
when it isn't running, and stopped again when this command was its last user.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

# Commands that read no row. Everything else gets the database.
WITHOUT_DATABASE = frozenset(
    {"help", "version", "diffsettings", "makemessages", "compilemessages", "collectstatic"}
    | {"startapp", "startproject"}
)
HELP = {"-h", "--help", "--version"}


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code, 130 after Ctrl-C."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings")
    try:
        import django
        from django.core.management import execute_from_command_line
        from django.db.utils import OperationalError, ProgrammingError
    except ImportError:
        return _complain("Django is missing. Run `make setup`, then .venv/bin/python manage.py")
    from msp.appliance.errors import ApplianceError

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        with _database_for(arguments):
            if not _is_bare(arguments):
                _import_with(django.setup)
            execute_from_command_line(["manage.py", *arguments])
    except ApplianceError as error:
        return _complain(str(error))
    except OperationalError as error:
        return _complain(f"the database does not answer: {str(error).strip()}")
    except ProgrammingError as error:
        if type(error.__cause__).__name__ != "UndefinedTable":
            raise
        return _complain("the database is not prepared yet: run `manage.py setup`")
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Who read our output has gone; Python would complain once more while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return 0


def _is_bare(arguments: list[str]) -> bool:
    return not arguments or arguments[0] in WITHOUT_DATABASE or bool(HELP & set(arguments))


def _import_with(setup: Callable[[], None]) -> None:
    """Look for no garbage among what stays for good: that took a tenth of a command's start."""
    gc.disable()
    setup()
    gc.freeze()
    gc.enable()


def _database_for(arguments: list[str]) -> AbstractContextManager[object]:
    if _is_bare(arguments):
        return nullcontext()
    from msp.appliance.postgres import embedded_database

    return embedded_database()


def _leave(number: int, frame: object) -> None:
    """End by way of SystemExit, so that the database is given back."""
    sys.exit(128 + number)


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sys.exit(main(sys.argv[1:]))
