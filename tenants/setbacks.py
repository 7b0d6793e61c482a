"""When work that ended badly is tried again: later and later for errors of its own.

Where a worker or the database died, the work is not to blame: it is tried again soon, however often
that happens. Only what was interrupted many times in a row may be what kills them, and then waits
as if each further time were an error of its own. Pure.
"""

from dataclasses import dataclass
from typing import Final

from django.db import Error, InterfaceError, OperationalError

_LONGEST_SECONDS: Final = 300.0
_SOON_SECONDS: Final = 4.0
_TELL_AFTER: Final = 5
# So many in a row are told of no single piece of work.
_MOST_INTERRUPTIONS: Final = 20
# The connection is gone, the server stops or starts, it has no room for one more connection, or it
# had to choose a victim among those that waited for each other:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_OF_THE_SERVER: Final = ("08", "57P01", "57P02", "57P03", "53300", "40001", "40P01")


def is_interruption(error: BaseException) -> bool:
    """Whether an error says that the database went away or gave no way, and nothing of the work."""
    told: BaseException | None = error
    while told is not None and not isinstance(told, Error):
        told = told.__cause__
    if not isinstance(told, OperationalError | InterfaceError):
        return False
    # The client's own errors, such as of a connection that was closed, have no code.
    code = getattr(told.__cause__, "sqlstate", None)
    return code is None or code.startswith(_OF_THE_SERVER)


@dataclass(frozen=True, slots=True)
class Setback:
    """How work stands that ended badly: how often in a row by its own errors, how often not."""

    failures: int
    interruptions: int
    was_interrupted: bool

    @property
    def pause(self) -> float:
        """After how many seconds it is to be tried again."""
        if self._to_blame:
            return min(_LONGEST_SECONDS, 2.0 ** min(self._to_blame, 10))
        return min(_SOON_SECONDS, 2.0 ** min(self.interruptions, 10))

    @property
    def is_slowed(self) -> bool:
        """Whether the work itself may be to blame."""
        return self._to_blame > 0

    @property
    def is_to_be_told(self) -> bool:
        """Whether a person is to be told now, which they are once."""
        return self._to_blame == _TELL_AFTER

    @property
    def _to_blame(self) -> int:
        """How often the work itself may be what went wrong."""
        if self.was_interrupted:
            return max(0, self.interruptions - _MOST_INTERRUPTIONS)
        return self.failures


def after(error: BaseException, *, failures: int, interruptions: int) -> Setback:
    """Return how work stands that ended by `error`, after so many setbacks before."""
    was_interrupted = is_interruption(error)
    return Setback(
        failures + (not was_interrupted), interruptions + was_interrupted, was_interrupted
    )


def before(*, failures: int, interruptions: int) -> Setback:
    """Return how work stands that is begun after so many setbacks.

    Where a worker died, nobody could say so at the time: it is seen when the work is begun again.
    """
    return Setback(failures, interruptions, was_interrupted=True)
