"""Whether conditions ask for facts that there are, and compare them with what they can be.

CEL learns the types of facts only when a case comes. Until then the playbook's own `example:` and
golden cases, laid over the facts of an ordinary case, say what there is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from playbooks.expressions import cel_values
from playbooks.expressions.cel_tree import Node
from playbooks.expressions.conditions import Condition
from playbooks.expressions.given import merged

# Facts that every case has, with the same fields in each.
_ALWAYS = ("case", "tenant", "account", "mailbox", "verdict")
_SOMETIMES = ("device", "message", "person", "on_premises", "indicator")
_SAME = ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_")
_YES_OR_NO = ("_&&_", "_||_", "!_", "_?_:_")
_TYPES: Mapping[type, str] = {
    bool: "bool", int: "number", float: "number", str: "string", list: "list", dict: "object",
}  # fmt: skip
_OF_CONSTANTS = {
    "bool": "bool", "int": "number", "uint": "number", "double": "number", "string": "string",
}  # fmt: skip
_OF_ANSWERS = {
    "boolean": "bool", "integer": "number", "string": "string", "list": "list", "object": "object",
}  # fmt: skip

Path = tuple[str, ...]


class Known:
    """The facts that a playbook may see, as far as its examples and its questions tell."""

    def __init__(
        self, example: Mapping[str, Any], changes: list[Any], answers: Mapping[str, Any] | None
    ) -> None:
        """`changes` are those of the golden cases; `answers`: by step, the type of each answer."""
        self._all = [example, *(merged(example, one) for one in changes)]
        self._answers = answers or {}

    def missing(self, path: Path) -> str:
        """Say what is wrong with asking for a fact; '' where it is there."""
        root = path[0]
        if len(path) == 1 or root not in (*_ALWAYS, *_SOMETIMES):
            return ""
        fields = {
            name
            for facts in self._all
            if isinstance(told := facts.get(root), Mapping)
            for name in told
        }
        if not fields or path[1] in fields:
            return ""
        there = ", ".join(sorted(map(str, fields)))
        return (
            f"{root} has no {path[1]!r}; it has: {there}. If some cases do have it, give it under"
            " `example:`"
        )

    def type_of(self, path: Path) -> str:
        """Return the type of a fact; '' where it isn't known, or isn't the same in each example."""
        if path[0] == "evidence" and len(path) == 3 and self._answers.get(path[1]):
            return _OF_ANSWERS.get(self._answers[path[1]].get(path[2], ""), "")
        found = {_TYPES.get(type(value), "") for facts in self._all for value in _at(facts, path)}
        return found.pop() if len(found) == 1 else ""


def wrong(condition: Condition, known: Known) -> Iterator[str]:
    """Yield what an expression asks for that isn't there, or compares that can't be the same."""
    yield from (told for path in sorted(condition.paths()) if (told := known.missing(path)))
    yield from _mistaken(condition.tree, known)


def _mistaken(tree: Node, known: Known) -> Iterator[str]:
    for term in cel_values.terms(tree):
        node = term.node
        if node.kind != "call":
            continue
        types = [_type(part, known, term.names) for part in node.parts]
        if node.text in _SAME and len(set(types)) == 2 and "" not in types:
            left, right = (_said(part, kind) for part, kind in zip(node.parts, types, strict=True))
            yield f"{left} is compared with {right}: they are never the same"
        if node.text in _YES_OR_NO:
            asked = node.parts[:1] if node.text == "_?_:_" else node.parts
            for part, kind in zip(asked, types, strict=False):
                if kind not in ("", "bool"):
                    yield f"{_said(part, kind)} is not true or false: compare it with something"


def _type(node: Node, known: Known, names: cel_values.Names) -> str:
    path = node.path()
    if node.type:
        return _OF_CONSTANTS.get(node.type, "")
    return known.type_of(path) if path and path[0] not in names else ""


def _said(node: Node, kind: str) -> str:
    return f"{'.'.join(node.path())} ({kind})" if node.path() else f"a {kind}"


def _at(facts: Any, path: Path) -> Iterator[Any]:
    if not path:
        yield facts
    elif isinstance(facts, Mapping) and path[0] in facts:
        yield from _at(facts[path[0]], path[1:])
