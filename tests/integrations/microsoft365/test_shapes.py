"""The same thing in every shape that Microsoft exports it in; and records that nobody promised."""

import copy
import datetime as dt
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import ocsf
from integrations.connectors.microsoft365.manifest import MANIFEST
from integrations.connectors.microsoft365.normalise.dispatch import normaliser
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, SourceRecord
from tests.examples import examples

WHEN = dt.datetime(2026, 1, 15, 9, 35, 20, 456789, tzinfo=dt.UTC)
STAMP = "2026-01-15T09:35:20.4567890Z"

SIGN_IN = {
    "id": "s1", "createdDateTime": STAMP, "userPrincipalName": "Eve@Contoso.example",
    "userId": "u1", "appDisplayName": "Outlook", "appId": "app1", "ipAddress": "203.0.113.9",
    "clientAppUsed": "Browser", "conditionalAccessStatus": "notApplied",
    "resourceDisplayName": "Exchange Online", "riskLevelDuringSignIn": "medium",
    "status": {"errorCode": 0}, "location": {"countryOrRegion": "NG", "city": "Lagos"},
    "deviceDetail": {"displayName": "PC-1", "operatingSystem": "Windows 11"},
}  # fmt: skip
ALERT = {
    "id": "a1", "title": "Suspicious inbox rule", "severity": "High", "status": "new",
    "category": "Persistence", "serviceSource": "microsoftDefenderForOffice365",
    "createdDateTime": STAMP, "mitreTechniques": ["T1564.008"], "classification": "TruePositive",
    "evidence": [
        {"@odata.type": "#microsoft.graph.security.mailboxEvidence",
         "primaryAddress": "Eve@Contoso.example",
         "userAccount": {"userPrincipalName": "Eve@Contoso.example", "azureAdUserId": "u1"}},
        {"@odata.type": "#microsoft.graph.security.ipEvidence", "ipAddress": "203.0.113.9"},
        {"@odata.type": "#microsoft.graph.security.analyzedMessageEvidence",
         "internetMessageId": "<M1@x>", "networkMessageId": "N1", "senderIp": "203.0.113.9",
         "recipientEmailAddress": "eve@contoso.example"},
        {"@odata.type": "#microsoft.graph.security.aKindThatIsNew", "novel": True},
    ],
}  # fmt: skip
AUDIT = {
    "id": "d1", "activityDisplayName": "Reset user password", "activityDateTime": STAMP,
    "category": "UserManagement", "result": "success", "loggedByService": "Core Directory",
    "initiatedBy": {"user": {"userPrincipalName": "admin@contoso.example", "id": "u9",
                             "ipAddress": "203.0.113.9"}, "app": None},
    "targetResources": [{"id": "u1", "type": "User", "userPrincipalName": "eve@contoso.example"}],
}  # fmt: skip
UNIFIED = {
    "Id": "x1", "CreationTime": "2026-01-15T09:35:20", "Operation": "New-InboxRule",
    "UserId": "eve@contoso.example", "Workload": "Exchange", "RecordType": 1,
    "ResultStatus": "True", "ClientIP": "203.0.113.9:5566", "ObjectId": "org/eve\\.",
    "Parameters": [{"Name": "Mailbox", "Value": "boss@contoso.example"},
                   {"Name": "ForwardTo", "Value": "thief@evil.example"}],
}  # fmt: skip


def read(feed: str, body: dict, **context: str):
    return normaliser(feed)(SourceRecord(body, context))


def read_or_reason(feed: str, body: dict):
    """What became of a record, or why it was quarantined; anything else fails the test."""
    try:
        return read(feed, body)
    except Quarantine as error:
        return f"{error.code}: {error.reason}"


def lower_keys(value):
    if isinstance(value, dict):
        return {k.lower(): lower_keys(v) for k, v in value.items()}
    return [lower_keys(v) for v in value] if isinstance(value, list) else value


def diagnostic(body: dict, category: str) -> dict:
    return {
        "time": "2026-01-15T09:40:00Z", "category": category, "resourceId": "/tenants/t",
        "operationName": "x", "tenantId": "t", "properties": body,
    }  # fmt: skip


def log_analytics(body: dict, table: str) -> dict:
    flat = {
        k[0].upper() + k[1:]: json.dumps(v) if isinstance(v, dict | list) else v
        for k, v in body.items()
    }
    return {"TimeGenerated": STAMP, "Type": table, "SourceSystem": "Azure AD", **flat}


def rule_test(body: dict) -> dict:
    return {"rule": "R", "test": "T", "expected_match": True, "log": body}


@pytest.mark.parametrize(
    "body",
    [
        SIGN_IN,
        lower_keys(SIGN_IN),
        diagnostic(SIGN_IN, "SignInLogs"),
        diagnostic(SIGN_IN, "NonInteractiveUserSignInLogs"),
        lower_keys(diagnostic(SIGN_IN, "signinlogs")),
        {**diagnostic(SIGN_IN, "SignInLogs"), "properties": json.dumps(SIGN_IN)},
        log_analytics(SIGN_IN, "SigninLogs"),
        rule_test(diagnostic(SIGN_IN, "SignInLogs")),
        {"@odata.type": "#microsoft.graph.signIn", **SIGN_IN},
    ],
)
@pytest.mark.parametrize("feed", ["sign_ins", "directory_audit", "alerts"])
def test_one_sign_in_in_every_shape_and_under_any_feed(body, feed) -> None:
    event = read(feed, body)
    assert isinstance(event, Event)
    assert (event.uid, event.class_uid, event.time) == ("s1", 3002, WHEN)
    assert (event.actor, event.target) == ("Eve@Contoso.example", "Outlook")
    assert (event.severity_id, event.is_success) == (3, True)
    assert (event.source_ip, event.country) == ("203.0.113.9", "NG")
    assert {"account:eve@contoso.example", "account_id:u1", "ip:203.0.113.9", "device:pc-1",
            "app:app1"} <= set(event.entities)  # fmt: skip


@pytest.mark.parametrize(
    "body", [ALERT, lower_keys(ALERT), rule_test(ALERT),
             {"@odata.type": "#microsoft.graph.security.alert", **ALERT}]
)  # fmt: skip
def test_one_alert_in_every_shape(body) -> None:
    finding = read("alerts", body)
    assert isinstance(finding, Finding)
    assert (finding.uid, finding.class_uid, finding.time) == ("a1", 2004, WHEN)
    assert (finding.title, finding.severity_id) == ("Suspicious inbox rule", 4)
    assert finding.actor == finding.target == "Eve@Contoso.example"
    assert finding.techniques == ("T1564.008",)
    assert set(finding.entities) == {
        "account:eve@contoso.example", "account_id:u1", "mailbox:eve@contoso.example",
        "ip:203.0.113.9", "message:m1@x", "message:n1",
    }  # fmt: skip
    assert finding.ocsf["verdict_id"] == 2
    assert finding.ocsf["status_id"] == 1


def test_the_old_graph_alert() -> None:
    finding = read("alerts", {
        "id": "v1", "azureTenantId": "t", "title": "Impossible travel", "severity": "medium",
        "eventDateTime": "2026-01-15T09:00:00Z", "createdDateTime": STAMP, "confidence": 70,
        "status": "newAlert", "vendorInformation": {"provider": "MCAS", "vendor": "Microsoft"},
        "userStates": [{"userPrincipalName": "eve@contoso.example", "aadUserId": "u1",
                        "logonIp": "203.0.113.9"}],
        "hostStates": [{"fqdn": "pc-1.contoso.example"}],
        "sourceMaterials": ["https://portal.example/alert"],
    })  # fmt: skip
    assert (finding.time, finding.confidence, finding.severity_id) == (WHEN, 70, 3)
    assert finding.first_activity_at == dt.datetime(2026, 1, 15, 9, tzinfo=dt.UTC)
    assert (finding.actor, finding.target) == ("eve@contoso.example", "pc-1.contoso.example")
    assert finding.link == "https://portal.example/alert"
    assert {"account_id:u1", "ip:203.0.113.9"} <= set(finding.entities)


def test_sentinels_alert_and_incident() -> None:
    finding = read("alerts", {
        "TimeGenerated": STAMP, "Type": "SecurityAlert", "SystemAlertId": "g1",
        "AlertName": "Rare sign-in", "AlertSeverity": "Low", "ConfidenceScore": 0.8,
        "StartTime": "2026-01-15T08:00:00Z", "EndTime": "2026-01-15T08:30:00Z",
        "Tactics": "InitialAccess", "Techniques": '["T1078"]',
        "Entities": json.dumps([
            {"$id": "1", "Type": "account", "Name": "eve", "UPNSuffix": "contoso.example",
             "AadUserId": "u1"},
            {"$id": "2", "Type": "ip", "Address": "203.0.113.9"}]),
    })  # fmt: skip
    assert (finding.uid, finding.severity_id, finding.confidence) == ("g1", 2, 80)
    assert finding.actor == "eve@contoso.example"
    assert finding.techniques == ("T1078",)
    found = read("alerts", {"TimeGenerated": STAMP, "Type": "SecurityIncident", "IncidentNumber": 7,
                            "Title": "Takeover", "Severity": "High", "Status": "New",
                            "CreatedTime": STAMP})  # fmt: skip
    assert (found.class_uid, found.uid, found.severity_id) == (2005, "7", 4)


def test_defenders_alert_info_and_evidence() -> None:
    info = {"AlertId": "da1", "Title": "T", "Severity": "High", "Timestamp": STAMP,
            "Category": "Execution", "AttackTechniques": '["Rundll32 (T1218.011)"]'}  # fmt: skip
    for body in (info, diagnostic(info, "AdvancedHunting-AlertInfo")):
        finding = read("alerts", body)
        assert (finding.uid, finding.time, finding.techniques) == ("da1", WHEN, ("T1218.011",))
    evidence = {"AlertId": "da1", "EntityType": "User", "Timestamp": STAMP,
                "AccountUpn": "eve@contoso.example", "RemoteIP": "203.0.113.9"}  # fmt: skip
    event = read("alerts", diagnostic(evidence, "AdvancedHunting-AlertEvidence"))
    assert isinstance(event, Event)
    assert (event.class_uid, event.target) == (0, "da1")
    assert "account:eve@contoso.example" in event.entities


@pytest.mark.parametrize(
    "body",
    [AUDIT, lower_keys(AUDIT), diagnostic(AUDIT, "AuditLogs"), log_analytics(AUDIT, "AuditLogs"),
     log_analytics(AUDIT, "User"), rule_test(lower_keys(diagnostic(AUDIT, "AuditLogs")))],
)  # fmt: skip
def test_one_directory_change_in_every_shape(body) -> None:
    event = read("sign_ins", body)
    assert (event.uid, event.class_uid, event.time) == ("d1", 3001, WHEN)
    assert (event.actor, event.target) == ("admin@contoso.example", "eve@contoso.example")
    assert event.ocsf["activity_id"] == 4
    assert event.is_success is True
    assert event.source_ip == "203.0.113.9"


def test_an_application_is_the_actor_by_its_name() -> None:
    by = {"user": None, "app": {"displayName": "Sync", "appId": "app2"}}
    event = read("directory_audit", {**AUDIT, "initiatedBy": by})
    assert event.actor == "Sync"
    policy = {**AUDIT, "category": "Policy", "operationType": "Delete",
              "targetResources": [{"id": "p", "displayName": "MFA", "type": "Policy"}]}  # fmt: skip
    event = read("directory_audit", policy)
    assert (event.class_uid, event.target, event.ocsf["activity_id"]) == (6003, "MFA", 4)


@pytest.mark.parametrize(
    "body",
    [
        UNIFIED,
        lower_keys(UNIFIED),
        rule_test(lower_keys(UNIFIED)),
        {"CreationDate": STAMP, "Operations": "x", "AuditData": json.dumps(UNIFIED)},
        {"createdDateTime": STAMP, "auditLogRecordType": "exchangeAdmin", "operation": "x",
         "auditData": UNIFIED},
        {"Timestamp": STAMP, "ActionType": "New-InboxRule", "ReportId": "x1",
         "AccountUpn": "eve@contoso.example", "IPAddress": "203.0.113.9",
         "RawEventData": {**UNIFIED, "MailboxOwnerUPN": "boss@contoso.example"}},
    ],
)  # fmt: skip
def test_one_mailbox_change_in_every_shape(body) -> None:
    event = read("unified_audit", body)
    assert (event.uid, event.class_uid, event.activity) == ("x1", 6003, "New-InboxRule")
    assert event.time.replace(microsecond=0) == WHEN.replace(microsecond=0)
    assert (event.actor, event.target) == ("eve@contoso.example", "boss@contoso.example")
    assert event.source_ip == "203.0.113.9"
    assert event.is_success is True


def test_a_sign_in_of_the_unified_log_is_a_sign_in() -> None:
    body = {"Id": "l1", "CreationTime": STAMP, "Operation": "UserLoginFailed", "RecordType": 15,
            "UserId": "eve@contoso.example", "ActorIpAddress": "203.0.113.9",
            "ErrorNumber": "50126", "UserKey": "u1"}  # fmt: skip
    event = read("unified_audit", body)
    assert (event.class_uid, event.is_success, event.actor) == (
        3002, False, "eve@contoso.example",
    )  # fmt: skip
    assert read("unified_audit", {**body, "Operation": "UserLoggedIn"}).is_success is True


def test_a_message_and_what_became_of_it() -> None:
    for body in (
        {"MessageTraceId": "t1", "MessageId": "<M@x>", "Received": STAMP, "Status": "Delivered",
         "SenderAddress": "s@x.example", "RecipientAddress": "Eve@Contoso.example",
         "FromIP": "203.0.113.9"},
        {"id": "t1", "messageId": "<M@x>", "receivedDateTime": STAMP, "status": "delivered",
         "senderAddress": "s@x.example", "recipientAddress": "Eve@Contoso.example",
         "fromIP": "203.0.113.9"},
    ):  # fmt: skip
        event = read("message_trace", body)
        assert (event.class_uid, event.uid) == (4009, "t1:eve@contoso.example")
        assert (event.actor, event.target) == ("s@x.example", "Eve@Contoso.example")
        assert (event.time, event.is_success, event.source_ip) == (WHEN, True, "203.0.113.9")
        assert {"message:m@x", "mailbox:eve@contoso.example"} <= set(event.entities)


def test_risk_in_both_states() -> None:
    risky = {"id": "u1", "userPrincipalName": "eve@contoso.example", "riskLevel": "High",
             "riskState": "atRisk", "riskLastUpdatedDateTime": STAMP}  # fmt: skip
    for body in (risky, diagnostic(risky, "RiskyUsers"), log_analytics(risky, "AADRiskyUsers")):
        finding = read("risky_users", body)
        assert isinstance(finding, Finding)
        assert (finding.severity_id, finding.actor, finding.time) == (
            4, "eve@contoso.example", WHEN,
        )  # fmt: skip
    for state in ("remediated", "dismissed", "none", "aStateThatIsNew"):
        item = read("risky_users", {**risky, "riskState": state, "riskLevel": "none"})
        assert isinstance(item, DirectoryItem)
        assert item.attributes["risk_level"] == "none"
    detection = {"id": "r1", "riskEventType": "anonymizedIPAddress", "riskLevel": "medium",
                 "riskState": "atRisk", "userPrincipalName": "eve@contoso.example",
                 "userId": "u1", "detectedDateTime": STAMP, "activityDateTime": STAMP,
                 "ipAddress": "203.0.113.9"}  # fmt: skip
    for body in (detection, diagnostic(detection, "UserRiskEvents"),
                 log_analytics(detection, "AADUserRiskEvents"), rule_test(detection)):  # fmt: skip
        finding = read("sign_ins", body)
        assert (finding.uid, finding.severity_id, finding.category) == (
            "r1", 3, "anonymizedIPAddress",
        )  # fmt: skip
        assert "ip:203.0.113.9" in finding.entities


def test_a_user_is_only_told_what_the_record_tells() -> None:
    item = read("users", {"id": "u1", "displayName": "Eve"})
    assert item.attributes == {"display_name": "Eve"}
    guest = read("users", {"id": "g", "userPrincipalName": "x_y.z#EXT#@t.example"})
    assert guest.attributes["kind"] == "guest"
    synced = read("users", {"id": "u1", "userPrincipalName": "e@x", "onPremisesSyncEnabled": True,
                            "accountEnabled": False, "assignedLicenses": [], "userType": "Member",
                            "lastPasswordChangeDateTime": "0001-01-01T00:00:00Z"})  # fmt: skip
    assert synced.attributes["source_of_authority"] == "active_directory"
    assert (synced.attributes["is_enabled"], synced.attributes["is_licensed"]) == (False, False)
    assert "last_password_change" not in synced.attributes
    assert read("users", {"id": "u1", "@removed": {"reason": "deleted"}}).is_deleted


def test_a_user_tells_what_it_is_synchronised_with_and_its_other_addresses() -> None:
    told = read("users", {
        "id": "u1", "userPrincipalName": "eve@contoso.example",
        "onPremisesImmutableId": "MzMzMzMzMzMzMzMzMzMzMw==",
        "proxyAddresses": ["SMTP:Eve@contoso.example", "smtp:e.v@old.example", "X500:/o=Contoso"],
    }).attributes  # fmt: skip
    assert told["immutable_id"] == "MzMzMzMzMzMzMzMzMzMzMw=="
    assert told["aliases"] == ["e.v@old.example", "eve@contoso.example"]


def test_a_rule_of_exchanges_powershell() -> None:
    item = read("inbox_rules", {
        "RuleIdentity": 123, "MailboxOwnerId": "eve", "Name": ".", "Enabled": True, "Priority": 1,
        "ForwardTo": ['"Thief" [SMTP:thief@evil.example]'], "DeleteMessage": True,
        "SubjectContainsWords": ["invoice"],
    })  # fmt: skip
    assert (item.kind, item.external_id, item.parent) == ("inbox_rule", "eve/123", "eve")
    assert item.attributes["forwards_to"] == ["thief@evil.example"]
    assert item.attributes["deletes"] is True


def test_no_secret_of_a_method_or_an_application_is_kept() -> None:
    method = read("auth_methods", {
        "@odata.type": "#microsoft.graph.temporaryAccessPassAuthenticationMethod", "id": "m",
        "temporaryAccessPass": "+drkzqAD"}, user_id="u1")  # fmt: skip
    assert "+drkzqAD" not in json.dumps(method.attributes, default=str)
    principal = read("service_principals", {
        "id": "sp", "appId": "a", "displayName": "App",
        "passwordCredentials": [{"secretText": "s3cret", "endDateTime": STAMP}]})  # fmt: skip
    assert "s3cret" not in json.dumps(principal.attributes, default=str)
    assert principal.attributes["credentials"][0]["ends_at"] == WHEN


@pytest.mark.parametrize(
    ("feed", "body", "code"),
    [
        ("alerts", {}, "empty_record"),
        ("alerts", {**ALERT, "createdDateTime": "yesterday"}, "bad_time"),
        ("alerts", {k: v for k, v in ALERT.items() if k != "createdDateTime"}, "missing_time"),
        ("alerts", {"colour": "red"}, "not_an_alert"),
        ("sign_ins", {**SIGN_IN, "createdDateTime": "0001-01-01T00:00:00Z"}, "missing_time"),
        ("sign_ins", {"createdDateTime": STAMP, "ipAddress": "1.2.3.4"}, "not_a_sign_in"),
        ("risky_users", {"id": "u", "riskState": "atRisk",
                         "riskLastUpdatedDateTime": "String (timestamp)"}, "bad_time"),
        ("mailbox_settings", {"timeZone": "UTC", "workingHours": {}}, "missing_owner"),
        ("groups", {"displayName": "All Company", "groupTypes": []}, "missing_id"),
        ("alerts", {"EventID": "4688", "ProviderName": "x", "Computer": "y"}, "other_product"),
    ],
)  # fmt: skip
def test_what_lacks_its_essence_is_quarantined(feed, body, code) -> None:
    with pytest.raises(Quarantine) as caught:
        read(feed, body)
    assert caught.value.code == code
    assert len(caught.value.reason) > 20


def test_what_is_optional_unknown_or_additional_is_never_a_reason() -> None:
    body = {"id": "a2", "status": "aNewStatus", "severity": "catastrophic",
            "createdDateTime": STAMP, "classification": "aNewWord", "evidence": "none",
            "novelField": {"deep": [1]},
            "mitreTechniques": 7, "title": None}  # fmt: skip
    finding = read("alerts", body)
    assert (finding.severity_id, finding.ocsf["severity"]) == (99, "catastrophic")
    assert finding.ocsf["status_id"] == 99
    assert finding.title
    assert read("alerts", {k: v for k, v in ALERT.items() if k != "id"}).uid.startswith("sha256:")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner,
                                                                max_size=3),
    max_leaves=6,
)  # fmt: skip
FEEDS = [feed.name for feed in MANIFEST.feeds]
SAMPLES = [
    ("sign_ins", SIGN_IN), ("alerts", ALERT), ("directory_audit", AUDIT),
    ("unified_audit", UNIFIED), ("sign_ins", diagnostic(SIGN_IN, "SignInLogs")),
    ("users", {"id": "u", "userPrincipalName": "a@b", "assignedLicenses": [], "memberOf": []}),
    ("inbox_rules", {"id": "r", "displayName": "x", "actions": {"forwardTo": []}, "sequence": 1}),
    ("risk_detections", {"id": "r", "riskEventType": "x", "detectedDateTime": STAMP}),
    ("risky_users", {"id": "u", "riskState": "atRisk", "riskLastUpdatedDateTime": STAMP}),
    ("incidents", {"id": "1", "displayName": "i", "createdDateTime": STAMP, "alerts": [ALERT]}),
    ("policies", {"id": "p", "state": "enabled", "grantControls": {}}),
    ("service_principals", {"id": "p", "appId": "x", "passwordCredentials": []}),
    ("message_trace", {"SenderAddress": "a@b", "RecipientAddress": "c@d", "Received": STAMP}),
]  # fmt: skip


@settings(max_examples=examples(400), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_field_may_hold_anything(data) -> None:
    feed, sample = data.draw(st.sampled_from(SAMPLES))
    body = copy.deepcopy(sample)
    for name in data.draw(st.lists(st.sampled_from(sorted(body)), max_size=3)):
        if isinstance(body[name], dict) and data.draw(st.booleans()) and body[name]:
            body[name][data.draw(st.sampled_from(sorted(body[name])))] = data.draw(JSON)
        else:
            body[name] = data.draw(JSON)
    found = read_or_reason(feed, body)
    assert found
    if not isinstance(found, str):
        json.dumps(getattr(found, "ocsf", None) or dict(found.attributes), default=str)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.sampled_from([f.name for f in MANIFEST.feeds]), st.dictionaries(st.text(max_size=9), JSON)
)
def test_any_object_is_read_or_quarantined(feed, body) -> None:
    assert read_or_reason(feed, body)


def test_an_event_is_numbered_as_the_schema_asks() -> None:
    told = read("sign_ins", SIGN_IN).ocsf
    assert told["type_uid"] == told["class_uid"] * 100 + told["activity_id"] == 300201
    assert told["category_uid"] == 3
    assert told["metadata"]["version"] == ocsf.VERSION
    assert told["time"] == 1768469720456
    assert told["status_id"] == 1
    assert told["src_endpoint"]["location"]["country"] == "NG"
