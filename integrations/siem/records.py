"""What a SIEM told of itself, and what an audit makes of it: pure data."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

Language = Literal["", "kql", "opensearch", "ecs", "spl"]


@dataclass(frozen=True, slots=True)
class LogSource:
    """A table or decoder of the SIEM: its rows in the time looked at, and when the last came.

    `rows` None: the SIEM tells only when something last came.
    """

    name: str
    rows: int | None
    last_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class AnalyticsRule:
    """A rule of the SIEM. `sources` are the log sources that it reads, as far as that is seen.

    `alerts`: how many in the time looked at, None where the SIEM doesn't tell. `failure`: what its
    last run said where that failed, at `failed_at`. `is_given_up`: the SIEM itself switched it off,
    since it kept failing.
    """

    id: str
    title: str
    is_enabled: bool
    query: str = ""
    sources: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    changed_at: dt.datetime | None = None
    alerts: int | None = None
    failure: str = ""
    failed_at: dt.datetime | None = None
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be asked: what is not known for that, and what to do."""

    words: str
    fix: str


class Kind(StrEnum):
    """What kind of gap an audit found; the worst first."""

    FAILING = "failing"
    MISSING = "missing"
    SILENT = "silent"
    BLIND = "blind"
    STALE = "stale"
    LATE = "late"
    UNREAD = "unread"
    NEVER_FIRED = "never_fired"
    DUPLICATE = "duplicate"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Gap:
    """A problem in plain words, with what to do. `subject` is a log source or a rule's title."""

    kind: Kind
    subject: str
    words: str
    fix: str
    since: dt.datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is kept and printed."""
        told = asdict(self)
        return told | {"kind": str(self.kind), "since": _iso(self.since)}


@dataclass(frozen=True, slots=True)
class Survey:
    """All that was read of a SIEM at `at` (UTC), of the `days` before it.

    `gaps` are what the SIEM itself says is wrong.
    """

    at: dt.datetime
    days: int
    sources: tuple[LogSource, ...] = ()
    rules: tuple[AnalyticsRule, ...] = ()
    unread: tuple[Unread, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """A log source that should arrive for `because`; older than `late_after` it is late.

    `names` are what it may be called: one of them is enough.
    """

    names: tuple[str, ...]
    because: str
    late_after: dt.timedelta


@dataclass(frozen=True, slots=True)
class Query:
    """One of our rules in a SIEM's language: `text` for people, `body` what is sent.

    `id_field` is the field of an answer's row by which an event is known there and here.
    """

    language: Language
    source: str
    text: str
    body: Any
    id_field: str = ""


@dataclass(frozen=True, slots=True)
class Hits:
    """What a query found: how many, and the ids of the events, at most `MOST_IDS`."""

    count: int
    ids: tuple[str, ...] = ()


MOST_IDS = 1_000


@dataclass(frozen=True, slots=True)
class Siem:
    """How a connector's SIEM is read; everything here only reads.

    `survey(client, names, days)` reads all that an audit judges; `names` are log sources that
    should arrive. `run(client, query, since, until)` finds what one of our rules would. Both raise
    `integrations.errors`. `language` of a connection's settings, "" where no rule can be run;
    `expects` names the column of expected.yml that lists what should arrive, "" for none; `entered`
    is what somebody entered of that in a connection's settings.
    """

    permissions: tuple[str, ...]
    survey: Callable[[Any, Sequence[str], int], Survey]
    run: Callable[[Any, Query, dt.datetime, dt.datetime], Hits]
    language: Callable[[Mapping[str, str]], Language]
    expects: Callable[[Mapping[str, str]], str] = lambda settings: ""
    entered: Callable[[Mapping[str, str]], list[Expected]] = lambda settings: []


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
