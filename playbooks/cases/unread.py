"""What a case's alerts tell that its verdict has not read: for that it is looked into again.

An alert may join while the case is looked into, while its plans are carried out, or when it is
closed. Vendors' clocks may be wrong, but nothing is told before it happened.
"""

import datetime as dt
from collections.abc import Collection
from typing import Any

from playbooks.cases import case_alerts, looking
from tenants import ledger
from tenants.canonical import jsonable
from tenants.models import Case, Finding, Verdict

_NAMED = 3


def reading(at: dt.datetime, case: Case) -> dict[str, Any]:
    """Return what a verdict has read of the alerts when it is reached on what is known at `at`."""
    return _read(at, case_alerts.of_case(case))


def _read(at: dt.datetime, known: Collection[Finding]) -> dict[str, Any]:
    return jsonable(
        {
            "at": at,
            "entities": sorted({entity for one in known for entity in one.entities}),
            "categories": sorted({one.category for one in known}),
            "severity": max((_severity(one) for one in known), default=0),
        }
    )


def news(case: Case) -> dict[str, str]:
    """Return what the case's alerts tell that its verdict has not read, in words by their uids."""
    if case.decided_at is None:
        return {}
    read = case.verdict_detail.get("read") or _read_by(case, case.decided_at)
    entities, categories = set(read["entities"]), set(read["categories"])
    read_at = dt.datetime.fromisoformat(read["at"])
    told = {}
    for finding in case_alerts.of_case(case):
        others = sorted(set(finding.entities) - entities)
        if others:
            told[finding.uid] = f"“{finding.title}” names {', '.join(others[:_NAMED])} as well."
        elif finding.category not in categories:
            told[finding.uid] = f"“{finding.title}” is of another kind: {finding.category}."
        elif _severity(finding) > read["severity"]:
            told[finding.uid] = f"“{finding.title}” is worse than what was known."
        elif happened_until(finding) > read_at:
            told[finding.uid] = f"“{finding.title}” tells of what came after the case was read."
    return told


def sure_since(case: Case) -> dt.datetime | None:
    """Return since when a case is known to be an attack; None where it is not one, or none is told.

    It may have been looked into again since.
    """
    if case.verdict != Verdict.TRUE_POSITIVE:
        return None
    told = case.verdict_detail.get("sure_since")
    return dt.datetime.fromisoformat(told) if told else case.decided_at


def span(finding: Finding) -> tuple[dt.datetime, dt.datetime]:
    """Return from when until when what an alert tells of happened, as its vendor says."""
    start = finding.first_activity_at or finding.time
    end = finding.last_activity_at or finding.time
    return min(start, end), max(start, end)


def happened_until(finding: Finding) -> dt.datetime:
    """Return when the last of what an alert tells of happened: not after it came."""
    return min(span(finding)[1], finding.updated_at)


def look_again(case: Case, *why: str) -> None:
    """Have a decided case looked into again, open or closed."""
    case.status = Case.Status.INVESTIGATING
    case.closed_at = None
    case.closed_with_proof = False
    case.save(update_fields=["status", "closed_at", "closed_with_proof"])
    ledger.append(
        "case.looked_into_again", actor="engine", case_id=case.id, subject=" ".join(why[:_NAMED])
    )
    looking.soon(case)


def _read_by(case: Case, decided_at: dt.datetime) -> dict[str, Any]:
    """Return what a verdict of an earlier release had read: what had come before it."""
    known = [one for one in case_alerts.of_case(case) if one.updated_at <= decided_at]
    return _read(decided_at, known)


def _severity(finding: Finding) -> int:
    # OCSF's 99 is "other", and no severity.
    return finding.severity_id % 99
