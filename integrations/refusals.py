"""What a vendor refuses for one object of a feed, so that those behind it don't wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.contract import Json
from integrations.errors import (
    NotFound,
    PermissionMissing,
    Rejected,
    Unauthorised,
    Unavailable,
    VendorError,
)

# What is so for one object and need not be so for the next.
_OF_ONE = (Unauthorised, PermissionMissing, NotFound, Rejected)
_KINDS = {kind.__name__: kind for kind in (*_OF_ONE, Unavailable)}
_CURSOR = "refused"


class Refused:
    """The first refusal of a sweep, told when the sweep is through.

    A vendor that is away for two objects in a row is away for all; some drop the connection for
    an object that doesn't exist. What the cursor tells of earlier turns of the sweep is kept.
    `unasked` are the vendor's ids of the objects that were refused in this turn. `is_away` says
    whether the vendor was away for the object before.
    """

    def __init__(self, cursor: Json | None = None, *, is_away: bool = False) -> None:
        told = (cursor or {}).get(_CURSOR)
        self.first: VendorError | None = None
        if isinstance(told, list) and len(told) == 2 and told[0] in _KINDS:
            self.first = _KINDS[told[0]](str(told[1]))
        self.unasked: list[str] = []
        self.is_away = is_away

    @contextmanager
    def kept(self, own_id: str) -> Iterator[None]:
        """Keep what the reading of one object raises, unless it is so for all."""
        try:
            yield
        except _OF_ONE as error:
            self._note(own_id, error)
        except Unavailable as error:
            if self.is_away:
                raise
            self.is_away = True
            self._note(own_id, error)
            return
        self.is_away = False

    def _note(self, own_id: str, error: VendorError) -> None:
        self.unasked.append(own_id)
        self.first = self.first or error

    def as_cursor(self) -> dict[str, list[str]]:
        """Return what the cursor has to keep in the middle of a sweep."""
        if self.first is None:
            return {}
        return {_CURSOR: [type(self.first).__name__, str(self.first)]}
