"""Expressions of warning lists (RE2, linear time), tried together as far as they fit. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2

_LARGEST = 2**20
# RE2's instructions, as often as there are named groups: a value takes a millisecond at worst.
_MOST_WORK = 100_000
_MOST_PARTS = 32
_Part = tuple[tuple[str, ...], Any]


def is_usable(pattern: str) -> bool:
    """Whether an expression can be tried in linear time, and is small enough."""
    return _compiled(pattern) is not None


def fitting(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return those of usable expressions that can all be tried on each value without delay."""
    found: list[str] = []
    work = 0
    for part, compiled in _parts(tuple(patterns))[:_MOST_PARTS]:
        if work + _work(compiled) <= _MOST_WORK:
            work += _work(compiled)
            found += part
    return tuple(found)


class Expressions:
    """Usable expressions, of which a value may have any."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._parts = [one for _, one in _parts(tuple(patterns))]

    def is_in(self, value: str) -> bool:
        """Whether one of them is found in the value, in upper or lower case."""
        return any(one.search(value) is not None for one in self._parts)


# Cases ask for the same lists again and again.
@lru_cache(maxsize=16)
def _parts(patterns: tuple[str, ...]) -> Sequence[_Part]:
    return _parted(patterns)


def _parted(patterns: tuple[str, ...]) -> list[_Part]:
    """Return the expressions in order, in as few parts as can be compiled.

    A whole of small ones may be too large, or broken where each is not: two with a group of the
    same name, or a quotation without an end.
    """
    if not patterns:
        return []
    joined = "|".join(f"(?:{one})" for one in patterns) if len(patterns) > 1 else patterns[0]
    compiled = _compiled(joined)
    if compiled is not None:
        return [(patterns, compiled)]
    if len(patterns) == 1:
        return []
    half = len(patterns) // 2
    return [*_parted(patterns[:half]), *_parted(patterns[half:])]


def _compiled(pattern: str) -> Any:
    """Return an expression, ready to be tried; None where it is none, or too large."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    # What was found where is not asked: without it the search is many times as quick.
    options.never_capture = True
    options.max_mem = _LARGEST
    try:
        compiled = re2.compile(pattern, options)
    except re2.error:
        return None
    return compiled if _work(compiled) <= _MOST_WORK else None


def _work(compiled: Any) -> int:
    size: int = compiled.programsize
    return size * (1 + compiled.groups)
