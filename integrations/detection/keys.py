"""The keys of a record or of a part of one, worked out once for all that have the same."""

from collections.abc import Iterable
from typing import Any, Final

# What is remembered of records' keys is bounded, however many kinds of records there are.
MOST_KEYS: Final = 256
_MOST_KEY_CHARACTERS: Final = 8_192
_MOST_KINDS: Final = 2_048
# How vendors write lists of names with values.
NAMES: Final = ("name", "key", "displayname", "@name")
VALUES: Final = (
    "value", "valuestring", "multivalue", "boolvalue", "intvalue", "newvalue", "#text",
)  # fmt: skip
_PAIR: Final = {*NAMES, *VALUES}


class Keys:
    """The keys of a record or of a part of one; `names` are the same by their lower case.

    `is_pair`: it is nothing but a name with a value.
    """

    __slots__ = ("is_pair", "names", "own")

    def __init__(self, keys: Iterable[Any]) -> None:
        self.own = frozenset(keys)
        self.names = {str(key).lower(): key for key in keys}
        self.is_pair = self.names.keys() <= _PAIR

    @property
    def has_pair(self) -> bool:
        """Whether there is a name with a value among them."""
        names = self.names.keys()
        return not names.isdisjoint(NAMES) and not names.isdisjoint(VALUES)

    def find(self, step: str, lower: str) -> Any:
        """The key that is the step, in whatever case; None where there is none."""
        return step if step in self.own else self.names.get(lower)


_known: dict[tuple[str, ...], Keys] = {}


def keys_of(keys: tuple[str, ...]) -> Keys:
    """What is worked out once for all records that have these keys."""
    found = _known.get(keys)
    if found is None:
        found = Keys(keys)
        if is_worth_keeping(keys):
            if len(_known) >= _MOST_KINDS:
                _known.clear()
            _known[keys] = found
    return found


def is_worth_keeping(keys: tuple[str, ...]) -> bool:
    """Whether a kind of record with these keys may be remembered: it takes little memory."""
    return len(keys) <= MOST_KEYS and sum(len(str(key)) for key in keys) <= _MOST_KEY_CHARACTERS
