"""By what an alert is known again whose vendor gives it no id: what it says, of whom, since when.

Such an alert may come again from a vendor that repeats it, by another relay, or with a higher
count. What changes by that (when it was received, how often, until when, its status and severity)
is no part of its id, so it updates the finding that is there.
"""

import datetime as dt
from collections.abc import Iterable

from integrations.values import content_uid

_IN_DETAILS = ("process_tree:", "indicator:")


def alert_uid(
    *,
    title: str,
    began: dt.datetime,
    category: str = "",
    actor: str = "",
    target: str = "",
    entities: Iterable[str] = (),
    details: Iterable[str] = (),
) -> str:
    """Return the id of an alert without one, from what stays the same when it is told again.

    Programs and what is called bad are read in the details that name them, and are no part of it.

    `began` is when what it tells of happened or began, never when it was received. `details` tell
    it from another of the same moment, such as the log line that it is about.
    """
    told = {
        "title": title,
        "began": began.astimezone(dt.UTC).isoformat(),
        "category": category,
        "actor": actor,
        "target": target,
        "entities": sorted({one for one in entities if not one.startswith(_IN_DETAILS)}),
        "details": list(details),
    }
    return content_uid(told)
