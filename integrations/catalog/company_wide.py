"""Which alerts tell of a change that holds for a whole company: read from `company_wide.yaml`.

Evidence about one person, such as their sign-ins, refutes no such alert.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_TABLE = Path(__file__).with_name("company_wide.yaml")
# By this tag a Sigma rule says it of what it finds.
TAG = "holdfast.company-wide"


@dataclass(frozen=True, slots=True)
class _Table:
    techniques: frozenset[str]
    titles: Mapping[str, frozenset[str]]
    words: re.Pattern[str]


def tells(connector: str, title: str, techniques: Iterable[str]) -> bool:
    """Whether an alert that has only its name and ATT&CK ids tells of such a change."""
    table = _table()
    if any(_with_parent(one) & table.techniques for one in techniques):
        return True
    lower = title.lower()
    return lower in table.titles.get(connector, ()) or table.words.search(lower) is not None


def _with_parent(technique: str) -> set[str]:
    return {technique, technique.partition(".")[0]}


@cache
def _table() -> _Table:
    told = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return _Table(
        frozenset(told["techniques"]),
        {connector: frozenset(titles) for connector, titles in told["titles"].items()},
        re.compile("|".join(f"(?:{one})" for one in told["words"])),
    )
