"""The named seeds: what the simulated workspace starts with.

Shapes: https://learn.microsoft.com/azure/azure-monitor/reference/tables/securityalert, …/usage,
…/sentinelhealth, …/signinlogs, and the examples of the rules' REST API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, Tenant, stable_id

PERMISSIONS = (
    "Microsoft.OperationalInsights/workspaces/query/read",
    "Microsoft.SecurityInsights/alertRules/read",
)
GROUP, WORKSPACE = "rg-security", "law-example"
_ALERTS, _SIGN_INS = 25, 40
LEGACY, TRAVEL, SPRAY, AGAIN, BROKEN, OFF, FUSION = (
    "Logins to the old portal", "Impossible travel", "Password spray", "Password spray (copy)",
    "Rare process", "Anonymous address", "Advanced Multistage Attack Detection",
)  # fmt: skip
_SPRAY = 'SigninLogs\n| where ResultType == "50126"\n| summarize count() by IPAddress'
_COLUMNS = {
    "SecurityAlert": (
        "TenantId TimeGenerated DisplayName AlertName AlertSeverity Description ProviderName "
        "VendorName VendorOriginalId SystemAlertId ResourceId SourceComputerId AlertType "
        "ConfidenceLevel ConfidenceScore IsIncident StartTime EndTime ProcessingEndTime "
        "RemediationSteps ExtendedProperties Entities SourceSystem WorkspaceSubscriptionId "
        "WorkspaceResourceGroup ExtendedLinks ProductName ProductComponentName AlertLink Status "
        "CompromisedEntity Tactics Techniques SubTechniques Type"
    ),
    "SigninLogs": (
        "TenantId SourceSystem TimeGenerated ResourceId OperationName Category ResultType "
        "ResultDescription CorrelationId Identity Location AppDisplayName AppId ClientAppUsed "
        "ConditionalAccessStatus CreatedDateTime DeviceDetail Id IPAddress LocationDetails "
        "RiskLevelAggregated RiskLevelDuringSignIn RiskState RiskEventTypes ResourceDisplayName "
        "Status UserAgent UserDisplayName UserId UserPrincipalName AutonomousSystemNumber "
        "AuthenticationRequirement AuthenticationProtocol Type"
    ),
    "AuditLogs": "TenantId TimeGenerated OperationName Category Result ResultReason Id Type",
    "OfficeActivity": "TenantId TimeGenerated Operation OfficeWorkload UserId OfficeId Type",
    "Usage": "TenantId TimeGenerated DataType Quantity QuantityUnit IsBillable Type",
    "SentinelHealth": (
        "TenantId TimeGenerated OperationName SentinelResourceId SentinelResourceName Status "
        "Description Reason WorkspaceId SentinelResourceType SentinelResourceKind RecordId "
        "ExtendedProperties Type"
    ),
}
COLUMNS = {name: set(told.split()) for name, told in _COLUMNS.items()}


def stamp(moment: datetime) -> str:
    """A time as Log Analytics tells it: seven digits of a second."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def demo(store: Store, now: datetime, seed: int) -> None:
    """A workspace in which some of everything is wrong."""
    tenant = _workspace(store, seed, "Example Ltd", "example.example")
    _rules(tenant, now)
    for number in range(_ALERTS):
        row = alert(tenant, number, now)
        tenant.put("SecurityAlert", row, row["SystemAlertId"])
    for number in range(_SIGN_INS):
        row = sign_in(number, now - timedelta(minutes=7 * number))
        tenant.put("SigninLogs", row, row["Id"])
    last = now - timedelta(days=4)
    _mailbox_rule(tenant, "ann", last)
    for table, at in (("SigninLogs", now), ("SecurityAlert", now), ("OfficeActivity", last)):
        _usage(tenant, table, at)


def _workspace(store: Store, seed: int, name: str, domain: str) -> Tenant:
    tenant = store.add_tenant(stable_id("sentinel", seed), name, domain)
    client_id = stable_id("sentinel", "client", seed)
    secret = "sim-" + stable_id("sentinel", "secret", seed)
    tenant.apps[client_id] = App(client_id, "Holdfast", secret, list(PERMISSIONS))
    tenant.put("workspaces", {
        "id": stable_id("sentinel", "workspace", seed), "name": WORKSPACE, "resourceGroup": GROUP,
        "subscription": stable_id("sentinel", "subscription", seed),
    })  # fmt: skip
    return tenant


def _mailbox_rule(tenant: Tenant, user: str, at: datetime) -> None:
    tenant.put("OfficeActivity", {
        "TimeGenerated": stamp(at), "Operation": "New-InboxRule", "OfficeWorkload": "Exchange",
        "UserId": f"{user}@{tenant.domain}", "OfficeId": _id("office", 1), "Type": "OfficeActivity",
    }, "1")  # fmt: skip


def _usage(tenant: Tenant, table: str, at: datetime) -> None:
    tenant.put("Usage", {
        "TimeGenerated": stamp(at), "DataType": table, "Quantity": 1.5, "QuantityUnit": "MBytes",
        "IsBillable": True, "Type": "Usage",
    }, table)  # fmt: skip


def harbour_law(store: Store, now: datetime, seed: int) -> None:
    """The workspace of the demo's law firm: nobody has looked after it for a year."""
    tenant = _workspace(store, seed, "Harbour Law", "harbour-law.example")
    _rules(tenant, now)
    people = ("tom.okafor", "grace.nolan", "omar.haddad", "hannah.clarke")
    for number in range(_SIGN_INS):
        row = sign_in(number, now - timedelta(minutes=31 * number + 5))
        row |= {
            "ClientAppUsed": "Browser", "ResultType": "0",
            "IPAddress": f"203.0.113.{10 + number % len(people)}",
            "UserPrincipalName": f"{people[number % len(people)]}@{tenant.domain}",
        }  # fmt: skip
        tenant.put("SigninLogs", row, row["Id"])
    row = alert(tenant, 1, now)
    own = {"$id": "2", "Name": "sam.adeyemi", "UPNSuffix": tenant.domain, "Type": "account"}
    tenant.put("SecurityAlert", {**row, "Entities": json.dumps([own])}, row["SystemAlertId"])
    last = now - timedelta(days=4)
    _mailbox_rule(tenant, "grace.nolan", last)
    for table, at in (("SigninLogs", now), ("SecurityAlert", now), ("OfficeActivity", last)):
        _usage(tenant, table, at)


def _id(*parts: object) -> str:
    return stable_id("sentinel", *parts)


def _rules(tenant: Tenant, now: datetime) -> None:
    old, new = now - timedelta(days=400), now - timedelta(days=20)
    for title, query, changed, enabled in (
        (LEGACY, "OldPortal_CL\n| where Result_s == 'failed'", old, True),
        (TRAVEL, 'SigninLogs\n| where RiskEventTypes contains "impossibleTravel"', new, True),
        (SPRAY, _SPRAY, new, True),
        (AGAIN, f"// a copy\n{_SPRAY.replace(chr(10), ' ')};", new, True),
        (BROKEN, "SigninLogs\n| where ProcessNam == 'x'", new, True),
        (OFF, 'SigninLogs\n| where IPAddress startswith "203.0.113."', new, False),
    ):
        tenant.put("rules", rule(title, query, changed, enabled))
    fusion = rule(FUSION, "", new, True)
    del fusion["properties"]["query"]
    tenant.put("rules", {**fusion, "kind": "Fusion"})
    for record in tenant.true_all("rules"):
        tenant.put("SentinelHealth", run(record, now), record["name"])


def rule(title: str, query: str, changed: datetime, enabled: bool) -> Record:
    """An analytics rule as Azure Resource Manager tells it, without its whole id."""
    own = _id("rule", title)
    return {
        "id": own, "name": own, "etag": f'"{own[:8]}"', "kind": "Scheduled",
        "type": "Microsoft.SecurityInsights/alertRules",
        "properties": {
            "displayName": title, "description": title, "enabled": enabled, "query": query,
            "queryFrequency": "PT1H", "queryPeriod": "PT1H", "severity": "Medium",
            "suppressionDuration": "PT5H", "suppressionEnabled": False,
            "triggerOperator": "GreaterThan", "triggerThreshold": 0,
            "tactics": ["CredentialAccess"], "techniques": [f"T1{len(title):03d}"],
            "alertRuleTemplateName": None, "lastModifiedUtc": stamp(changed),
        },
    }  # fmt: skip


def run(record: Record, now: datetime) -> Record:
    """What the last run of a rule left in SentinelHealth."""
    is_broken = record["properties"]["displayName"] == BROKEN
    return {
        "TimeGenerated": stamp(now - timedelta(minutes=20)),
        "OperationName": "Scheduled analytics rule run",
        "SentinelResourceId": f"/alertRules/{record['name']}",
        "SentinelResourceName": record["properties"]["displayName"],
        "SentinelResourceType": "Analytics Rule", "SentinelResourceKind": record["kind"],
        "Status": "Failure" if is_broken else "Success",
        "Description": "A column that the query refers to doesn't exist: ProcessNam."
        if is_broken else "Rule executed successfully, generating 0 alert(s).",
        "Type": "SentinelHealth",
    }  # fmt: skip


def alert(tenant: Tenant, number: int, now: datetime) -> Record:
    """An alert of the rule Password spray; every fifth comes from another product."""
    is_own = number % 5 != 4
    at = now - timedelta(hours=number, minutes=1)
    own = _id("rule", SPRAY)
    entities = [
        {"$id": "2", "Name": f"user{number}", "UPNSuffix": "example.example", "Type": "account"},
        {"$id": "3", "HostName": f"PC-{number:03d}", "Type": "host"},
        {"$id": "4", "Address": f"203.0.113.{number}", "Type": "ip"},
    ]
    return {
        "TenantId": tenant.id, "TimeGenerated": stamp(at), "DisplayName": SPRAY,
        "AlertName": SPRAY, "AlertSeverity": "Medium", "Description": "Many failed sign-ins.",
        "ProviderName": "ASI Scheduled Alerts" if is_own else "MDATP",
        "VendorName": "Microsoft", "VendorOriginalId": _id("original", number),
        "SystemAlertId": _id("alert", number), "AlertType": f"{tenant.id}_{own}",
        "IsIncident": False, "StartTime": stamp(at - timedelta(hours=1)), "EndTime": stamp(at),
        "ProcessingEndTime": stamp(at), "Status": "New", "SourceSystem": "Detection",
        "ProductName": "Azure Sentinel" if is_own
        else "Microsoft Defender Advanced Threat Protection",
        "ProductComponentName": "Scheduled Alerts", "CompromisedEntity": "",
        "ExtendedProperties": json.dumps(
            {"Analytic Rule Ids": f'["{own}"]', "Analytic Rule Name": SPRAY}
        ),
        "Entities": json.dumps(entities), "Tactics": "CredentialAccess",
        "Techniques": '["T1110"]', "SubTechniques": "", "Type": "SecurityAlert",
    }  # fmt: skip


def sign_in(number: int, at: datetime) -> Record:
    """A sign-in as Log Analytics keeps it; every fourth by an old protocol, one in ten fails."""
    return {
        "TimeGenerated": stamp(at), "CreatedDateTime": stamp(at), "Id": _id("sign-in", number),
        "OperationName": "Sign-in activity", "Category": "SignInLogs",
        "ResultType": "50126" if number % 10 == 9 else "0", "ResultDescription": "",
        "Location": "GB", "AppDisplayName": "Office 365 Exchange Online",
        "ClientAppUsed": "IMAP4" if number % 4 == 0 else "Browser",
        "ConditionalAccessStatus": "notApplied", "IPAddress": f"198.51.100.{number}",
        "UserPrincipalName": f"user{number % 7}@example.example", "RiskState": "none",
        "RiskLevelDuringSignIn": "none", "RiskEventTypes": "[]", "UserAgent": "Mozilla/5.0",
        "DeviceDetail": {"isCompliant": False, "trustType": ""}, "AutonomousSystemNumber": "64500",
        "AuthenticationRequirement": "singleFactorAuthentication", "Type": "SigninLogs",
    }  # fmt: skip


SEEDS: Mapping[str, Seed] = {"demo": demo, "harbour_law": harbour_law}
