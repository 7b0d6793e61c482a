"""What a connector gives the conformance suite: a `Subject`, in tests/integrations/<id>/subject.py.

    SUBJECT = MySubject()

The suite starts the subject's vendor (a simulator or a real server) afresh for every test, talks
to it through the connector, and looks at what the vendor really holds through `ActionCase.observe`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bootstrap import servers
from integrations.contract import Client, Json, Manifest, Target
from integrations.transport import Limits
from tenants.records import SourceRecord
from tests.contracts.published import Published
from tests.integrations.simulators.serving import Served

Topic = Literal[
    "paging", "throttling", "token_expiry", "refusals", "server_errors", "timeouts", "slow_bodies",
    "broken_answers", "duplicates", "out_of_order", "crash", "late_effects", "actions",
    "permissions", "secrets", "addresses", "redirects", "contract", "health", "deletion",
]  # fmt: skip
TOPICS: tuple[str, ...] = get_args(Topic)
RECORDS = Path(__file__).parents[4] / "shared/records"
QUICK = Limits(connect=5, read=5, total=20, repeats=3, backoff=0.05, patience=3)
PASSWORD = "Correct-Horse-9-Battery"


class Vendor(ABC):
    """A running vendor with a few seeded records, and what a connection to it needs.

    The methods after `connect` are only called for topics that the subject does not leave out.
    """

    manifest: Manifest
    settings: Mapping[str, str]
    secrets: Mapping[str, str]

    def connect(
        self, limits: Limits = QUICK, *, allow_private: bool = True, **changed: str
    ) -> Client:
        """A client, with settings or secrets changed."""
        settings = {**self.settings, **{k: v for k, v in changed.items() if k not in self.secrets}}
        secrets = {**self.secrets, **{k: v for k, v in changed.items() if k in self.secrets}}
        return self.manifest.connect(settings, secrets, allow_private=allow_private, limits=limits)

    @abstractmethod
    def fault(self, kind: str, **options: Any) -> None:
        """Let something go wrong: the kinds and options of integrations/simulators/base/faults."""

    @abstractmethod
    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""

    @abstractmethod
    def grant(self, permissions: Sequence[str]) -> None:
        """Give the connection exactly these permissions, for clients that connect from now on."""

    @abstractmethod
    def requests(self, method: str = "", path: str = "") -> list[Json]:
        """The requests that came, in order; `path` is a regular expression searched in it."""

    @abstractmethod
    def credentials(self) -> set[str]:
        """Tokens and the like that the client has sent so far."""


class Simulated(Vendor):
    """A vendor's simulator of this project."""

    def __init__(
        self,
        manifest: Manifest,
        served: Served,
        settings: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> None:
        self.manifest = manifest
        self.served = served
        self.settings = settings
        self.secrets = secrets

    @property
    def tenant(self) -> dict[str, Any]:
        """The simulated organisation, with its `apps`."""
        return self.served.control.tenants()[0]

    def records(self, collection: str) -> dict[str, dict[str, Any]]:
        """What the organisation really holds, by id."""
        return self.served.control.state(self.tenant["id"], collection)

    def act(self, act: str, **options: Any) -> Any:
        """Let somebody else do something."""
        return self.served.control.act(act, tenant=self.tenant["id"], **options)

    def fault(self, kind: str, **options: Any) -> None:
        """Switch it on."""
        self.served.control.fault(kind, **options)

    def clear_faults(self) -> None:
        """Switch all off."""
        self.served.control.clear_faults()

    def grant(self, permissions: Sequence[str]) -> None:
        """Change what the simulated application was granted."""
        self.served.control.permissions(list(permissions), self.tenant["id"])

    def requests(self, method: str = "", path: str = "") -> list[Json]:
        """From the simulator's log."""
        return [
            line
            for line in self.served.control.log()
            if method in ("", line["method"]) and re.search(path, _fault_path(line))
        ]

    def credentials(self) -> set[str]:
        """What was overheard."""
        return set(self.served.credentials)


def _fault_path(line: Json) -> str:
    """The path by which faults find a request: with the cmdlet, where one address serves all."""
    return f"{line['path']}/{line['cmdlet']}" if line.get("cmdlet") else line["path"]


def deleting(*collections: str) -> Callable[[Simulated], None]:
    """Delete the oldest record of each collection of a simulator, as if somebody else had."""

    def delete(vendor: Simulated) -> None:
        for collection in collections:
            vendor.act("remove", collection=collection, id=next(iter(vendor.records(collection))))

    return delete


@dataclass(frozen=True)
class ActionCase:
    """One changing action, tried on one target.

    `observe` returns what the vendor really holds of the target, asked past the connector: equal
    before the action and after its reversal, different while it is in effect, and the same after
    the action was called twice. `request` names the request that changes something ("method",
    and "path" as a regular expression), for faults; `requests` how many of them one call makes of
    this target. `undoes` is the action that is carried out
    first, and whose reversal this is. `no_reversal` says why this target can't be put back
    although the catalog has a reversal, `outside_contract` why the vendor publishes no contract
    for its requests.
    """

    action: str
    target: Callable[[Any], Target]
    observe: Callable[[Any, Target], Any]
    request: Mapping[str, str] = field(default_factory=dict)
    inputs: Callable[[Any, Target], Json] = lambda vendor, target: {}
    prepare: Callable[[Any, Target], None] = lambda vendor, target: None
    undoes: str = ""
    no_reversal: str = ""
    outside_contract: str = ""
    requests: int = 1


@dataclass(frozen=True)
class Recorded:
    """Recorded data that is taken in whole: a folder or file below ../shared/records, by feed.

    `quarantined` tells by code how many of its records can't be read and why that is right; all
    others must become events, findings or directory items.
    """

    feed: str
    path: str
    quarantined: Mapping[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Door:
    """A feed with a host, token or paging of its own, on which the cheap faults are tried too.

    `pages` is a regular expression for the paths of the requests for its pages; `tries` is how
    often a client that repeats nothing asks a failing vendor: twice where objects are asked one by
    one, since one alone may be at fault. `left_out` says for each topic that has no meaning why.
    """

    feed: str
    pages: str
    tries: int = 1
    left_out: Mapping[str, str] = field(default_factory=dict)


class Subject(ABC):
    """A connector under test.

    `feed` is a polled feed with at least three pages in the seed, on which faults are tried;
    `pages` is a regular expression for the paths of the requests for its pages. `other_doors` are
    the feeds that are read in another way than `feed`. Faults of writes are tried on the first of
    `actions` and on the `other_writes`: actions with a host, token or kind of call of their own.
    `endpoints` are the settings that hold an
    address. `left_out` says for each topic that has no meaning for this vendor why; `excused` what
    makes it count: one of `integrations.quality.GROUNDS`, or the test that tries it elsewhere
    (``tests/…/test_x.py::test_y``). `contract` is what the vendor publishes, against which all
    recorded exchanges are checked (`tests.contracts.published`).
    `deletions` delete, for each feed that lists things of the directory, one of them at the vendor;
    `told_in_passing` are kinds of which a feed tells without listing all. `records` are taken in
    whole; `unrecorded` says why there are none of a vendor whose software can't run here either.
    `feeds_outside` are feeds of which the contract holds nothing, with the reason. `real_server`
    names the vendor's real software, where the tests run against that, and `server` which one of
    `bootstrap.servers` that is. `sent` are
    records as a source sends them, by feed, where nothing is read from it.
    """

    manifest: Manifest
    feed: str = ""
    pages: str = ""
    other_doors: Sequence[Door] = ()
    actions: Sequence[ActionCase] = ()
    other_writes: Sequence[str] = ()
    endpoints: Sequence[str] = ("endpoint",)
    left_out: Mapping[str, str] = {}
    excused: Mapping[str, str] = {}
    contract: Published | None = None
    deletions: Mapping[str, Callable[[Any], None]] = {}
    told_in_passing: Mapping[str, Sequence[str]] = {}
    records: Sequence[Recorded] = ()
    unrecorded: str = ""
    feeds_outside: Mapping[str, str] = {}
    real_server: str = ""
    server: str = ""
    sent: Mapping[str, Sequence[SourceRecord]] = {}

    @abstractmethod
    def running(self, folder: Path) -> AbstractContextManager[Vendor]:
        """The vendor, started; exchanges are recorded in `folder`/exchanges.ndjson."""

    def address(self, setting: str, host: str) -> str:
        """A setting's value for a host; override where it is no https address."""
        return f"https://{host}"

    @property
    def polled(self) -> list[str]:
        """The feeds that are polled."""
        return [feed.name for feed in self.manifest.feeds if feed.fetch is not None]

    @property
    def writes(self) -> list[ActionCase]:
        """The actions on which faults of writes are tried."""
        return [*self.actions[:1], *map(self.case, self.other_writes)]

    def case(self, action: str) -> ActionCase:
        """The case of an action."""
        return next(case for case in self.actions if case.action == action)

    def not_tried_here(self) -> str:
        """Why what the level rests on can't all be tried on this machine; "" where it can."""
        if self.server and (why := servers.why_not(self.server)):
            return why
        if self.contract is not None and not self.contract.is_here:
            return f"the contract {self.contract.name} is not in {self.contract.folder.name}"
        absent = [one.path for one in self.records if not (RECORDS / one.path).exists()]
        return f"the recorded data is not in ../shared: {absent[0]}" if absent else ""

    def why_not(self, topic: str) -> str:
        """Why a topic is left out; "" where it is tried."""
        return self.left_out.get(topic, "")
