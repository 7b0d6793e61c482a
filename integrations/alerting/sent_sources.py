"""Which log sources a sender of whatever it likes has brought: told by its last events."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

from integrations.detection import engine
from integrations.detection.rules import LogSource
from integrations.models import FeedState
from tenants.models import Event, RawRecord

# So many of its last events, of so long before its last record.
_LOOKED_AT: Final = 100
_SPAN: Final = dt.timedelta(days=1)
_RECEIVED_AFTER: Final = dt.timedelta(minutes=5)


def brought(state: FeedState) -> tuple[LogSource, ...]:
    """Return the log sources of a feed's last events, in order, in a scope that reads them."""
    last = state.last_record_at
    if last is None:
        return ()
    events = Event.in_scope().filter(
        raw__tenant_id=state.tenant_id, raw__outcome=RawRecord.Outcome.EVENT,
        raw__connector=state.connection.connector, raw__feed=state.feed,
        raw__received_at__gte=last - _SPAN, raw__received_at__lte=last + _RECEIVED_AFTER,
    )  # fmt: skip
    newest = events.order_by("-raw__received_at").values_list("raw__body", "ocsf")[:_LOOKED_AT]
    found: dict[LogSource, None] = {}
    for body, ocsf in newest:
        found |= dict.fromkeys(engine.log_sources(_record(bytes(body)), ocsf))
    return tuple(sorted(found, key=str))


def _record(body: bytes) -> Mapping[str, Any]:
    """What the rules read of a record beside what was made of it; {} of a line of text."""
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
