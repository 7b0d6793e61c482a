"""Which ATT&CK techniques are covered: by which rules, proven by which test, and where not.

A rule proves nothing by being there. It is proven by records that it must find, which the tests
run; and it covers a client only where its log source comes.
"""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from integrations.alerting import rulebook, sources, stages
from integrations.alerting.rows import Stage
from integrations.alerting.rulebook import OWN_CORRELATIONS, Entry, Rulebook
from integrations.alerting.sources import Reach
from integrations.detection import loading
from integrations.models import Connection
from integrations.techniques import name_of

_PROOFS_SHOWN: Final = 3
_TACTICS: Final = Path(__file__).parent / "tactics.yml"


@dataclass(frozen=True, slots=True)
class Covering:
    """One rule for a technique: where it is live, in shadow, and where its log source comes."""

    entry: Entry
    live: int
    shadow: int
    seen: int
    proofs: int


@dataclass(frozen=True, slots=True)
class Technique:
    """One technique. `covered`: at how many clients a live rule sees it; `blind`: at how many
    there is a running rule for it, but no log source. `missing`: feeds that would bring one, those
    of products that are connected first."""

    id: str
    tactics: tuple[str, ...]
    rules: tuple[Covering, ...]
    covered: int
    watched: int
    blind: int
    missing: tuple[str, ...]

    @property
    def name(self) -> str:
        """What ATT&CK calls it; empty where that is not known."""
        return name_of(self.id)

    @property
    def missing_titles(self) -> list[str]:
        """What the missing feeds are called."""
        return [sources.title(one) for one in self.missing]

    @property
    def proven_by(self) -> list[Covering]:
        """The rules that are live or in shadow and have test records, the best proven first."""
        running = [one for one in self.rules if one.proofs and (one.live or one.shadow)]
        return sorted(running, key=lambda one: -one.proofs)

    @property
    def proofs(self) -> int:
        """How many test records prove the rules that are live or in shadow."""
        return sum(one.proofs for one in self.rules if one.live or one.shadow)


@cache
def tactics() -> Mapping[str, str]:
    """The tactics by their words in tags, in order, with what they are called."""
    return dict(yaml.safe_load(_TACTICS.read_text(encoding="utf-8")))


@cache
def proofs(file: str) -> int:
    """Return how many positive test records (or series of them) come with a rule's file."""
    return len(_cases(file).get("positive", ()))


def proof_records(file: str) -> list[str]:
    """Return the first of those records, for people to read: a correlation's as its series."""
    cases = _cases(file)
    some = cases.get("positive", [])[:_PROOFS_SHOWN]
    shown = [
        {"record": cases["record"], "series": one} if "record" in cases else one for one in some
    ]
    return [json.dumps(one, indent=1, ensure_ascii=False) for one in shown]


def _cases(file: str) -> dict[str, Any]:
    within = file.removeprefix("correlations/")
    folder = loading.OUR_RULES if within == file else OWN_CORRELATIONS
    cases = (folder / within).with_suffix(".cases.json")
    return json.loads(cases.read_text(encoding="utf-8")) if cases.is_file() else {}


def of_tenants(tenant_ids: Sequence[uuid.UUID]) -> list[Technique]:
    """Return every technique that a rule names, for the tenants together, by id in order."""
    book = rulebook.current()
    for_all, own = stages.defaults(), stages.own_of(tenant_ids)
    feeding = sources.by_tenant(tenant_ids)
    by_technique: dict[str, list[tuple[Entry, dict[uuid.UUID, tuple[Stage, Reach]]]]] = {}
    for entry in book.entries.values():
        needs = book.sources_of(entry)
        at = {
            tenant_id: (stages.of(entry, for_all, own[tenant_id]), feeding[tenant_id].reach(needs))
            for tenant_id in tenant_ids
        }
        for technique in entry.techniques:
            by_technique.setdefault(technique, []).append((entry, at))
    connected = Connection.in_scope().filter(tenant_id__in=tenant_ids, removed_at=None)
    used = set(connected.values_list("connector", flat=True))
    return [_technique(book, one, by_technique[one], used) for one in sorted(by_technique)]


def _technique(
    book: Rulebook, technique: str,
    rules: Sequence[tuple[Entry, Mapping[uuid.UUID, tuple[Stage, Reach]]]],
    used: Collection[str],
) -> Technique:  # fmt: skip
    covered, watched, blind = set(), set(), set()
    for _, at in rules:
        for tenant_id, (stage, reach) in at.items():
            if stage not in stages.RUNNING:
                continue
            if reach is not Reach.SEEN:
                blind.add(tenant_id)
            elif stage is Stage.LIVE:
                covered.add(tenant_id)
            else:
                watched.add(tenant_id)
    lacking = blind - covered - watched
    # First what a product that is there already can bring.
    missing = sorted(
        {
            feed
            for entry, at in rules
            if any(tenant_id in lacking for tenant_id in at)
            for feed in sources.feeds_for(book.sources_of(entry))
        },
        key=lambda feed: (feed.partition(" ")[0] not in used, feed),
    )
    return Technique(
        technique,
        tuple(dict.fromkeys(tactic for entry, _ in rules for tactic in entry.tactics)),
        tuple(_covering(entry, at) for entry, at in rules),
        len(covered), len(watched - covered), len(lacking), tuple(missing),
    )  # fmt: skip


def _covering(entry: Entry, at: Mapping[uuid.UUID, tuple[Stage, Reach]]) -> Covering:
    return Covering(
        entry,
        sum(stage is Stage.LIVE for stage, _ in at.values()),
        sum(stage is Stage.SHADOW for stage, _ in at.values()),
        sum(reach is Reach.SEEN for _, reach in at.values()),
        proofs(entry.file) if entry.is_own else 0,
    )


def as_json(techniques: Sequence[Technique], clients: int) -> dict[str, Any]:
    """Return the coverage as plain data."""
    return {
        "clients": clients,
        "tactics": dict(tactics()),
        "techniques": [
            {
                "id": one.id,
                "name": one.name,
                "tactics": list(one.tactics),
                "clients_covered": one.covered,
                "clients_in_shadow": one.watched,
                "clients_blind": one.blind,
                "missing_feeds": list(one.missing),
                "proofs": one.proofs,
                "rules": [
                    {
                        "id": rule.entry.id, "title": rule.entry.title, "level": rule.entry.level,
                        "live": rule.live, "shadow": rule.shadow, "seen": rule.seen,
                        "proofs": rule.proofs,
                    }
                    for rule in one.rules
                ],
            }
            for one in techniques
        ],
    }  # fmt: skip
