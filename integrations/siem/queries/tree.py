"""A Sigma rule's condition as a tree of plain tests, or the reason why it can't be one."""

from dataclasses import dataclass
from typing import Any, Literal

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.exceptions import SigmaError
from sigma.policy import SigmaPolicy
from sigma.rule import SigmaRule
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from integrations.detection.errors import Unsupported
from integrations.detection.predicates import QuietRe2

Way = Literal[
    "is", "contains", "starts", "ends", "like", "re", "absent", "there", "<", "<=", ">", ">="
]
_POLICY = SigmaPolicy(regex_engine=QuietRe2())
_COMPARED: dict[CompareOperators, Way] = {
    CompareOperators.LT: "<", CompareOperators.LTE: "<=",
    CompareOperators.GT: ">", CompareOperators.GTE: ">=",
}  # fmt: skip
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


@dataclass(frozen=True, slots=True)
class Test:
    """One test of a field. `parts` of ``like``: texts, with None for `*` and "" for `?`.

    `flags` of a regular expression are letters; `is_cased`: upper and lower case differ.
    """

    field: str
    way: Way
    value: str = ""
    parts: tuple[str | None, ...] = ()
    flags: str = ""
    is_cased: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """Tests of which all, or one, must hold."""

    all_of: bool
    items: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """A test that must not hold."""

    item: "Tree"


Tree = Test | Many | Not


def tree_of(document: dict[str, Any]) -> Tree:
    """Return the condition of a rule that the engine can run.

    Unsupported says which part has no query.
    """
    try:
        parsed = SigmaRule.from_dict(document, policy=_POLICY).detection.parsed_condition
        trees = tuple(_tree(one.parsed) for one in parsed)
    except SigmaError as error:
        raise Unsupported(f"pySigma can't read it: {str(error)[:200]}") from None
    return trees[0] if len(trees) == 1 else Many(False, trees)


def _tree(condition: Any) -> Tree:
    match condition:
        case ConditionAND():
            return Many(True, tuple(_tree(one) for one in condition.args))
        case ConditionOR():
            return Many(False, tuple(_tree(one) for one in condition.args))
        case ConditionNOT():
            return Not(_tree(condition.args[0]))
        case ConditionFieldEqualsValueExpression():
            return _of_field(condition.field, condition.value)
        case ConditionValueExpression():
            raise Unsupported("it looks for a word anywhere in the event")
    raise Unsupported("its condition leaves nothing to test")


def _of_field(field: str, value: SigmaType) -> Tree:
    match value:
        case SigmaNull():
            return Test(field, "absent")
        case SigmaExists():
            return Test(field, "there" if value.exists else "absent")
        case SigmaExpansion():
            return Many(False, tuple(_of_field(field, one) for one in value.values))
        case SigmaTimestampPart():
            raise Unsupported("it looks at a part of a time (minute, hour, day …)")
        case SigmaString():
            return _of_string(field, value)
        case SigmaNumber():
            return Test(field, "is", str(value.number), is_cased=True)
        case SigmaBool():
            return Test(field, "is", str(value.boolean).lower())
        case SigmaRegularExpression():
            if value.contains_placeholder():
                raise Unsupported("it has a placeholder (expand), for which no values are known")
            pattern = value.regexp.original or str(value.regexp)
            flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
            return Test(field, "re", pattern, flags=flags, is_cased=True)
        case SigmaCompareExpression() if value.op in _COMPARED:
            return Test(field, _COMPARED[value.op], str(value.number.number))
    raise Unsupported(f"it compares in a way that has no exact query ({type(value).__name__})")


def _of_string(field: str, value: SigmaString) -> Test:
    is_cased = isinstance(value, SigmaCasedString)
    many, one = SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE
    if any(not isinstance(part, str) and part not in (many, one) for part in value.s):
        raise Unsupported("it has a placeholder (expand), for which no values are known")
    match list(value.s):
        case []:
            return Test(field, "is", "", is_cased=is_cased)
        case [str(text)]:
            return Test(field, "is", text, is_cased=is_cased)
        case [SpecialChars.WILDCARD_MULTI]:
            return Test(field, "there")
        case [SpecialChars.WILDCARD_MULTI, str(text), SpecialChars.WILDCARD_MULTI]:
            return Test(field, "contains", text, is_cased=is_cased)
        case [str(text), SpecialChars.WILDCARD_MULTI]:
            return Test(field, "starts", text, is_cased=is_cased)
        case [SpecialChars.WILDCARD_MULTI, str(text)]:
            return Test(field, "ends", text, is_cased=is_cased)
    parts = tuple(
        part if isinstance(part, str) else None if part is many else "" for part in value.s
    )
    return Test(field, "like", parts=parts, is_cased=is_cased)
