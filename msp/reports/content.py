"""What an outcome report says: plain data between the selectors and the template."""

import datetime as dt
from dataclasses import dataclass

from msp.licensing.selectors import TenantUsage
from playbooks.quality.measures import Share


@dataclass(frozen=True, slots=True)
class Span:
    """The instants of a month in the tenant's time zone; `end` is not in it.

    `made_at` is when the report is made; before `end` the report is a preliminary one.
    """

    start: dt.datetime
    end: dt.datetime
    made_at: dt.datetime

    @property
    def until(self) -> dt.datetime:
        """How far the report can know: the month's end, or the moment it is made at."""
        return min(self.end, self.made_at)

    @property
    def is_preliminary(self) -> bool:
        """Whether the month isn't over."""
        return self.made_at < self.end

    @property
    def zone(self) -> dt.tzinfo:
        """The tenant's time zone."""
        assert self.start.tzinfo is not None
        return self.start.tzinfo


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of an incident's course."""

    at: dt.datetime
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that was done, and how it was checked afterwards."""

    text: str
    check: str


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to do, and whether it is the client who has to (else the MSP)."""

    text: str
    is_for_client: bool


@dataclass(frozen=True, slots=True)
class Incident:
    """A real attack, told in plain words.

    `to_containment` is the time from the first alert that reached us to the last containment step
    that was checked; `of_it_waiting` the part of it in which people were waited for; `speed`
    says both in words. None, and empty, where it isn't contained. `blocked` names the people who
    can't sign in for now.
    """

    number: int
    headline: str
    who: str
    first_alert_at: dt.datetime
    contained_at: dt.datetime | None
    to_containment: dt.timedelta | None
    of_it_waiting: dt.timedelta | None
    speed: str
    state: str
    happened: tuple[str, ...]
    course: tuple[Moment, ...]
    done: tuple[Done, ...]
    left: tuple[Left, ...]
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """A case without a clear answer, and what that means."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """The month's counts.

    `signals` are records that told of something happening (sign-ins, changes, alerts); `alerts`
    those by which a vendor warned; `false_alarms` cases that turned out to be none, `asked` of
    which the client was asked about; `evidence` the questions answered, of those asked. The medians
    are over contained real attacks; None without one.
    """

    signals: int
    alerts: int
    cases: int
    real: int
    contained: int
    false_alarms: int
    asked: int
    undecided: int
    checked_actions: int
    evidence: Share
    median: dt.timedelta | None
    median_without_waiting: dt.timedelta | None

    @property
    def has_data(self) -> bool:
        """Whether anything came in at all."""
        return bool(self.signals or self.alerts or self.cases)

    @property
    def quiet_false_alarms(self) -> int:
        """The false alarms that were sorted out without bothering the client."""
        return self.false_alarms - self.asked


@dataclass(frozen=True, slots=True)
class Stage:
    """How long it took until something, over all cases that came so far. None: not measured."""

    title: str
    cases: int
    median: dt.timedelta | None
    nine_in_ten: dt.timedelta | None
    median_without_waiting: dt.timedelta | None


@dataclass(frozen=True, slots=True)
class Work:
    """Work that was done for people: so many times, and what it takes by hand, as declared."""

    title: str
    times: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Performance:
    """How the month's cases went, as the console and the API measure them."""

    stages: tuple[Stage, ...]
    without_escalation: Share
    second_opinions: Share
    minutes_saved: int | None
    work: tuple[Work, ...]


@dataclass(frozen=True, slots=True)
class SiemProblem:
    """What is wrong in the same way with so many rules or sources of a SIEM; some by name.

    `since`: when the oldest of them was first seen; `todo` what is to be done about them.
    """

    title: str
    number: int
    named: tuple[str, ...]
    since: dt.datetime | None
    todo: str


@dataclass(frozen=True, slots=True)
class SiemLook:
    """How the client's own SIEM was found at the month's last look at it.

    `compared`: how many of our rules were run there as well, `same` how many found the same as
    here. `failed`: it could not be asked, so nothing else is known; `fell_silent`: not since then.
    `accepted` are the names of what was wrong and may stay so, each with the reason.
    """

    name: str
    at: dt.datetime
    failed: bool
    fell_silent: bool
    sources: int
    rules: int
    rules_enabled: int
    problems: tuple[SiemProblem, ...]
    accepted: tuple[tuple[str, str], ...]
    put_right: int
    compared: int
    same: int


@dataclass(frozen=True, slots=True)
class Need:
    """Something that only the client can settle."""

    title: str
    detail: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Something that this report can't speak about, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class NotCounted:
    """Accounts that gave no seat, for one reason."""

    accounts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the ledger stood when the report was made. `broken` is empty where it holds."""

    head: str
    entries: int
    unsealed: int
    broken: str


@dataclass(frozen=True, slots=True)
class LikelyThreat:
    """One way of attack in plain words, whether we watch for it, and what else helps."""

    what: str
    watched: str
    helps: str


@dataclass(frozen=True, slots=True)
class LikelyThreats:
    """What attackers most likely try, by what the client is and uses (`because`)."""

    because: tuple[str, ...]
    told: tuple[LikelyThreat, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that the monthly outcome report of one tenant says."""

    tenant: str
    slug: str
    time_zone: str
    msp: str
    msp_contact: str
    period: str
    month: str
    span: Span
    summary: tuple[str, ...]
    numbers: Numbers
    performance: Performance
    siems: tuple[SiemLook, ...]
    threats: LikelyThreats | None
    alerts_by_day: tuple[tuple[dt.date, int], ...]
    incidents: tuple[Incident, ...]
    untold: int
    undecided: tuple[Undecided, ...]
    needs: tuple[Need, ...]
    people: TenantUsage
    not_counted: tuple[NotCounted, ...]
    unmeasured: tuple[Unmeasured, ...]
    proof: Proof

    @property
    def attack_days(self) -> frozenset[dt.date]:
        """The days on which the first alert of a real attack came."""
        zone = self.span.zone
        return frozenset(i.first_alert_at.astimezone(zone).date() for i in self.incidents)
