"""`make clean`: stop the embedded PostgreSQL and remove the state of this checkout."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from bootstrap.errors import SetupError
from msp.appliance import engine
from msp.appliance.errors import ApplianceError


def clean(root: Path) -> None:
    """Remove `root/var`; raises SetupError while something of this checkout still runs.

    HOLDFAST_VAR is not followed: a directory that someone named is theirs to remove.
    """
    removed = root / "var.removed"
    shutil.rmtree(removed, ignore_errors=True)
    var = root / "var"
    if not var.is_dir():
        return
    _refuse_if_used(var)
    try:
        engine.stop(var / "postgres" / "data")
        # Renamed first: what is half-removed is never taken for a database.
        os.rename(var, removed)
    except ApplianceError as error:
        raise SetupError(str(error)) from error
    except OSError as error:
        raise SetupError(f"cannot remove {var}: {error.strerror}. Remove it by hand.") from error
    shutil.rmtree(removed)
    print("Removed var/.")


def clean_all(root: Path) -> None:
    """`clean`, and the virtualenv as well."""
    clean(root)
    shutil.rmtree(root / ".venv", ignore_errors=True)
    print("Removed .venv/.")


def _refuse_if_used(var: Path) -> None:
    for path in (*var.glob("*.lock"), *var.glob("*/*.lock")):
        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(
                f"Holdfast is running here ({path.name} is held). Stop it first, with Ctrl-C in "
                "its terminal."
            ) from None
        finally:
            os.close(handle)
