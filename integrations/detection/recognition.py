"""Of which kind a record is: its shape, its log sources, and where its fields stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from integrations.detection.asking import Asking, Facts, Parts, Records, Tree, view_of
from integrations.detection.fields import BARE, Source, Test, shapes, sorter
from integrations.detection.keys import MOST_KEYS
from integrations.detection.standing import Layout
from integrations.detection.views import Record, View

# What is remembered of kinds takes no more; a kind of thirty keys takes some ten thousand bytes.
_MOST_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """What records have in common that give the same answers.

    `parts` are the records whose shape is known, each laid out; none where no shape is. `facts` are
    the keys that were looked at, which take about as many bytes as `weight` says.
    """

    parts: Parts
    sources: tuple[Source, ...]
    facts: Facts
    weight: int


class Recogniser:
    """Tells the kinds of records, and remembers them."""

    def __init__(self) -> None:
        self._trees: Mapping[int, Tree[Kind]] = {1: Tree(), 2: Tree()}
        # About how many bytes are taken by what is remembered.
        self.weight = 0

    def kind(self, records: Records) -> Kind:
        """The kind of a vendor's record, and of the OCSF event that was made of it."""
        if len(records[0]) > MOST_KEYS:
            return _decided(Asking(records))
        tree = self._trees[len(records)]
        found = tree.find(records)
        if found is None:
            asked = Asking(records)
            found = _decided(asked)
            if asked.is_worth_keeping:
                if self.weight > _MOST_BYTES:
                    self._trees = {1: Tree(), 2: Tree()}
                    tree, self.weight = self._trees[len(records)], 0
                tree.keep(asked, found)
                self.weight += found.weight
        return found


_known: Final = Recogniser()
kind_of: Final = _known.kind


def records_of(raw: Record, normalised: Record | None) -> Records:
    """A vendor's record, and the OCSF event made of it, if there is one."""
    return (raw, normalised) if normalised else (raw,)


def recognised(raw: Record, normalised: Record | None = None) -> View | None:
    """The record's fields; None where neither it nor what was made of it is of a known shape."""
    records = records_of(raw, normalised)
    parts = kind_of(records).parts
    return view_of(records, parts) if parts else None


def _decided(asked: Asking) -> Kind:
    layout = _layout(asked, 0, is_ocsf=False)
    parts: Parts = ((0, layout),) if layout else ()
    number = len(asked.records) - 1
    if "class_uid" in asked.top(number).own:
        event = _layout(asked, number, is_ocsf=True)
        parts += ((number, event),) if event else ()
    sources = tuple(
        source
        for _, laid_out in parts
        for source in laid_out.shape.sources
        if all(_holds(asked, test, parts) for test in source.when)
    )
    return Kind(parts, sources, asked.facts, asked.weight)


def _layout(asked: Asking, number: int, *, is_ocsf: bool) -> Layout | None:
    """The first shape that one of the records has, laid out for its keys."""
    keys = asked.top(number)
    bare: Parts = ((number, Layout(BARE, keys)),)
    for shape in shapes():
        may_be = shape.is_ocsf == is_ocsf and shape.may_have(keys.names)
        if may_be and all(_holds(asked, test, bare) for test in shape.when):
            return Layout(shape, keys)
    return None


def _holds(asked: Asking, test: Test, parts: Parts) -> bool:
    return test.holds(asked.sort(test.field, parts, sorter(test.field)))
