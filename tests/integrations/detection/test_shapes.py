"""A record is recognised by itself, in each of the shapes in which its feed comes."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integrations.detection import fields
from tests.integrations.detection.rulebook import engine, rule

SIGN_IN = {"product": "azure", "service": "signinlogs"}
ACTIVITY = {"product": "azure", "service": "activitylogs"}
GOOGLE = {"product": "google_workspace"}
PROCESS = {"product": "windows", "category": "process_creation"}
DELETED = "Microsoft.KeyVault/vaults/delete"
SCOPE = "/subscriptions/1/resourceGroups/a/providers/Microsoft.KeyVault/vaults/v"

SHAPES = [
    (
        SIGN_IN,
        {"ResultType": 50053, "userPrincipalName": "a@b.example"},
        [
            {
                "category": "SignInLogs",
                "operationName": "Sign-in activity",
                "resultType": "50053",
                "properties": {"userPrincipalName": "a@b.example", "status": {"errorCode": 50053}},
            },
            {
                "createdDateTime": "2026-01-01T00:00:00Z",
                "appDisplayName": "Office",
                "conditionalAccessStatus": "failure",
                "userPrincipalName": "a@b.example",
                "status": {"errorCode": 50053},
            },
            {
                "createdDateTime": "2026-01-01T00:00:00Z",
                "appDisplayName": "Office",
                "userPrincipalName": "a@b.example",
                "status": {"errorCode": 50053},
            },
            {
                "Category": "SignInLogs",
                "ResultType": "50053",
                "UserPrincipalName": "a@b.example",
                "Status": '{"errorCode": 50053}',
            },
            {
                "TimeGenerated": "2026-01-01T00:00:00Z",
                "OperationName": "Sign-in activity",
                "ResultType": "50053",
                "UserPrincipalName": "a@b.example",
                "AppDisplayName": "Office",
            },
            {
                "Timestamp": "2026-01-01T00:00:00Z",
                "Application": "Office",
                "ApplicationId": "1",
                "AccountUpn": "a@b.example",
                "ErrorCode": 50053,
            },
            {
                "category": "AdvancedHunting-AADSignInEventsBeta",
                "properties": {"AccountUpn": "a@b.example", "ErrorCode": 50053},
            },
        ],
    ),
    (
        ACTIVITY,
        {"operationName": DELETED, "status": ["Success", "Succeeded"]},
        [
            {
                "operationName": DELETED.upper(),
                "resourceId": SCOPE.upper(),
                "category": "Administrative",
                "resultType": "Success",
            },
            {
                "operationName": {"value": DELETED},
                "resourceId": SCOPE,
                "status": {"value": "Succeeded"},
            },
            {
                "OperationNameValue": DELETED.upper(),
                "ActivityStatusValue": "Success",
                "_ResourceId": SCOPE,
            },
            {
                "azure": {"activitylogs": {"operation_name": DELETED.upper()}},
                "event": {"dataset": "azure.activitylogs", "outcome": "success"},
            },
        ],
    ),
    (
        GOOGLE,
        {"name": "CHANGE_PASSWORD", "USER_EMAIL": "a@b.example"},
        [
            {
                "id": {"applicationName": "admin"},
                "actor": {"email": "x@b.example"},
                "events": [
                    {
                        "type": "USER_SETTINGS",
                        "name": "CHANGE_PASSWORD",
                        "parameters": [{"name": "USER_EMAIL", "value": "a@b.example"}],
                    }
                ],
            },
            {
                "type": "USER_SETTINGS",
                "name": "CHANGE_PASSWORD",
                "parameters": {"USER_EMAIL": "a@b.example"},
            },
            {
                "id": {"applicationName": "admin"},
                "type": "USER_SETTINGS",
                "name": "CHANGE_PASSWORD",
                "USER_EMAIL": "a@b.example",
                "p_log_type": "GSuite.ActivityEvent",
                "p_event_time": "2026-01-01 00:00:00",
            },
            {
                "protoPayload": {
                    "serviceName": "admin.googleapis.com",
                    "metadata": {
                        "event": [
                            {
                                "eventName": "CHANGE_PASSWORD",
                                "eventType": "USER_SETTINGS",
                                "parameter": [{"name": "USER_EMAIL", "value": "a@b.example"}],
                            }
                        ]
                    },
                }
            },
        ],
    ),
    (
        PROCESS,
        {
            "Image|endswith": "\\cmd.exe",
            "CommandLine|contains": "whoami",
            "ParentImage|endswith": "\\winword.exe",
        },
        [
            {
                "event_simpleName": "ProcessRollup2",
                "event_platform": "Win",
                "ImageFileName": "\\Device\\HarddiskVolume2\\Windows\\System32\\cmd.exe",
                "CommandLine": "cmd /c whoami",
                "ParentBaseFileName": "WINWORD.EXE",
            },
            {
                "event": {
                    "event_simpleName": "ProcessRollup2",
                    "event_platform": "Win",
                    "ImageFileName": "\\Windows\\cmd.exe",
                    "CommandLine": "whoami",
                    "ParentBaseFileName": "winword.exe",
                }
            },
            {
                "EventID": 4688,
                "Channel": "Security",
                "ExtraEventData": {
                    "NewProcessName": "C:\\Windows\\cmd.exe",
                    "CommandLine": "whoami",
                    "ParentProcessName": "C:\\Office\\winword.exe",
                },
            },
            {
                "data": {
                    "win": {
                        "system": {
                            "eventID": "1",
                            "channel": "Microsoft-Windows-Sysmon/Operational",
                        },
                        "eventdata": {
                            "image": "C:\\cmd.exe",
                            "commandLine": "whoami",
                            "parentImage": "C:\\winword.exe",
                        },
                    }
                },
                "rule": {"id": "1"},
                "agent": {"id": "1"},
            },
            {
                "winlog": {
                    "event_id": 4688,
                    "channel": "Security",
                    "event_data": {
                        "NewProcessName": "C:\\cmd.exe",
                        "CommandLine": "whoami",
                        "ParentProcessName": "C:\\winword.exe",
                    },
                }
            },
            {
                "ActionType": "ProcessCreated",
                "FolderPath": "C:\\cmd.exe",
                "ProcessCommandLine": "whoami",
                "InitiatingProcessFileName": "winword.exe",
            },
            {
                "class_uid": 1007,
                "activity_id": 1,
                "device": {"os": {"type_id": 100}},
                "process": {
                    "cmd_line": "whoami",
                    "file": {"path": "C:\\cmd.exe"},
                    "parent_process": {"file": {"path": "C:\\winword.exe"}},
                },
            },
        ],
    ),
    (
        PROCESS,
        {"Image|endswith": r"\\certutil.exe", "CommandLine|contains": "urlcache"},
        [
            {
                "event.type": "Process Creation",
                "endpoint.os": "windows",
                "tgt.process.image.path": r"C:\Windows\certutil.exe",
                "tgt.process.cmdline": "certutil -urlcache x",
                "src.process.image.path": "cmd",
            },
            {
                "event": {"type": "Process Creation"},
                "endpoint": {"os": "windows"},
                "tgt": {
                    "process": {
                        "image": {"path": r"C:\Windows\certutil.exe"},
                        "cmdline": "certutil -urlcache x",
                    }
                },
            },
            {
                "eventType": "Process Creation",
                "agentOs": "windows",
                "processName": "certutil.exe",
                "processCmd": "certutil -urlcache x",
            },
            {
                "winlog": {"event_id": 1, "channel": "Microsoft-Windows-Sysmon/Operational"},
                "process": {
                    "executable": r"C:\Windows\certutil.exe",
                    "command_line": "a -urlcache x",
                },
            },
        ],
    ),
    (
        {"product": "windows", "service": "security"},
        {"EventID": 4720, "TargetUserName": "new"},
        [
            {"EventCode": "4720", "LogName": "Security", "TargetUserName": "new"},
            {"EventCode": 4720, "Channel": "Security", "TargetUserName": "new"},
            {
                "event": {"code": "4720"},
                "winlog": {"channel": "Security", "event_data": {"TargetUserName": "new"}},
            },
            {
                "Event": {
                    "System": {"EventID": {"#text": "4720"}, "Channel": "Security"},
                    "EventData": {"Data": [{"@Name": "TargetUserName", "#text": "new"}]},
                }
            },
        ],
    ),
    (
        GOOGLE,
        {"applicationName": "admin", "name": "ADD_DOMAIN", "USER_EMAIL": "a@b.example"},
        [
            {
                "id": {"application_name": "admin"},
                "actor": {"email": "c@b.example"},
                "events": [
                    {
                        "type": "D",
                        "name": "ADD_DOMAIN",
                        "parameters": [
                            {"name": "USER_EMAIL", "value": "a@b.example"},
                        ],
                    }
                ],
            },
            {
                "record_type": "admin",
                "event_type": "D",
                "event_name": "ADD_DOMAIN",
                "email": "c@b.example",
                "admin": {"user_email": "a@b.example"},
            },
            {
                "id": {"applicationName": "admin"},
                "name": "ADD_DOMAIN",
                "parameters": {"USER_EMAIL": "a@b.example"},
            },
        ],
    ),
    (
        {"product": "m365", "service": "exchange"},
        {"Operation": "Set-Mailbox", "ForwardingDomain": ".evil.example"},
        [
            {
                "o365": {
                    "audit": {
                        "Operation": "Set-Mailbox",
                        "Workload": "Exchange",
                        "Parameters": {"ForwardingSmtpAddress": "smtp:x@evil.example"},
                    }
                }
            },
            {
                "ActionType": "Set-Mailbox",
                "RawEventData": {
                    "Operation": "Set-Mailbox",
                    "Workload": "Exchange",
                    "Parameters": [{"Name": "ForwardTo", "Value": "x@evil.example"}],
                },
            },
            {
                "category": "AdvancedHunting-CloudAppEvents",
                "properties": {
                    "ActionType": "Set-Mailbox",
                    "RawEventData": json.dumps(
                        {
                            "Operation": "Set-Mailbox",
                            "Workload": "Exchange",
                            "Parameters": [{"Name": "ForwardTo", "Value": "x@evil.example"}],
                        }
                    ),
                },
            },
        ],
    ),
    (
        {"product": "azure", "service": "auditlogs"},
        {"OperationName": "Add service principal credentials", "ModifiedProperty": "KeyType"},
        [
            {
                "operationName": "Add service principal credentials",
                "category": "ApplicationManagement",
                "resourceId": "/tenants/7b1",
                "properties": {
                    "activityDisplayName": "Add service principal credentials",
                    "targetResources": [{"modifiedProperties": [{"displayName": "KeyType"}]}],
                },
            },
            {
                "OperationName": "Add service principal credentials",
                "Category": "ApplicationManagement",
                "InitiatedBy": "{}",
                "TargetResources": '[{"modifiedProperties": [{"displayName": "KeyType"}]}]',
            },
        ],
    ),
    (
        {"product": "m365", "service": "alerts"},
        {"severity": "High", "title": "Odd program"},
        [
            {"serviceSource": "x", "title": "Odd program", "severity": "high"},
            {
                "AlertName": "Odd program",
                "AlertSeverity": "High",
                "ProviderName": "MDATP",
                "Type": "SecurityAlert",
            },
        ],
    ),
    (
        {"product": "sentinelone", "service": "activity"},
        {"activityType": 3020, "primaryDescription|contains": "removed"},
        [
            {"activityType": 3020, "primaryDescription": "Hash removed"},
            {"ActivityType": "3020", "EventOriginalMessage": "Hash removed"},
            {"activityType_d": 3020, "primaryDescription_s": "Hash removed"},
        ],
    ),
    (
        {"product": "intune", "service": "audit"},
        {"operationName": "wipe ManagedDevice"},
        [
            {
                "category": "AuditLogs",
                "operationName": "wipe ManagedDevice",
                "properties": {"TargetObjectIds": ["1"]},
            },
            {
                "activityType": "wipe ManagedDevice",
                "activityDateTime": "2026-01-01T00:00:00Z",
                "componentName": "ManagedDevice",
            },
            {
                "OperationName": "wipe ManagedDevice",
                "Properties": '{"TargetObjectIds": ["1"]}',
            },
        ],
    ),
    (
        {"product": "crowdstrike", "service": "event_stream"},
        {"OperationName": "createUser"},
        [
            {
                "metadata": {"eventType": "AuthActivityAuditEvent"},
                "event": {"OperationName": "createUser"},
            },
            {"eventType": "AuthActivityAuditEvent", "OperationName": "createUser"},
        ],
    ),
    (
        ACTIVITY,
        {"operationName": "Microsoft.Authorization/elevateAccess/action", "status": "Succeeded"},
        [
            {
                "resourceId": "/providers/Microsoft.Authorization",
                "operationName": {"value": "Microsoft.Authorization/elevateAccess/action"},
                "status": {"value": "Succeeded"},
            },
        ],
    ),
]


@pytest.mark.parametrize(("source", "selection", "records"), SHAPES)
def test_one_rule_finds_its_feed_in_every_shape(source, selection, records) -> None:
    ready = engine(rule({"s": selection, "condition": "s"}, logsource=source))
    for record in records:
        assert len(ready.detect(record)) == 1, record


def test_a_record_is_of_one_log_source_only() -> None:
    told = [
        rule({"s": {"Operation|exists": True}, "condition": "s"}, logsource=source)
        for source in (SIGN_IN, ACTIVITY, GOOGLE, PROCESS)
    ]
    record = {"Operation": "Set-Mailbox", "Workload": "Exchange"}
    assert engine(*told).detect(record) == []
    office = rule({"s": {"Operation|exists": True}, "condition": "s"})
    assert len(engine(*told, office).detect(record)) == 1


def test_a_normalised_field_is_found_where_the_raw_record_has_none() -> None:
    told = rule({"s": {"src_endpoint.ip|cidr": "192.0.2.0/24"}, "condition": "s"})
    ocsf = {"class_uid": 3002, "src_endpoint": {"ip": "192.0.2.7"}}
    record = {"Operation": "UserLoggedIn", "Workload": "AzureActiveDirectory"}
    assert engine(told).detect(record) == []
    assert len(engine(told).detect(record, ocsf)) == 1


def test_a_rule_for_what_no_connector_brings_is_named() -> None:
    told = rule({"s": {"a": 1}, "condition": "s"}, logsource={"product": "mainframe"})
    assert [one.source.product for one in engine(told).blind()] == ["mainframe"]


def test_every_shape_has_a_name_of_its_own() -> None:
    names = [shape.name for shape in fields.shapes()]
    assert len(names) == len(set(names))


def _detect(tmp_path, records, *options: str) -> str:
    file = tmp_path / "records.ndjson"
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    file.write_text("\n".join(lines))
    out = StringIO()
    call_command(
        "detect", str(file), "--connector", "microsoft365", "--feed", "sign_ins", *options,
        stdout=out, stderr=StringIO(),
    )  # fmt: skip
    return out.getvalue()


RULE = """
title: A key vault was deleted
id: 6a0c4a55-50d5-4b7e-8e4a-8bb3f4a8e3a1
level: high
logsource: {product: azure, service: activitylogs}
detection:
  deleted: {operationName: MICROSOFT.KEYVAULT/VAULTS/DELETE}
  condition: deleted
"""


def test_the_command_tells_each_event_of_a_mixed_file(tmp_path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "vault.yml").write_text(RULE)
    records = [SHAPES[0][2][0], SHAPES[1][2][0], "{torn", {"unknown": 1}]
    lines = [
        json.loads(line)
        for line in _detect(tmp_path, records, "--rules", str(rules), "--json").splitlines()
    ]
    assert [line["event"] for line in lines] == [1, 2, 3, 4]
    assert [len(line["matches"]) for line in lines] == [0, 1, 0, 0]
    assert lines[1]["matches"] == [
        {
            "rule": "6a0c4a55-50d5-4b7e-8e4a-8bb3f4a8e3a1",
            "title": "A key vault was deleted",
            "level": "high",
            "why": [
                {
                    "field": "operationName",
                    "value": DELETED.upper(),
                    "condition": "is 'MICROSOFT.KEYVAULT/VAULTS/DELETE'",
                }
            ],
        }
    ]
    assert "not JSON" in lines[2]["problem"]


def test_the_command_looks_into_a_labelled_case(tmp_path) -> None:
    (tmp_path / "vault.yml").write_text(RULE)
    records = [{"expected_match": True, "test": "x", "log": SHAPES[1][2][0]}]
    told = _detect(tmp_path, records, "--rules", str(tmp_path / "vault.yml"), "--json")
    assert len(json.loads(told)["matches"]) == 1


def test_the_table_says_what_was_found_and_what_was_not_run(tmp_path) -> None:
    (tmp_path / "vault.yml").write_text(RULE)
    (tmp_path / "broken.yml").write_text("title: [")
    told = _detect(tmp_path, [SHAPES[1][2][0]], "--rules", str(tmp_path))
    assert "A key vault was deleted" in told
    assert "1 events, 1 matches of 1 rules." in told
    assert "not run: broken.yml: broken" in told


def test_rules_that_are_not_there_are_an_error(tmp_path) -> None:
    with pytest.raises(CommandError, match="can't be read"):
        _detect(tmp_path, [{}], "--rules", str(tmp_path / "missing"))
