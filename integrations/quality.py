"""How good a connector is, from bronze to platinum, worked out from what its tests prove.

`proofs.json` in a connector's folder is written from its subject under the conformance suite
(`python -m tests.integrations.conformance.prove`), and a test of the house compares both: nobody
claims a level, and a test that goes takes its level with it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from integrations import catalog, registry
from integrations.contract import Feed, Manifest

Level = Literal["none", "bronze", "silver", "gold", "platinum"]
LEVELS: Final[tuple[Level, ...]] = ("none", "bronze", "silver", "gold", "platinum")
_CONNECTORS: Final = Path(__file__).parent / "connectors"


@dataclass(frozen=True, slots=True)
class Proofs:
    """What the tests of a connector try.

    `topics` of the conformance suite, those `left_out` with the reason, what makes each of these
    count (`excused`: one of `GROUNDS`, or the test that tries it elsewhere), the file of the
    vendor's published `contract`, what of it is judged (`judges`: requests, answers), why it holds
    nothing of some feeds and actions (`outside_contract`, by name), the folders of `recorded` data
    that are taken in whole or why there is none (`unrecorded`), the vendor's `real_server` that
    the tests run against, and why this vendor can't take an action back that the catalog can
    (`irreversible`, by action).
    """

    topics: tuple[str, ...] = ()
    left_out: Mapping[str, str] | None = None
    excused: Mapping[str, str] | None = None
    contract: str = ""
    judges: tuple[str, ...] = ()
    outside_contract: Mapping[str, str] | None = None
    recorded: tuple[str, ...] = ()
    unrecorded: str = ""
    real_server: str = ""
    irreversible: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """Why a topic can't be tried: only for these topics, and only where it is a fact."""

    topics: frozenset[str]
    is_so: Callable[[Manifest, Proofs], bool]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the checklist, in the words of the page."""

    name: str
    title: str
    holds: Callable[[Manifest, Proofs], bool]


def _conforms(manifest: Manifest, proofs: Proofs) -> bool:
    return bool(proofs.topics) and all((proofs.left_out or {}).values())


GROUNDS: Final[Mapping[str, Ground]] = {
    "nothing is read": Ground(
        frozenset({
            "paging", "throttling", "token_expiry", "refusals", "server_errors", "timeouts",
            "slow_bodies", "broken_answers", "duplicates", "out_of_order", "crash", "secrets",
            "redirects", "deletion",
        }),
        lambda manifest, proofs: all(feed.fetch is None for feed in manifest.feeds),
    ),
    "nothing is changed": Ground(
        frozenset({"actions", "late_effects"}), lambda manifest, proofs: not manifest.actions
    ),
    "no credentials": Ground(
        frozenset({"token_expiry", "permissions", "secrets"}),
        lambda manifest, proofs: not manifest.secrets,
    ),
    "a person renews the credentials": Ground(
        frozenset({"token_expiry"}), lambda manifest, proofs: bool(manifest.secrets)
    ),
    "the protocol has no such answer": Ground(
        frozenset({"throttling", "refusals", "server_errors", "redirects"}),
        lambda manifest, proofs: bool(proofs.real_server),
    ),
    "a list comes whole": Ground(
        frozenset({"duplicates", "out_of_order"}), lambda manifest, proofs: True
    ),
    "an effect shows at once": Ground(
        frozenset({"late_effects"}), lambda manifest, proofs: bool(proofs.real_server)
    ),
    "the real server is the contract": Ground(
        frozenset({"contract"}), lambda manifest, proofs: bool(proofs.real_server)
    ),
}  # fmt: skip


def is_test(excuse: str) -> bool:
    """Whether a topic is excused by a test that tries it elsewhere, as pytest names it."""
    return excuse.startswith("tests/") and "::" in excuse


def counts(manifest: Manifest, proved: Proofs, topic: str) -> bool:
    """Whether a topic that is left out counts all the same."""
    excuse = (proved.excused or {}).get(topic, "")
    ground = GROUNDS.get(excuse)
    if ground is None:
        return is_test(excuse)
    return topic in ground.topics and ground.is_so(manifest, proved)


def _thorough(manifest: Manifest, proofs: Proofs) -> bool:
    """Whether what isn't tried counts, and most is tried all the same, here or elsewhere."""
    left_out = proofs.left_out or {}
    elsewhere = [topic for topic in left_out if is_test((proofs.excused or {}).get(topic, ""))]
    tried = len(proofs.topics) + len(elsewhere)
    every = len(proofs.topics) + len(left_out)
    return 2 * tried >= every and all(counts(manifest, proofs, topic) for topic in left_out)


def _documented(manifest: Manifest, proofs: Proofs) -> bool:
    needed = {
        *(name for feed in manifest.feeds for name in feed.permissions),
        *(name for action in manifest.actions for name in action.permissions),
        *(name for gatherer in manifest.gatherers for name in gatherer.permissions),
        *(manifest.siem.permissions if manifest.siem else ()),
    }
    explained = {permission.name for permission in manifest.permissions}
    return bool(manifest.set_up and manifest.documentation) and needed <= explained


def _reversible(manifest: Manifest, proofs: Proofs) -> bool:
    names, excused = {action.name for action in manifest.actions}, proofs.irreversible or {}
    reversals = {catalog.get(name).reversal for name in names if not excused.get(name)}
    return reversals - {None} <= names


CHECKLIST: Final[tuple[Criterion, ...]] = (
    Criterion("conformance", "Passes the conformance suite", _conforms),
    Criterion("topics", "Most of it tried, the rest left out for a reason that counts", _thorough),
    Criterion("health", "Health by a read through the whole path",
              lambda manifest, proofs: "health" in proofs.topics),
    Criterion("documentation", "Permissions and set-up explained", _documented),
    Criterion("reversal", "A reversal for every action that can have one", _reversible),
    Criterion("recorded_data", "Recorded data taken in whole",
              lambda manifest, proofs: bool(proofs.recorded)),
    Criterion("contract", "Keeps to the published contract in both directions",
              lambda manifest, proofs: {"requests", "answers"} <= set(proofs.judges)),
    Criterion("real_server", "Tried on the vendor's real software",
              lambda manifest, proofs: bool(proofs.real_server)),
)  # fmt: skip


def proofs(connector_id: str) -> Proofs:
    """Return what the tests of a connector try; nothing where nothing was proved yet."""
    path = _CONNECTORS / connector_id / "proofs.json"
    if not path.exists():
        return Proofs()
    told = json.loads(path.read_text("utf-8"))
    return Proofs(
        topics=tuple(told["topics"]),
        left_out=told["left_out"],
        excused=told.get("excused"),
        contract=told["contract"],
        judges=tuple(told["judges"]),
        outside_contract=told.get("outside_contract"),
        recorded=tuple(told["recorded"]),
        unrecorded=told.get("unrecorded", ""),
        real_server=told["real_server"],
        irreversible=told.get("irreversible"),
    )


def comes(feed: Feed) -> Literal["read", "sent", "read or sent", "from files only"]:
    """Return how a feed's records come to us."""
    if feed.fetch is None:
        return "sent" if feed.is_pushed else "from files only"
    return "read or sent" if feed.is_pushed else "read"


def judged(manifest: Manifest, proved: Proofs) -> tuple[int, int] | None:
    """Return of how many feeds and actions the contract tells, and how many there are.

    Feeds that are read and actions that change count; None where there is no contract.
    """
    if not proved.contract:
        return None
    names = {feed.name for feed in manifest.feeds if feed.fetch is not None}
    names |= {action.name for action in manifest.actions}
    return len(names - (proved.outside_contract or {}).keys()), len(names)


def checklist(manifest: Manifest, proved: Proofs) -> dict[str, bool]:
    """Return which criteria hold."""
    return {one.name: one.holds(manifest, proved) for one in CHECKLIST}


def level(holds: Mapping[str, bool]) -> Level:
    """Return the level of a checklist.

    Gold takes recorded data and the contract in both directions, or the vendor's real server; and
    most topics of the suite.
    """
    if not (holds["conformance"] and holds["health"]):
        return "none"
    if not (holds["documentation"] and holds["reversal"]):
        return "bronze"
    if not holds["topics"]:
        return "silver"
    on_paper = holds["recorded_data"] and holds["contract"]
    if on_paper and holds["real_server"]:
        return "platinum"
    return "gold" if on_paper or holds["real_server"] else "silver"


def short_of_gold(holds: Mapping[str, bool], proved: Proofs) -> str:
    """Return in a sentence or two what a connector lacks for gold; empty where it has that."""
    if LEVELS.index(level(holds)) >= LEVELS.index("gold"):
        return ""
    lacks = [
        f"“{one.title}”"
        for one in CHECKLIST
        # The vendor's own software would do as well, but is no more to be had than the data.
        if not holds[one.name] and one.name != "real_server"
    ]
    return f"Not gold without {', '.join(lacks)}. {proved.unrecorded}".strip()


@cache
def matrix() -> tuple[Mapping[str, Any], ...]:
    """Return what each connector brings and does, with its level and why, by its title."""
    by_title = sorted(registry.CONNECTORS.values(), key=lambda manifest: manifest.title.casefold())
    return tuple(_row(manifest) for manifest in by_title)


def _row(manifest: Manifest) -> dict[str, Any]:
    proved = proofs(manifest.id)
    holds = checklist(manifest, proved)
    return {
        "id": manifest.id,
        "vendor": manifest.vendor,
        "title": manifest.title,
        "documentation": manifest.documentation,
        "level": level(holds),
        "checklist": holds,
        "short_of_gold": short_of_gold(holds, proved),
        "left_out": dict(proved.left_out or {}),
        "real_server": proved.real_server,
        "contract": proved.contract,
        "judges": list(proved.judges),
        "judged": list(judged(manifest, proved) or ()),
        "outside_contract": dict(proved.outside_contract or {}),
        "feeds": [
            {
                "name": feed.name,
                "title": feed.title,
                "permissions": list(feed.permissions),
                "polled": feed.fetch is not None,
                "comes": comes(feed),
                "interval_seconds": feed.interval_seconds if feed.fetch is not None else None,
            }
            for feed in manifest.feeds
        ],
        "actions": [
            {
                "name": action.name,
                "title": catalog.get(action.name).title,
                "permissions": list(action.permissions),
                "read_only": read_only,
                "reversal": None
                if action.name in (proved.irreversible or {})
                else catalog.get(action.name).reversal,
            }
            for actions, read_only in ((manifest.actions, False), (manifest.gatherers, True))
            for action in actions
        ],
        "permissions": [
            {"name": p.name, "grant": p.grant, "documentation": p.documentation}
            for p in manifest.permissions
        ],
        "rate_limits": [
            {"scope": limit.scope, "requests": limit.requests, "seconds": limit.seconds}
            for limit in manifest.rate_limits
        ],
        "set_up": [
            {"text": step.text, "documentation": step.documentation} for step in manifest.set_up
        ],
    }
