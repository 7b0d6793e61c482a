"""The table that risk is worked out by: data that anyone can read, checked when it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from playbooks.errors import PlaybookError
from tenants.canonical import sha256_of

LARGEST = 100
_PATH = Path(__file__).with_name("risk_table.yaml")
# Each group with what it holds; whether a value may be below nothing.
_SHAPE: dict[str, tuple[str, ...]] = {
    "severity": (
        "informational", "unknown", "other", "low", "medium", "high", "critical", "fatal",
    ),
    "several_signals": ("each_more", "most"),
    "confidence": ("from_percent", "points"),
    "privilege": ("points",),
    "criticality": (
        "important_person", "person_level_3", "person_level_4", "server", "device_level_3",
        "device_level_4",
    ),
    "exposure": ("no_second_factor", "known_exploited_hole", "internet_facing"),
    "provider_risk": ("medium", "high"),
    "intelligence": ("known_indicator",),
    "recent_history": ("days", "true_positive", "harmless_from_cases", "harmless"),
}  # fmt: skip
_MAY_BE_NEGATIVE = ("recent_history", "harmless")
_LONGEST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class RiskTable:
    """The points, by group and name; `sha256` is over what it says, not how it is written."""

    points: Mapping[str, Mapping[str, int]]
    sha256: str

    def of(self, group: str, name: str) -> int:
        """Return the value of one line."""
        return self.points[group][name]


@cache
def in_force() -> RiskTable:
    """Return the table that comes with Holdfast."""
    return load(_PATH.read_text())


def load(text: str) -> RiskTable:
    """Return a table from its YAML; PlaybookError names each line that is wrong."""
    try:
        told = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlaybookError([f"The risk table is no YAML: {error}"]) from None
    if not isinstance(told, dict):
        raise PlaybookError(["The risk table has to be a list of groups with their points."])
    problems = [f"{group}: there is no such group." for group in told if group not in _SHAPE]
    for group, names in _SHAPE.items():
        problems += _problems(group, names, told.get(group))
    if problems:
        raise PlaybookError(problems)
    return RiskTable(told, sha256_of(told))


def _problems(group: str, names: tuple[str, ...], told: object) -> list[str]:
    if not isinstance(told, dict):
        return [f"{group}: give the points of {', '.join(names)}."]
    problems = [f"{group}.{name}: there is no such line." for name in told if name not in names]
    for name in names:
        value = told.get(name)
        least, most = _bounds(group, name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            problems.append(f"{group}.{name}: give a whole number from {least} to {most}.")
    return problems


def _bounds(group: str, name: str) -> tuple[int, int]:
    if (group, name) == _MAY_BE_NEGATIVE:
        return -LARGEST, 0
    if (group, name) == ("recent_history", "days"):
        return 1, _LONGEST_DAYS
    return (1 if name == "harmless_from_cases" else 0), LARGEST
