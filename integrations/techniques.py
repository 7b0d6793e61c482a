"""What MITRE ATT&CK calls its techniques."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("techniques.json")


@cache
def names() -> Mapping[str, str]:
    """Return the name of each technique and sub-technique, by id such as ``T1003.001``."""
    told: dict[str, str] = json.loads(_FILE.read_text(encoding="utf-8"))["names"]
    return told


def name_of(technique: str) -> str:
    """Return a technique's name, behind that of what it is part of; empty where it is not known.

    ``T1003.001`` is ``OS Credential Dumping: LSASS Memory``.
    """
    own = names().get(technique.upper(), "")
    whole, dot, _ = technique.upper().partition(".")
    return f"{names()[whole]}: {own}" if own and dot and whole in names() else own


def titled(technique: str) -> str:
    """Return a technique's id with its name, as people read it."""
    return f"{technique} {name_of(technique)}".rstrip()
