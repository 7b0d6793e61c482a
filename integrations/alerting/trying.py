"""Trying a rule on events that are stored of a client: nothing is kept of it, nobody is told."""

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Final

from django.utils import timezone

from integrations.alerting import rulebook
from integrations.detection.engine import Engine, Match
from integrations.detection.rules import Pack
from integrations.errors import DetectionError
from tenants.models import Event

MOST_EVENTS: Final = 20_000
_SHOWN: Final = 20
_MOST_DAYS: Final = 36_500


@dataclass
class Tried:
    """How many events were looked at and matched, since when, and the newest matches."""

    since: dt.datetime
    events: int = 0
    hits: int = 0
    shown: list[tuple[Event, Match]] = field(default_factory=list)


def on_stored(rule_id: str, days: int) -> Tried:
    """Run a rule on the newest stored events of the scope's tenant, `MOST_EVENTS` at most.

    DetectionError where there is no such rule, or it is a correlation: try the rules it counts.
    """
    book = rulebook.current()
    rule = book.rules.get(rule_id)
    if rule is None and rule_id in book.entries:
        raise DetectionError("A correlation can't be tried by itself: try the rules it counts.")
    if rule is None:
        raise DetectionError(f"There is no rule {rule_id!r}: see manage.py detections list.")
    engine = Engine(Pack((rule,)))
    tried = Tried(timezone.now() - dt.timedelta(days=min(max(0, days), _MOST_DAYS)))
    rows = Event.in_scope().filter(time__gte=tried.since).select_related("raw")
    for event in rows.order_by("-time", "-id")[:MOST_EVENTS].iterator(chunk_size=500):
        tried.events += 1
        body = json.loads(bytes(event.raw.body).decode("utf-8", "surrogatepass"))
        matches = engine.detect(body, event.ocsf)
        tried.hits += bool(matches)
        if matches and len(tried.shown) < _SHOWN:
            tried.shown.append((event, matches[0]))
    return tried
