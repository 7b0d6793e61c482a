"""CEL, the language of conditions, behind one small interface.

Expressions are type-checked when they are compiled, can't loop without bound, and see nothing but
the facts they are given (https://github.com/cel-expr/cel-spec). The library stops an evaluation
after 10,000 rounds through lists, and refuses terms more than 32 deep; what the rounds may cost is
bounded by `cel_cost`, as is what comes out.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from playbooks.errors import ConditionError
from playbooks.expressions import cel_tree, cel_values
from playbooks.expressions.cel_cost import Cost
from playbooks.expressions.cel_tree import Node
from tenants.canonical import canonical_json, jsonable

LONGEST_EXPRESSION = 2000
_DEEPEST_NESTING = 30
# A list in a list of a fact. One deeper can't be gone through in 10,000 rounds beyond 21 items.
_DEEPEST_LOOPS = 2
# Comparing two lists of 2,000 objects takes 2 ms; in a loop, that is done in every round.
_MOST_COMPARISONS_IN_LOOPS = 4
_MOST_VALUES = 200_000
# Facts are shown with a plan: longer lists by their number, longer texts by their beginning.
_LONGEST_SHOWN_LIST, _LONGEST_SHOWN_TEXT = 10, 1000
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
# What CEL says of an expression that it can't compile.
_AT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNKNOWN = re.compile(r"undeclared reference to '(\w+)[.\w]*'")
_OVERLOAD = re.compile(r"no matching overload for '([^']*)' applied to")
_FUNCTIONS = (
    "has", "all", "exists", "exists_one", "map", "filter", "size", "contains", "startsWith",
    "endsWith", "matches", "string", "int", "double", "timestamp", "duration",
)  # fmt: skip
_KNOWN_NAMES = (*_FACTS, *_NUMBERS, "action", *_FUNCTIONS)
_EMBEDDED = re.compile(r"\$\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression. `reads` are the paths of facts that it looks at."""

    text: str
    reads: tuple[str, ...]
    tree: Node
    _compiled: Any
    _paths: tuple[tuple[str, ...], ...]
    _wanted: Mapping[str, Any]
    _cost: Cost
    _in_order: tuple[cel_values.Path, ...]

    def evaluate(self, facts: Mapping[str, Any]) -> Any:
        """Return the expression's value; ConditionError where a fact it needs is missing.

        Or where it would cost too much, or comes to a list in no fixed order.
        """
        seen = _only(self._wanted, {**_ABSENT, **facts})
        self._cost.spend(seen)
        self._must_have_an_order(seen)
        try:
            result = self._compiled.eval(data=seen)
        except Exception as error:
            raise ConditionError(f"{self.text!r} can't be evaluated: {error}") from None
        if result.type().name() == "*error*" or result.type() == cel.Type.ERROR:
            raise ConditionError(f"{self.text!r} can't be evaluated: {result.value()}")
        left = [_MOST_VALUES]
        try:
            return _plain(result, left, self.text)
        finally:
            self._cost.spend_answer(_MOST_VALUES - left[0])

    def _must_have_an_order(self, facts: Mapping[str, Any]) -> None:
        for path in self._in_order:
            if any(isinstance(one, Mapping) for one in cel_values.found(facts, path)):
                raise ConditionError(_no_order(self.text))

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
        return set(self._paths)

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Return whether the condition holds; ConditionError where it is no yes or no."""
        value = self.evaluate(facts)
        if not isinstance(value, bool):
            raise ConditionError(f"{self.text!r} is {value!r}, not true or false.")
        return value

    def facts_read(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that it looked at, by path; what isn't there is left out."""
        found = {}
        for path in self._paths:
            value = next(cel_values.found(facts, path), None)
            if value is not None:
                found[".".join(path)] = _shown(value)
        return found


@lru_cache(maxsize=4096)
def compile_condition(text: str) -> Condition:
    """Compile an expression; ConditionError says what is wrong with it, and where."""
    if len(text) > LONGEST_EXPRESSION:
        raise ConditionError(f"The condition is longer than {LONGEST_EXPRESSION} characters.")
    if _nesting(_STRINGS.sub('""', text)) > _DEEPEST_NESTING:
        raise ConditionError(f"The condition is nested more than {_DEEPEST_NESTING} deep.")
    try:
        compiled = _ENVIRONMENT.compile(text)
    except Exception as error:
        raise ConditionError(f"{text!r} is not a condition: {_explained(str(error))}") from None
    try:
        tree = cel_tree.read(compiled.serialize())
    except cel_tree.TooDeep:
        raise ConditionError(
            f"The condition has more than {cel_tree.DEEPEST_TREE} terms, each inside another."
        ) from None
    _check_depth(tree, text, 0)
    return _known(text, tree, compiled)


def _explained(error: str) -> str:
    """Return what CEL says is wrong, where in the expression, and what to do."""
    first = error.removeprefix("INVALID_ARGUMENT: ").splitlines()[0]
    found = _AT.fullmatch(first)
    if not found:
        return first
    line, column, told = int(found[1]), int(found[2]), found[3].removesuffix(" (in container '')")
    where = f"line {line}, character {column}" if line > 1 else f"character {column}"
    unknown, types = _UNKNOWN.search(told), _OVERLOAD.search(told)
    if unknown:
        near = difflib.get_close_matches(unknown[1], _KNOWN_NAMES, n=3) or _KNOWN_NAMES
        told += f": there is no such fact or function. Near it: {', '.join(near)}"
    elif types:
        told += f": {types[1].strip('_')} does not take these together; make them of one type"
    return f"{where}: {told}"


def _known(text: str, tree: Node, compiled: Any) -> Condition:
    try:
        in_order = [
            path for one in cel_values.in_order(tree) for path in sorted(one.facts, key=str)
        ]
        cost = Cost(tree, text)
    except cel_values.TooMany:
        raise ConditionError(
            f"{text[:200]!r} goes through too many different facts: split it."
        ) from None
    if any(path in _OBJECTS for path in in_order) or _makes_list_of_written_object(tree):
        raise ConditionError(_no_order(text))
    if cost.compared_in_loops > _MOST_COMPARISONS_IN_LOOPS:
        raise ConditionError(
            f"{text[:200]!r} compares facts with facts {cost.compared_in_loops} times for each item"
            f" of a list: at most {_MOST_COMPARISONS_IN_LOOPS}."
        )
    paths = tuple(sorted(_paths(tree, frozenset())))
    reads = tuple(".".join(path) for path in paths)
    return Condition(text, reads, tree, compiled, paths, _trie(paths), cost, tuple(in_order))


def _no_order(text: str) -> str:
    return f"{text[:200]!r} makes a list of an object, which has no fixed order: use a list."


def _makes_list_of_written_object(tree: Node) -> bool:
    return any(
        node.kind == "loop" and node.makes_list and node.parts[0].is_map for node in tree.walk()
    )


def _check_depth(node: Node, text: str, depth: int) -> None:
    """Refuse lists in lists in lists."""
    is_loop = node.kind == "loop"
    if is_loop and depth == _DEEPEST_LOOPS:
        raise ConditionError(
            f"{text[:200]!r} goes through lists more than {_DEEPEST_LOOPS} deep: split it."
        )
    for i, part in enumerate(node.parts):
        _check_depth(part, text, depth + 1 if is_loop and i else depth)


def _trie(paths: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Return the paths as nested names; None for what is read whole."""
    top: dict[str, Any] = {}
    for path in paths:
        around = top
        for name in path[:-1]:
            around = around.setdefault(name, {})
            if around is None:
                break
        else:
            around[path[-1]] = None
    return top


def _only(wanted: Mapping[str, Any] | None, facts: Any) -> Any:
    """Return of the facts what an expression reads: CEL copies all that it is given."""
    if wanted is None or not isinstance(facts, Mapping):
        return facts
    return {name: _only(wanted[name], facts[name]) for name in wanted if name in facts}


def _shown(value: Any) -> Any:
    if isinstance(value, list | Mapping) and len(value) > _LONGEST_SHOWN_LIST:
        return f"{len(value)} items"
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN_TEXT:
        return f"{value[:_LONGEST_SHOWN_TEXT]}…"
    return value


def _paths(node: Node, bound: frozenset[str]) -> set[tuple[str, ...]]:
    path = node.path()
    if path:
        return set() if path[0] in bound or path[0].startswith("@") else {path}
    if node.kind != "loop":
        return {found for part in node.parts for found in _paths(part, bound)}
    inner = bound | set(node.variables)
    found = _paths(node.parts[0], bound)
    return found | {one for part in node.parts[1:] for one in _paths(part, inner)}


def _plain(value: Any, left: list[int], text: str) -> Any:
    """Return a CEL value as Python's, counting: lists of copies of a list would fill the memory."""
    if left[0] < 0:
        raise ConditionError(f"{text[:200]!r} gives more than {_MOST_VALUES} values.")
    kind = value.type().name()
    if kind.startswith("LIST"):
        left[0] -= 1
        return [_plain(item, left, text) for item in value.value()]
    if kind.startswith("MAP"):
        left[0] -= 1
        return {key: _plain(item, left, text) for key, item in value.value().items()}
    plain = value.plain_value()
    left[0] -= 1 + len(plain) // cel_values.TEXT if isinstance(plain, str) else 1
    return plain


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


def without_expressions(value: Any) -> str:
    """Return all the texts in a value with every ``${ expression }`` taken out."""
    if isinstance(value, Mapping):
        return " ".join(map(without_expressions, value.values()))
    if isinstance(value, list | tuple):
        return " ".join(map(without_expressions, value))
    return _EMBEDDED.sub("", value) if isinstance(value, str) else ""


def _nesting(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest
