"""A record as rules see it: its fields by their Sigma names, as texts."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from integrations import json_text
from integrations.detection.fields import Place
from integrations.detection.keys import MOST_KEYS, NAMES, VALUES, Keys, keys_of
from integrations.detection.predicates import folded, readable
from integrations.detection.standing import NONE_KNOWN, NOWHERE, UNSURE, Layout, Spots, Steps
from integrations.detection.texts import MOST_VALUES, completed, leaves, texts_of

_LONGEST_INNER_JSON = 256 * 1024
_MISSING = object()

Record = Mapping[str, Any]
Texts = tuple[str, ...]


class View:
    """A record's fields; `parts` are the records in which they are looked for, in order.

    There are two where a normaliser made an OCSF event of the raw record. `spots` tell of `records`
    what is known of their kind.
    """

    __slots__ = (
        "_cache", "_folded", "_named", "_nodes", "_parsed", "_records", "_spots", "_texts",
        "parts", "raw",
    )  # fmt: skip

    def __init__(
        self,
        raw: Record,
        parts: tuple[tuple[Record, Layout], ...],
        records: tuple[Record, ...] = (),
        spots: Spots = NONE_KNOWN,
    ) -> None:
        self.raw, self.parts = raw, parts
        self._records, self._spots = records, spots
        self._cache: dict[str, Texts] = {}
        self._folded: dict[str, Texts] = {}
        self._texts: Texts | None = None
        self._nodes: dict[int, Keys] | None = None
        self._named: dict[int, tuple[list[Any], dict[str, list[Any]]]] | None = None
        self._parsed: dict[int, tuple[str, Any]] | None = None

    def values(self, field: str) -> Texts:
        """The field's values; empty where it isn't there or is null."""
        found = self._cache.get(field)
        if found is None:
            found = self._cache[field] = self._found(field)
        return found

    def _found(self, field: str) -> Texts:
        spot = self._spots[field]
        if spot is NOWHERE:
            return ()
        if spot is not UNSURE:
            node: Any = self._records
            for step in spot.steps:
                node = node[step]
            if type(node) is str:
                text = node if node.isascii() else readable(node)
                return (text,) if spot.place is None else tuple(completed(text, spot.place))
        return self._looked_for(field)

    def _looked_for(self, field: str) -> Texts:
        for record, layout in self.parts:
            found = self.read(record, layout, field)
            if found:
                return found
        return ()

    def folded(self, field: str) -> Texts:
        """The field's values in folded case, in the same order."""
        found = self._folded.get(field)
        if found is None:
            found = self._folded[field] = tuple(map(folded, self.values(field)))
        return found

    def texts(self) -> Texts:
        """Every text in the raw record."""
        if self._texts is None:
            self._texts = tuple(leaves(self.raw))
        return self._texts

    def folded_texts(self) -> Texts:
        """Every text in the raw record in folded case, in the same order."""
        found = self._folded.get("")
        if found is None:
            found = self._folded[""] = tuple(map(folded, self.texts()))
        return found

    def read(self, record: Record, layout: Layout, field: str) -> Texts:
        """The field's values in one record."""
        for key, steps, place in layout.standing[field]:
            node = record[key]
            if steps:
                node = self._below(node, steps)
            if node is None:
                continue
            if type(node) is str:
                found: Texts = (node if node.isascii() else readable(node),)
            else:
                found = texts_of(node)
            if place is not None:
                found = tuple(made for text in found for made in completed(text, place))
                if place.joined and found:
                    found = self._joined(record, found, place)
            if found:
                return found
        return ()

    def _joined(self, record: Record, found: Texts, place: Place) -> Texts:
        steps = tuple((step, step.lower()) for step in place.joined)
        behind = texts_of(self._at(record, steps))
        return tuple(text + other for text in found for other in behind or ("",))

    def _below(self, node: Any, steps: Steps) -> Any:
        """What stands at the end of the steps: a value, a list of several, None where nothing."""
        for number, (step, lower) in enumerate(steps):
            if type(node) is not dict:
                if type(node) is str and node[:1] not in ("{", "["):
                    return None
                only = node[0] if type(node) is list and len(node) == 1 else None
                if type(only) is dict and step in only and not self._keys(only).is_pair:
                    node = only[step]
                    continue
                return self._at(node, steps[number:])
            below = node.get(step, _MISSING)
            if below is _MISSING:
                key = self._keys(node).names.get(lower)
                if key is None:
                    return None
                below = node[key]
            node = below
        return node

    def _at(self, node: Any, steps: Steps) -> list[Any]:
        nodes = [node]
        for step in steps:
            found = (child for node in nodes for child in self._step(node, step))
            nodes = list(islice(found, MOST_VALUES))
            if not nodes:
                break
        return nodes

    def _step(self, node: Any, step: tuple[str, str]) -> list[Any]:
        if isinstance(node, str):
            node = self._inner(node)
        if isinstance(node, dict):
            if step[0] in node:
                return [node[step[0]]]
            key = self._keys(node).names.get(step[1])
            return [] if key is None else [node[key]]
        if isinstance(node, list):
            few = node if len(node) <= MOST_VALUES else node[:MOST_VALUES]
            return self._in_list(few, step)
        return []

    def _in_list(self, items: list[Any], step: tuple[str, str]) -> list[Any]:
        records = [item for item in items if isinstance(item, dict)]
        # A list of nothing but names with values is read by name: one of them may be "Name".
        is_by_name = bool(records) and self._keys(records[0]).is_pair
        if is_by_name and (named := self._by_name(items, records).get(step[1])):
            return named
        found = [
            child
            for item in items
            if isinstance(item, (dict, list))
            for child in self._step(item, step)
        ]
        if found or is_by_name:
            return found
        return [value for item in records for name, value in self._pairs(item) if name == step[1]]

    def _by_name(self, items: list[Any], records: list[Any]) -> dict[str, list[Any]]:
        if self._named is None:
            self._named = {}
        # The list is kept beside what it holds: an id may be used again once it is gone.
        known = self._named.get(id(items))
        if known is None:
            table: dict[str, list[Any]] = {}
            for item in records:
                for name, value in self._pairs(item):
                    table.setdefault(name, []).append(value)
            known = self._named[id(items)] = (items, table)
        return known[1]

    def _pairs(self, item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        keys = self._keys(item).names
        names = {str(item[keys[key]]).lower() for key in NAMES if key in keys}
        for value in VALUES:
            if value in keys:
                for name in names:
                    yield name, item[keys[value]]

    def _keys(self, node: Mapping[str, Any]) -> Keys:
        if self._nodes is None:
            self._nodes = {}
        # The record outlives its view, so that an id stands for one node only.
        known = self._nodes.get(id(node))
        if known is None:
            known = keys_of(tuple(node)) if len(node) <= MOST_KEYS else Keys(node)
            self._nodes[id(node)] = known
        return known

    def _inner(self, text: str) -> Any:
        """A text's own JSON: exports write nested objects so."""
        if not text.startswith(("{", "[")) or len(text) > _LONGEST_INNER_JSON:
            return None
        # The text is kept beside what it holds: an id may be used again once it is gone.
        if self._parsed is None:
            self._parsed = {}
        known = self._parsed.get(id(text))
        if known is None:
            try:
                known = (text, json_text.spread(json_text.parsed(text))[0])
            except (ValueError, RecursionError):
                known = (text, None)
            self._parsed[id(text)] = known
        return known[1]
