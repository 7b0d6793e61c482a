"""The parts that lines about answers are made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Facts = Mapping[str, Any]

MOST_NAMED: Final = 10


def rows(facts: Facts, name: str) -> Sequence[Mapping[str, Any]]:
    """Return what is listed under a name, as far as it is objects."""
    return [row for row in facts.get(name) or [] if isinstance(row, Mapping)]


def named(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the names of the rows, after a colon; empty where none has one."""
    names = dict.fromkeys(str(row["name"]) for row in rows if row.get("name"))
    return f": {', '.join(names)}" if names else ""


def name(row: Facts) -> str:
    """Return what a row is called."""
    return str(row.get("name") or row.get("external_id") or "?")


def listed(
    rows: Sequence[Facts], noun: str, called: Callable[[Facts], str], plural: str = ""
) -> str:
    """Count the rows and name the first of them."""
    count = f"{len(rows)} {plural}" if plural else counted(len(rows), noun)
    names = [called(row) for row in rows[:MOST_NAMED]]
    names += ["…"] if len(rows) > MOST_NAMED else []
    return f"{count}{': ' if names else ''}{', '.join(names)}."


def counted(number: int, noun: str, ending: str = "s") -> str:
    """Return a number with its noun, whose plural has an ending more."""
    return f"{number} {noun}{'' if number == 1 else ending}"


def joined(*parts: str) -> str:
    """Return the parts that there are, as a sentence."""
    return "; ".join(part for part in parts if part) + "."
