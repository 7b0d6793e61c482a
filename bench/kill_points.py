"""Points at which a worker kills itself with SIGKILL: right before and right after a commit.

A point is an empty file named after a transition of a kind of step. The worker that removes the
file dies there, so each point is met once, whichever worker comes to it first. A death needs a
permit, which the storm gives when all workers are up: so there is always another to take over.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save

from playbooks.models import Step

# Through these every step goes that is carried out; so each of their points has to be come to.
STATUSES = (Step.Status.INTENDED, Step.Status.CALLED, Step.Status.VERIFIED)
# To these it takes a fault, or somebody who has it undone: a point is met where it happens.
# A step that is pending again was postponed: the vendor asked to wait. What waits for people is
# freed by who approves it, whom nobody kills here.
RARE = (
    Step.Status.PENDING, Step.Status.FAILED, Step.Status.UNKNOWN, Step.Status.SKIPPED,
    Step.Status.ROLLED_BACK,
)  # fmt: skip
MOMENTS = ("before", "after")
_PERMIT = "permit"


def names(actions: Iterable[str], statuses: Iterable[str] = STATUSES) -> set[str]:
    """Return the points before and after the transitions of these kinds of steps."""
    return {" ".join(point) for point in product(actions, statuses, MOMENTS)}


def arm(folder: Path, points: Iterable[str]) -> None:
    """Make points."""
    folder.mkdir(parents=True)
    for name in points:
        (folder / name).touch()


def left(folder: Path) -> list[str]:
    """Return the points that no worker has come to yet."""
    return sorted(path.name for path in folder.iterdir() if path.name != _PERMIT)


def by_transition(points: Iterable[str]) -> Counter[str]:
    """Return how many points are of each transition."""
    return Counter(name.split()[1] for name in points)


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
