"""Risk as a sum of terms that anyone can read, each with its reason. 0 … 100."""

from collections.abc import Sequence
from typing import Any, TypedDict

from tenants.models import Account, Finding, Severity

_SEVERITY_POINTS = {
    Severity.UNKNOWN: 10,
    Severity.INFORMATIONAL: 0,
    Severity.LOW: 10,
    Severity.MEDIUM: 25,
    Severity.HIGH: 40,
    Severity.CRITICAL: 50,
    Severity.FATAL: 50,
}
_CRITICALITY_POINTS = {1: 0, 2: 0, 3: 5, 4: 10}
_LARGEST = 100


class Term(TypedDict):
    """One line of the sum."""

    name: str
    points: int
    reason: str


def terms(findings: Sequence[Finding], account: Account | None) -> list[Term]:
    """Return the terms of a case's risk, from its findings and whom they are about."""
    return [
        term
        for term in (
            _severity(findings),
            _several_signals(findings),
            _confidence(findings),
            _privilege(account),
            _importance(account),
            _exposure(account),
            _provider_risk(account),
        )
        if term["points"]
    ]


def total(parts: Sequence[Term]) -> int:
    """Return the risk that the terms add up to, at most 100."""
    return min(_LARGEST, sum(part["points"] for part in parts))


def _term(name: str, points: int, reason: str) -> Term:
    return {"name": name, "points": points, "reason": reason}


def _severity(findings: Sequence[Finding]) -> Term:
    worst = max(findings, key=lambda f: _SEVERITY_POINTS.get(Severity(f.severity_id), 10))
    points = _SEVERITY_POINTS.get(Severity(worst.severity_id), 10)
    return _term("severity", points, f"“{worst.title}” is {Severity(worst.severity_id).label}")


def _several_signals(findings: Sequence[Finding]) -> Term:
    kinds = {finding.title for finding in findings}
    return _term(
        "several signals", min(15, 5 * (len(kinds) - 1)), f"{len(kinds)} different alerts agree"
    )


def _confidence(findings: Sequence[Finding]) -> Term:
    said = [finding.confidence for finding in findings if finding.confidence is not None]
    sure = max(said, default=0)
    return _term("confidence", 5 if sure >= 80 else 0, f"the vendor is {sure} % sure")


def _privilege(account: Account | None) -> Term:
    if account is None or not account.is_privileged:
        return _term("privilege", 0, "")
    roles = ", ".join(str(role) for role in account.roles[:3]) or "a privileged role"
    return _term("privilege", 20, f"{account.username} holds {roles}")


def _importance(account: Account | None) -> Term:
    person: Any = account.person if account else None
    if person is None:
        return _term("criticality", 0, "")
    points = _CRITICALITY_POINTS.get(person.criticality, 0) + (10 if person.is_vip else 0)
    return _term("criticality", points, f"{person.display_name} is marked as important")


def _exposure(account: Account | None) -> Term:
    exposed = account is not None and account.is_mfa_registered is False
    return _term("exposure", 10 if exposed else 0, "no second sign-in factor is registered")


def _provider_risk(account: Account | None) -> Term:
    level = account.risk_level.lower() if account else ""
    return _term(
        "provider's own risk",
        {"high": 15, "medium": 8}.get(level, 0),
        f"the identity provider rates the user's risk as {level}",
    )
