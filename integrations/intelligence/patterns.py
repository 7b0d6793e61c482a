"""What a STIX 2.1 pattern looks for, as far as single events can tell. Pure.

Source: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html (9, STIX Patterning).
A pattern is opened into alternatives: of each, everything has to be named by one event.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.intelligence.found import NETWORKS, entity_of

LONGEST = 20_000
_MOST_ALTERNATIVES = 2_000
_DEEPEST = 50
_STEP = r"(?:[A-Za-z0-9_-]+|'(?:[^'\\]|\\.)*'|\"[^\"]*\")"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<path>[a-z0-9_-]+:{_STEP}(?:\[(?:\*|-?\d+)\]|\.{_STEP})*)
    | (?P<text>t?'(?:[^'\\]|\\.)*')
    | (?P<binary>[hb]'[^']*')
    | (?P<sign><=|>=|!=|<>|==|=|<|>|\[|\]|\(|\)|,)
    | (?P<word>[A-Za-z_]+)
    | (?P<number>-?\d+(?:\.\d+)?)
    )""",
    re.VERBOSE,
)
# Paths of cyber-observables that events name, with the kind of entity of each.
_VALUES = {
    "ipv4-addr:value": "ip", "ipv6-addr:value": "ip", "domain-name:value": "domain",
    "domain-name:resolves_to_refs.value": "ip", "url:value": "url",
    "email-addr:value": "sender", "email-message:from_ref.value": "sender",
    "email-message:sender_ref.value": "sender", "network-traffic:dst_ref.value": "domain",
    "network-traffic:src_ref.value": "domain",
}  # fmt: skip
_HASHES = frozenset({"md5", "sha1", "sha256"})
# What the value says by itself, or what no event names of a contact that counts without it too.
_IMPLIED = re.compile(
    r"network-traffic:(?:(?:src|dst)_ref\.type|(?:src|dst)_port|protocols|is_active)"
)
_SEQUENCE = "it asks for several events together or one after the other"


class Unsearchable(Exception):
    """Why a pattern can't be looked for, as its only argument."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """What one event has to name: `entity`, and `also` everything beside it.

    `why` where it can't be looked for; then there is no entity.
    """

    entity: str
    also: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Term:
    path: str
    value: str


def alternatives(pattern: str) -> list[Alternative]:
    """Return what a pattern looks for; Unsearchable says why it can't be looked for."""
    if len(pattern) > LONGEST:
        raise Unsearchable("its pattern is too long")
    found: dict[Alternative, None] = {}
    for terms in _Parser(_tokens(pattern)).whole():
        for one in _searched(terms):
            found.setdefault(one)
    return list(found)


def _tokens(pattern: str) -> list[tuple[str, str]]:
    found, at, text = [], 0, pattern.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise Unsearchable(f"its pattern is not whole at “{text[at : at + 20].strip()}”")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Parser:
    """Reads tokens by the grammar's levels; each gives the alternatives of what it has read."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> list[list[_Term]]:
        found = self._observations()
        if self._at < len(self._tokens):
            raise Unsearchable(f"its pattern is not whole at “{self._peek()}”")
        return found

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _takes(self, *words: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in _spoken(words):
            self._at += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._takes(word):
            raise Unsearchable(f"its pattern is not whole: {word} is missing")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unsearchable("its pattern is nested too deep")

    def _observations(self) -> list[list[_Term]]:
        found = self._observation()
        while self._at < len(self._tokens):
            if self._takes("OR"):
                found = _bounded(found + self._observation())
            elif self._peek() in ("AND", "FOLLOWEDBY"):
                raise Unsearchable(_SEQUENCE)
            else:
                break
        return found

    def _observation(self) -> list[list[_Term]]:
        self._deeper()
        if self._takes("("):
            found = self._observations()
            self._need(")")
        else:
            self._need("[")
            found = self._comparisons()
            self._need("]")
        self._qualifiers()
        self._depth -= 1
        return found

    def _qualifiers(self) -> None:
        """Take what bounds the time of one event, which changes nothing; refuse the rest."""
        while True:
            if self._takes("WITHIN"):
                self._at += 1
                self._need("SECONDS")
            elif self._takes("REPEATS"):
                times = self._peek()
                self._at += 1
                self._need("TIMES")
                if times != "1":
                    raise Unsearchable(f"it asks for the same {times} times")
            elif self._takes("START"):
                raise Unsearchable("it asks for events of a certain time only")
            else:
                return

    def _comparisons(self) -> list[list[_Term]]:
        found = self._both()
        while self._takes("OR"):
            found = _bounded(found + self._both())
        return found

    def _both(self) -> list[list[_Term]]:
        found = self._comparison()
        while self._takes("AND"):
            other = self._comparison()
            if len(found) * len(other) > _MOST_ALTERNATIVES:
                raise Unsearchable("its pattern has too many alternatives")
            found = [one + more for one, more in itertools.product(found, other)]
        return found

    def _comparison(self) -> list[list[_Term]]:
        self._deeper()
        if self._takes("("):
            found = self._comparisons()
            self._need(")")
        else:
            found = [[term] for term in self._terms()]
        self._depth -= 1
        return found

    def _terms(self) -> list[_Term]:
        kind, path = self._next()
        if kind != "path":
            raise Unsearchable(f"its pattern is not whole at “{path}”")
        _, sign = self._next()
        if sign in ("=", "==", "ISSUBSET"):
            return [_Term(_plain(path), self._value())]
        if sign == "IN":
            self._need("(")
            values = [self._value()]
            while self._takes(","):
                values.append(self._value())
            self._need(")")
            return [_Term(_plain(path), one) for one in values]
        if sign == "LIKE":
            return [_Term(_plain(path), _below(path, self._value()))]
        raise Unsearchable(f"it compares by {sign or 'nothing'}, which no list can answer")

    def _value(self) -> str:
        kind, told = self._next()
        if kind == "text" and told.startswith("'"):
            return re.sub(r"\\(.)", r"\1", told[1:-1])
        if kind in ("number", "word"):
            return told
        raise Unsearchable("it compares with no text")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise Unsearchable("its pattern is not whole")
        self._at += 1
        return self._tokens[self._at - 1]


def _spoken(words: Sequence[str]) -> set[tuple[str, str]]:
    return {("word" if word.isalpha() else "sign", word) for word in words}


def _bounded(found: list[list[_Term]]) -> list[list[_Term]]:
    if len(found) > _MOST_ALTERNATIVES:
        raise Unsearchable("its pattern has too many alternatives")
    return found


def _plain(path: str) -> str:
    """Return a path without quotes and places in lists, such as ``file:hashes.SHA-256``."""
    return re.sub(r"\[(?:\*|-?\d+)\]", "", path).replace("'", "").replace('"', "")


def _below(path: str, value: str) -> str:
    """Return the name that everything ``LIKE '%.name'`` stands below; Unsearchable for others."""
    rest = value.removeprefix("%.")
    if _plain(path) != "domain-name:value" or rest == value or set("%_") & set(rest):
        raise Unsearchable("it compares by LIKE, which no list can answer")
    return rest


def _searched(terms: Sequence[_Term]) -> list[Alternative]:
    """Return what has to be looked for so that all the terms hold."""
    hashes: list[tuple[str, str]] = []
    others: dict[tuple[str, str], None] = {}
    pinned = any(_is_hash(one.path) for one in terms)
    for term in terms:
        if _is_hash(term.path):
            hashes.append(entity_of("hash", term.value))
        elif _IMPLIED.fullmatch(term.path) or (pinned and term.path.startswith("file:")):
            # The hash of a file says what its name and size are, too.
            continue
        elif term.path not in _VALUES:
            return [Alternative("", why=f"no event that Holdfast reads has {term.path}"[:280])]
        else:
            others[entity_of(_VALUES[term.path], term.value)] = None
    wrong = [why for found, why in others if not found]
    if wrong:
        return [Alternative("", why=wrong[0])]
    beside = sorted((found for found, _ in others), key=_breadth)
    if hashes:
        # An event names one of a file's hashes.
        return [Alternative(found, tuple(beside), why) for found, why in hashes]
    if not beside:
        return [Alternative("", why="it compares nothing that an event names")]
    return [Alternative(beside[0], tuple(beside[1:]))]


def _is_hash(path: str) -> bool:
    kind, _, rest = path.partition(":")
    steps = rest.split(".")
    if kind not in ("file", "process", "artifact") or len(steps) < 2 or steps[-2] != "hashes":
        return False
    return steps[-1].replace("-", "").lower() in _HASHES


def _breadth(entity: str) -> tuple[int, str]:
    """Order what is looked for by how few events name it: the fewest first."""
    order = ("file:", "url:", "sender:", "ip:", "domain:", NETWORKS)
    return next((at for at, kind in enumerate(order) if entity.startswith(kind)), 9), entity
