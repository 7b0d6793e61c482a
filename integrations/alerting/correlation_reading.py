"""Reading a Sigma document with a correlation; why it can't be run, where it can't."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.exceptions import SigmaError

from integrations.alerting.correlation import LONGEST, NUMERIC, Bound, Correlation, Joined
from integrations.detection.errors import Broken, Unsupported

_MOST_RULES: Final = 50
_DEEPEST: Final = 20
_LONGEST_CONDITION: Final = 4_096
_OPS: Final = ("gte", "gt", "lte", "lt", "eq", "neq")
_KINDS: Final = {
    SigmaCorrelationType.EVENT_COUNT: "event_count",
    SigmaCorrelationType.VALUE_COUNT: "value_count",
    SigmaCorrelationType.TEMPORAL: "temporal",
    SigmaCorrelationType.TEMPORAL_ORDERED: "temporal_ordered",
    SigmaCorrelationType.VALUE_SUM: "value_sum",
    SigmaCorrelationType.VALUE_AVG: "value_avg",
    SigmaCorrelationType.VALUE_MEDIAN: "value_median",
    SigmaCorrelationType.VALUE_PERCENTILE: "value_percentile",
}
_WORDS: Final = {
    CorrelationConditionAND: "and", CorrelationConditionOR: "or", CorrelationConditionNOT: "not",
}  # fmt: skip


def parsed(document: Mapping[str, Any], ids: Mapping[str, str]) -> Correlation:
    """Read a Sigma document with a correlation; `ids` has each rule's id by its id and its name.

    Unsupported or Broken say why it can't be run.
    """
    told, bounds = _told(document)
    kind = _KINDS.get(told.type)
    if kind is None:
        raise Unsupported(f"correlations of type {told.type.name.lower()} are not run")
    condition = told.condition
    is_joined = isinstance(condition, SigmaExtendedCorrelationCondition)
    names = tuple(str(one.reference) for one in told.rules or ())
    if isinstance(condition, SigmaExtendedCorrelationCondition) and not names:
        names = tuple(condition.get_referenced_rules())
    timespan = _timespan(told.timespan.seconds)
    _refuse(names, timespan)
    rules = tuple(_found(name, ids) for name in names)
    joined = _joined(condition, ids, _DEEPEST) if is_joined else None
    if joined is not None and (joined.word == "and" or not joined.word) and _is_plain(joined):
        # Nothing but and: each of the rules must be seen, as without a condition.
        joined, bounds = None, ()
    least = _least(kind, bounds, joined, rules)
    counted, percentile = _counted(kind, condition)
    return Correlation(
        kind=kind,
        rules=rules,
        names=names,
        aliases=_aliases(told, ids),
        fields=tuple(told.group_by or ()),
        timespan=timespan,
        least=least,
        counted=counted,
        bounds=() if kind.startswith("temporal") else bounds,
        percentile=percentile,
        joined=joined,
        generate=told.generate,
    )


def _told(document: Mapping[str, Any]) -> tuple[SigmaCorrelationRule, tuple[Bound, ...]]:
    """What pySigma reads in it, which knows one bound, and all the bounds."""
    told = document["correlation"]
    condition = told.get("condition") if isinstance(told, dict) else None
    if len(str(condition)) > _LONGEST_CONDITION:
        raise Broken(f"its condition is longer than {_LONGEST_CONDITION} characters")
    ops = [key for key in condition if key in _OPS] if isinstance(condition, dict) else []
    if isinstance(condition, dict) and len(ops) > 1:
        kept = {key: value for key, value in condition.items() if key not in ops[1:]}
        document = {**document, "correlation": {**told, "condition": kept}}
    try:
        read = SigmaCorrelationRule.from_dict(dict(document))
    except SigmaError as error:
        raise Broken(f"not a whole Sigma correlation: {str(error)[:300]}") from None
    except Exception as error:
        # pySigma trusts a document's types in places.
        raise Broken(
            f"not a whole Sigma correlation: {type(error).__name__}: {str(error)[:200]}"
        ) from None
    if not isinstance(condition, dict):
        return read, ()
    return read, tuple(Bound(op, _number(condition[op])) for op in ops)


def _number(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Broken(f"its condition compares with {str(value)[:40]!r}, which is no number")
    try:
        number = float(value)
        if not math.isfinite(number) or abs(number) > 1e30:
            raise ValueError
        return Fraction(value) if isinstance(value, int) else Fraction(str(number))
    except (ValueError, OverflowError):
        raise Broken(f"its condition compares with {str(value)[:40]!r}, no number") from None


def _timespan(seconds: int) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=seconds)
    except OverflowError:
        return dt.timedelta.max


def _refuse(names: Sequence[str], timespan: dt.timedelta) -> None:
    if not names:
        raise Broken("it counts no rule")
    if len(names) > _MOST_RULES:
        raise Unsupported(f"it counts more than {_MOST_RULES} rules")
    if timespan > LONGEST:
        raise Unsupported(f"its timespan is longer than {LONGEST.days} days")
    if timespan <= dt.timedelta():
        raise Broken("its timespan is empty")


def _joined(condition: Any, ids: Mapping[str, str], depth: int) -> Joined:
    if depth == 0:
        raise Unsupported(f"its condition is nested more than {_DEEPEST} levels deep")
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        return _joined(condition.parsed, ids, depth)
    if isinstance(condition, SigmaRuleReference):
        return Joined("", _found(str(condition.reference), ids))
    parts = tuple(_joined(one, ids, depth - 1) for one in condition.args)
    return Joined(_WORDS[type(condition)], parts=parts)


def _is_plain(joined: Joined) -> bool:
    return not joined.word or (joined.word == "and" and all(map(_is_plain, joined.parts)))


def _least(kind: str, bounds: Sequence[Bound], joined: Joined | None, rules: Sequence[str]) -> int:
    """How many events, values or rules there must be for the correlation to be worth a look."""
    different = len(set(rules))
    if joined is not None:
        if kind == "temporal_ordered":
            raise Unsupported("it wants an order, and joins rules by or, not: write one for each")
        if not joined.wanted() or joined.holds(frozenset(), frozenset()):
            raise Unsupported("it holds when nothing happens: let it want at least one rule")
        return max(1, joined.least)
    if kind.startswith("temporal"):
        return _of_rules(kind, bounds, different)
    if any(bound.op not in ("gte", "gt") for bound in bounds) or kind in NUMERIC:
        return 1
    least = max(
        math.floor(one.number) + 1 if one.op == "gt" else math.ceil(one.number) for one in bounds
    )
    if least < 1:
        raise Broken("it holds when nothing happens: let it count at least 1")
    return least


def _of_rules(kind: str, bounds: Sequence[Bound], different: int) -> int:
    """How many of the rules must be seen; each of them where it says nothing, or 1, the default."""
    least = different
    for bound in bounds:
        wanted = math.floor(bound.number) + 1 if bound.op == "gt" else math.ceil(bound.number)
        if bound.op in ("lte", "lt", "neq") or (bound.op == "eq" and wanted != different):
            raise Unsupported(
                f"it wants {bound.words} of its rules: name those that must not be seen in a"
                " condition (rule_a and not rule_b)"
            )
        if wanted > different:
            raise Broken(f"it wants {wanted} of {different} rules")
        least = wanted if wanted > 1 else least
    if kind == "temporal_ordered" and least != different:
        raise Unsupported("it wants some of its rules in order; each of them must be seen")
    return least


def _counted(kind: str, condition: Any) -> tuple[tuple[str, ...], int]:
    """The fields whose values are counted, and the percentile where one is asked for."""
    if not isinstance(condition, SigmaCorrelationCondition) or not kind.startswith("value"):
        return (), 0
    told = condition.fieldref
    fields = tuple(map(str, told if isinstance(told, list) else [told]))
    if len(fields) != 1 and kind != "value_count":
        raise Unsupported("it reckons with several fields together: take one")
    percentile = condition.percentile or 0
    if kind == "value_percentile" and not 1 <= percentile <= 100:
        raise Broken("it needs a percentile from 1 to 100 in its condition")
    return fields, percentile


def _found(name: str, ids: Mapping[str, str]) -> str:
    if name not in ids:
        raise Unsupported(f"no rule that can be run has the name or id {name[:100]!r}")
    return ids[name]


def _aliases(told: SigmaCorrelationRule, ids: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        alias.alias: {
            _found(str(rule.reference), ids): field for rule, field in alias.mapping.items()
        }
        for alias in told.aliases
    }
