"""CEL, the language of conditions, behind one small interface.

Expressions are type-checked when they are compiled, can't loop without bound, and see nothing but
the facts they are given (https://github.com/cel-expr/cel-spec).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from playbooks.errors import ConditionError
from tenants.canonical import canonical_json, jsonable

LONGEST_EXPRESSION = 2000
_DEEPEST_NESTING = 30
# Facts that a case may have or not: where they are absent, `has(device.external_id)` is false.
_OPTIONAL = ("device", "message", "person", "on_premises", "indicator", "inputs")
_FACTS = (
    "case", "tenant", "account", "mailbox", "evidence", "verdict", "target", "item", *_OPTIONAL,
)  # fmt: skip
_ABSENT: dict[str, Any] = {name: {} for name in _OPTIONAL}
_NUMBERS = ("hour", "weekday", "objects", "risk")
_ENVIRONMENT = cel.NewEnv(
    variables={
        **dict.fromkeys(_FACTS, cel.Type.DYN),
        **dict.fromkeys(_NUMBERS, cel.Type.INT),
        "action": cel.Type.STRING,
    }
)
# What is no code: strings in CEL's four quotes, and comments to the end of the line.
_STRINGS = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"(?:\\.|[^"\\])*"'
    r"|'(?:\\.|[^'\\])*'"
    r"|//[^\n]*",
    re.DOTALL,
)
_PATHS = re.compile(
    rf"(?<![\w.])(?:{'|'.join((*_FACTS, *_NUMBERS, 'action'))})(?:\.[A-Za-z_]\w*(?!\w|\s*\())*"
)
_INDEXED = re.compile(r"""(?<=\w)\s*\[\s*["']([A-Za-z_]\w*)["']\s*\]""")
_SPACED_DOT = re.compile(r"(?<=\w)\s*\.\s*(?=[A-Za-z_])")
_EMBEDDED = re.compile(r"\$\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression. `reads` are the paths of facts that it looks at."""

    text: str
    reads: tuple[str, ...]
    _compiled: Any

    def evaluate(self, facts: Mapping[str, Any]) -> Any:
        """Return the expression's value; ConditionError where a fact it needs is missing."""
        try:
            result = self._compiled.eval(data={**_ABSENT, **facts})
        except Exception as error:
            raise ConditionError(f"{self.text!r} can't be evaluated: {error}") from None
        if result.type().name() == "*error*" or result.type() == cel.Type.ERROR:
            raise ConditionError(f"{self.text!r} can't be evaluated: {result.value()}")
        return result.plain_value()

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Return whether the condition holds; ConditionError where it is no yes or no."""
        value = self.evaluate(facts)
        if not isinstance(value, bool):
            raise ConditionError(f"{self.text!r} is {value!r}, not true or false.")
        return value

    def facts_read(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that it looked at, by path; what isn't there is left out."""
        found = {}
        for path in self.reads:
            value = _at(facts, path)
            if value is not None:
                found[path] = value
        return found


@lru_cache(maxsize=4096)
def compile_condition(text: str) -> Condition:
    """Compile an expression; ConditionError says what is wrong with it, and where."""
    if len(text) > LONGEST_EXPRESSION:
        raise ConditionError(f"The condition is longer than {LONGEST_EXPRESSION} characters.")
    bare = _STRINGS.sub('""', text)
    # evidence["sign_ins"] and evidence . sign_ins read the same as evidence.sign_ins.
    pointed = _SPACED_DOT.sub(".", _STRINGS.sub('""', _INDEXED.sub(r".\1", text)))
    if _nesting(bare) > _DEEPEST_NESTING:
        raise ConditionError(f"The condition is nested more than {_DEEPEST_NESTING} deep.")
    try:
        compiled = _ENVIRONMENT.compile(text)
    except Exception as error:
        first = str(error).removeprefix("INVALID_ARGUMENT: ").splitlines()[0]
        raise ConditionError(f"{text!r} is not a condition: {first}") from None
    return Condition(text, tuple(sorted(set(_PATHS.findall(pointed)))), compiled)


def compile_yes_or_no(text: str) -> Condition:
    """Compile a condition; ConditionError where it can be nothing but a number or a text."""
    condition = compile_condition(text)
    found = condition._compiled.return_type()
    if found not in (cel.Type.BOOL, cel.Type.DYN):
        raise ConditionError(f"{text!r} gives a {found.name()}, not true or false.")
    return condition


def fill(value: Any, facts: Mapping[str, Any]) -> Any:
    """Replace ``${ expression }`` in strings: a whole one by its value, others by its text.

    ConditionError where a fact is missing, or the value has no form in JSON.
    """
    if isinstance(value, Mapping):
        return {key: fill(item, facts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, facts) for item in value]
    if not isinstance(value, str):
        return value
    whole = _EMBEDDED.fullmatch(value.strip())
    if whole:
        return _json_value(whole[1], facts)
    return _EMBEDDED.sub(lambda found: _text(_json_value(found[1], facts)), value)


def _json_value(expression: str, facts: Mapping[str, Any]) -> Any:
    condition = compile_condition(expression.strip())
    try:
        return jsonable(condition.evaluate(facts))
    except TypeError as error:
        raise ConditionError(f"{condition.text!r} can't be put into a plan: {error}.") from None


def _text(value: Any) -> str:
    """Write a value into a sentence: the same for the same value, whatever its order of keys."""
    return value if isinstance(value, str) else canonical_json(value).decode()


def expressions_in(value: Any) -> list[str]:
    """Return every ``${ expression }`` in a value, for checking them beforehand."""
    if isinstance(value, Mapping):
        return [found for item in value.values() for found in expressions_in(item)]
    if isinstance(value, list | tuple):
        return [found for item in value for found in expressions_in(item)]
    return [f.strip() for f in _EMBEDDED.findall(value)] if isinstance(value, str) else []


def _nesting(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _at(facts: Mapping[str, Any], path: str) -> Any:
    value: Any = facts
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value
