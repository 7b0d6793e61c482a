"""Texts of which one must stand in whatever a regular expression finds.

Only what is sure is told: of syntax that isn't known here, nothing is.
"""

_DEEPEST = 20
_MOST = 64
_SHORTEST = 3
_STAND_FOR_MANY = "dDsSwWbBAz"
_CHARACTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


class _Unknown(Exception):
    """Syntax of which nothing is told."""


def required(pattern: str) -> frozenset[str]:
    """Return texts in lower case of which each match holds one; empty where none is sure."""
    try:
        reader = _Reader(pattern)
        found = reader.alternatives(_DEEPEST)
        if reader.at < len(pattern):
            return frozenset()
    except (_Unknown, IndexError):
        return frozenset()
    return frozenset(found or ())


class _Reader:
    """Goes through a pattern once; `None` stands for: no text is sure."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def alternatives(self, depth: int) -> set[str] | None:
        """Up to a closing bracket or the end: what any of the branches must hold."""
        if depth == 0:
            raise _Unknown
        branches = [self._branch(depth)]
        while self._next() == "|":
            self.at += 1
            branches.append(self._branch(depth))
        found: set[str] = set()
        for branch in branches:
            if branch is None:
                return None
            found |= branch
        return found if len(found) <= _MOST else None

    def _next(self) -> str:
        return self.pattern[self.at] if self.at < len(self.pattern) else ""

    def _branch(self, depth: int) -> set[str] | None:
        best: set[str] | None = None
        run = ""
        while self._next() not in ("", "|", ")"):
            letter, inner = self._atom(depth)
            least = self._times()
            if letter and least == 1:
                run += letter
                continue
            # A letter that stands several times stands once behind what is before it.
            best = _better(best, {run + letter} if least else {run})
            run = ""
            if least:
                best = _better(best, inner)
        return _better(best, {run})

    def _atom(self, depth: int) -> tuple[str, set[str] | None]:
        """One letter, or what a group must hold."""
        sign = self._next()
        self.at += 1
        match sign:
            case "(":
                return "", self._group(depth)
            case "[":
                self._class()
                return "", None
            case "\\":
                return self._escaped(), None
            case "." | "^" | "$":
                return "", None
            case "*" | "+" | "?":
                raise _Unknown
        # Beyond ASCII one letter may have several lower cases.
        return (sign.lower() if sign.isascii() else ""), None

    def _times(self) -> int:
        """How often the last atom must stand: 1 exactly, 2 once or more, 0 perhaps not at all."""
        sign = self._next()
        if sign not in ("*", "+", "?", "{"):
            return 1
        self.at += 1
        least = 2 if sign == "+" else 0
        if sign == "{":
            end = self.pattern.index("}", self.at) if "}" in self.pattern[self.at :] else 0
            low = self.pattern[self.at : end].split(",")[0]
            if not (low.isascii() and low.isdigit()):
                raise _Unknown
            least = 2 if int(low) else 0
            self.at = end + 1
        if self._next() == "?":
            self.at += 1
        if self._next() in ("*", "+", "{"):
            raise _Unknown
        return least

    def _group(self, depth: int) -> set[str] | None:
        if self._next() == "?":
            end = self.at + 1
            while self.pattern[end] in "ims-":
                end += 1
            if self.pattern[end] == ")":
                self.at = end + 1
                return None
            if self.pattern[end] != ":":
                raise _Unknown
            self.at = end + 1
        found = self.alternatives(depth - 1)
        if self._next() != ")":
            raise _Unknown
        self.at += 1
        return found

    def _class(self) -> None:
        if self._next() == "^":
            self.at += 1
        is_first = True
        while is_first or self._next() != "]":
            sign = self.pattern[self.at]
            if sign == "[" and self.pattern[self.at + 1] == ":":
                raise _Unknown
            self.at += 2 if sign == "\\" else 1
            is_first = False
        self.at += 1

    def _escaped(self) -> str:
        sign = self.pattern[self.at]
        self.at += 1
        if sign in _CHARACTERS:
            return _CHARACTERS[sign]
        if sign in _STAND_FOR_MANY:
            return ""
        if sign.isalnum() or not sign.isascii():
            raise _Unknown
        return sign


def _better(one: set[str] | None, other: set[str] | None) -> set[str] | None:
    """Of two texts or sets that must be there, the one that is seen less often."""
    if not other or min(map(len, other)) < _SHORTEST:
        return one
    if one is None:
        return other
    return max(one, other, key=lambda texts: (min(map(len, texts)), -len(texts)))
