"""YAML that is safe to read from strangers, with the place of every value kept for messages.

Aliases, tags, duplicate keys, and anything too large or too deep are refused. What YAML 1.1 and 1.2
read differently (`no`, `017`, `1:30`) is read as in 1.1 and named as `doubtful`: an editor may read
it the other way.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from playbooks.errors import PlaybookError
from tenants import yaml_bounds

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
# What YAML 1.2 takes for a number (its core schema, section 10.3.2), and for true and false.
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")


@dataclass(slots=True)
class Document:
    """A parsed file: plain data, and where each value stands.

    `doubtful` are the values that other readers of YAML may read as another one, by path;
    `respelled` the numbers that are written otherwise than they are read, such as 1.10.
    """

    name: str
    data: Any
    places: dict[tuple[str | int, ...], tuple[int, int]] = field(default_factory=dict)
    doubtful: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    respelled: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    def at(self, *path: str | int) -> str:
        """Return ``file:line:column`` of a value, or of the nearest thing around it."""
        line, column = self.place(*path)
        return f"{self.name}:{line}:{column}"

    def place(self, *path: str | int) -> tuple[int, int]:
        """Return line and column of a value, or of the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def parse_new(text: str, name: str) -> Document:
    """Parse a document that is new here: PlaybookError also where it can be read in two ways."""
    document = parse(text, name)
    if document.doubtful:
        raise PlaybookError(
            [f"{document.at(*path)}: {told}" for path, told in document.doubtful.items()]
        )
    return document


def parse(text: str, name: str) -> Document:
    """Parse one YAML document; PlaybookError with file, line and column where it can't be."""
    if len(text.encode("utf-8", "replace")) > LARGEST_BYTES:
        raise PlaybookError([f"{name}:1:1: larger than {LARGEST_BYTES // 1024} KB: split it."])
    try:
        yaml_bounds.check(text, deepest=_DEEPEST, most_nodes=_MOST_NODES)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml_bounds.OutOfBounds as error:
        place = f"{name}:{error.line}:{error.column}"
        raise PlaybookError([f"{place}: {error.reason}"]) from None
    except yaml.MarkedYAMLError as error:
        place = _place_within(text, error.problem_mark or error.context_mark)
        raise PlaybookError([f"{name}:{place}: not YAML: {error.problem}"]) from None
    except (yaml.YAMLError, RecursionError, UnicodeError) as error:
        raise PlaybookError([f"{name}:1:1: not YAML: {str(error)[:200]}"]) from None
    document = Document(name, None)
    if node is None:
        raise PlaybookError([f"{name}:1:1: the file is empty"])
    document.data = _plain(node, (), document)
    return document


def _place_within(text: str, mark: Any) -> str:
    """Return ``line:column`` of a mark; what is missing at the end is missed on the last line."""
    lines = text.split("\n")
    if mark is None:
        return "1:1"
    if mark.line >= len(lines):
        return f"{len(lines)}:{len(lines[-1]) + 1}"
    return f"{mark.line + 1}:{mark.column + 1}"


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
    value = _scalar(node, place)
    if isinstance(node, yaml.ScalarNode) and not node.style:
        _note_spelling(node.value, value, path, document)
    return value


def is_doubtful(text: str, value: Any) -> bool:
    """Whether other readers of YAML may read an unquoted `text` otherwise than as `value`."""
    if isinstance(value, bool):
        return not _BOOLEAN.fullmatch(text)
    is_number = bool(_INTEGER.fullmatch(text) or _FLOAT.fullmatch(text))
    if not is_number or not isinstance(value, int | float):
        return is_number != isinstance(value, int | float)
    base = 0 if text.startswith(("0o", "0x")) else 10
    return (int(text, base) if _INTEGER.fullmatch(text) else float(text)) != value


def _note_spelling(text: str, value: Any, path: tuple[str | int, ...], document: Document) -> None:
    if is_doubtful(text, value):
        read = "a text" if isinstance(value, str) else str(value).lower()
        document.doubtful[path] = (
            f"{text[:80]!r} is {read} to some readers of YAML, and something else to others: write"
            " it plainly (true, false, 12), or as a text in quotes"
        )
    if isinstance(value, int | float) and not isinstance(value, bool) and str(value) != text:
        document.respelled[path] = text


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
