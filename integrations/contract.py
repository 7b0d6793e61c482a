"""What a connector is: a manifest, feeds with pure normalisers, and actions.

A connector is one folder under `integrations/connectors/` and one line in `registry`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from integrations import doubled
from integrations.errors import UnknownFeed, VendorError
from integrations.siem.records import Siem
from integrations.transport import Limits
from tenants.records import DirectoryItem, DirectoryKind, Normalised, SourceRecord, Unreadable

Json = Mapping[str, Any]
Normalise = Callable[[SourceRecord], Normalised]
# (content, when it arrived, in UTC) → its records, in order.
# The state that a record tells, with the part of it by which its end is told; None if none.
States = Callable[[SourceRecord], DirectoryItem | None]
# Beside a record that Holdfast tells again, since a list has the state no more, or has it anew.
ENDED_AT, THERE_AGAIN_AT = "ended_at", "there_again_at"
ReadContent = Callable[[bytes, dt.datetime], Iterator[SourceRecord | Unreadable]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a feed: records in the vendor's order, and the cursor after them.

    The cursor is stored in the same transaction as the records, so a crash never skips one.
    `is_last` says that there is nothing more now. `refused` is what the vendor first
    refused for a single object of the sweep so far: the others are read, then it is told.
    """

    records: tuple[SourceRecord, ...]
    cursor: Json
    is_last: bool
    refused: VendorError | None = None
    reading: "Reading | None" = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a page is of a reading that lists all there is, so that what is gone is noticed.

    `begins` with the first page; `ends` with the last, unless something of it could not be read:
    what hasn't come since it began is gone at the vendor. `part` names which list it is, where a
    feed reads several in turn. `unasked` are the vendor's ids of what was there but could not be
    asked: what is known of it, and below it, stays.
    """

    begins: bool = False
    ends: bool = False
    part: str = ""
    unasked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """What a vendor said of a feed: only that there is something, never what.

    `secret` is what it was given to show that it is the vendor; `is_ending` that it will soon say
    nothing more unless it is asked again.
    """

    secret: str
    is_ending: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """How a vendor is asked to say when a feed has something new.

    `start(client, address, secret, until)` asks, and returns the vendor's id of it; `renew(client,
    id, until)` asks to go on, NotFound where the vendor has forgotten. `handshake(query)` is the
    text that the vendor wants back when it tries the address, None where it asks for none;
    `read(body)` takes the notices out of a request of anybody, and never raises.
    """

    lifetime: dt.timedelta
    start: Callable[[Any, str, str, dt.datetime], str]
    renew: Callable[[Any, str, dt.datetime], None]
    handshake: Callable[[Mapping[str, str]], str | None]
    read: Callable[[Any], list[Notice]]


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of a connection.

    `normalise` is pure: one record in, one event, finding or directory item out; it raises
    `tenants.errors.Quarantine` for a record it can't read. `fetch` yields pages from a cursor
    ({} at the very start); None where the connector takes the feed only from files, or is sent it.

    `is_pushed`: it is sent to us, signed (`integrations.inbound`). `read` takes the records out of
    a file or a delivery; None where they are JSON. `configured` makes the normaliser of a
    connection's settings, where what a record means depends on them. `watch` is how the vendor
    says that there is something new; the feed is read at its own times all the same. `lists` are
    the kinds of directory items that it brings all of: what is deleted at the vendor is marked.
    `states` takes out of a record the state that it tells as an event, of the one kind that is
    listed: it ends when the list has it no more (`integrations.states`).
    """

    name: str
    title: str
    permissions: tuple[str, ...]
    normalise: Normalise
    fetch: Callable[["Client", Json], Iterator[Page]] | None = None
    interval_seconds: int = 300
    documentation: str = ""
    is_pushed: bool = False
    read: ReadContent | None = None
    configured: Callable[[Mapping[str, str]], Normalise] | None = None
    watch: Watch | None = None
    lists: tuple[DirectoryKind, ...] = ()
    states: States | None = None

    def normaliser(self, settings: Mapping[str, str]) -> Normalise:
        """Return what reads the records of a connection with these settings.

        ConnectionMisconfigured where a setting can't be understood.
        """
        return doubled.read_by(self.configured(settings) if self.configured else self.normalise)


@dataclass(frozen=True, slots=True)
class Target:
    """What an action acts on, as the vendor knows it, and as people read it.

    `id` is the directory row's id; `external_id` the vendor's id; `parent_external_id` that of
    the owner (the account of an inbox rule).
    """

    kind: str
    id: str
    external_id: str
    name: str
    parent_external_id: str = ""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the vendor showed when asked again. `holds`: whether the intended effect is there."""

    holds: bool
    observed: Json
    explanation: str


@dataclass(frozen=True, slots=True)
class Intention:
    """Everything that an action's methods get to know.

    `since` is when the step was first intended (UTC): a read-back that compares times, such as a
    session revocation, compares with it. `snapshot` is what `Action.snapshot` returned. `secrets`
    are values from the vault (a new password), never stored beside the step and never logged.
    """

    target: Target
    inputs: Json
    since: dt.datetime
    snapshot: Json = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class Client(Protocol):
    """A vendor's API, ready to be called for one connection."""

    def close(self) -> None:
        """Give back its sockets."""


class Connect(Protocol):
    """Makes a client of a connection's settings and secrets; nothing is sent yet.

    `allow_private` says whether the endpoint may be in a private network (None: as the
    installation allows); `limits` are the transport's. ConnectionMisconfigured names the setting
    that can't work. Where feeds are pushed, `settings` also tells in `door` the address to which
    they are sent.
    """

    def __call__(
        self,
        settings: Mapping[str, str],
        secrets: Mapping[str, str],
        *,
        allow_private: bool | None = None,
        limits: Limits | None = None,
    ) -> Client: ...


class Action(Protocol):
    """A connector's implementation of one changing action of the catalog."""

    @property
    def name(self) -> str:
        """The action's name in the catalog."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """The vendor's permissions that it needs, and no more."""

    def snapshot(self, client: Any, intention: Intention) -> Json:
        """Read the prior state that a reversal needs, before anything is changed."""

    def call(self, client: Any, intention: Intention) -> Json:
        """Make the change; return the vendor's answer, without secrets.

        Must be safe to call again with the same intention. Raises `integrations.errors`.
        """

    def read_back(self, client: Any, intention: Intention) -> ReadBack:
        """Ask the vendor whether the effect is there."""

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Return the inputs for the catalog's reversal of this step; None if nothing to undo."""


class Gatherer(Protocol):
    """A connector's implementation of one read-only action of the catalog."""

    @property
    def name(self) -> str:
        """The action's name in the catalog."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """The vendor's permissions that it needs, and no more."""

    def gather(self, client: Any, target: Target, inputs: Json) -> Json:
        """Ask the vendor and return facts in the shape that the catalog states for the action.

        An investigation gives `since` beside the inputs: what happened from then on is recent.
        """


@dataclass(frozen=True, slots=True)
class Permission:
    """One of the vendor's permissions: `name` as feeds and actions name it.

    `grant` is the sentence that tells a person what to do where it is missing; `documentation` is
    the vendor's page.
    """

    name: str
    grant: str
    documentation: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the vendor tells of a connection's own credentials, asked live.

    `granted`: those of the manifest's permissions that they cover; `excessive`: what they were
    given beyond the manifest, in the vendor's names. None where the vendor doesn't tell.
    `expires_at`: when they run out, in UTC; None where the vendor doesn't tell, or never.
    """

    granted: frozenset[str] | None = None
    excessive: frozenset[str] | None = None
    expires_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the vendor lets one client ask: `requests` in `seconds`, counted for each `scope`."""

    scope: str
    requests: int
    seconds: int
    documentation: str


@dataclass(frozen=True, slots=True)
class SetUpStep:
    """One thing that a technician does at the vendor to connect a client, with the vendor's page.

    Empty `documentation` only where the vendor has no page for it.
    """

    text: str
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Which settings say whose organisation is read: two clients never have it in common.

    It is the same where all of `at` are equal and, of `part`, something is: `split` takes that
    apart where it names several. Without an optional `part` everything is read that is there, or
    that the wider part `within` names; whether a part lies in a wider one only the vendor tells.
    `port` is the usual one of addresses, which may be left out. Empty for a connector that reads
    nothing by itself, and is only sent something. `told(client)` asks the vendor for its own id of
    the organisation, "" where it can't tell now: one organisation may be entered in several ways.
    What lies in another one is told as ``outer/inner``. Where `is_passing`, the vendor has no id of
    its own for it, and something that lies in it is told instead, which may be another one later.
    Where `is_a_way`, the settings are one of several ways to it: others may lead to the same.
    """

    at: tuple[str, ...] = ()
    part: str = ""
    within: str = ""
    split: Callable[[str], Iterable[str]] | None = None
    port: int = 443
    told: Callable[[Any], str] | None = None
    is_passing: bool = False
    is_a_way: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """A connector: who it speaks to, what it brings and what it can do.

    `settings` names the connection's plain settings, `secrets` those kept in the vault, each with
    what to enter; of some settings `choices` lists the values that there are, each with its words.
    `connect(settings, secrets)` makes a client; `canary(client)` makes one read
    through the whole path and says in a sentence what it saw, or raises; `explode(document)`
    takes the records out of the envelopes that the vendor puts them in. `permissions` explains
    each permission that a feed or an action names; `set_up` is in the order in which it is done.
    `standing(client)` asks the vendor what the credentials may do and when they run out; None
    where it can't tell. `organisation` names the settings that say which client is read. `siem` is
    how a SIEM's own detection layer is audited; None for what is none.
    """

    id: str
    vendor: str
    title: str
    documentation: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    permissions: tuple[Permission, ...]
    rate_limits: tuple[RateLimit, ...]
    set_up: tuple[SetUpStep, ...]
    feeds: tuple[Feed, ...]
    actions: tuple[Action, ...]
    gatherers: tuple[Gatherer, ...]
    connect: Connect
    canary: Callable[[Any], str]
    explode: Callable[[Any], list[SourceRecord]]
    standing: Callable[[Any], Standing] | None = None
    organisation: Organisation = Organisation()
    siem: Siem | None = None
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def feed(self, name: str) -> Feed:
        """Return the feed of that name; UnknownFeed lists those there are."""
        for feed in self.feeds:
            if feed.name == name:
                return feed
        names = ", ".join(feed.name for feed in self.feeds)
        raise UnknownFeed(f"{self.id} has no feed {name!r}. Its feeds: {names}.")

    def pushed_feed(self, settings: Mapping[str, str]) -> Feed | None:
        """Return the feed that is sent to a connection with these settings; None where none is.

        Where several can be, the connection chooses one by its setting `feed`.
        """
        pushed = [feed for feed in self.feeds if feed.is_pushed]
        if len(pushed) == 1:
            return pushed[0]
        return next((feed for feed in pushed if feed.name == settings.get("feed")), None)
