"""Records in the shapes of Defender for Endpoint's API.

Sources: https://learn.microsoft.com/defender-endpoint/api/machine, …/alerts, …/machineaction,
…/get-assessment-software-vulnerabilities, …/get-assessment-software-inventory. The fields of a
machine are those of real answers.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from integrations.simulators.base.store import Record, Tenant, stable_id

_EVIDENCE = (
    "sha1", "sha256", "fileName", "filePath", "processId", "processCommandLine",
    "processCreationTime", "parentProcessId", "parentProcessCreationTime",
    "parentProcessFileName", "parentProcessFilePath", "ipAddress", "url", "registryKey",
    "registryHive", "registryValueType", "registryValue", "accountName", "domainName", "userSid",
    "aadUserId", "userPrincipalName", "detectionStatus",
)  # fmt: skip


def precise(moment: datetime) -> str:
    """A time as the API writes it, with seven digits of a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def spaced(moment: datetime) -> str:
    """A time as the exports of vulnerability management write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def hex_id(*parts: object, algorithm: str = "sha1") -> str:
    """An id or a file's hash: the same for the same parts."""
    return hashlib.new(algorithm, "/".join(map(str, parts)).encode()).hexdigest()


def machine(
    tenant: Tenant, name: str, *, platform: str, address: str, entra_id: str | None, now: datetime
) -> Record:
    """A computer with the sensor on it."""
    is_windows = platform.startswith("Windows")
    network = {
        "ipAddress": address,
        "macAddress": hex_id(tenant.id, name, "mac")[:12].upper(),
        "type": "Ethernet" if is_windows else "Other",
        "operationalStatus": "Up",
    }
    return {
        "id": hex_id(tenant.id, "machine", name),
        "mergedIntoMachineId": None,
        "isPotentialDuplication": False,
        "isExcluded": False,
        "exclusionReason": None,
        "computerDnsName": f"{name}.{tenant.domain}".lower(),
        "firstSeen": precise(now - timedelta(days=200)),
        "lastSeen": precise(now - timedelta(minutes=7)),
        "osPlatform": platform,
        "osVersion": None,
        "osProcessor": "x64",
        "version": "24H2" if is_windows else "Other",
        "lastIpAddress": address,
        "lastExternalIpAddress": "203.0.113.9",
        "agentVersion": "10.8760.26100.1742" if is_windows else "30.124052.2.0",
        "osBuild": 26100 if is_windows else None,
        "healthStatus": "Active",
        "deviceValue": "Normal",
        "rbacGroupId": 0,
        "rbacGroupName": None,
        "riskScore": "None",
        "exposureLevel": "Low",
        "isAadJoined": entra_id is not None,
        "aadDeviceId": entra_id,
        "machineTags": [],
        "defenderAvStatus": "Updated" if is_windows else "NotSupported",
        "onboardingStatus": "Onboarded",
        "osArchitecture": "64-bit",
        "managedBy": "Intune" if entra_id else "Unknown",
        "managedByStatus": "Success" if entra_id else "Unknown",
        "ipAddresses": [network],
        "vmMetadata": None,
    }


def evidence(kind: str, when: datetime, **told: object) -> Record:
    """One piece of evidence; what is not told is null."""
    return {
        "entityType": kind,
        "evidenceCreationTime": precise(when),
        **dict.fromkeys(_EVIDENCE),
        **told,
    }


def alert(tenant: Tenant, of: Record, user: Record, number: int, when: datetime) -> Record:
    """An alert about a program that reads stored passwords, or, every third time, about malware."""
    is_malware = number % 3 == 0
    name = "update.exe" if is_malware else "rundll32.exe"
    digest = hex_id(tenant.id, name, number, algorithm="sha256")
    domain = tenant.domain.split(".")[0].upper()
    person = {
        "accountName": str(user["mailNickname"]),
        "domainName": domain,
        "userSid": f"S-1-5-21-1004336348-1177238915-682003330-{1100 + number}",
        "aadUserId": user["id"],
        "userPrincipalName": user["userPrincipalName"],
    }
    return {
        "id": f"da{hex_id(tenant.id, 'alert', number)[:18]}_{number}",
        "incidentId": 7000 + number,
        "investigationId": None,
        "assignedTo": None,
        "severity": ("High", "Medium", "Low")[number % 3],
        "status": "New",
        "classification": None,
        "determination": None,
        "investigationState": "Queued",
        "detectionSource": "WindowsDefenderAv" if is_malware else "WindowsDefenderAtp",
        "detectorId": stable_id("detector", is_malware),
        "category": "Malware" if is_malware else "CredentialAccess",
        "threatFamilyName": "Wacatac" if is_malware else None,
        "title": "'Wacatac' malware was detected" if is_malware
        else "Suspicious access to LSASS service",
        "description": "A program on the device behaves as attackers' programs do.",
        "alertCreationTime": precise(when),
        "firstEventTime": precise(when - timedelta(minutes=4)),
        "lastEventTime": precise(when - timedelta(minutes=3)),
        "lastUpdateTime": precise(when + timedelta(minutes=1)),
        "resolvedTime": None,
        "machineId": of["id"],
        "computerDnsName": of["computerDnsName"],
        "rbacGroupName": None,
        "aadTenantId": tenant.id,
        "threatName": "Trojan:Win32/Wacatac.B!ml" if is_malware else None,
        "mitreTechniques": [] if is_malware else ["T1003.001"],
        "relatedUser": {"userName": person["accountName"], "domainName": domain},
        "comments": [],
        "evidence": [
            evidence("User", when, **person),
            evidence(
                "File" if is_malware else "Process", when, fileName=name, sha256=digest,
                sha1=hex_id(digest), filePath="C:\\Users\\Public",
                processId=None if is_malware else 3276, detectionStatus="Detected",
                processCommandLine=None if is_malware else "rundll32.exe comsvcs.dll, MiniDump",
            ),
            evidence("Ip", when, ipAddress="198.51.100.77"),
        ],
    }  # fmt: skip


def _installed(of: Record, software: tuple[str, str, str]) -> Record:
    vendor, name, version = software
    return {
        "deviceId": of["id"],
        "rbacGroupName": "None",
        "deviceName": of["computerDnsName"],
        "osPlatform": of["osPlatform"],
        "softwareVendor": vendor,
        "softwareName": name,
        "softwareVersion": version,
        "diskPaths": [f"C:\\Program Files\\{name}\\{name}.exe"],
        "registryPaths": [],
    }


def installed(of: Record, software: tuple[str, str, str], weaknesses: int, now: datetime) -> Record:
    """A line of the software inventory."""
    return {
        **_installed(of, software),
        "numberOfWeaknesses": weaknesses,
        "softwareFirstSeenTimestamp": spaced(now - timedelta(days=150)),
        "endOfSupportStatus": "None",
        "endOfSupportDate": None,
    }


def weakness(
    of: Record, software: tuple[str, str, str], cve: str | None, level: str | None, now: datetime
) -> Record:
    """A line of the export of vulnerabilities; without a CVE it only says what is installed."""
    _, name, version = software
    return {
        "id": f"{of['id']}_{name}_{version}_{cve or ''}_",
        **_installed(of, software),
        "osVersion": "10.0.26100.1742",
        "osArchitecture": "x64",
        "cveId": cve,
        "cvssScore": {"Critical": 9.8, "High": 8.1, "Medium": 5.4}.get(level or ""),
        "vulnerabilitySeverityLevel": level,
        "recommendedSecurityUpdate": "October 2026 Security Updates" if cve else None,
        "recommendedSecurityUpdateId": "5044284" if cve else None,
        "recommendedSecurityUpdateUrl": None,
        "lastSeenTimestamp": spaced(now - timedelta(hours=3)),
        "firstSeenTimestamp": spaced(now - timedelta(days=20)),
        "exploitabilityLevel": "ExploitIsVerified" if level == "Critical" else "NoExploit",
        "recommendationReference": f"va-_-{software[0]}-_-{name}",
        "securityUpdateAvailable": cve is not None,
    }


def product_weakness(row: Record) -> Record:
    """The same line as the list of vulnerabilities by machine and product tells it."""
    update = row["recommendedSecurityUpdateId"]
    parts = (row["deviceId"], row["cveId"], row["softwareVendor"], row["softwareName"],
             row["softwareVersion"], update or "")  # fmt: skip
    return {
        "id": "-_-".join(parts),
        "cveId": row["cveId"],
        "machineId": row["deviceId"],
        "fixingKbId": update,
        "productName": row["softwareName"],
        "productVendor": row["softwareVendor"],
        "productVersion": row["softwareVersion"],
        "severity": row["vulnerabilitySeverityLevel"],
    }


def change(row: Record, status: str, when: datetime) -> Record:
    """A line of the export of changes: New, Fixed or Updated."""
    kept = {k: v for k, v in row.items() if k != "securityUpdateAvailable"}
    return {**kept, "isOnboarded": True, "status": status, "eventTimestamp": spaced(when)}


def machine_action(
    of: Record,
    action_id: str,
    kind: str,
    *,
    comment: str,
    scope: str | None,
    by: str,
    now: datetime,
    sha1: str | None = None,
) -> Record:
    """A machine action as it is when it was asked for."""
    return {
        "id": action_id,
        "type": kind,
        "title": None,
        "scope": scope,
        "requestor": by,
        "requestSource": "PublicApi",
        "requestorComment": comment,
        "status": "Pending",
        "machineId": of["id"],
        "computerDnsName": of["computerDnsName"],
        "creationDateTimeUtc": precise(now),
        "lastUpdateDateTimeUtc": precise(now),
        "cancellationRequestor": None,
        "cancellationComment": None,
        "cancellationDateTimeUtc": None,
        "relatedFileInfo": {"fileIdentifier": sha1, "fileIdentifierType": "Sha1"} if sha1 else None,
    }  # fmt: skip
