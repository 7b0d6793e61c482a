"""CEL, the language of conditions, behind one small interface.

Expressions are type-checked when they are compiled, can't loop without bound, and see nothing but
the facts they are given (https://github.com/cel-expr/cel-spec). The library stops an evaluation
after 10,000 rounds through lists, and refuses terms more than 32 deep; what a single round may
cost is bounded here, as is what comes out. With all of it, the dearest expression that is allowed
takes 20 s of processor time on lists of 2,000 objects, and 500 MB.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from playbooks import cel_tree
from playbooks.cel_tree import Node
from playbooks.errors import ConditionError
from tenants.canonical import canonical_json, jsonable

LONGEST_EXPRESSION = 2000
_DEEPEST_NESTING = 30
# A list in a list of a fact. One deeper can't be gone through in 10,000 rounds beyond 21 items.
_DEEPEST_LOOPS = 2
# Comparing two lists of 2,000 objects takes 2 ms; in a loop, that is done in every round.
_MOST_COMPARISONS_IN_LOOPS = 4
_COMPARISONS = ("_==_", "_!=_", "@in", "_+_")
_MOST_VALUES = 200_000
# Facts are shown with a plan, at each of its steps: what is longer is told by its number.
_LONGEST_SHOWN = 20
# Facts that a case may have or not: where they are absent, `has(device.external_id)` is false.
_OPTIONAL = (
    "account", "mailbox", "device", "message", "person", "on_premises", "indicator", "inputs",
    "directory",
)  # fmt: skip
_FACTS = (
    "case", "tenant", "evidence", "verdict", "target", "item", *_OPTIONAL,
)  # fmt: skip
_ABSENT: dict[str, Any] = {
    **{name: {} for name in _OPTIONAL},
    "directory": {"accounts": {}, "devices": {}},
}
_NUMBERS = ("hour", "weekday", "objects", "risk")
_ENVIRONMENT = cel.NewEnv(
    variables={
        **dict.fromkeys(_FACTS, cel.Type.DYN),
        **dict.fromkeys(_NUMBERS, cel.Type.INT),
        "action": cel.Type.STRING,
    }
)
# Facts that are objects for certain; what a gatherer answers is known to `lint`.
_OBJECTS = {(name,) for name in _FACTS if name not in ("target", "item")}
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
    tree: Node

    def evaluate(self, facts: Mapping[str, Any]) -> Any:
        """Return the expression's value; ConditionError where a fact it needs is missing."""
        try:
            result = self._compiled.eval(data={**_ABSENT, **facts})
        except Exception as error:
            raise ConditionError(f"{self.text!r} can't be evaluated: {error}") from None
        if result.type().name() == "*error*" or result.type() == cel.Type.ERROR:
            raise ConditionError(f"{self.text!r} can't be evaluated: {result.value()}")
        return _plain(result, [_MOST_VALUES], self.text)

    def constant(self) -> Any:
        """Return its value where that is the same for all facts; None where it isn't."""
        try:
            result = self._compiled.eval(data={})
        except Exception:
            return None
        is_error = result.type().name() == "*error*" or result.type() == cel.Type.ERROR
        return None if is_error else _plain(result, [_MOST_VALUES], self.text)

    def paths(self) -> set[tuple[str, ...]]:
        """Return what it reads of the facts, such as ``("evidence", "sign_ins", "count")``."""
        return _paths(self.tree, frozenset())

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
                found[path] = _shown(value)
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
    try:
        tree = cel_tree.read(compiled.serialize())
    except cel_tree.TooDeep:
        raise ConditionError(
            f"The condition has more than {cel_tree.DEEPEST_TREE} terms, each inside another."
        ) from None
    _check_loops(tree, text, 0)
    in_loops = _comparisons_in_loops(tree, is_in_loop=False)
    if in_loops > _MOST_COMPARISONS_IN_LOOPS:
        raise ConditionError(
            f"{text[:200]!r} compares facts with facts {in_loops} times for each item of a list:"
            f" at most {_MOST_COMPARISONS_IN_LOOPS}."
        )
    return Condition(text, tuple(sorted(set(_PATHS.findall(pointed)))), compiled, tree)


def _check_loops(node: Node, text: str, depth: int) -> None:
    """Refuse lists in lists in lists, and lists made of an object, which has no fixed order."""
    if node.kind != "loop":
        for part in node.parts:
            _check_loops(part, text, depth)
        return
    if depth == _DEEPEST_LOOPS:
        raise ConditionError(
            f"{text[:200]!r} goes through lists more than {_DEEPEST_LOOPS} deep: split it."
        )
    source = node.parts[0]
    if node.makes_list and (source.is_map or source.path() in _OBJECTS):
        raise ConditionError(
            f"{text[:200]!r} makes a list of an object, which has no fixed order: use a list."
        )
    _check_loops(source, text, depth)
    for part in node.parts[1:]:
        _check_loops(part, text, depth + 1)


def _comparisons_in_loops(node: Node, is_in_loop: bool) -> int:
    """Count what compares or joins two values that may both be large, in every round of a loop."""
    mine = (
        is_in_loop
        and node.kind == "call"
        and node.text in _COMPARISONS
        and not any(part.is_constant() or part.text == "@result" for part in node.parts)
    )
    inside = is_in_loop or node.kind == "loop"
    return int(mine) + sum(
        _comparisons_in_loops(part, is_in_loop if node.kind == "loop" and i == 0 else inside)
        for i, part in enumerate(node.parts)
    )


def _paths(node: Node, bound: frozenset[str]) -> set[tuple[str, ...]]:
    path = node.path()
    if path:
        return set() if path[0] in bound or path[0].startswith("@") else {path}
    if node.kind != "loop":
        return {found for part in node.parts for found in _paths(part, bound)}
    inner = bound | set(node.variables)
    found = _paths(node.parts[0], bound)
    return found | {one for part in node.parts[1:] for one in _paths(part, inner)}


def _shown(value: Any) -> Any:
    is_long = isinstance(value, list | Mapping) and len(value) > _LONGEST_SHOWN
    return f"{len(value)} items" if is_long else value


def _plain(value: Any, left: list[int], text: str) -> Any:
    """Return a CEL value as Python's, counting: lists of copies of a list would fill the memory."""
    left[0] -= 1
    if left[0] < 0:
        raise ConditionError(f"{text[:200]!r} gives more than {_MOST_VALUES} values.")
    kind = value.type().name()
    if kind.startswith("LIST"):
        return [_plain(item, left, text) for item in value.value()]
    if kind.startswith("MAP"):
        return {key: _plain(item, left, text) for key, item in value.value().items()}
    return value.plain_value()


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
