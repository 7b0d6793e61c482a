"""From a Sigma value to a test of one text, in linear time.

Comparison ignores case unless the rule says `cased` or gives a regular expression, which is case
sensitive unless it says `i`. Source: https://sigmahq.io/sigma-specification/.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import re2
from sigma.policy.regex_engine import RE2RegexEngine, RegexPattern
from sigma.types import (
    CompareOperators,
    SigmaCasedString,
    SigmaCompareExpression,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)

from integrations.detection import literals
from integrations.detection.errors import Unsupported

Accepts = Callable[[str], bool]
# What one compiled pattern may take; RE2 refuses a larger one.
_MOST_PATTERN_BYTES = 1024 * 1024
# pySigma compiles a rule's patterns to check them, just before they are compiled to be run.
_COMPILED_LATELY = 1_024
_LONGEST_NUMBER = 64
_SHORTEST_LITERAL = 2
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
_BITS = SigmaRegularExpression.sigma_to_python_flags
_COMPARED: dict[CompareOperators, tuple[str, Callable[[float, float], bool]]] = {
    CompareOperators.LT: ("less than", lambda a, b: a < b),
    CompareOperators.LTE: ("at most", lambda a, b: a <= b),
    CompareOperators.GT: ("more than", lambda a, b: a > b),
    CompareOperators.GTE: ("at least", lambda a, b: a >= b),
    CompareOperators.NEQ: ("other than", lambda a, b: a != b),
}


class QuietRe2(RE2RegexEngine):
    """RE2 with a bound on memory, and without lines on standard error for each bad pattern."""

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        """Return the compiled pattern; re2.error where RE2 can't run it."""
        letters = "".join(_FLAGS[one] for one, bit in _BITS.items() if flags & bit)
        return _compiled(f"(?{letters}){pattern}" if letters else pattern)


@lru_cache(maxsize=_COMPILED_LATELY)
def _compiled(pattern: str) -> RegexPattern:
    options = re2.Options()
    options.max_mem = _MOST_PATTERN_BYTES
    options.log_errors = False
    compiled: RegexPattern = re2.compile(pattern, options)
    return compiled


class How(Enum):
    """What a text is of an accepted one: all of it, what follows its last slash, or a part."""

    WHOLE = "whole"
    TAIL = "tail"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A test of a text, its description, and what an accepted text holds.

    One of `literals`, in folded case, is what `how` says; where there are none, nothing is known.
    `is_folded`: the test is given the text in folded case.
    """

    accepts: Accepts
    condition: str
    literals: frozenset[str] = frozenset()
    how: How = How.PART
    is_folded: bool = False


def folded(text: str) -> str:
    """Return the text for comparison without case, the same for a part as for the whole."""
    lower = text.lower()
    if lower.isascii():
        return lower
    # Python writes a sigma at the end of a word otherwise, so that a part would differ; RE2 takes
    # the long s for an s.
    return lower.replace("ς", "σ").replace("ſ", "s")


def tail(text: str) -> str:
    """Return what follows the last slash or backslash."""
    return text[max(text.rfind("\\"), text.rfind("/")) + 1 :]


def readable(text: str) -> str:
    """Return the text without halves of characters, which neither UTF-8 nor RE2 know."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def of_string(value: SigmaString) -> Predicate:
    """A text, perhaps with wildcards."""
    is_cased = isinstance(value, SigmaCasedString)
    fold: Callable[[str], str] = str if is_cased else folded
    parts = [fold(readable(part)) if isinstance(part, str) else part for part in value.s]
    shown = f"{value}{' (same case)' if is_cased else ''}"
    if not any(isinstance(part, SpecialChars) for part in parts):
        text = "".join(part for part in parts if isinstance(part, str))
        whole = frozenset({folded(text)})
        return Predicate(text.__eq__, f"is {shown!r}"[:300], whole, How.WHOLE, not is_cased)
    condition, accepts = _with_wildcards(parts, shown)
    return Predicate(accepts, condition[:300], *_known(parts), not is_cased)


def _known(parts: list[Any]) -> tuple[frozenset[str], How]:
    if len(parts) == 2 and isinstance(parts[1], str):
        end = folded(parts[1])
        if tail(end) != end:
            return frozenset({tail(end)}), How.TAIL
    literal = max((folded(part) for part in parts if isinstance(part, str)), key=len, default="")
    is_long = len(literal) >= _SHORTEST_LITERAL
    return frozenset({literal} if is_long else ()), How.PART


def _with_wildcards(parts: list[Any], shown: str) -> tuple[str, Accepts]:
    many = SpecialChars.WILDCARD_MULTI
    match parts:
        case [SpecialChars.WILDCARD_MULTI]:
            return "is there", lambda v: True
        case [SpecialChars.WILDCARD_MULTI, str(text), SpecialChars.WILDCARD_MULTI]:
            return f"contains {text!r}", lambda v: text in v
        case [str(text), SpecialChars.WILDCARD_MULTI]:
            return f"starts with {text!r}", lambda v: v.startswith(text)
        case [SpecialChars.WILDCARD_MULTI, str(text)]:
            return f"ends with {text!r}", lambda v: v.endswith(text)
    pattern = "".join(
        re2.escape(part) if isinstance(part, str) else ".*" if part is many else "."
        for part in parts
    )
    return f"is like {shown!r}", _searcher(f"(?s)\\A(?:{pattern})\\z")


def of_regular_expression(value: SigmaRegularExpression) -> Predicate:
    """A regular expression, found anywhere in the text."""
    pattern = value.regexp.original if value.regexp.original else str(value.regexp)
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    told = f"matches /{value.regexp}/{flags}"
    search = _searcher(f"(?{flags}){pattern}" if flags else pattern)
    return Predicate(search, told[:300], literals.required(pattern))


def _searcher(pattern: str) -> Accepts:
    try:
        search = QuietRe2().compile(pattern).search
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else error
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise Unsupported(
            f"RE2 can't run the pattern {pattern[:80]} in linear time: {str(reason)[:120]}"
        ) from None
    return lambda text: search(text) is not None


def of_number(number: float) -> Predicate:
    """A number, or a text that is written like it."""
    text = str(number)
    return Predicate(text.__eq__, f"is {text}", frozenset({text}), How.WHOLE)


def of_truth(value: bool) -> Predicate:
    """True or false, or their English words."""
    text = str(value).lower()
    return Predicate(text.__eq__, f"is {text}", frozenset({text}), How.WHOLE, is_folded=True)


def of_comparison(value: SigmaCompareExpression) -> Predicate:
    """A number less than, at most, more than, at least or other than another."""
    words, holds = _COMPARED[value.op]
    bound = float(value.number.number)

    def accepts(text: str) -> bool:
        try:
            return len(text) <= _LONGEST_NUMBER and holds(float(text), bound)
        except ValueError:
            return False

    return Predicate(accepts, f"is {words} {value.number}")


def of_network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Predicate:
    """An address of a network; a port behind it doesn't count."""

    def accepts(text: str) -> bool:
        address = _address(text)
        return address is not None and address.version == network.version and address in network

    return Predicate(accepts, f"is in {network}")


@lru_cache(maxsize=4096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if len(text) > _LONGEST_NUMBER:
        return None
    plain = text.strip()
    if plain.startswith("["):
        plain = plain[1:].split("]", 1)[0]
    elif plain.count(":") == 1:
        plain = plain.split(":", 1)[0]
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
