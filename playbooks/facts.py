"""What a playbook gets to see of a case: plain JSON, gathered here and nowhere else."""

import datetime as dt
import zoneinfo
from typing import Any

from django.db.models import Q
from django.utils import timezone

from tenants.canonical import jsonable
from tenants.models import Account, Case, Device, Evidence, Finding, Severity, Tenant

ACTIVE_DIRECTORY = "active_directory"


def of_case(case: Case) -> dict[str, Any]:
    """Return the facts of `case` as they are known now."""
    evidence = newest_evidence(case)
    now = _local_now(case.tenant.time_zone)
    facts: dict[str, Any] = {
        "case": _case(case),
        "tenant": _tenant(case.tenant),
        "hour": now.hour,
        "weekday": now.weekday(),
        "risk": case.risk,
        "evidence": evidence,
    }
    if case.account is not None:
        facts["account"] = _account(case.account, evidence)
        facts["mailbox"] = _mailbox(case.account)
        twin = on_premises_twin(case.account)
        if twin is not None:
            facts["on_premises"] = _account(twin, {})
    if case.kind == Case.Kind.ROUTINE:
        facts["inputs"] = case.request.get("inputs", {})
        # There is no attack to prove; rules may still ask for a verdict.
        facts["verdict"] = {"value": "not_applicable", "confidence": "high"}
    messages = [e.removeprefix("message:") for e in case.entities if e.startswith("message:")]
    if messages:
        facts["message"] = {"external_id": messages[0], "name": messages[0]}
    device = _device_of(case)
    if device is not None:
        facts["device"] = _device(device)
    if case.verdict:
        facts["verdict"] = {
            "value": case.verdict,
            "confidence": case.verdict_detail.get("confidence", "low"),
        }
    return jsonable(facts)


def _tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "external_id": tenant.slug,
        "slug": tenant.slug,
        "name": tenant.name,
        "time_zone": tenant.time_zone,
    }


def newest_evidence(case: Case) -> dict[str, Any]:
    """Return the newest answer to each question of the case, by the step that asked it."""
    answers: dict[str, Any] = {}
    for row in Evidence.objects.filter(case=case).order_by("answered_at"):
        step = row.answer.get("step", row.gatherer)
        answers[step] = {"available": row.is_available, **row.answer.get("facts", {})}
    return answers


def _case(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "number": case.number,
        "title": case.title,
        "risk": case.risk,
        "severity": Severity(case.severity_id).label.lower(),
        "opened_at": case.opened_at,
        "findings": [_finding(finding) for finding in case.findings.order_by("time", "id")],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "uid": finding.uid,
        "title": finding.title,
        "category": finding.category,
        "severity": Severity(finding.severity_id).label.lower(),
        "techniques": finding.techniques,
        "source": finding.connector,
        "time": finding.time,
    }


def _account(account: Account, evidence: dict[str, Any]) -> dict[str, Any]:
    privileged, roles = _privilege(account, evidence)
    return {
        "id": account.id,
        "external_id": account.external_id,
        "provider": account.provider,
        "username": account.username,
        "display_name": account.display_name or account.username,
        "kind": account.kind,
        "is_enabled": account.is_enabled,
        "is_privileged": privileged,
        "is_vip": bool(account.person and account.person.is_vip),
        "is_protected": account.is_protected,
        "source_of_authority": account.source_of_authority,
        "roles": roles,
    }


def _privilege(account: Account, evidence: dict[str, Any]) -> tuple[bool, list[str]]:
    """Whether the account is privileged, and by which roles.

    The directory may not have been read since a role was given, so what the vendor said when the
    case was investigated counts as well; where it could not say, the account is privileged.
    """
    roles = set(account.roles)
    if not evidence:
        return account.is_privileged, sorted(roles)
    asked = [answer for answer in evidence.values() if "account" in answer]
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


def on_premises_twin(account: Account) -> Account | None:
    """Return the account of the same person in Active Directory; None where none is known.

    Found by the security identifier that the cloud keeps of it, never by a name.
    """
    if account.provider == ACTIVE_DIRECTORY or not account.on_premises_sid:
        return None
    return (
        Account.objects.filter(
            provider=ACTIVE_DIRECTORY,
            on_premises_sid=account.on_premises_sid,
            deleted_upstream_at=None,
        )
        .select_related("person")
        .first()
    )


def _device_of(case: Case) -> Device | None:
    names = [e.removeprefix("device:") for e in case.entities if e.startswith("device:")]
    found = Device.objects.filter(
        Q(external_id__in=names) | Q(hostname__in=names), deleted_upstream_at=None
    )
    return found.select_related("owner").order_by("-is_server", "external_id").first()


def _device(device: Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "external_id": device.external_id,
        "provider": device.provider,
        "name": device.hostname or device.external_id,
        "is_server": device.is_server,
        "operating_system": device.operating_system,
        "owner": device.owner.display_name if device.owner else "",
    }


def _local_now(time_zone: str) -> dt.datetime:
    try:
        zone: dt.tzinfo = zoneinfo.ZoneInfo(time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = dt.UTC
    return timezone.now().astimezone(zone)
