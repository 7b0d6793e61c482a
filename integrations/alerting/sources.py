"""Whether a rule's log source reaches us at a client, or the rule is blind there.

Which feed brings which log source is data, in `sources.yml`.
"""

import datetime as dt
import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import yaml
from django.utils import timezone

from integrations import registry
from integrations.alerting import sent_sources
from integrations.detection.rules import LogSource
from integrations.models import Connection, FeedState, HealthAlarm

_FILE: Final = Path(__file__).parent / "sources.yml"
_QUIET: Final = dt.timedelta(days=7)


class Reach(enum.Enum):
    """Whether a log source reaches us, best first. New: connected lately, and nothing came yet."""

    SEEN = "seen"
    NEW = "new"
    SILENT = "silent"
    ALERTS = "alerts"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Brings:
    """What a feed brings. `is_anything`: whatever its sender likes, which only its events tell."""

    connector: str
    feed: str
    brings: tuple[LogSource, ...]
    alerts: tuple[LogSource, ...]
    is_anything: bool


class Feeding:
    """The feeds of a client that are read: what each brings, and whether it comes."""

    def __init__(self, feeds: tuple[tuple[Brings, Reach], ...]) -> None:
        self.feeds = feeds
        self._known: dict[tuple[LogSource, ...], Reach] = {}

    def reach(self, sources: tuple[LogSource, ...]) -> Reach:
        """Return whether all the log sources of a rule reach us; the worst of them counts."""
        found = self._known.get(sources)
        if found is None:
            order = list(Reach)
            worst = max((self._one(one) for one in sources), key=order.index, default=Reach.BLIND)
            found = self._known[sources] = worst
        return found

    def _one(self, source: LogSource) -> Reach:
        having = [
            comes for feed, comes in self.feeds if any(source.covers(one) for one in feed.brings)
        ]
        if having:
            return min(having, key=list(Reach).index)
        if any(any(source.covers(one) for one in feed.alerts) for feed, _ in self.feeds):
            return Reach.ALERTS
        return Reach.BLIND


@cache
def known() -> tuple[Brings, ...]:
    """What each feed brings, as far as it is known."""
    told = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(
        Brings(
            connector, feed, _sources(one.get("brings")), _sources(one.get("alerts")),
            bool(one.get("anything")),
        )
        for connector, feeds in told.items()
        for feed, one in feeds.items()
    )  # fmt: skip


def _sources(told: Sequence[str] | None) -> tuple[LogSource, ...]:
    return tuple(LogSource(*one.split("/")) for one in told or ())


def title(feed: str) -> str:
    """Return what a feed, told as ``connector feed``, is called, and how it comes if not read."""
    connector, name = feed.split(" ", 1)
    manifest = registry.connector(connector)
    told = manifest.feed(name)
    is_connected = told.fetch is not None or told.is_pushed
    how = "" if is_connected else " (as files, or through a webhook)"
    return f"{manifest.title}: {told.title}{how}"


def feeds_for(sources: Sequence[LogSource]) -> list[str]:
    """Return the feeds that would bring the log sources, as ``connector feed``."""
    return [
        f"{one.connector} {one.feed}"
        for one in known()
        if any(source.covers(brought) for source in sources for brought in one.brings)
    ]


def by_tenant(tenant_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Feeding]:
    """Return what is read at each of the tenants, in a scope that reads them.

    Two queries, and one for each feed whose sender sends what it likes.
    """
    silent = set(
        HealthAlarm.in_scope()
        .filter(kind=HealthAlarm.Kind.SILENT, ended_at=None)
        .values_list("connection_id", "feed")
    )
    feeds = {(one.connector, one.feed): one for one in known()}
    found: dict[uuid.UUID, list[tuple[Brings, Reach]]] = {one: [] for one in tenant_ids}
    states = (
        FeedState.in_scope()
        .filter(tenant_id__in=tenant_ids, connection__removed_at=None)
        .exclude(connection__state=Connection.State.PAUSED)
        .select_related("connection")
        .order_by("connection__connector", "feed")
    )
    for state in states:
        brings = feeds.get((state.connection.connector, state.feed))
        if brings is not None and brings.is_anything:
            brings = replace(brings, brings=sent_sources.brought(state))
        if brings is not None:
            is_alarmed = (state.connection_id, state.feed) in silent
            found[state.tenant_id].append((brings, Reach.SILENT if is_alarmed else _comes(state)))
    # Most clients have the same feeds: what follows from them is worked out once.
    alike: dict[tuple[tuple[Brings, Reach], ...], Feeding] = {}
    return {
        tenant_id: alike.setdefault(feeds, Feeding(feeds))
        for tenant_id, told in found.items()
        for feeds in [tuple(told)]
    }


def _comes(state: FeedState) -> Reach:
    since = timezone.now() - _QUIET
    if state.last_record_at is not None and state.last_record_at >= since:
        return Reach.SEEN
    is_new = state.last_record_at is None and state.connection.created_at >= since
    return Reach.NEW if is_new else Reach.SILENT
