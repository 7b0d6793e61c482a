"""Who may attack a client and how: a profile ranks techniques, and says what covers each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from integrations.alerting.coverage import Covering, Technique
from integrations.intelligence.found import entity_of
from integrations.models import ThreatProfile
from tenants import ledger, scope
from tenants.errors import HoldfastError

_MOST_OWN = 200
STATES = ("covered", "watched", "blind")
_FILE = Path(__file__).with_name("profiles.json")


class BadProfile(HoldfastError):
    """A profile that can't be kept; the message says what to choose from."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why techniques are ranked: a title, and of a country what was published, and where."""

    title: str
    techniques: Mapping[str, int]
    says: str = ""
    published: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A technique with its weight, the share of each reason in it, and what covers it at a client.

    `plain` is what it is, in words an owner knows; `helps`: what protects from it besides a rule.
    `state`: covered (a live rule, and its log source comes), watched (in shadow), blind (a rule,
    but what it reads does not come: connect one of `missing`), or none.
    """

    technique: str
    weight: int
    why: tuple[tuple[str, int], ...]
    state: str
    rules: tuple[Covering, ...]
    missing: tuple[str, ...]
    plain: str = ""
    helps: str = ""


@cache
def told() -> Mapping[str, Any]:
    """Return the sectors, countries and tools of profiles, each with its techniques."""
    known: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return known


def current() -> ThreatProfile | None:
    """Return the profile of the scope's tenant; None where nobody made one."""
    return ThreatProfile.in_scope().order_by("-version").first()


def keep(
    sector: str, country: str, tools: Iterable[str], *, own: Iterable[str] = (), actor: str
) -> ThreatProfile:
    """Keep another version of the tenant's profile; BadProfile says what is none of ours.

    `own`: the client's domains, public addresses and networks, as somebody writes them.
    """
    chosen = sorted(set(tools))
    if sector not in told()["sectors"]:
        raise BadProfile(f"There is no sector {sector!r}: {', '.join(told()['sectors'])}.")
    unknown = [one for one in chosen if one not in told()["tools"]]
    if unknown:
        raise BadProfile(f"Not known: {', '.join(unknown)}. Known: {', '.join(told()['tools'])}.")
    country = country.strip().upper()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise BadProfile("A country is two letters, such as GB.")
    names = _own(own)
    before = current()
    row = ThreatProfile.objects.create(
        tenant_id=scope.require_tenant_id(), version=before.version + 1 if before else 1,
        sector=sector, country=country, tools=chosen, own=names, author=actor,
    )  # fmt: skip
    body = {"sector": sector, "country": country, "tools": chosen, "own": names}
    ledger.append("threat_profile.set", actor=actor, subject=str(row), body=body)
    return row


def _own(told: Iterable[str]) -> list[str]:
    """Return the entities of what somebody wrote; BadProfile where something is no such name."""
    found = set()
    for value in told:
        if not value.strip():
            continue
        kind = "ip" if value.strip().replace("/", "").replace(".", "").isdigit() else "domain"
        entity, why = entity_of("ip" if ":" in value else kind, value)
        if why:
            raise BadProfile(f"{value.strip()[:100]} is no domain, address or network: {why}.")
        found.add(entity)
    if len(found) > _MOST_OWN:
        raise BadProfile(f"At most {_MOST_OWN} own domains and addresses can be kept.")
    return sorted(found)


def reasons(profile: ThreatProfile | None) -> list[Reason]:
    """Return what a profile's techniques come from; without one, what holds for every company."""
    found = [Reason("every company", told()["everybody"])]
    if profile is None:
        return found
    if sector := told()["sectors"].get(profile.sector):
        found.append(Reason(sector["title"], sector["techniques"]))
    names = ["EU"] if profile.country in told()["in_the_eu"] else []
    found += [
        Reason(**told()["countries"][name])
        for name in (*names, profile.country)
        if name in told()["countries"]
    ]
    tools = [told()["tools"][one] for one in profile.tools if one in told()["tools"]]
    return [*found, *(Reason(one["title"], one["techniques"]) for one in tools)]


def countries() -> list[tuple[str, str]]:
    """Return (code, name) of the countries of which something published ranks techniques."""
    named = [(code, one["title"]) for code, one in told()["countries"].items() if code != "EU"]
    others = [(code, "European Union") for code in told()["in_the_eu"] if code not in dict(named)]
    return sorted([*named, *others])


def rank(profile: ThreatProfile | None, coverage: Iterable[Technique]) -> list[Ranked]:
    """Return the techniques of a profile, the heaviest first, with what covers them.

    `coverage` is the client's; what covers a sub-technique covers its technique.
    """
    weights: dict[str, int] = {}
    why: dict[str, list[tuple[str, int]]] = {}
    for reason in reasons(profile):
        for technique, weight in reason.techniques.items():
            weights[technique] = weights.get(technique, 0) + weight
            why.setdefault(technique, []).append((reason.title, weight))
    known: dict[str, list[Technique]] = {}
    for one in coverage:
        known.setdefault(one.id.partition(".")[0], []).append(one)
    return [
        _ranked(one, weights[one], why[one], known.get(one, []))
        for one in sorted(weights, key=lambda name: (-weights[name], name))
    ]


def _ranked(
    name: str, weight: int, why: Iterable[tuple[str, int]], known: list[Technique]
) -> Ranked:
    state = next((word for word in STATES if any(getattr(one, word) for one in known)), "none")
    rules = {
        rule.entry.id: rule
        for one in known
        if getattr(one, state, 0)
        for rule in one.rules
        if state == "blind" or _does(rule, state)
    }
    missing = [feed for one in known for feed in one.missing_titles if state == "blind"]
    words = told()["techniques"].get(name, {})
    return Ranked(
        name, weight, tuple(why), state,
        tuple(sorted(rules.values(), key=lambda one: one.entry.title)),
        tuple(dict.fromkeys(missing)),
        words.get("plain", ""), words.get("helps", ""),
    )  # fmt: skip


def _does(rule: Covering, state: str) -> bool:
    """Whether a rule is one that covers: what is for a product that nobody has there sees nothing.

    A rule in shadow tells nobody.
    """
    return bool(rule.seen and (rule.live or state == "watched"))
