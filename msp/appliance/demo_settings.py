"""The demo's own settings, kept with its state, so that every process on that state has them.

The environment has precedence. They hold for the embedded database only, which is part of that
state: with a DATABASE_URL they are not read.
"""

import json
import os
import stat
from pathlib import Path
from typing import Final

from msp.appliance.errors import DemoSettingsUnusable

# The simulated vendors listen on this machine, and the printed sign-ins have no second factor.
DEMO: Final = {"HOLDFAST_ALLOW_PRIVATE_ENDPOINTS": "1", "HOLDFAST_REQUIRE_MFA": "0"}


def path_in(var_dir: Path) -> Path:
    """Return where a state directory keeps them."""
    return var_dir / "demo" / "settings.json"


def write(var_dir: Path) -> None:
    """Keep the demo's settings, readable by their owner only."""
    path = path_in(var_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(DEMO, file)
    os.replace(beside, path)


def read(var_dir: Path) -> dict[str, str]:
    """Return the settings of a state directory's demo; empty where none ran on it.

    DemoSettingsUnusable for a file that others may write, or that the demo did not write.
    """
    path = path_in(var_dir)
    if os.environ.get("DATABASE_URL") or not path.exists():
        return {}
    about = path.stat()
    if about.st_uid not in (0, os.geteuid()) or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DemoSettingsUnusable(f"others may write {path}: remove it, and run `make demo`.")
    try:
        told = json.loads(path.read_text())
    except ValueError:
        told = None
    if not isinstance(told, dict) or any(DEMO.get(name) != told[name] for name in told):
        raise DemoSettingsUnusable(f"{path} is not as the demo writes it: remove it.")
    return told
