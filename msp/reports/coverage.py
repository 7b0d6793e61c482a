"""What was not measured: said as plainly as what was."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count

from integrations import registry
from integrations.connections import feeds_of
from integrations.contract import Manifest
from integrations.errors import UnknownConnector
from integrations.models import Connection, FeedState, Problem
from msp.licensing.selectors import TenantUsage
from msp.reports import words
from msp.reports.content import Need, Span, Unmeasured
from msp.reports.factors import second_factors
from tenants.models import Evidence, RawRecord

# How an owner calls what a feed brings.
_FEEDS = {
    "alerts": "security alerts",
    "incidents": "groups of security alerts",
    "sign_ins": "sign-ins",
    "risk_detections": "warnings about risky sign-ins",
    "risky_users": "accounts rated as risky",
    "directory_audit": "changes to accounts and rights",
    "unified_audit": "what was done in mailboxes and files",
    "users": "the list of accounts",
    "roles": "administrators’ rights",
    "groups": "groups",
    "auth_methods": "second sign-in factors",
    "inbox_rules": "mail rules",
    "mailbox_settings": "forwarding of mail",
    "oauth_grants": "access given to apps",
    "service_principals": "apps",
    "policies": "sign-in policies",
    "message_trace": "mail traffic",
}
# What a client would expect to be looked after, and the actions by which a connector does it.
_AREAS = (
    ("endpoint.", "Computers and phones", "no protection of devices is connected"),
    ("patch.", "Software updates", "no management of updates is connected"),
    ("backup.", "Backups", "no backup system is connected"),
)
_STALE = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Intake:
    """What came in during the span, counted by feed and by what it was."""

    by_outcome: Mapping[str, int]
    feeds: frozenset[tuple[str, str]]

    @property
    def signals(self) -> int:
        """Records that told of something happening."""
        return sum(
            self.by_outcome.get(outcome, 0)
            for outcome in (RawRecord.Outcome.EVENT, RawRecord.Outcome.FINDING)
        )


def intake(span: Span) -> Intake:
    """Return what came in during the span."""
    rows = (
        RawRecord.objects.filter(received_at__gte=span.start, received_at__lt=span.until)
        .order_by()
        .values_list("connector", "feed", "outcome")
        .annotate(Count("id"))
    )
    by_outcome: Counter[str] = Counter()
    feeds = set()
    for connector, feed, outcome, number in rows:
        by_outcome[outcome] += number
        feeds.add((connector, feed))
    return Intake(by_outcome, frozenset(feeds))


def unmeasured(span: Span, came_in: Intake, people: TenantUsage) -> list[Unmeasured]:
    """Return everything that the report can't speak about, and why."""
    rows = Connection.ever.filter(created_at__lt=span.until).exclude(removed_at__lte=span.start)
    connections = list(rows.order_by("name", "created_at"))
    told: list[Unmeasured] = []
    if not connections and not came_in.feeds:
        told.append(Unmeasured("Everything", "nothing was connected in this month"))
    for connection in connections:
        told += _of_connection(connection, span, came_in)
    told += [
        Unmeasured(what, why) for prefix, what, why in _AREAS if not _does(connections, prefix)
    ]
    told += _unreadable(came_in)
    told += _unanswered(span)
    told += _seats(span, people)
    told += _unknown_second_factor()
    return told


def connections_needed() -> list[Need]:
    """Return what has to be connected, or connected again, before we can see and act."""
    if not Connection.objects.exists():
        return [
            Need(
                "Nothing is connected",
                "We can’t protect what we can’t see. Please let us connect your systems.",
            )
        ]
    return [
        Need(
            f"The connection to {connection.name} is broken",
            "Until it is renewed we see nothing there and can’t act. "
            + (
                f"It last worked on {words.date(connection.last_healthy_at)}. "
                if connection.last_healthy_at
                else ""
            )
            + "Please let us have an administrator’s consent again.",
        )
        # Where the vendor itself is down, nobody's consent helps.
        for connection in Connection.objects.filter(state=Connection.State.BROKEN).exclude(
            problem__in=[Problem.UNAVAILABLE, Problem.THROTTLED]
        )
    ]


def _manifest(connection: Connection) -> Manifest | None:
    try:
        return registry.connector(connection.connector)
    except UnknownConnector:
        return None


def _of_connection(connection: Connection, span: Span, came_in: Intake) -> Iterable[Unmeasured]:
    if connection.created_at > span.start:
        since = words.date(connection.created_at, span.zone)
        yield Unmeasured(f"{connection.name} before {since}", "it was connected on that day")
    if connection.removed_at is not None and connection.removed_at < span.until:
        since = words.date(connection.removed_at, span.zone)
        yield Unmeasured(f"{connection.name} since {since}", "it is no longer connected")
        return
    if connection.state == Connection.State.PAUSED:
        yield Unmeasured(connection.name, "the connection is paused")
        return
    manifest = _manifest(connection)
    if manifest is None:
        yield Unmeasured(connection.name, "this version doesn’t know how to read it")
        return
    states = {state.feed: state for state in FeedState.objects.filter(connection=connection)}
    missing, stopped = [], defaultdict(list)
    for feed in feeds_of(manifest, connection.settings):
        name = _FEEDS.get(feed.name, feed.title)
        state = states.get(feed.name)
        last = state.last_success_at if state is not None else None
        if last is None or last < span.start:
            if (connection.connector, feed.name) not in came_in.feeds:
                missing.append(name)
        elif last < span.until - _STALE:
            stopped[words.date(last, span.zone)].append(name)
    if missing:
        yield Unmeasured(
            f"{connection.name}: {words.listed(missing, 12)}", "no data reached us in this month"
        )
    for day, names in stopped.items():
        yield Unmeasured(
            f"{connection.name}: {words.listed(names, 12)}", f"the last data came on {day}"
        )


def _does(connections: Iterable[Connection], prefix: str) -> bool:
    manifests = [_manifest(connection) for connection in connections]
    return any(
        action.name.startswith(prefix)
        for manifest in manifests
        if manifest is not None
        for action in manifest.actions
    )


def _unreadable(came_in: Intake) -> Iterable[Unmeasured]:
    number = came_in.by_outcome.get(RawRecord.Outcome.QUARANTINED, 0)
    if number:
        yield Unmeasured(
            words.sentence(words.count(number, "record")),
            "we could not read "
            + ("it; it is" if number == 1 else "them; they are")
            + " kept and looked at by hand",
        )


def _unanswered(span: Span) -> Iterable[Unmeasured]:
    asked = Evidence.objects.filter(asked_at__gte=span.start, asked_at__lt=span.until)
    number = asked.filter(is_available=False).count()
    if number:
        yield Unmeasured(
            f"{words.sentence(words.number(number))} of {words.count(asked.count(), 'check')}",
            "there was no answer when we asked; what that meant for a case was weighed",
        )


def _seats(span: Span, people: TenantUsage) -> Iterable[Unmeasured]:
    """Days of the month, as far as it has gone, on which nobody was counted."""
    last = min(people.period.last_day, span.made_at.astimezone(span.zone).date())
    days = (last - people.period.first_day).days + 1
    missing = days - sum(day.day <= last for day in people.daily)
    if missing > 0:
        yield Unmeasured(
            f"Protected people on {words.count(missing, 'day')} of {days}",
            "nobody was counted on " + ("it" if missing == 1 else "them"),
        )


def _unknown_second_factor() -> Iterable[Unmeasured]:
    number = sum(has_one is None for _, has_one in second_factors().values())
    if number:
        yield Unmeasured(
            f"The second sign-in factor of {words.count(number, 'account')}",
            "the provider does not tell us whether there is one",
        )
