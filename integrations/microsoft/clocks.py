"""Microsoft's times against ours: clocks differ, and its times are often cut to whole seconds."""

import datetime as dt

_CLOCK_TOLERANCE = dt.timedelta(minutes=5)


def is_since(now: dt.datetime | None, before: dt.datetime | None, since: dt.datetime) -> bool:
    """Whether a vendor's time shows that something happened after the step was intended.

    It must be no older than `since` (whole seconds), or, allowing for clocks that differ by up to
    five minutes, have changed from what it was `before`.
    """
    if now is None:
        return False
    if now >= since.replace(microsecond=0):
        return True
    return now != before and now >= since - _CLOCK_TOLERANCE
