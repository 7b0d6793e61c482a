"""Licensing periods: calendar months, written as ``2026-11``."""

import datetime as dt
import re

from msp.licensing.errors import WrongPeriod

_MONTH = re.compile(r"(\d{4})-(\d{2})")


def month(period: str) -> tuple[dt.date, dt.date]:
    """Return the first day of a month and the first day after it; WrongPeriod otherwise."""
    found = _MONTH.fullmatch(period)
    if found is None or not 1 <= int(found[2]) <= 12 or not 2000 <= int(found[1]) <= 2200:
        raise WrongPeriod(f"{period!r} is no period: write a month as 2026-11.")
    first = dt.date(int(found[1]), int(found[2]), 1)
    return first, (first + dt.timedelta(days=32)).replace(day=1)
