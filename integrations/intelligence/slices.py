"""Taking a long row of things some at a time. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Thing = TypeVar("Thing")


def slices(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """Yield the things in order, at most so many at a time."""
    waiting = iter(things)
    while some := list(islice(waiting, size)):
        yield some
