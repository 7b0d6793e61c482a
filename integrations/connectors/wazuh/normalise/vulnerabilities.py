"""Holes in programs as Vulnerability Findings (OCSF 2002), kept as events: no hole is an attack.

Source: https://github.com/wazuh/wazuh-indexer-plugins, ecs/states-vulnerabilities
"""

import datetime as dt
from typing import Final

from integrations import ocsf
from integrations.values import Fields, device_entity, entities, entity, instant, severity
from tenants.records import DirectoryItem, Event, SourceRecord

_NO_SEVERITY: Final = frozenset({"", "-", "untriaged", "none"})


def state(record: SourceRecord) -> DirectoryItem | None:
    """A hole as something that is there, with as much as it takes to tell its end."""
    fields = Fields(record.body)
    hole, package, agent = (fields.nested(name) for name in ("vulnerability", "package", "agent"))
    if not hole.text("id") or not agent.text("id") or hole.time("detected_at") is None:
        return None
    kept = {
        "agent": _only(agent, "id", "name"),
        "vulnerability": _only(hole, "id", "severity", "detected_at"),
        "package": _only(package, "name", "version", "architecture"),
    }
    uid = _uid(agent.text("id"), hole.text("id"), package)
    return DirectoryItem("vulnerability", uid, hole.text("id"), agent.text("id"), kept)


def _only(of: Fields, *names: str) -> dict[str, str]:
    return {name: of.text(name) for name in names if of.text(name)}


def _uid(agent: str, cve: str, package: Fields) -> str:
    return " ".join(
        (agent, cve, package.text("name"), package.text("version"), package.text("architecture"))
    )


def of_state(fields: Fields, ended_at: object = None, there_again_at: object = None) -> Event:
    """One hole in one program of one computer, as the indexer holds it now.

    From `ended_at` on the indexer had it no more; from `there_again_at` on it had it again.
    """
    hole, package, agent = (fields.nested(name) for name in ("vulnerability", "package", "agent"))
    cve = hole.essential("id", what="vulnerability")
    found_at = hole.essential_time("detected_at")
    time = instant(ended_at or there_again_at) or found_at
    uid = _uid(agent.essential("id", what="vulnerability's agent"), cve, package)
    told = _Told(
        cve=cve,
        severity=hole.text("severity"),
        score=hole.nested("score").real("base"),
        score_version=hole.nested("score").text("version"),
        title=f"{cve} in {package.text('name')}".strip(),
        description=hole.text("description"),
        reference=hole.text("reference"),
        condition=hole.nested("scanner").text("condition"),
    )
    return _event(fields, told, agent, package, uid, time, is_solved=bool(ended_at))


def of_alert(fields: Fields, hole: Fields, time: dt.datetime) -> Event:
    """An alert that a hole was found, or that it was closed."""
    cve, package, agent = hole.text("cve"), hole.nested("package"), fields.nested("agent")
    score = hole.nested("score").real("base")
    if score is None:
        score = hole.nested("cvss").nested("cvss3").real("base_score")
    told = _Told(
        cve=cve,
        severity=hole.text("severity"),
        score=score,
        score_version=hole.nested("score").text("version"),
        title=fields.nested("rule").text("description") or hole.text("title"),
        description=hole.text("rationale", "title"),
        reference=next(iter(hole.texts("references", "reference")), ""),
        condition=package.text("condition"),
    )
    uid = " ".join(filter(None, (fields.nested("manager").text("name"), fields.text("id"))))
    is_solved = hole.word("status") == "solved"
    return _event(fields, told, agent, package, uid or cve, time, is_solved=is_solved)


class _Told:
    """What is said of a hole, from either form."""

    def __init__(
        self, *, cve: str, severity: str, score: float | None, score_version: str, title: str,
        description: str, reference: str, condition: str,
    ) -> None:  # fmt: skip
        self.cve, self.severity, self.title = cve, severity, title
        self.score, self.score_version = score, score_version
        self.description, self.reference, self.condition = description, reference, condition

    @property
    def severity_id(self) -> int:
        """OCSF's; unknown where nobody has judged it yet."""
        word = self.severity.lower()
        return ocsf.UNKNOWN if word in _NO_SEVERITY else severity(word)


def _event(
    fields: Fields, told: _Told, agent: Fields, package: Fields, uid: str, time: dt.datetime,
    *, is_solved: bool,
) -> Event:  # fmt: skip
    number, name = (3, "Close") if is_solved else (1, "Create")
    host, device = agent.text("name"), agent.text("id")
    return Event(
        uid=uid,
        class_uid=ocsf.VULNERABILITY_FINDING,
        activity=f"{told.cve} {'solved' if is_solved else 'active'}",
        time=time,
        severity_id=told.severity_id,
        target=host or device,
        entities=entities(
            entity("device", host), device_entity("wazuh", device), entity("cve", told.cve)
        ),
        ocsf=ocsf.event(
            ocsf.VULNERABILITY_FINDING, number, name, time,
            severity_id=told.severity_id,
            severity=told.severity if told.severity_id == ocsf.OTHER else "",
            uid=uid,
            reported_by=ocsf.product("Wazuh", "Wazuh"),
            tenant_uid=fields.nested("wazuh").nested("cluster").text("name"),
            finding_info=ocsf.filled(
                uid=uid, title=told.title, desc=told.description, created_time=ocsf.epoch_ms(time)
            ),
            status="Solved" if is_solved else "Active",
            vulnerabilities=[_hole(told, package)],
            device=ocsf.endpoint(
                hostname=host, uid=device,
                os=fields.nested("host").nested("os").text("full", "name"),
            ) | {"type_id": ocsf.UNKNOWN},
            unmapped=ocsf.filled(
                condition=told.condition,
                under_evaluation=fields.nested("vulnerability").truth("under_evaluation"),
            ),
        ),
    )  # fmt: skip


def _hole(told: _Told, package: Fields) -> ocsf.Object:
    score = [ocsf.filled(base_score=told.score, version=told.score_version)] if told.score else []
    fixed = told.condition.lower().startswith("package less than ")
    return ocsf.filled(
        title=told.cve,
        desc=told.description,
        severity=told.severity,
        cve=ocsf.filled(uid=told.cve.upper(), cvss=score),
        references=[told.reference] if told.reference else [],
        is_fix_available=True if fixed else None,
        affected_packages=[
            ocsf.filled(
                name=package.text("name"), version=package.text("version"),
                architecture=package.text("architecture"),
                fixed_in_version=told.condition[len("package less than "):] if fixed else "",
            )
        ],
    )  # fmt: skip
