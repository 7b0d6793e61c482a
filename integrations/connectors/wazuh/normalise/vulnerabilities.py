"""Holes in programs as Vulnerability Findings (OCSF 2002), kept as events: no hole is an attack.

Source: https://github.com/wazuh/wazuh-indexer-plugins, ecs/states-vulnerabilities
"""

import datetime as dt
from typing import Final

from integrations import ocsf
from integrations.values import Fields, device_entity, entities, entity, severity
from tenants.records import Event

_NO_SEVERITY: Final = frozenset({"", "-", "untriaged", "none"})


def of_state(fields: Fields) -> Event:
    """One hole in one program of one computer, as the indexer holds it now."""
    hole, package, agent = (fields.nested(name) for name in ("vulnerability", "package", "agent"))
    cve = hole.essential("id", what="vulnerability")
    time = hole.essential_time("detected_at")
    uid = " ".join(
        (agent.essential("id", what="vulnerability's agent"), cve, package.text("name"),
         package.text("version"), package.text("architecture"))
    )  # fmt: skip
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
    return _event(fields, told, agent, package, uid, time, is_solved=False)


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
