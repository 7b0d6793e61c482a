"""Sigma's filters: what is left out of rules, without touching the rules' own texts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from integrations.detection.conditions import all_of
from integrations.detection.rules import Filter, NotRun, Rule

ANY: Final = "any"
_IDLE: Final = (
    "none of the rules that it is for can be run here: import it together with them, and see that"
    " its log source is theirs"
)

PackOf = Callable[[str], str]


def applied(
    rules: Mapping[str, Rule], filters: Iterable[Filter], pack_of: PackOf
) -> tuple[dict[str, Rule], tuple[Filter, ...], tuple[NotRun, ...]]:
    """Return the rules with what filters leave out, the filters in use, and those that are not.

    `pack_of` tells by a file's name to which pack it belongs.
    """
    found = dict(rules)
    used: list[Filter] = []
    idle: list[NotRun] = []
    for one in filters:
        meant = [rule for rule in found.values() if _is_for(one, rule, pack_of)]
        for rule in meant:
            found[rule.id] = replace(
                rule, node=all_of([rule.node, one.node]), filters=(*rule.filters, one.title)
            )
        if meant:
            used.append(one)
        else:
            idle.append(NotRun(one.file, one.title, "unsupported", _IDLE))
    return found, tuple(used), tuple(idle)


def _is_for(one: Filter, rule: Rule, pack_of: PackOf) -> bool:
    """Whether it leaves something out of the rule.

    One that is for any rule stays in its pack: no stranger's pack silences another.
    """
    if not one.source.covers(rule.source):
        return False
    if one.rules == (ANY,):
        return pack_of(one.file) == pack_of(rule.file)
    return rule.id in one.rules or (bool(rule.name) and rule.name in one.rules)
