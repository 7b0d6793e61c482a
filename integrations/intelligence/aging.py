"""How sure an indicator still is: confidence falls with age, by kind. Pure.

The numbers, and where they come from, stand in `aging.json`. A hole that attackers are known to
use does not age: it is as open as before.
"""

import datetime as dt
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("aging.json")
_DAY = dt.timedelta(days=1)


@cache
def told() -> Mapping[str, Any]:
    """Return the declared data: `kinds` with days, speed and why, and `sources`."""
    known: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return known


def good_for(entity: str) -> dt.timedelta | None:
    """Return how long what names an entity holds; None where it does not age."""
    kind = _kind(entity)
    return None if kind is None else dt.timedelta(days=kind["days"])


def sure(
    entity: str,
    confidence: int,
    seen_at: dt.datetime,
    expires_at: dt.datetime | None,
    now: dt.datetime,
) -> int:
    """Return the confidence (percent) that is left now of what was told at `seen_at`.

    It reaches nothing where it expires. What its source lets live for longer than usual for its
    kind ages so much slower.
    """
    kind = _kind(entity)
    if kind is None or expires_at is None:
        return confidence
    life = max(expires_at - seen_at, _DAY)
    age = min(max((now - seen_at) / life, 0.0), 1.0)
    return round(confidence * (1 - float(age ** (1 / kind["speed"]))))


def _kind(entity: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = told()["kinds"].get(entity.partition(":")[0])
    return found
