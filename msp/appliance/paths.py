"""Where an installation keeps its state. Standard library only: the bootstrap reads it too."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""


def var_dir() -> Path:
    """The directory of all state, `var/` in the checkout unless HOLDFAST_VAR names another."""
    return Path(os.environ.get("HOLDFAST_VAR") or ROOT / "var").absolute()


def log_dir() -> Path:
    """Where every process of the installation writes its log; made by who writes there."""
    return var_dir() / "log"


def postgres_home() -> Path:
    """Everything of the embedded PostgreSQL: data, passwords, port and locks."""
    return var_dir() / "postgres"
