"""What facts are called by people: read from the table `fact_words.yaml` beside this file."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import yaml

_TABLE = Path(__file__).with_name("fact_words.yaml")
# Facts of the case itself, which no question is answered with.
OF_CASE = "case"


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Return the words by question and fact; under `OF_CASE` those of the case's own facts."""
    return MappingProxyType(yaml.safe_load(_TABLE.read_text(encoding="utf-8")))


def words(question: str, fact: str) -> str:
    """Return what a fact of a question is called; empty where it has no words."""
    return table().get(question, {}).get(fact, "")
