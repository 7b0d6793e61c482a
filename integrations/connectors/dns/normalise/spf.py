"""SPF: who may send mail in the domain's name (RFC 7208)."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_VERSION = re.compile(r"v=spf1(?= |$)", re.IGNORECASE)
_TERM = re.compile(r"([+\-?~]?)([a-z0-9]+)(?:[:=]([^/]*))?(?:/.*)?", re.IGNORECASE)
# Mechanisms that make the receiver ask, of which ten are allowed (section 4.6.4).
_ASKING: Final = frozenset({"include", "a", "mx", "ptr", "exists"})
_MOST_LOOKUPS: Final = 10
_ALL: Final = {"": "pass", "+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

# A name → its TXT records.
Texts = Callable[[str], tuple[str, ...]]


def is_spf(text: str) -> bool:
    """Whether a TXT record is one of SPF."""
    return bool(_VERSION.match(text.strip()))


def _terms(text: str) -> list[tuple[str, str, str]]:
    """Qualifier, name and argument of each term."""
    found = (_TERM.fullmatch(term) for term in text.split()[1:])
    return [(one[1], one[2].lower(), (one[3] or "").lower().rstrip(".")) for one in found if one]


def includes(text: str) -> list[str]:
    """The names whose records count too: of include and redirect."""
    if not is_spf(text):
        return []
    return [
        argument
        for _, name, argument in _terms(text)
        if name in ("include", "redirect") and argument and "%" not in argument
    ]


def read(domain: str, texts: Texts) -> dict[str, Any]:
    """What the domain's record says, and what is wrong with it."""
    records = [text for text in texts(domain) if is_spf(text)]
    if not records:
        return {"is_present": False, "problems": ["missing"]}
    text = records[0]
    default = _default(domain, texts, 0)
    lookups = _lookups(domain, texts, set())
    problems = {
        "several_records": len(records) > 1,
        "allows_everybody": default == "pass",
        "no_default": default in ("", "neutral"),
        "too_many_lookups": lookups > _MOST_LOOKUPS,
        "uses_ptr": any(name == "ptr" for _, name, _ in _terms(text)),
        "include_without_record": any(not any(map(is_spf, texts(name))) for name in includes(text)),
    }
    return {
        "is_present": True,
        "record": text,
        "default": default,
        "lookups": lookups,
        "includes": includes(text),
        "problems": [name for name, holds in problems.items() if holds],
    }


def _own(name: str, texts: Texts) -> str:
    return next((text for text in texts(name) if is_spf(text)), "")


def _default(name: str, texts: Texts, depth: int) -> str:
    """What becomes of mail from anywhere else: of all, or of the record that redirect names."""
    redirect = ""
    for qualifier, term, argument in _terms(_own(name, texts)):
        if term == "all":
            return _ALL[qualifier]
        if term == "redirect":
            redirect = argument
    return _default(redirect, texts, depth + 1) if redirect and depth < _MOST_LOOKUPS else ""


def _lookups(name: str, texts: Texts, seen: set[str]) -> int:
    if name in seen:
        return 0
    seen.add(name)
    count = 0
    for _, term, argument in _terms(_own(name, texts)):
        if term in _ASKING or term == "redirect":
            count += 1
        if term in ("include", "redirect") and argument:
            count += _lookups(argument, texts, seen)
    return count


def texts_of(answers: Mapping[str, Any]) -> Texts:
    """What was found, by name."""

    def texts(name: str) -> tuple[str, ...]:
        told = answers.get(f"{name} TXT")
        values = told.get("values") if isinstance(told, Mapping) else None
        return tuple(map(str, values)) if isinstance(values, list) else ()

    return texts
