"""Sigma's placeholders: names in a rule for what is different at each installation. Pure.

``%name%`` in a value with the modifier `expand` stands for each of the values that were given for
the name. They are written out before the rule is parsed, so that other modifiers apply to them.
Source: https://sigmahq.io/docs/basics/modifiers.html#expand.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Final

from integrations.detection.bounds import MOST_VALUES
from integrations.detection.documents import documents
from integrations.detection.errors import Broken, RulesUnreadable, Unsupported

Values = Mapping[str, tuple[str, ...]]

NONE: Final[Values] = {}
_EXPAND: Final = "expand"
_NAMED: Final = re.compile(r"%([^%\s]+)%")
_LARGEST_BYTES: Final = 1024 * 1024
_MOST_VALUES: Final = 5_000
# What a rule may have of values at all (`bounds`), so that no more is made than is then refused.
_MOST_WRITTEN_OUT: Final = MOST_VALUES
_PLAIN: Final = (str, int, float)


def of(file: Path) -> Values:
    """Return the values that a YAML file gives: each name with a value or a list of them.

    RulesUnreadable where it can't be read, or says anything else.
    """
    try:
        with file.open("rb") as opened:
            (told,) = documents(opened.read(_LARGEST_BYTES + 1), _LARGEST_BYTES)
    except OSError as error:
        raise RulesUnreadable(f"{file} can't be read: {error.strerror}.") from None
    except (Broken, ValueError) as error:
        raise RulesUnreadable(f"{file} is no list of placeholders' values: {error}.") from None
    return {_name(name): _listed(name, values) for name, values in told.items()}


def kept(told: Mapping[str, Iterable[str]]) -> Values:
    """Return values as they were kept as JSON."""
    return {name: tuple(values) for name, values in told.items()}


def _name(told: Any) -> str:
    name = str(told).strip("%")
    if not _NAMED.fullmatch(f"%{name}%"):
        raise RulesUnreadable(f"{str(told)[:80]!r} can't be a placeholder's name.")
    return name


def _listed(name: Any, told: Any) -> tuple[str, ...]:
    values = told if isinstance(told, list) else [told]
    if not values or len(values) > _MOST_VALUES or not all(type(one) in _PLAIN for one in values):
        raise RulesUnreadable(
            f"The placeholder {str(name)[:80]!r} needs a value or a list of at most {_MOST_VALUES},"
            " each a text or a number."
        )
    return tuple(map(str, values))


def written_out(node: Any, values: Values) -> Any:
    """Return a part of a rule's detection with its placeholders written out.

    Unsupported where there is no value for one, or more would come of it than a rule may have.
    """
    return _written_out(node, values, _Room(_MOST_WRITTEN_OUT))


@dataclass(slots=True)
class _Room:
    """How many values may still be written out in a rule."""

    left: int

    def take(self, number: int) -> None:
        """Take room for so many; Unsupported where there is none."""
        self.left -= number
        if self.left < 0:
            raise Unsupported(
                f"its placeholders stand for more than {_MOST_WRITTEN_OUT} values: split it, or "
                "give them fewer"
            )


def _written_out(node: Any, values: Values, room: _Room) -> Any:
    if isinstance(node, list):
        return [_written_out(one, values, room) for one in node]
    if not isinstance(node, dict):
        return node
    made: dict[Any, Any] = {}
    for key, below in node.items():
        field, *modifiers = str(key).split("|")
        if _EXPAND not in modifiers:
            made[key] = _written_out(below, values, room)
            continue
        rest = [one for one in modifiers if one != _EXPAND]
        found = [made_of for one in _leaves(below) for made_of in _expanded(one, values, room)]
        if "all" in rest and len(found) > len(_leaves(below)):
            raise Unsupported(
                "it wants all of several placeholders, and one has several values: write them out"
            )
        name = "|".join((field, *rest))
        if name in node or name in made:
            raise Unsupported(f"it has {name!r} with and without 'expand': make two searches of it")
        made[name] = found
    return made


def _leaves(node: Any) -> list[Any]:
    return node if isinstance(node, list) else [node]


def _expanded(told: Any, values: Values, room: _Room) -> Iterator[Any]:
    if not isinstance(told, str):
        yield told
        return
    # What is between names, and names, in turn.
    between, names = _NAMED.split(told)[::2], _NAMED.findall(told)
    missing = [name for name in names if name not in values]
    if missing:
        listed = "%, %".join(missing)[:200]
        raise Unsupported(
            f"it has the placeholder %{listed}%: write its values in a file ({missing[0][:80]}:"
            " [one, two]) and import the rules with --placeholders FILE"
        )
    number = prod(len(values[name]) for name in names)
    if number > _MOST_VALUES:
        raise Unsupported(
            f"a text of it stands for more than {_MOST_VALUES} values: give its placeholders fewer"
        )
    room.take(number)
    for chosen in product(*(values[name] for name in names)):
        yield between[0] + "".join(map("".join, zip(chosen, between[1:], strict=True)))
