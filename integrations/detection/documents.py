"""The YAML documents of a rule file, safe to read from strangers."""

import uuid
from collections.abc import Hashable
from typing import Any

import yaml

from integrations.detection.errors import Broken
from tenants import yaml_bounds

_DEEPEST = 20
_MOST_NODES = 50_000
# What is shared counts for each rule that shares it.
_MOST_WRITTEN_OUT = 100_000
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MAP = "tag:yaml.org,2002:map"


class _Loader(yaml.CSafeLoader):
    """Plain data only; a key that stands twice is refused, dates stay as they are written."""


def documents(content: bytes, largest: int) -> list[dict[str, Any]]:
    """Return the file's documents; Broken where it isn't YAML, or is out of bounds."""
    if len(content) > largest:
        raise Broken(f"larger than {largest // 2**20} MB: split it")
    try:
        text = content.decode("utf-8-sig")
        yaml_bounds.check(text, deepest=_DEEPEST, most_nodes=_MOST_NODES)
        found = list(yaml.load_all(text, Loader=_Loader))
    except UnicodeDecodeError:
        raise Broken("not UTF-8 text") from None
    except yaml_bounds.OutOfBounds as error:
        raise Broken(f"line {error.line}: {error.reason}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise Broken(f"{line}not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise Broken(f"not YAML: {str(error)[:200]}") from None
    return _mappings(found)


def parts(value: Any) -> int:
    """Return how many values, lists and mappings a part of a document is made of."""
    waiting, count = [value], 0
    while waiting:
        node = waiting.pop()
        count += 1
        if isinstance(node, dict | list):
            waiting.extend(node.values() if isinstance(node, dict) else node)
    return count


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(below) for key, below in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def _mappings(found: list[Any]) -> list[dict[str, Any]]:
    kept = [one for one in found if one is not None]
    if not kept:
        raise Broken("the file is empty")
    for one in kept:
        if not isinstance(one, dict):
            raise Broken("not a Sigma rule: it is no mapping")
        if _has_nul(one):
            raise Broken("a text of it has a NUL sign, which can't be kept: take it out")
    return _written_out(kept) if any("action" in one for one in kept) else kept


def _written_out(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sigma's old collections: parts that several documents share stand in one of them."""
    shared: dict[str, Any] = {}
    kept: list[dict[str, Any]] = []
    for one in found:
        part = {key: value for key, value in one.items() if key != "action"}
        match str(one.get("action", "")):
            case "":
                kept.append(_joined(shared, part))
            case "global":
                shared = _joined(shared, part)
            case "reset":
                shared = {}
            case "repeat" if kept:
                kept.append(_joined(kept[-1], part))
            case "repeat":
                raise Broken("it repeats a rule where there is none before (action: repeat)")
            case other:
                raise Broken(f"not a Sigma rule: there is no action {other[:40]!r}")
    if not kept:
        raise Broken("not a Sigma rule: nothing follows what it shares (action: global)")
    if sum(map(parts, kept)) > _MOST_WRITTEN_OUT:
        raise Broken("written out, it comes to too many rules: split it")
    return [_told_apart(one, number, kept) for number, one in enumerate(kept)]


def _joined(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Both together; what stands in both is taken from `over`, part by part."""
    made = dict(under)
    for key, value in over.items():
        below = made.get(key)
        is_part = isinstance(value, dict) and isinstance(below, dict)
        made[key] = _joined(below, value) if is_part and isinstance(below, dict) else value
    return made


def _told_apart(one: dict[str, Any], number: int, all_: list[dict[str, Any]]) -> dict[str, Any]:
    """The rule with an id of its own where it shares one: made of that, always the same."""
    told = one.get("id")
    if told is None or not any(other.get("id") == told for other in all_[:number]):
        return one
    return {**one, "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{told}#{number}"))}


def _mapping(loader: yaml.CSafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    told: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a plain word", key_node.start_mark
            )
        if key in told:
            raise yaml.constructor.ConstructorError(
                None, None, f"{str(key)[:80]!r} stands twice", key_node.start_mark
            )
        told[key] = loader.construct_object(value_node, deep=True)
    return told


_Loader.add_constructor(_MAP, _mapping)
_Loader.add_constructor(_TIMESTAMP, lambda loader, node: node.value)
