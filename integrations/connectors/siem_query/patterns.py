"""Names and patterns of indices, as Elasticsearch and OpenSearch take them. Pure.

A pattern has ``*``; one that begins with ``-`` takes away from those before it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

_DAY = re.compile(r"(?:[-_.]\d{4}[-_.]\d{2}(?:[-_.]\d{2})?)?(?:-\d{6})?$")


@dataclass(frozen=True, slots=True)
class Places:
    """In which indices each log source had events, of those that `searched` takes.

    `is_whole`: no log source and no index was left out.
    """

    searched: str
    indices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_whole: bool = True

    def read_by(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the log sources that fill the indices of a rule.

        Its patterns where none does. () where that can't be told: they reach beyond what was
        searched.
        """
        wanted = [pattern for pattern in patterns if not pattern.startswith("-")]
        found = sorted(
            name
            for name, indices in self.indices.items()
            if any(_has(index, pattern) for index in indices for pattern in wanted)
        )
        if found or not wanted:
            return tuple(found)
        is_seen = self.is_whole and all(_is_within(one, self.searched) for one in wanted)
        return (" or ".join(sorted(set(wanted))),) if is_seen else ()


def stream(index: str) -> str:
    """Return an index without its day and number: ``.ds-logs-x-default-2026.11.20-000001``."""
    return _DAY.sub("", index.removeprefix(".ds-"))


def touch(patterns: Iterable[str], searched: str) -> bool:
    """Return whether patterns may take an index that `searched` takes; without any they may."""
    wanted = [pattern for pattern in patterns if not pattern.startswith("-")]
    taken, _ = _parts(searched)
    return not wanted or any(_may_share(one, other) for one in wanted for other in taken)


def _has(index: str, pattern: str) -> bool:
    return fnmatchcase(index, pattern) or fnmatchcase(stream(index), pattern)


def _is_within(pattern: str, searched: str) -> bool:
    """Whether all that a pattern takes was searched. Its own ``*`` stands for a sign here."""
    taken, left = _parts(searched)
    return any(fnmatchcase(pattern, one) for one in taken) and not any(
        _may_share(pattern, one) for one in left
    )


def _parts(searched: str) -> tuple[list[str], list[str]]:
    told = [one for one in searched.split(",") if one]
    return (
        [one for one in told if not one.startswith("-")],
        [one.removeprefix("-") for one in told if one.startswith("-")],
    )


def _may_share(one: str, other: str) -> bool:
    """Whether an index may be there that both take, as far as their beginnings and ends tell."""
    if "*" not in one:
        return _has(one, other)
    if "*" not in other:
        return _has(other, one)
    starts = one.split("*")[0], other.split("*")[0]
    ends = one.rsplit("*")[-1], other.rsplit("*")[-1]
    return (starts[0].startswith(starts[1]) or starts[1].startswith(starts[0])) and (
        ends[0].endswith(ends[1]) or ends[1].endswith(ends[0])
    )
