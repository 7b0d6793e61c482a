"""The YAML documents of a rule file, safe to read from strangers."""

from collections.abc import Hashable
from typing import Any

import yaml

from integrations.detection.errors import Broken
from tenants import yaml_bounds

_DEEPEST = 20
_MOST_NODES = 50_000
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


def _mappings(found: list[Any]) -> list[dict[str, Any]]:
    kept = [one for one in found if one is not None]
    if not kept:
        raise Broken("the file is empty")
    for one in kept:
        if not isinstance(one, dict):
            raise Broken("not a Sigma rule: it is no mapping")
        if str(one.get("action", "")) in ("global", "repeat", "reset"):
            raise Broken("Sigma's old collections (action: global) are not read: write out rules")
    return kept


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
