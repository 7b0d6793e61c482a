"""From pySigma's parsed rule to closures."""

from collections.abc import Callable
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.rule import SigmaRule
from sigma.types import (
    SigmaBool,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from integrations.detection import predicates
from integrations.detection.conditions import (
    Node,
    absent,
    all_of,
    any_of,
    field_node,
    keyword_node,
    none_of,
    refers,
)
from integrations.detection.errors import Broken, Unsupported
from integrations.detection.predicates import Predicate
from integrations.values import instant

_DEEPEST = 60


def compiled(rule: SigmaRule) -> Node:
    """Return the rule's condition; where it has several, one of them is enough.

    Unsupported where a part of it can't be run, Broken where its condition is none.
    """
    nodes = [_node(condition.parsed, _DEEPEST) for condition in rule.detection.parsed_condition]
    return nodes[0] if len(nodes) == 1 else any_of(nodes)


def _node(condition: Any, depth: int) -> Node:
    if depth == 0:
        raise Unsupported(f"its condition is nested more than {_DEEPEST} levels deep")
    match condition:
        case ConditionAND():
            return all_of([_node(one, depth - 1) for one in condition.args])
        case ConditionOR():
            return any_of([_node(one, depth - 1) for one in condition.args])
        case ConditionNOT():
            return none_of(_node(condition.args[0], depth - 1))
        case ConditionFieldEqualsValueExpression():
            return _of_field(condition.field, condition.value)
        case ConditionValueExpression():
            return _keyword(condition.value)
    raise Broken("its condition leaves nothing to test")


def _of_field(field: str, value: SigmaType) -> Node:
    match value:
        case SigmaNull():
            return absent(field)
        case SigmaExists():
            there = field_node(field, Predicate(lambda text: True, "is there"))
            return there if value.exists else absent(field)
        case SigmaExpansion():
            return any_of([_of_field(field, one) for one in value.values])
        case SigmaFieldReference():
            return _reference(field, value)
    return field_node(field, _predicate(value))


def _predicate(value: SigmaType) -> Predicate:
    match value:
        case SigmaTimestampPart():
            return _part_of_time(value)
        case SigmaString():
            return predicates.of_string(value)
        case SigmaNumber():
            return predicates.of_number(value.number)
        case SigmaBool():
            return predicates.of_truth(value.boolean)
        case SigmaRegularExpression():
            return predicates.of_regular_expression(value)
        case SigmaCIDRExpression():
            return predicates.of_network(value.network)
        case SigmaCompareExpression():
            return predicates.of_comparison(value)
    raise Unsupported(f"it has a value of a kind that can't be run ({type(value).__name__})")


def _part_of_time(value: SigmaTimestampPart) -> Predicate:
    """A part of a time, in UTC: the minute, the hour, the day of the month, ISO's week …"""
    name = value.timestamp_part.name.lower()

    def accepts(text: str) -> bool:
        try:
            time = instant(text)
        except ValueError:
            return False
        if time is None:
            return False
        part = time.isocalendar().week if name == "week" else getattr(time, name)
        return bool(part == value.number)

    return Predicate(accepts, f"{name} of the time is {value.number}")


def _reference(field: str, value: SigmaFieldReference) -> Node:
    fold = predicates.folded
    ways: dict[tuple[bool, bool], tuple[str, Callable[[str, str], bool]]] = {
        (False, False): ("is", lambda a, b: fold(a) == fold(b)),
        (True, False): ("starts with", lambda a, b: fold(a).startswith(fold(b))),
        (False, True): ("ends with", lambda a, b: fold(a).endswith(fold(b))),
        (True, True): ("contains", lambda a, b: fold(b) in fold(a)),
    }
    words, accepts = ways[value.starts_with, value.ends_with]
    return refers(field, value.field, f"{words} field {value.field}", accepts)


def _keyword(value: SigmaType) -> Node:
    """A keyword stands anywhere in the record, within a longer text too."""
    if isinstance(value, SigmaExpansion):
        return any_of([_keyword(one) for one in value.values])
    if isinstance(value, SigmaNumber) and not isinstance(value, SigmaTimestampPart):
        value = SigmaString(str(value.number))
    if isinstance(value, SigmaString):
        value = _anywhere(value)
    return keyword_node(_predicate(value))


def _anywhere(value: SigmaString) -> SigmaString:
    many = SpecialChars.WILDCARD_MULTI
    if not value.startswith(many):
        value = many + value
    return value if value.endswith(many) else value + many
