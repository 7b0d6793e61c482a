"""Calendar months: what is billed and reported by."""

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from msp.licensing.errors import PeriodError

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One calendar month, in each tenant's own time zone."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Return the month that `text` names as ``2026-11``; PeriodError for anything else."""
        match = _MONTH.fullmatch(text)
        if match is None:
            raise PeriodError(
                f"{text[:40]!r} is not a month. Give year and month, such as 2026-11 "
                "(from 2000-01 to 2099-12)."
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def first_day(self) -> dt.date:
        """The month's first day."""
        return dt.date(self.year, self.month, 1)

    @property
    def last_day(self) -> dt.date:
        """The month's last day."""
        return dt.date(self.year, self.month, self.days)

    @property
    def days(self) -> int:
        """How many days the month has."""
        return calendar.monthrange(self.year, self.month)[1]

    def start(self, zone: dt.tzinfo) -> dt.datetime:
        """Return the instant at which the month begins in `zone`."""
        return dt.datetime.combine(self.first_day, dt.time(), zone)

    def end(self, zone: dt.tzinfo) -> dt.datetime:
        """Return the instant at which the next month begins in `zone`."""
        return dt.datetime.combine(self.last_day + dt.timedelta(days=1), dt.time(), zone)
