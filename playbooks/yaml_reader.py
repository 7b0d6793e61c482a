"""YAML that is safe to read from strangers, with the place of every value kept for messages.

Aliases, tags, duplicate keys, and anything too large or too deep are refused.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import yaml

from playbooks.errors import PlaybookError

LARGEST_BYTES = 256 * 1024
_DEEPEST = 30
_MOST_NODES = 20_000
_TAG = "tag:yaml.org,2002:"
_TAGS = {
    yaml.MappingNode: {f"{_TAG}map"},
    yaml.SequenceNode: {f"{_TAG}seq"},
    yaml.ScalarNode: {f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null")},
}
_TIMESTAMP = f"{_TAG}timestamp"


@dataclass(slots=True)
class Document:
    """A parsed file: plain data, and where each value stands."""

    name: str
    data: Any
    places: dict[tuple[str | int, ...], tuple[int, int]] = field(default_factory=dict)

    def at(self, *path: str | int) -> str:
        """Return ``file:line:column`` of a value, or of the nearest thing around it."""
        line, column = self.place(*path)
        return f"{self.name}:{line}:{column}"

    def place(self, *path: str | int) -> tuple[int, int]:
        """Return line and column of a value, or of the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def parse(text: str, name: str) -> Document:
    """Parse one YAML document; PlaybookError with file, line and column where it can't be."""
    if len(text.encode("utf-8", "replace")) > LARGEST_BYTES:
        raise PlaybookError([f"{name}:1:1: larger than {LARGEST_BYTES // 1024} KB: split it."])
    try:
        _refuse_aliases(text, name)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise PlaybookError([f"{name}:{place}: not YAML: {error.problem}"]) from None
    except (yaml.YAMLError, RecursionError, UnicodeError) as error:
        raise PlaybookError([f"{name}:1:1: not YAML: {str(error)[:200]}"]) from None
    document = Document(name, None)
    if node is None:
        raise PlaybookError([f"{name}:1:1: the file is empty"])
    document.data = _plain(node, (), document)
    return document


def _refuse_aliases(text: str, name: str) -> None:
    """Look at the events first: an alias bomb must not even be composed."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        place = _place(name, event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            raise PlaybookError([f"{place}: no aliases: write out *{event.anchor}"])
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise PlaybookError([f"{place}: nested more than {_DEEPEST} levels deep"])
        if nodes > _MOST_NODES:
            raise PlaybookError([f"{place}: more than {_MOST_NODES} values in one file"])


def _place(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}"


def _plain(node: yaml.Node, path: tuple[str | int, ...], document: Document) -> Any:
    mark = node.start_mark
    document.places[path] = (mark.line + 1, mark.column + 1)
    place = f"{document.name}:{mark.line + 1}:{mark.column + 1}"
    if node.tag == _TIMESTAMP and isinstance(node, yaml.ScalarNode):
        return node.value
    if node.tag not in _TAGS[type(node)]:
        raise PlaybookError([f"{place}: the tag {node.tag} is not allowed"])
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), document) for i, item in enumerate(node.value)]
    return _scalar(node, place)


def _scalar(node: yaml.Node, place: str) -> Any:
    try:
        value = yaml.SafeLoader.construct_object(yaml.SafeLoader(""), node)
    except (ValueError, KeyError, IndexError, yaml.YAMLError):
        value = math.nan
    if isinstance(value, float) and not math.isfinite(value):
        raise PlaybookError([f"{place}: {node.value[:80]!r} is not a value that can be read"])
    return value


def _mapping(
    node: yaml.MappingNode, path: tuple[str | int, ...], document: Document
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        place = f"{document.name}:{mark.line + 1}:{mark.column + 1}"
        if not isinstance(key_node, yaml.ScalarNode) or (
            key_node.tag not in _TAGS[yaml.ScalarNode] | {_TIMESTAMP}
        ):
            raise PlaybookError([f"{place}: a key must be a plain word"])
        key = str(key_node.value)
        if key in told:
            raise PlaybookError([f"{place}: {key!r} stands twice: the second would win silently"])
        told[key] = _plain(value_node, (*path, key), document)
    return told
