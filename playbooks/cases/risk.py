"""Risk as a sum of terms that anyone can read, each with its reason. 0 … 100.

The points stand in `risk_table.yaml`; what they are given for is read here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from playbooks.cases.risk_table import LARGEST, RiskTable, in_force
from tenants.important_titles import is_important
from tenants.models import Account, Severity


class Term(TypedDict):
    """One line of the sum. `known`: the names of all that its reason names some of."""

    name: str
    points: int
    reason: str
    known: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class Signals:
    """What a case's alerts tell, whatever their number: the worst, how many kinds, how sure.

    `known` are those of the indicators that our own intelligence is sure of, `told` those of them
    that may be named.
    """

    worst_title: str
    severity_id: int
    kinds: int
    confidence: int
    indicators: int = 0
    known: Sequence[str] = ()
    told: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What became of the same person's or device's cases lately."""

    true_positives: int = 0
    harmless: int = 0


@dataclass(frozen=True, slots=True)
class Devices:
    """Of the case's devices the servers, the critical ones, those with a hole that attackers are
    known to use, and those that the internet reaches, each with who says so.
    """

    servers: Sequence[str] = ()
    holes: Sequence[str] = ()
    exposed: Sequence[str] = ()
    critical: Sequence[tuple[int, str]] = ()


NAMED = 3
_MORE = "…"
_REASON = re.compile(r"known indicators of attacks: (\d+)(?: \((.+)\))?")
NOTHING = History()
NO_DEVICES = Devices()


def terms(
    signals: Signals,
    account: Account | None,
    devices: Devices = NO_DEVICES,
    history: History = NOTHING,
    table: RiskTable | None = None,
    roles: Sequence[str] = (),
) -> list[Term]:
    """Return the terms of a case's risk: of its alerts, whom they are about, what was before.

    `roles`: what the account holds as its vendor says, where the directory doesn't know it yet.
    """
    table = table or in_force()
    return [
        term
        for term in (
            _severity(table, signals),
            _several_signals(table, signals),
            _confidence(table, signals),
            _privilege(table, account, roles),
            _importance(table, account),
            _critical_device(table, devices),
            _exposure(table, account),
            _hole(table, devices.holes),
            _reached(table, devices.exposed),
            _provider_risk(table, account),
            _intelligence(table, signals),
            _attacked_before(table, history),
            _harmless_before(table, history),
        )
        # What was known is compared with what is later, whatever it weighs.
        if term["points"] or "known" in term
    ]


def total(parts: Sequence[Term]) -> int:
    """Return the risk that the terms add up to, from 0 to 100."""
    return max(0, min(LARGEST, sum(part["points"] for part in parts)))


def points_of(severity_id: int, table: RiskTable | None = None) -> int:
    """Return the points of an alert's severity."""
    return (table or in_force()).of("severity", Severity(severity_id).name.lower())


def of_indicators(number: int, told: Sequence[str]) -> str:
    """Return the reason of the term of intelligence, which names some of what is known."""
    more = f", {_MORE}" if len(told) > NAMED else ""
    names = f" ({', '.join(told[:NAMED])}{more})" if told else ""
    return f"known indicators of attacks: {number}{names}"


def known_in(term: Mapping[str, Any], called_bad: int) -> frozenset[str] | None:
    """Return the names that a term of intelligence was given for; None where it doesn't tell.

    An earlier release kept the reason alone: there only what names as many as it counts tells,
    without those that the alerts themselves call bad (`called_bad`).
    """
    if "known" in term:
        return frozenset(term["known"])
    found = _REASON.fullmatch(str(term["reason"]))
    if found is None:
        return None
    names = frozenset(found[2].split(", ")) if found[2] else frozenset()
    is_whole = _MORE not in names and int(found[1]) <= called_bad + len(names)
    return names if is_whole else None


def _term(name: str, points: int, reason: str) -> Term:
    return {"name": name, "points": points, "reason": reason}


def _severity(table: RiskTable, signals: Signals) -> Term:
    label = Severity(signals.severity_id).label
    points = points_of(signals.severity_id, table)
    return _term("severity", points, f"“{signals.worst_title}” is {label}")


def _several_signals(table: RiskTable, signals: Signals) -> Term:
    more = table.of("several_signals", "each_more") * (signals.kinds - 1)
    points = min(table.of("several_signals", "most"), more)
    return _term("several signals", points, f"{signals.kinds} different alerts agree")


def _confidence(table: RiskTable, signals: Signals) -> Term:
    is_sure = signals.confidence >= table.of("confidence", "from_percent")
    points = table.of("confidence", "points") if is_sure else 0
    return _term("confidence", points, f"the vendor is {signals.confidence} % sure")


def _privilege(table: RiskTable, account: Account | None, told: Sequence[str]) -> Term:
    if account is None or not (account.is_privileged or told):
        return _term("privilege", 0, "")
    held = account.roles or told
    roles = ", ".join(str(role) for role in held[:3]) or "a privileged role"
    return _term("privilege", table.of("privilege", "points"), f"{account.username} holds {roles}")


def _importance(table: RiskTable, account: Account | None) -> Term:
    if account is None:
        return _term("criticality", 0, "")
    who = account.person.display_name if account.person else account.username
    reasons, points = [], 0
    if account.is_vip:
        points += table.of("criticality", "important_person")
        reasons.append(f"{who} is an important person{_why_important(account)}")
    level, because = account.criticality
    if more := table.points["criticality"].get(f"person_level_{level}", 0):
        points += more
        reasons.append(f"{who} is of criticality {level} of 4{f': {because}' if because else ''}")
    return _term("criticality", points, "; ".join(reasons))


def _why_important(account: Account) -> str:
    if account.vip_by_hand:
        return ", as a technician said"
    title = account.person.job_title if account.person else ""
    return f": “{title}”" if is_important(title) else ""


def _critical_device(table: RiskTable, devices: Devices) -> Term:
    reasons, points = [], 0
    if devices.servers:
        points += table.of("criticality", "server")
        are = "are servers" if len(devices.servers) > 1 else "is a server"
        reasons.append(f"{', '.join(devices.servers[:3])} {are}")
    level, told = max(devices.critical, default=(0, ""))
    if more := table.points["criticality"].get(f"device_level_{level}", 0):
        points += more
        reasons.append(told)
    return _term("critical device", points, "; ".join(reasons))


def _exposure(table: RiskTable, account: Account | None) -> Term:
    is_exposed = account is not None and account.is_mfa_registered is False
    points = table.of("exposure", "no_second_factor") if is_exposed else 0
    return _term("exposure", points, "no second sign-in factor is registered")


def _hole(table: RiskTable, holes: Sequence[str]) -> Term:
    points = table.of("exposure", "known_exploited_hole") if holes else 0
    more = f" and {len(holes) - 3} more" if len(holes) > 3 else ""
    reason = f"a hole that attackers are known to use is open on {', '.join(holes[:3])}{more}"
    return _term("exposed device", points, reason)


def _reached(table: RiskTable, exposed: Sequence[str]) -> Term:
    points = table.of("exposure", "internet_facing") if exposed else 0
    more = f" and {len(exposed) - 3} more" if len(exposed) > 3 else ""
    reason = f"the internet reaches {', '.join(exposed[:3])}{more}"
    return _term("reached from outside", points, reason)


def _provider_risk(table: RiskTable, account: Account | None) -> Term:
    level = account.risk_level.lower() if account else ""
    points = table.points["provider_risk"].get(level, 0)
    reason = f"the identity provider rates the user's risk as {level}"
    return _term("provider's own risk", points, reason)


def _intelligence(table: RiskTable, signals: Signals) -> Term:
    points = table.of("intelligence", "known_indicator") if signals.indicators else 0
    term = _term("intelligence", points, of_indicators(signals.indicators, signals.told))
    return {**term, "known": list(signals.known)} if signals.known else term


def _attacked_before(table: RiskTable, history: History) -> Term:
    points = table.of("recent_history", "true_positive") if history.true_positives else 0
    days = table.of("recent_history", "days")
    return _term(
        "recent history",
        points,
        f"real attacks on the same in {days} days: {history.true_positives}",
    )


def _harmless_before(table: RiskTable, history: History) -> Term:
    is_repeated = history.harmless >= table.of("recent_history", "harmless_from_cases")
    is_clean = is_repeated and not history.true_positives
    points = table.of("recent_history", "harmless") if is_clean else 0
    return _term(
        "known repetition", points, f"the same was harmless {history.harmless} times before"
    )
