"""A warning list as MISP writes it: a JSON file with `name`, `type` and `list`. Pure.

Source: https://github.com/MISP/misp-warninglists (schema.json; types cidr, hostname, string,
substring, regex). Expressions stand between marks, as in ``/^a/i``.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.intelligence import warning_expressions
from integrations.intelligence.found import KINDS, LONGEST, NETWORK, entity_of
from tenants.errors import HoldfastError
from tenants.storable import storable

_TYPES = ("cidr", "hostname", "string", "substring", "regex")
_MOST_ENTRIES = 2_000_000
# Each is tried on each value: more would make every import slow.
_MOST_PATTERNS = 1_000
_LONGEST_PATTERN = 500
_MARKED = re.compile(r"(?s)([/#~@%!])(.*)\1([a-zA-Z]*)")
_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")
_SHORTEST_PIECE = 3
_ALL = "it would keep everything out"
_MOST_LEFT = 1_000
_TOGETHER = "with the others of its list it is too large: it would make every import slow"


class BadList(HoldfastError):
    """A file that is no warning list; the message says what to give."""


@dataclass(frozen=True, slots=True)
class Told:
    """A warning list: what it names, what has to be tried, and what of it can't be used, and why.

    `about`: kinds of entities that it holds for; empty: all.
    """

    name: str
    kind: str
    version: str
    about: tuple[str, ...]
    entities: tuple[str, ...]
    patterns: tuple[str, ...]
    left: tuple[tuple[str, str], ...]


def parse(content: bytes) -> Told:
    """Return the warning list that a file holds; BadList says why it holds none."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, Mapping) or not isinstance(told.get("list"), list):
        raise BadList(
            "This is no warning list in MISP's format: a JSON file with name, type and list, such "
            "as those of https://github.com/MISP/misp-warninglists."
        )
    kind = str(told.get("type", "string"))
    if kind not in _TYPES:
        raise BadList(f"Lists of type {kind[:40]!r} are not known. Known: {', '.join(_TYPES)}.")
    name = storable(str(told.get("name", "")).strip())[:200]
    if not name:
        raise BadList("The list has no name: give it one in the file.")
    values = list(dict.fromkeys(str(one).strip() for one in told["list"]))
    if len(values) > _MOST_ENTRIES:
        raise BadList(f"The list has more than {_MOST_ENTRIES:,} entries: split it.")
    entities, patterns, left = _entries(kind, values)
    about = _about(told.get("matching_attributes"))
    return Told(
        name, kind, str(told.get("version", ""))[:40], about, entities, patterns,
        tuple(left[:_MOST_LEFT]),
    )  # fmt: skip


def _about(told: Any) -> tuple[str, ...]:
    """Return for which kinds of entities a list holds, by the kinds of MISP's attributes."""
    found = set()
    for one in told if isinstance(told, list) else ():
        for part in str(one).lower().split("|"):
            found |= {KINDS[part]} if part in KINDS else set()
    return tuple(sorted(found | ({NETWORK} if "ip" in found else set())))


_Entries = tuple[tuple[str, ...], tuple[str, ...], list[tuple[str, str]]]


def _entries(kind: str, values: Iterable[str]) -> _Entries:
    entities: list[str] = []
    patterns: list[str] = []
    left: list[tuple[str, str]] = []
    for value in values:
        if kind in ("substring", "regex"):
            found, why = _pattern(kind, value)
            if not why and len(patterns) >= _MOST_PATTERNS:
                why = f"more than {_MOST_PATTERNS:,} of them would make every import slow"
        else:
            found, why = _entity(kind, value)
        if why:
            left.append((value[:200], why))
        else:
            (patterns if kind in ("substring", "regex") else entities).append(found)
    if kind == "regex":
        fitting = warning_expressions.fitting(patterns)
        left += [(one, _TOGETHER) for one in sorted(set(patterns) - set(fitting))]
        patterns = list(fitting)
    return tuple(entities), tuple(patterns), left


def _entity(kind: str, value: str) -> tuple[str, str]:
    if kind == "cidr":
        return _network(value)
    if kind == "hostname":
        # MISP writes a leading dot for all names below one.
        return entity_of("domain", value.lstrip("."))
    known = _looks_like(value.lower())
    found, why = entity_of(known, value)
    return (f"={found}", "") if found and len(found) <= LONGEST else ("", why or "it is too long")


def _network(value: str) -> tuple[str, str]:
    found, why = entity_of("ip", value)
    if why.startswith("its network is wider"):
        return "", why
    return found, why


def _looks_like(value: str) -> str:
    if _HEX.fullmatch(value):
        return "hash"
    if "://" in value:
        return "url"
    if "@" in value:
        return "email"
    is_address = bool(entity_of("ip", value)[0])
    return "ip" if is_address else "domain"


def _pattern(kind: str, value: str) -> tuple[str, str]:
    if not value or len(value) > _LONGEST_PATTERN:
        return "", f"it is empty, or longer than {_LONGEST_PATTERN} characters"
    if kind == "substring":
        is_short = len(value) < _SHORTEST_PIECE
        return storable(value.lower()), f"shorter than {_SHORTEST_PIECE} signs: {_ALL}" * is_short
    marked = _MARKED.fullmatch(value)
    pattern = storable(marked[2] if marked else value)
    if not warning_expressions.is_usable(pattern):
        return "", "the expression can’t be tried in linear time (RE2)"
    if warning_expressions.Expressions([pattern]).is_in(""):
        return "", f"the expression is found in an empty text: {_ALL}"
    return pattern, ""
