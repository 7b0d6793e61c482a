"""Which log sources should arrive at a client's SIEM, by the products that the client uses."""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from integrations import registry
from integrations.siem.records import Expected

_FILE = Path(__file__).with_name("expected.yml")


def expected(column: str, connectors: Iterable[str]) -> list[Expected]:
    """Return what a SIEM of this kind should have of these connectors; [] where nothing is known.

    Raises UnknownConnector.
    """
    told = _all().get(column) or {}
    return [
        Expected(
            tuple(one["names"]), registry.connector(connector).title,
            dt.timedelta(hours=one["hours"]),
        )
        for connector in sorted(set(connectors))
        for one in told.get(connector, ())
    ]  # fmt: skip


@cache
def _all() -> dict[str, dict[str, list[dict[str, Any]]]]:
    found: dict[str, dict[str, list[dict[str, Any]]]] = yaml.safe_load(_FILE.read_text("utf-8"))
    return found


def columns() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return all that is known: for each kind of SIEM the connectors with their log sources."""
    return _all()
