"""Points at which a worker kills itself with SIGKILL: right before and right after a commit.

A point is an empty file named after a transition of a kind of step. The worker that removes the
file dies there, so each point is met once, whichever worker comes to it first. A death needs a
permit, which the storm gives when all workers are up: so there is always another to take over.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save

from playbooks.models import Step

STATUSES = (Step.Status.INTENDED, Step.Status.CALLED, Step.Status.VERIFIED)
MOMENTS = ("before", "after")
_PERMIT = "permit"


def arm(folder: Path, actions: Iterable[str]) -> None:
    """Make one point before and one after each persisted transition of each kind of step."""
    folder.mkdir(parents=True)
    for action, status, moment in product(actions, STATUSES, MOMENTS):
        (folder / f"{action} {status} {moment}").touch()


def left(folder: Path) -> list[str]:
    """Return the points that no worker has come to yet."""
    return sorted(path.name for path in folder.iterdir() if path.name != _PERMIT)


def permit(folder: Path) -> None:
    """Let one worker die at the next point."""
    (folder / _PERMIT).touch()


def withdraw(folder: Path) -> None:
    """Let nobody die at a point for now."""
    (folder / _PERMIT).unlink(missing_ok=True)


def watch(folder: Path) -> None:
    """Let this process, and all of its group, die at the next point that it comes to."""

    def look(sender: type[Step], instance: Step, **told: Any) -> None:
        name = f"{instance.action} {instance.status}"
        if _is_met(folder / f"{name} before"):
            _die()
        if _is_met(folder / f"{name} after"):
            transaction.on_commit(_die)

    post_save.connect(look, sender=Step, weak=False)


def _is_met(point: Path) -> bool:
    return point.exists() and _took(point.with_name(_PERMIT)) and _took(point)


def _took(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _die() -> None:
    os.killpg(0, signal.SIGKILL)
