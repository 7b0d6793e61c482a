"""Real recordings and Microsoft's documented examples, each against what a reader sees in it.

The expectations were written down by reading the raw records, or are derived here from the raw
JSON without the connector's help.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from integrations.connectors.microsoft365.normalise.dispatch import normaliser
from integrations.connectors.microsoft365.normalise.resources import resource_of
from integrations.connectors.microsoft365.recognise import explode
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, Normalised, SourceRecord

RECORDS = Path(__file__).parents[4] / "shared/records"
ROOMS = ("microsoft-graph", "microsoft-graph-docs", "microsoft-entra", "microsoft-exchange",
         "microsoft-defender")  # fmt: skip

pytestmark = pytest.mark.skipif(
    not RECORDS.exists(), reason="the vendors' records are not here: ../shared/records"
)

# Which feed a technician would name for the files of a folder.
FEEDS = {
    "microsoft-entra/audit-la-export": "directory_audit",
    "microsoft-entra/signin-or-audit-diagnostic": "sign_ins",
    "microsoft-exchange/office-activity-la-export": "unified_audit",
    "microsoft-exchange/soar-action-results": "policies",
    "microsoft-defender/advanced-hunting-export": "unified_audit",
    "microsoft-defender/m365-defender-alerts-events": "alerts",
    "microsoft-graph/security-alerts-and-m365-audit": "alerts",
}


def files() -> list[str]:
    return sorted(
        str(path.relative_to(RECORDS))
        for room in ROOMS
        for path in (RECORDS / room).rglob("*.*json")
    )


def documents(name: str) -> list[Any]:
    text = (RECORDS / name).read_text("utf-8")
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def feed_of(name: str, record: SourceRecord) -> str:
    told = FEEDS.get(name.rsplit("/", 1)[0])
    found = resource_of(str(record.context.get("url", ""))).feed
    return told or (found if found in KNOWN else "users")


KNOWN = {
    "alerts", "incidents", "sign_ins", "risk_detections", "risky_users", "directory_audit",
    "users", "roles", "groups", "auth_methods", "inbox_rules", "mailbox_settings", "oauth_grants",
    "service_principals", "policies",
}  # fmt: skip


def outcomes(name: str) -> Iterator[tuple[SourceRecord, Normalised | Quarantine]]:
    for document in documents(name):
        for record in explode(document):
            try:
                yield record, normaliser(feed_of(name, record))(record)
            except Quarantine as error:
                yield record, error


def normalised(name: str) -> list[Normalised]:
    return [found for _, found in outcomes(name) if not isinstance(found, Quarantine)]


# class, time to the second, severity, success, actor, target, address, country
SIGN_INS_AND_CHANGES = {
    "azure_excessive_account_lockouts": [
        (3002, "2025-01-15T08:15:23", 1, False, "boromir@lotr.com", "Microsoft Office", "4.4.4.4",
         "RU"),
        (3002, "2025-01-15T09:30:45", 1, False, "peregrin@lotr.com", "Azure Portal", "3.3.3.3",
         "US"),
        (3002, "2025-01-15T10:45:12", 1, False, "user1@microsoft.com", "Microsoft Office",
         "13.64.151.161", "US"),
    ],
    "azure_graph_session_multiple_ips": [
        (3002, "2025-01-15T09:35:20", 1, True, "gandalf@lotr.com", "Custom Graph App", "5.5.5.5",
         ""),
        (3002, "2026-02-18T07:32:50", 1, True, "jane.doe@example.com", "Custom App",
         "203.0.113.10", ""),
        (3002, "2025-01-15T10:00:30", 1, True, "employee@company.com", "Office 365",
         "192.0.2.100", ""),
    ],
    "azure_invite_external_users": [
        (3001, "2024-09-23T14:33:09", 1, True, "denethor@lotr.com", "Zeus.Theboss", "1.2.3.4", ""),
        (3001, "2024-09-23T14:33:09", 1, True, "denethor@lotr.com", "Zeus.Theboss", "1.2.3.4", ""),
        (3001, "2024-09-23T14:33:09", 1, False, "denethor@lotr.com", "Zeus.Theboss", "1.2.3.4",
         ""),
        (3001, "2024-09-23T14:33:09", 1, True, "Zeus@mtolympus.com", "Zeus.Theboss", "1.2.3.4",
         ""),
    ],
    "azure_legacyauth": [
        (3002, "2023-07-26T22:58:30", 2, False, "some-service-principal", "Azure Storage",
         "12.12.12.12", "IE"),
        (3002, "2023-07-21T05:03:52", 1, True, "eve@lexcorp.com", "Office 365 Exchange Online",
         "12.12.12.12", "US"),
        (3002, "2023-07-21T05:03:52", 1, True, "homer.simpson@springfield.org",
         "Office 365 Exchange Online", "12.12.12.12", "US"),
    ],
    "azure_mfa_disabled": [
        (6003, "2024-11-27T03:31:26", 1, True, "denethor@lotr.com", "MFA", "1.2.3.4", ""),
        (6003, "2024-11-27T03:31:26", 1, True, "denethor@lotr.com", "MFA", "1.2.3.4", ""),
        (6003, "2024-11-27T03:31:26", 1, True, "Kratos@onmicrosoft.com", "MFA", "1.2.3.4", ""),
    ],
    "azure_policy_changed": [
        (6003, "2024-11-27T02:22:58", 1, True, "aragorn@lotr.com", "Outside MFA", "1.2.3.4", ""),
        (6003, "2024-11-21T16:47:21", 1, True, "denethor@lotr.com",
         "Require multifactor authentication for all users", "1.2.3.4", ""),
        (6003, "2024-11-21T16:47:21", 1, True, "Kratos@onmicrosoft.com",
         "Require multifactor authentication for all users", "1.2.3.4", ""),
    ],
    "azure_risklevel_passthrough": [
        (3002, "2023-07-26T22:58:30", severity, False, "some-service-principal", "Azure Storage",
         "12.12.12.12", "IE")
        for severity in (1, 2, 4, 4, 1)
    ],
    "azure_role_changed_pim": [
        (3001, "2024-12-16T16:32:16", 1, True, "Radahn@Starscourge.onmicrosoft.com", "Malenia", "",
         "")
    ] * 3,
    "azure_ropc_login_no_mfa": [
        (3002, "2025-01-15T09:30:25", 1, True, "gandalf@lotr.com", "Legacy Application", "2.2.2.2",
         ""),
        (3002, "2025-01-15T15:05:50", 1, False, "attacker@company.com", "Office Application",
         "192.0.2.250", ""),
    ],
}  # fmt: skip
OTHER_EVENTS = {
    "microsoft-entra/audit-la-export/goldensaml-AADAuditEvents.ndjson": [
        (6003, "2021-08-02T13:27:20", 1, True, "pgustavo@simulandlabs.com", "Microsoft Graph", "",
         ""),
        (6003, "2021-08-02T13:25:12", 1, True, "pgustavo@simulandlabs.com", "SimuLandApp", "", ""),
    ],
    "microsoft-exchange/office-activity-la-export/goldensaml-OfficeActivityEvents.ndjson": [
        (6003, "2021-08-02T13:32:07", 1, True, "pgustavo@simulandlabs.com",
         "pgustavo@simulandlabs.com", "1.2.3.4", ""),
    ],
    "microsoft-defender/advanced-hunting-export/goldensaml-Microsoft365DefenderEvents.ndjson": [
        (6003, "2021-08-02T13:11:39", 1, None, "wardog@simulandlabs.com",
         "adfs01.simulandlabs.com", "", ""),
        (6003, "2021-08-02T13:11:53", 1, None, "wardog@simulandlabs.com",
         "adfs01.simulandlabs.com", "", ""),
        (6003, "2021-08-02T13:32:07", 1, True, "pgustavo@simulandlabs.com",
         "pgustavo@simulandlabs.com", "1.2.3.4", "US"),
        (6003, "2021-08-02T13:13:02", 1, None, "pgustavo@simulandlabs.com",
         "dc01.simulandlabs.com", "192.168.2.5", ""),
        (6003, "2021-08-02T13:11:53", 1, None, "wardog@simulandlabs.com",
         "adfs01.simulandlabs.com", "", ""),
    ],
    "microsoft-graph-docs/auditLogs_directoryAudits/get-0209.json": [
        (3001, "2018-01-09T21:20:02", 1, True, "bob@wingtiptoysonline.com", "example@contoso.com",
         "127.0.0.1", ""),
    ],
    "microsoft-graph-docs/auditLogs_signIns/get-0054.json": [
        (3002, "2023-12-01T16:03:32", 1, True, "testaccount1@contoso.com", "Graph explorer",
         "131.107.159.37", "US"),
    ],
}  # fmt: skip
HOMER = "homer.simpson@simpsons.onmicrosoft.com"
# operation, actor, target (the mailbox), address
FORWARDING = [
    ("Set-Mailbox", HOMER, HOMER),
    ("Set-Mailbox", "homer.simpson@simpsons.com", "marge.simpson@simpsons.onmicrosoft.com"),
    ("New-InboxRule", HOMER, HOMER),
    ("New-InboxRule", HOMER, HOMER),
    ("Set-Mailbox", HOMER, "Invalid/Path/Format"),
    ("Set-Mailbox", HOMER, "homer.simpson"),
    ("Set-Mailbox", "homer.simpson@simpsons.com", HOMER),
    ("Set-Mailbox", "homer.simpson@simpsons.com", HOMER),
    ("Set-Mailbox", "john@justice.org", "john@justice.org"),
    ("New-InboxRule", "homer.simpson@simpsons.onmicrosoft",
     "homer.simpson@simpsons.onmicrosoft"),
]  # fmt: skip
CORPORATION = "homer.simpson@corporation.onmicrosoft.com"
DOCS = "microsoft-graph-docs"
# uid, class, time, severity, actor, target, techniques
FINDINGS = {
    "microsoft-graph/security-alerts-and-m365-audit/microsoft_graph_passthrough.ndjson": [
        ("abcd12345efghijk6789", 2004, "2026-04-01T14:31:48", 3, CORPORATION, CORPORATION, ()),
        ("abcdefg-123456-hijklmno", 2004, "2026-04-02T09:28:04", 4, CORPORATION, CORPORATION, ()),
        ("abcdefg12345hijklmnop", 2004, "2026-04-03T19:54:13", 4, "", "", ()),
        ("info-event-1", 2004, "2026-04-04T10:00:00", 1, "", "", ()),
    ],
    "microsoft-defender/m365-defender-alerts-events/defender_detection_passthrough.ndjson": [
        ("0000000000-1111-2222-3333-444444444444", 2004, "2025-04-21T20:51:04", 4, "", "",
         ("T1218", "T1218.010", "T1218.011")),
    ],
    f"{DOCS}/security_alerts_v2/get-0249.json": [
        ("da637551227677560813_-961444813", 2004, "2021-04-27T12:19:27", 2,
         "NT AUTHORITY\\SYSTEM", "yonif-lap3.middleeast.corp.microsoft.com", ("T1564.001",)),
    ],
    f"{DOCS}/security_alerts_v2/patch-0286.json": [
        ("da637551227677560813_-961444813", 2004, "2021-04-27T12:19:27", 2, "", "",
         ("T1564.001",)),
    ],
    f"{DOCS}/security_incidents/get-0180.json": [
        ("2972395", 2005, "2021-08-13T08:43:35", 3, "NT AUTHORITY\\SYSTEM",
         "yonif-lap3.middleeast.corp.microsoft.com", ("T1564.001",)),
    ],
    f"{DOCS}/security_incidents/get-0236.json": [
        ("2972395", 2005, "2021-08-13T08:43:35", 3, "", "", ()),
    ],
    f"{DOCS}/identityProtection_riskDetections/get-0179.json": [
        ("6a5874ca-abcd-9d82-5ad39bd71600", 2004, "2018-09-05T00:11:27", 3, "olack@adatum.com",
         "olack@adatum.com", ()),
    ],
    f"{DOCS}/identityProtection_servicePrincipalRiskDetections/get-0090.json": [
        ("2856d6e87c5c3a74021ff70291fa68107570c150d8dc145bdea5", 2004, "2021-10-26T00:00:00", 4,
         "Contoso App", "Contoso App", ()),
    ],
}  # fmt: skip


def _event_row(event: Normalised) -> tuple:
    assert isinstance(event, Event)
    return (event.class_uid, event.time.isoformat()[:19], event.severity_id, event.is_success,
            event.actor, event.target, event.source_ip, event.country)  # fmt: skip


@pytest.mark.parametrize("name", SIGN_INS_AND_CHANGES)
def test_sign_ins_and_changes_of_entra(name) -> None:
    file = f"microsoft-entra/signin-or-audit-diagnostic/{name}.ndjson"
    assert [_event_row(e) for e in normalised(file)] == SIGN_INS_AND_CHANGES[name]


@pytest.mark.parametrize("name", OTHER_EVENTS)
def test_events_of_other_exports(name) -> None:
    assert [_event_row(e) for e in normalised(name)] == OTHER_EVENTS[name]


def test_mailbox_changes_of_the_unified_audit_log() -> None:
    file = (
        "microsoft-graph/security-alerts-and-m365-audit/"
        "microsoft_exchange_external_forwarding.ndjson"
    )
    found = normalised(file)
    rows = [(e.activity, e.actor, e.target) for e in found if isinstance(e, Event)]
    assert rows == FORWARDING
    assert {e.time.isoformat() for e in found[:9]} == {"2022-12-12T22:19:00+00:00"}
    assert {(e.source_ip, e.is_success) for e in found} == {("1.2.3.4", True)}


@pytest.mark.parametrize("name", FINDINGS)
def test_findings(name) -> None:
    rows = [
        (f.uid, f.class_uid, f.time.isoformat()[:19], f.severity_id, f.actor, f.target,
         f.techniques)
        for f in normalised(name)
        if isinstance(f, Finding)
    ]  # fmt: skip
    assert rows == FINDINGS[name]


def test_the_tables_cover_every_file_with_events_or_findings() -> None:
    known = set(OTHER_EVENTS) | set(FINDINGS) | {
        f"microsoft-entra/signin-or-audit-diagnostic/{name}.ndjson"
        for name in SIGN_INS_AND_CHANGES
    } | {"microsoft-graph/security-alerts-and-m365-audit/"
         "microsoft_exchange_external_forwarding.ndjson"}  # fmt: skip
    telling = {
        name for name in files()
        if any(not isinstance(found, DirectoryItem) for found in normalised(name))
    }  # fmt: skip
    assert telling == known


def raw_objects(value: Any, url: str = "") -> Iterator[tuple[str, dict]]:
    """Every object with the address it was answered from, read without the connector."""
    if isinstance(value, dict) and "url" in value and "body" in value:
        if value.get("status", 200) < 400:
            yield from raw_objects(value["body"], value["url"])
    elif isinstance(value, dict) and isinstance(value.get("value"), list | dict):
        yield from raw_objects(value["value"], url)
    elif isinstance(value, list):
        for item in value:
            yield from raw_objects(item, url)
    elif isinstance(value, dict):
        yield url, value


def _expected(kind: str) -> dict[str, dict]:
    """Every well-formed raw object of a kind, by id: told by the address or its type alone."""
    found: dict[str, dict] = {}
    for name in files():
        if name.rsplit("/", 1)[0] in FEEDS:
            continue
        for document in documents(name):
            for url, body in raw_objects(document):
                path = urlsplit(url).path
                parts = [p for p in path.split("/") if p and p not in ("v1.0", "beta", "delta")]
                if _is(kind, parts, body) and body.get("id"):
                    found[str(body["id"])] = body
    return found


def _is(kind: str, parts: list[str], body: dict) -> bool:
    told = str(body.get("@odata.type", "")).rsplit(".", 1)[-1]
    if kind == "users":
        return told == "user" or (parts[:1] == ["users"] and len(parts) <= 2)
    if kind == "service_principals":
        return parts[:1] == ["servicePrincipals"] and len(parts) <= 2
    if kind == "roles":
        return parts[:1] == ["directoryRoles"] and len(parts) <= 2
    if kind == "inbox_rules":
        return "messageRules" in parts
    return parts[:1] == ["groups"] and len(parts) <= 2


@pytest.mark.parametrize(
    ("kind", "item_kind", "least"),
    [("users", "account", 45), ("groups", "group", 10), ("service_principals",
     "service_principal", 200), ("roles", "role", 40), ("inbox_rules", "inbox_rule", 1)],
)  # fmt: skip
def test_every_well_formed_object_of_the_directory_is_kept(kind, item_kind, least) -> None:
    expected = _expected(kind)
    assert len(expected) >= least
    items: dict[str, list[DirectoryItem]] = {}
    for name in files():
        for found in normalised(name):
            if isinstance(found, DirectoryItem) and found.kind == item_kind:
                items.setdefault(found.external_id.rsplit("/", 1)[-1], []).append(found)
    missing = set(expected) - set(items)
    assert not missing
    for object_id, raw in expected.items():
        names = {item.name for item in items[object_id]}
        wanted = raw.get("userPrincipalName") or raw.get("displayName")
        assert not wanted or wanted in names
        if "accountEnabled" in raw and kind == "users":
            told = {item.attributes.get("is_enabled") for item in items[object_id]}
            assert raw["accountEnabled"] in told


# Why a record is quarantined. `holds` looks at the raw record alone.
JUSTIFIED = {
    "error_answer": ("Microsoft answered with an error: there is no record in it.",
                     lambda body: body["status"] >= 400),
    "token_answer": ("An answer of the sign-in service.",
                     lambda body: "/oauth2/" in body["url"]),
    "no_content": ("The answer of a write, without content.",
                   lambda body: body["status"] in (202, 204) and body["body"] is None),
    "not_an_object": ("A count, or an example that is a number.",
                      lambda body: isinstance(body.get("body", body.get("_value")), int)),
    "unreadable_json": ("The source of a mail message.",
                        lambda body: body["_unparsed"].startswith("Received:")),
    "empty_record": ("An object without a field: nobody can know what it was.",
                     lambda body: not {k for k in body if not k.startswith("@")}),
    "missing_id": ("The example selects other fields than the id.",
                   lambda body: not body.get("id") and not body.get("userPrincipalName")),
    "missing_owner": ("The settings of /me don't say whose they are.",
                      lambda body: "workingHours" in body and "id" not in body),
    "bad_time": ("Microsoft's page shows types instead of values.",
                 lambda body: body["riskLastUpdatedDateTime"] == "String (timestamp)"),
    "untyped_member": ("A member of a group that may be a user or a group.",
                       lambda body: "@odata.type" not in body),
    "other_product": ("An event of Windows.", lambda body: body["log"]["EventID"] == "4688"),
    "not_recognised": ("A result of another product's script, or a query without ActionType.",
                       lambda body: {"success", "Item count", "InitiatingProcessFileName"}
                       & set(body)),
}  # fmt: skip
# Collections that none of the feeds of this connector takes.
OTHERS = {
    "admin", "applications", "deviceManagement", "devices", "domains", "identityGovernance",
    "me", "organization", "security/secureScores", "security/secureScoreControlProfiles",
    "subscribedSkus", "subscriptions", "users/messages", "users/mailFolders",
    "users/licenseDetails", "users/registeredDevices", "identity/conditionalAccess/templates",
    "reports", "directory", "servicePrincipals",
}  # fmt: skip


def test_whatever_is_quarantined_has_its_justification() -> None:
    for name, record, found in ((file, *one) for file in files() for one in outcomes(file)):
        if not isinstance(found, Quarantine):
            continue
        assert len(found.reason) > 15, name
        body = dict(record.body)
        if found.code == "other_resource":
            path = urlsplit(str(record.context["url"])).path
            path = path.replace("/v1.0/", "").replace("/beta/", "").strip("/")
            assert any(_starts(path, other) for other in OTHERS), (name, path)
            continue
        why, holds = JUSTIFIED[found.code]
        assert holds(body), (name, found.code, why, str(body)[:300])


def _starts(path: str, other: str) -> bool:
    if path.startswith("me/"):
        path = f"users/{path}"
    if other.startswith("users/"):
        parts = path.split("/")
        return parts[0] == "users" and len(parts) > 2 and parts[2] == other.split("/")[1]
    return path == other or path.startswith(f"{other}/")


def test_nothing_is_lost_on_the_way() -> None:
    """Each raw object of a file is a record, and each record has one outcome."""
    counts: Counter[str] = Counter()
    for name in files():
        for document in documents(name):
            records = explode(document)
            counts["records"] += len(records)
            if not isinstance(document, dict) or "url" not in document:
                continue
            body = document.get("body")
            if document["status"] < 400 and isinstance(body, dict) and "_unparsed" not in body:
                raw = body.get("value", body)
                raw = body.get("results", raw)
                expected = len(raw) if isinstance(raw, list) else 1
                assert len(records) == expected, name
        for _, found in outcomes(name):
            counts[type(found).__name__] += 1
    total = counts.pop("records")
    assert total == sum(counts.values()) > 700
