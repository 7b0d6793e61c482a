"""Records in Falcon's shape, with all that its models require."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.store import Record, stable_id


def falcon_id(*parts: object) -> str:
    """An id of 32 hexadecimal digits that is the same for the same parts."""
    return stable_id(*parts).replace("-", "")


def sha256(*parts: object) -> str:
    """A file's hash that is the same for the same parts."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def host(cid: str, number: int, now: datetime) -> Record:
    """A computer; the first is a server."""
    seen = instant(now - timedelta(minutes=number))
    is_server = number == 0
    return {
        "device_id": falcon_id(cid, "host", number),
        "cid": cid,
        "hostname": "SRV-DC01" if is_server else f"PC-{number:03d}",
        "platform_name": "Windows",
        "platform_id": "0",
        "os_version": "Windows Server 2022" if is_server else "Windows 11",
        "os_build": "20348" if is_server else "22631",
        "product_type": "2" if is_server else "1",
        "product_type_desc": "Domain Controller" if is_server else "Workstation",
        "agent_version": "7.20.19011.0",
        "machine_domain": "example.example",
        "local_ip": f"10.20.0.{number + 10}",
        "external_ip": "198.51.100.7",
        "mac_address": f"00-00-5e-00-53-{number:02x}",
        "serial_number": f"SN{number:05d}",
        "system_product_name": "OptiPlex",
        "last_login_user": f"EXAMPLE\\user{number}",
        "reduced_functionality_mode": "no",
        "first_seen": instant(now - timedelta(days=90)),
        "last_seen": seen,
        "modified_timestamp": seen,
        "status": "normal",
        "tags": [],
        "groups": [],
    }


def alert(computer: Record, number: int, now: datetime) -> Record:
    """An alert about a program on a computer."""
    cid, when = computer["cid"], instant(now - timedelta(hours=number, minutes=5))
    own = f"ind:{computer['device_id']}:{number:06d}"
    is_high = number % 3 == 0
    return {
        "id": own,
        "composite_id": f"{cid}:{own}",
        "aggregate_id": f"aggind:{computer['device_id']}:{number:06d}",
        "agent_id": computer["device_id"],
        "cid": cid,
        "device": _device(computer),
        "display_name": "A program read stored passwords",
        "name": "CredentialDumping",
        "description": "A program read the memory in which Windows keeps passwords.",
        "type": "ldt",
        "product": "epp",
        "platform": "Windows",
        "status": "new",
        "resolution": "",
        "severity": 70 if is_high else 30,
        "severity_name": "High" if is_high else "Low",
        "confidence": 80,
        "tactic": "Credential Access",
        "tactic_id": "TA0006",
        "technique": "OS Credential Dumping",
        "technique_id": "T1003",
        "mitre_attack": [
            {"pattern_id": 10138, "tactic": "Credential Access", "tactic_id": "TA0006",
             "technique": "LSASS Memory", "technique_id": "T1003.001"}
        ],
        "objective": "Gain Access",
        "scenario": "credential_theft",
        "filename": "dumper.exe",
        "filepath": "\\Device\\HarddiskVolume3\\Users\\Public\\dumper.exe",
        "cmdline": "dumper.exe -o out.dmp",
        "sha256": sha256("dumper"),
        "md5": "",
        "user_name": f"user{number}",
        "user_id": f"S-1-5-21-1-2-3-{1000 + number}",
        "logon_domain": "EXAMPLE",
        "triggering_process_graph_id": f"pid:{computer['device_id']}:{number}",
        "process_id": str(9000 + number),
        "process_start_time": str(int((now - timedelta(hours=number)).timestamp())),
        "pattern_id": 10138,
        "pattern_disposition": 0,
        "pattern_disposition_description": "Detection, standard detection.",
        "pattern_disposition_details": {"detect": True, "kill_process": number % 2 == 0},
        "falcon_host_link": f"https://falcon.crowdstrike.com/activity-v2/detections/{own}",
        "timestamp": when,
        "context_timestamp": when,
        "created_timestamp": when,
        "crawled_timestamp": when,
        "updated_timestamp": when,
        **_bookkeeping(),
    }  # fmt: skip


def _device(computer: Record) -> Record:
    names = (
        "device_id", "cid", "hostname", "platform_name", "os_version", "local_ip", "external_ip",
        "mac_address", "machine_domain", "status", "product_type_desc",
    )  # fmt: skip
    return {name: computer[name] for name in names}


def _bookkeeping() -> Record:
    """What the model requires of each alert, and nobody reads."""
    texts = (
        "aggregation_rule_id", "aggregation_rule_name", "assigned_to_name", "assigned_to_uid",
        "assigned_to_uuid", "cms_rule_id", "cms_rule_instance_id", "cms_rule_instance_version",
        "origin_cid",
    )  # fmt: skip
    lists = (
        "data_domains", "linked_behavioral_detections", "linked_case_ids", "source_products",
        "source_vendors", "tags",
    )  # fmt: skip
    truths = {"email_sent": False, "external": False, "is_aggregated": False,
              "is_falcon_platform_ioa": True, "show_in_ui": True}  # fmt: skip
    numbers = {"seconds_to_resolved": 0, "seconds_to_triaged": 0}
    return {
        **dict.fromkeys(texts, ""),
        **{name: [] for name in lists},
        **truths,
        **numbers,
    }


def vulnerability(computer: Record, number: int, now: datetime) -> Record:
    """A hole on a computer, with its remedy."""
    when = instant(now - timedelta(days=number))
    name = f"CVE-2026-{10000 + number}"
    return {
        "id": f"{computer['device_id']}_{falcon_id(name)}",
        "cid": computer["cid"],
        "aid": computer["device_id"],
        "vulnerability_id": name,
        "status": "open",
        "created_timestamp": when,
        "updated_timestamp": when,
        "cve": {
            "id": name, "base_score": 7.8, "severity": "HIGH", "exprt_rating": "HIGH",
            "exploit_status": 30 if number % 4 == 0 else 0,
            "vector": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H",
            "description": "A hole in a program.", "published_date": when,
            "cisa_info": {"is_cisa_kev": number % 5 == 0},
        },
        "apps": [
            {"product_name_normalized": "Example Reader", "product_name_version": "Reader 1.2",
             "vendor_normalized": "Example"}
        ],
        "host_info": {
            "hostname": computer["hostname"], "local_ip": computer["local_ip"],
            "machine_domain": computer["machine_domain"], "os_version": computer["os_version"],
            "platform": "Windows", "ou": "", "site_name": "", "system_manufacturer": "Example",
            "product_type_desc": computer["product_type_desc"], "internet_exposure": "No",
        },
        "remediation": {
            "ids": [falcon_id("fix", number)],
            "entities": [
                {"id": falcon_id("fix", number), "action": f"Install update KB50{number:05d}",
                 "title": "Update Example Reader", "reference": f"KB50{number:05d}", "link": "",
                 "provider": "oval", "type": "patch", "vendor_url": "https://vendor.example/kb"}
            ],
        },
    }  # fmt: skip


def quarantined(computer: Record, number: int, now: datetime, state: str) -> Record:
    """A file that Falcon locked away, or has let go again."""
    hashed, when = sha256("file", number), instant(now - timedelta(hours=number))
    return {
        "id": f"{computer['device_id']}_{hashed}",
        "aid": computer["device_id"],
        "cid": computer["cid"],
        "hostname": computer["hostname"],
        "username": f"user{number}",
        "sha256": hashed,
        "state": state,
        "date_created": when,
        "date_updated": when,
        "paths": [
            {"path": f"C:\\Users\\Public\\bad{number}.exe", "filename": f"bad{number}.exe",
             "state": state}
        ],
    }  # fmt: skip


def login(computer: Record, number: int, now: datetime, *, is_admin: bool) -> Record:
    """A sign-in on a computer, as Falcon Discover tells it."""
    user = "admin" if is_admin else f"user{number}"
    return {
        "id": f"{computer['cid']}_{falcon_id(computer['device_id'], user)}",
        "cid": computer["cid"],
        "aid": computer["device_id"],
        "hostname": computer["hostname"],
        "username": user,
        "account_name": f"EXAMPLE\\{user}",
        "login_domain": "EXAMPLE",
        "user_sid": f"S-1-5-21-1-2-3-{500 if is_admin else 1000 + number}",
        "login_type": "Interactive",
        "login_status": "Successful",
        "login_timestamp": instant(now - timedelta(hours=number)),
        "admin_privileges": "Yes" if is_admin else "No",
        "local_admin_privileges": "No",
    }


def audit_event(cid: str, offset: int, now: datetime) -> Record:
    """An entry of Falcon's own audit, as the event stream brings it."""
    when = now - timedelta(minutes=60 - offset)
    return {
        "metadata": {
            "customerIDString": cid,
            "offset": offset,
            "eventType": "AuthActivityAuditEvent",
            "eventCreationTime": int(when.timestamp() * 1000),
            "version": "1.0",
        },
        "event": {
            "UserId": "tech@example.example",
            "UserIp": "203.0.113.9",
            "OperationName": "userAuthenticate",
            "ServiceName": "CrowdStrike Authentication",
            "Success": True,
            "UTCTimestamp": int(when.timestamp() * 1000),
            "AuditKeyValues": [{"Key": "target_name", "ValueString": "tech@example.example"}],
        },
    }
