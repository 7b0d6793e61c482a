"""Which of the rules that come with Holdfast name which ATT&CK technique."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from integrations.detection import loading

_RULES = Path(loading.__file__).with_name("rules")


@cache
def by_technique() -> Mapping[str, tuple[str, ...]]:
    """Return the titles of rules by technique; read once, which takes about a second."""
    found: dict[str, list[str]] = defaultdict(list)
    for rule in loading.load(_RULES).rules:
        for technique in rule.techniques:
            found[technique].append(rule.title)
    return {technique: tuple(sorted(titles)) for technique, titles in found.items()}
