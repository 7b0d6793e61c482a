"""Where a rule's fields stand in records of one shape that have the same keys."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from integrations.detection.fields import Place, Shape
from integrations.detection.keys import Keys

Steps = tuple[tuple[str, str], ...]


class Standing(NamedTuple):
    """A place below a key that the record has; `steps` in the rule's case and in lower case."""

    key: str
    steps: Steps
    place: Place | None


class _Standings(dict[str, tuple[Standing, ...]]):
    """By a field, the places that a record with certain keys can have, most likely first."""

    __slots__ = ("_keys", "_shape")

    def __init__(self, shape: Shape, keys: Keys) -> None:
        super().__init__()
        self._shape, self._keys = shape, keys

    def __missing__(self, field: str) -> tuple[Standing, ...]:
        found = self[field] = tuple(self._look(field))
        return found

    def _look(self, field: str) -> Iterator[Standing]:
        for place in self._shape.places(field):
            first, *rest = place.path
            key = self._keys.find(first, first.lower())
            if key is not None:
                steps = tuple((step, step.lower()) for step in rest)
                yield Standing(key, steps, None if place.is_plain else place)


class Layout:
    """Where the fields of a shape stand in records that have the same keys."""

    __slots__ = ("shape", "standing")

    def __init__(self, shape: Shape, keys: Keys) -> None:
        self.shape, self.standing = shape, _Standings(shape, keys)


class Spot(NamedTuple):
    """Where a field of records stands, if what is there is a text; `place` completes it.

    The steps are the number of one of the records, then keys, or 0 for a list's only item.
    """

    steps: tuple[Any, ...]
    place: Place | None


# Signs in the place of a spot: no place is left, and: each record has to be looked through.
NOWHERE: Final = Spot((), None)
UNSURE: Final = Spot((), None)


class Spots(dict[str, Spot]):
    """By a field its spot in records of one kind, looked up but once."""

    __slots__ = ("_look",)

    def __init__(self, look: Callable[[str], Spot]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, field: str) -> Spot:
        found = self[field] = self._look(field)
        return found


NONE_KNOWN: Final = Spots(lambda field: UNSURE)
