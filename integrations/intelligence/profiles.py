"""Who may attack a client and how: a profile ranks techniques, and says which rules cover each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from integrations.models import ThreatProfile
from tenants import ledger, scope
from tenants.errors import HoldfastError

_FILE = Path(__file__).with_name("profiles.json")


class BadProfile(HoldfastError):
    """A profile that can't be kept; the message says what to choose from."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A technique with its weight, why it is ranked so, and the rules that cover it."""

    technique: str
    weight: int
    why: tuple[str, ...]
    rules: tuple[str, ...]


@cache
def told() -> Mapping[str, Any]:
    """Return the sectors and tools that profiles are made of, each with its techniques."""
    known: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return known


def current() -> ThreatProfile | None:
    """Return the profile of the scope's tenant; None where nobody made one."""
    return ThreatProfile.in_scope().order_by("-version").first()


def keep(sector: str, country: str, tools: Iterable[str], *, actor: str) -> ThreatProfile:
    """Keep another version of the tenant's profile; BadProfile says what is none of ours."""
    chosen = sorted(set(tools))
    if sector not in told()["sectors"]:
        raise BadProfile(f"There is no sector {sector!r}: {', '.join(told()['sectors'])}.")
    unknown = [one for one in chosen if one not in told()["tools"]]
    if unknown:
        raise BadProfile(f"Not known: {', '.join(unknown)}. Known: {', '.join(told()['tools'])}.")
    country = country.strip().upper()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise BadProfile("A country is two letters, such as GB.")
    before = current()
    row = ThreatProfile.objects.create(
        tenant_id=scope.require_tenant_id(), version=before.version + 1 if before else 1,
        sector=sector, country=country, tools=chosen, author=actor,
    )  # fmt: skip
    body = {"sector": sector, "country": country, "tools": chosen}
    ledger.append("threat_profile.set", actor=actor, subject=str(row), body=body)
    return row


def rank(profile: ThreatProfile | None, rules: Mapping[str, tuple[str, ...]]) -> list[Ranked]:
    """Return the techniques of a profile, the heaviest first.

    `rules` are the titles of rules by technique; one of a sub-technique covers its technique.
    """
    sources: list[tuple[str, Mapping[str, int]]] = [("every company", told()["everybody"])]
    if profile is not None:
        sector = told()["sectors"].get(profile.sector)
        sources += [(sector["title"], sector["techniques"])] if sector else []
        tools = [told()["tools"][one] for one in profile.tools if one in told()["tools"]]
        sources += [(one["title"], one["techniques"]) for one in tools]
    weights: dict[str, int] = {}
    why: dict[str, list[str]] = {}
    for title, techniques in sources:
        for technique, weight in techniques.items():
            weights[technique] = weights.get(technique, 0) + weight
            why.setdefault(technique, []).append(title)
    return [
        Ranked(one, weights[one], tuple(why[one]), _covering(one, rules))
        for one in sorted(weights, key=lambda name: (-weights[name], name))
    ]


def _covering(technique: str, rules: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found = {
        title
        for name, titles in rules.items()
        if name == technique or name.startswith(f"{technique}.")
        for title in titles
    }
    return tuple(sorted(found))
