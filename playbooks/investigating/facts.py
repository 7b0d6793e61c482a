"""What a playbook gets to see of a case: plain JSON, gathered here and nowhere else."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from integrations.alerting.finding import PREFIX
from integrations.catalog import company_wide
from playbooks import availability
from playbooks.authoring.playbook import NO_VERDICT
from playbooks.cases import case_alerts, case_devices, looks, subjects
from playbooks.cases.case_devices import CaseDevice
from playbooks.cases.subjects import Subject
from playbooks.freezes import zone_of
from playbooks.investigating import directory_facts, evidence_about
from tenants import evidence
from tenants.canonical import jsonable
from tenants.models import Account, Case, Evidence, Finding, Severity, Tenant


def of_case(case: Case, subject: Subject | None = None) -> dict[str, Any]:
    """Return the facts of `case` as they are known now, or of one more that it is about."""
    is_first = subject is None
    subject = subject or subjects.first(case)
    account = subject.account if subject else case.account
    device = subject.device if subject else case_devices.about(case)
    message = subject.message if subject else subjects.first_message(case)
    about = evidence_about.of(account, device, message)
    answers = _newest_answers(case, about, is_first=is_first)
    answered = {step: _answer(row) for step, row in answers.items()}
    now = timezone.now().astimezone(zone_of(case.tenant.time_zone))
    facts: dict[str, Any] = {
        "case": _case(case, subject),
        "tenant": _tenant(case.tenant),
        "hour": now.hour,
        "weekday": now.weekday(),
        "risk": case.risk,
        "evidence": answered,
    }
    if subject is not None and not is_first:
        facts["about"] = subject.key
    named = directory_facts.directory(answers.values(), [message] if message else [])
    if any(named.values()):
        facts["directory"] = named
    if account is not None:
        facts["account"] = _account(account, answered)
        facts["mailbox"] = _mailbox(account)
        twin = directory_facts.on_premises_twin(account)
        if twin is not None:
            facts["on_premises"] = directory_facts.account(twin)
    if case.kind == Case.Kind.ROUTINE:
        facts["inputs"] = case.request.get("inputs", {})
        facts["verdict"] = NO_VERDICT
    if message:
        facts["message"] = {"external_id": message, "name": message}
    if device is not None:
        facts["device"] = _device(device)
    if case.verdict:
        told = looks.about(case, subject.key if subject else "")
        facts["verdict"] = {"value": told.verdict, "confidence": told.confidence}
    return jsonable(facts)


def _tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "external_id": tenant.slug,
        "slug": tenant.slug,
        "name": tenant.name,
        "time_zone": tenant.time_zone,
    }


def _newest_answers(
    case: Case, about: evidence_about.About, *, is_first: bool
) -> dict[str, Evidence]:
    """Return the newest answer to each question about these, by the step that asked it."""
    rows = evidence.of_case(case).order_by("answered_at")
    return {
        row.answer.get("step", row.gatherer): row
        for row in rows
        if evidence_about.concerns(row, about, is_first=is_first)
    }


def _answer(row: Evidence) -> dict[str, Any]:
    """Return an answer as conditions see it, with the connector that gave it.

    Not askable is what none of the client's products can tell, however often they are asked.
    What is `known` of an answer that isn't whole stands apart, or it would be taken for all.
    """
    told = {
        **row.answer.get("facts", {}),
        "available": row.is_available,
        "is_askable": row.answer.get("is_askable", True),
    }
    for name in ("reason", "provider", "known"):
        if row.answer.get(name):
            told[name] = row.answer[name]
    return told


def _case(case: Case, subject: Subject | None) -> dict[str, Any]:
    return {
        "id": case.id,
        "number": case.number,
        "title": case.title,
        "risk": case.risk,
        "severity": Severity(case.severity_id).label.lower(),
        "opened_at": case.opened_at,
        "findings": [
            _finding(finding)
            for finding in case_alerts.of_case(case)
            if subject is None or finding.uid in subject.alerts
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "uid": finding.uid,
        "title": finding.title,
        "category": finding.category,
        "severity": Severity(finding.severity_id).label.lower(),
        "techniques": finding.techniques,
        "is_company_wide": _is_company_wide(finding),
        "source": finding.connector,
        "time": finding.time,
    }


def _is_company_wide(finding: Finding) -> bool:
    """Whether an alert tells of a change for the whole company: as it says itself, else its name.

    A rule has said it when it made the finding.
    """
    if finding.is_company_wide or finding.uid.startswith(PREFIX):
        return finding.is_company_wide
    return company_wide.tells(finding.connector, finding.title, finding.techniques)


def _account(account: Account, answered: Mapping[str, Any]) -> dict[str, Any]:
    privileged, roles = _privilege(account, answered)
    return {
        **directory_facts.account(account),
        "is_privileged": privileged,
        "roles": roles,
        "source_of_authority": _authority(account, answered),
    }


def _authority(account: Account, answered: Mapping[str, Any]) -> str:
    """Return what governs the account: as the directory knows, else as its vendor said just now."""
    if account.source_of_authority != Account.Authority.UNKNOWN:
        return account.source_of_authority
    told = [
        answer["account"].get("source_of_authority")
        for answer in answered.values()
        if "account" in answer
    ]
    known = [one for one in told if one in Account.Authority.values]
    return str(known[0]) if known else account.source_of_authority


def _privilege(account: Account, answered: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Whether the account is privileged, and by which roles.

    The directory may not have been read since a role was given, so what the vendor said when the
    case was investigated counts as well; where it could not say, the account is privileged.
    """
    roles = set(account.roles)
    if not answered:
        return account.is_privileged, sorted(roles)
    asked = [answer for answer in answered.values() if "account" in answer]
    for answer in asked:
        roles |= set(answer["account"].get("roles") or [])
    said = {answer["account"].get("is_privileged") for answer in asked}
    return account.is_privileged or said != {False}, sorted(roles)


def _mailbox(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "external_id": account.external_id,
        "name": account.email or account.username,
    }


def _device(device: CaseDevice) -> dict[str, Any]:
    """Return the case's device, with `elsewhere`: as other connectors know it that can be used."""
    connected = availability.connections_of_scope()
    is_server = any(row.is_server for row in device.rows)
    own, *others = device.rows
    owner = next((row.owner.display_name for row in device.rows if row.owner), "")
    is_protected = any(row.is_protected for row in device.rows)
    whole = {"is_server": is_server, "owner": owner, "is_protected": is_protected}
    elsewhere = {
        row.provider: {
            **directory_facts.device(row), **whole, "in_reach": case_devices.is_in_reach(row)
        }
        for row in others
        if row.provider in connected
    }  # fmt: skip
    return {
        **directory_facts.device(own), **whole, **({"elsewhere": elsewhere} if elsewhere else {})
    }  # fmt: skip
