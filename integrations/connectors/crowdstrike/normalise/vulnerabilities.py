"""Spotlight's vulnerabilities as Vulnerability Findings (OCSF 2002), kept as events.

A hole is no attack: as a finding of the case room, each would open a case. A later state of the
same hole stands beside the earlier ones.
Source: https://www.falconpy.io/Service-Collections/Spotlight-Vulnerabilities.html
"""

import re

from integrations import ocsf
from integrations.connectors.crowdstrike.normalise.hosts import operating_system
from integrations.values import Fields, address, device_entity, entities, entity, severity
from tenants.records import Event

_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)
# OCSF's activity of a finding, by Falcon's status.
_ACTIVITIES = {"closed": (3, "Close"), "expired": (3, "Close"), "reopen": (2, "Update")}


def vulnerability(fields: Fields) -> Event:
    """One hole on one host."""
    uid = fields.essential("id", what="vulnerability")
    time = fields.essential_time("updated_timestamp", "created_timestamp")
    cve, host = fields.nested("cve"), fields.nested("host_info")
    name = cve.text("id") or fields.text("vulnerability_id")
    device, hostname = fields.text("aid"), host.text("hostname")
    severity_id = severity(cve.text("severity", "exprt_rating"))
    activity_id, activity = _ACTIVITIES.get(fields.word("status"), (1, "Create"))
    return Event(
        uid=uid,
        class_uid=ocsf.VULNERABILITY_FINDING,
        activity=f"{name} {fields.word('status')}".strip(),
        time=time,
        severity_id=severity_id,
        target=hostname or device,
        entities=entities(
            entity("device", hostname), device_entity("crowdstrike", device), entity("cve", name)
        ),
        ocsf=ocsf.event(
            ocsf.VULNERABILITY_FINDING, activity_id, activity, time,
            severity_id=severity_id,
            uid=uid,
            reported_by=ocsf.product("CrowdStrike Falcon Spotlight", "CrowdStrike"),
            tenant_uid=fields.text("cid"),
            finding_info=ocsf.filled(
                uid=uid, title=name or uid, desc=cve.text("description"),
                created_time=ocsf.epoch_ms(fields.time("created_timestamp")),
            ),
            status=fields.text("status"),
            vulnerabilities=[_hole(fields, cve, name)],
            device=ocsf.endpoint(
                hostname=hostname, uid=device, ip=address(host.text("local_ip")),
                os=operating_system(host),
            ) | {"type_id": ocsf.UNKNOWN},
            unmapped=ocsf.filled(
                internet_exposure=host.text("internet_exposure"),
                exploit_status=cve.number("exploit_status"),
                exprt_rating=cve.text("exprt_rating"),
                asset_criticality=host.text("asset_criticality"),
                closed_at=fields.text("closed_timestamp"),
            ),
        ),
    )  # fmt: skip


def _hole(fields: Fields, cve: Fields, name: str) -> ocsf.Object:
    apps = fields.objects("apps") or fields.objects("app")
    fixes = fields.nested("remediation").objects("entities")
    score = cve.real("base_score")
    return ocsf.filled(
        title=name,
        desc=cve.text("description"),
        severity=cve.text("severity"),
        cve=ocsf.filled(
            uid=name.upper(),
            cvss=[_cvss(score, cve.text("vector"))] if score is not None else [],
        )
        if _CVE.fullmatch(name) else None,
        is_exploit_available=_exploited(cve),
        is_fix_available=bool(fixes) if fields.has_any("remediation") else None,
        references=cve.texts("references"),
        affected_packages=[
            ocsf.filled(
                name=app.text("product_name_normalized", "product_name_version"),
                version=app.text("product_name_version"),
                vendor_name=app.text("vendor_normalized"),
            )
            for app in apps
        ],
        remediation=ocsf.filled(
            desc="; ".join(filter(None, (fix.text("action", "title") for fix in fixes))),
            references=list(filter(None, (fix.text("vendor_url", "link") for fix in fixes))),
        ),
    )  # fmt: skip


def _cvss(score: float, vector: str) -> ocsf.Object:
    version = re.match(r"CVSS:(\d\.\d)/", vector)
    return ocsf.filled(
        base_score=score, vector_string=vector, version=version[1] if version else ""
    )


def _exploited(cve: Fields) -> bool | None:
    """Whether somebody has exploited it: known to CISA, or an exploit is available (30 and up)."""
    if cve.nested("cisa_info").truth("is_cisa_kev"):
        return True
    status = cve.number("exploit_status")
    return status >= 30 if status is not None else None
