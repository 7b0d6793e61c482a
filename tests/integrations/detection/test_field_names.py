"""Public rules call a feed's fields and values by other names than the feed does."""

import pytest

from tests.integrations.detection.rulebook import engine, rule

SIGN_IN = {"product": "azure", "service": "signinlogs"}
DRIVE = {"product": "gcp", "service": "google_workspace.drive"}


def _graph(code):
    return {
        "createdDateTime": "2026-01-01T00:00:00Z", "appDisplayName": "Office",
        "conditionalAccessStatus": "success",
        "status": {"errorCode": code, "failureReason": "Strong Auth required"},
    }  # fmt: skip


def _diagnostic(code):
    return {
        "category": "SignInLogs", "operationName": "Sign-in activity", "resultType": str(code),
        "resultDescription": "Strong Auth required", "properties": {"userAgent": "x"},
    }  # fmt: skip


def _export(code):
    return {
        "Category": "SignInLogs", "ResultType": str(code), "OperationName": "Sign-in activity",
        "ResultDescription": "Strong Auth required",
    }  # fmt: skip


def _holds(source, selection, record) -> bool:
    told = rule({"s": selection, "condition": "s"}, logsource=source)
    return bool(engine(told).detect(record))


@pytest.mark.parametrize("made", [_graph, _diagnostic, _export])
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("Success", 0, True), ("success", 50074, False), ("Failure", 50074, True),
        ("Failure", 0, False), (0, 0, True), (50074, 50074, True), ("50074", 0, False),
    ],
)  # fmt: skip
def test_a_sign_in_has_its_code_and_the_word_for_it(made, status, code, expected) -> None:
    assert _holds(SIGN_IN, {"Status": status}, made(code)) is expected
    assert _holds(SIGN_IN, {"ResultDescription|contains": "strong auth"}, made(code))


ACTIVITY = {
    "id": {"applicationName": "drive"},
    "events": [
        {
            "name": "change_acl_editors",
            "parameters": [{"name": "visibility", "value": "people_with_link"}],
        }
    ],
}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"protoPayload.metadata.event.eventName": "change_acl_editors"}, True),
        ({"protoPayload.metadata.event.visibility": "people_with_link"}, True),
        ({"protoPayload.metadata.event.visibility": "public_on_the_web"}, False),
        ({"protoPayload.serviceName": "drive.googleapis.com"}, True),
        ({"protoPayload.metadata.event": "change_acl_editors"}, False),
    ],
)
@pytest.mark.parametrize("record", [ACTIVITY, {**ACTIVITY["events"][0], "id": ACTIVITY["id"],
                                               "type": "access"}])  # fmt: skip
def test_googles_activity_answers_to_the_names_of_cloud_logging(
    record, selection, expected
) -> None:
    assert _holds(DRIVE, selection, record) is expected


def test_the_audit_log_answers_to_the_names_of_other_collectors() -> None:
    record = {
        "Operation": "MessageSent", "Workload": "MicrosoftTeams",
        "UserId": "it@evil.onmicrosoft.com", "MessageURLs": ["https://x.example/a.msi"],
    }  # fmt: skip
    selection = {"user.email": "*@*.onmicrosoft.com", "o365.audit.MessageURLs|endswith": ".msi"}
    assert _holds({"product": "m365", "service": "audit"}, selection, record)


def _consent(is_admin):
    changed = [
        {"displayName": "ConsentContext.IsAdminConsent", "oldValue": None, "newValue": is_admin},
        {"displayName": "ConsentAction.Permissions", "newValue": "[Scope: Mail.Read]"},
    ]
    return [{"type": "ServicePrincipal", "modifiedProperties": changed}]


@pytest.mark.parametrize("written", ["{}", '"{}"'])
@pytest.mark.parametrize(("value", "expected"), [("False", True), ("True", False)])
def test_whether_an_administrator_consented_is_read_of_what_was_changed(
    written, value, expected
) -> None:
    resources = _consent(written.format(value))
    audit = {"product": "azure", "service": "auditlogs"}
    selection = {
        "properties.message": "Consent to application",
        "ConsentContext.IsAdminConsent": "false",
        "TargetResources.modifiedProperties.newValue|contains": "Mail.Read",
    }
    graph = {"activityDisplayName": "Consent to application", "initiatedBy": {"user": {}}}
    diagnostic = {"operationName": "Consent to application", "category": "AuditLogs"}
    for record in (
        {**graph, "targetResources": resources},
        {**diagnostic, "properties": {"targetResources": resources}},
    ):
        assert _holds(audit, selection, record) is expected


DEFENDER = "Microsoft-Windows-Windows Defender/Operational"
SYSMON = "Microsoft-Windows-Sysmon/Operational"


def _wazuh(channel, number, data):
    system = {"eventID": str(number), "channel": channel, "computer": "PC"}
    lower = {name[:1].lower() + name[1:]: value for name, value in data.items()}
    return {"data": {"win": {"system": system, "eventdata": lower}}}


def _flat(channel, number, data):
    return {"EventID": number, "Channel": channel, "Computer": "PC", **data}


@pytest.mark.parametrize("made", [_wazuh, _flat])
@pytest.mark.parametrize(
    ("source", "selection", "channel", "number", "data"),
    [
        ({"service": "windefend"}, {"EventID": 5007, "New_Value|contains": "Exclusions"},
         DEFENDER, 5007, {"New Value": "HKLM\\x\\Exclusions\\Paths"}),
        ({"service": "windefend"}, {"NewValue|contains": "Exclusions"},
         DEFENDER, 5007, {"New Value": "HKLM\\x\\Exclusions\\Paths"}),
        ({"category": "antivirus"}, {"Signature|contains": "Mimikatz", "Filename|endswith": ".exe"},
         DEFENDER, 1116, {"Threat Name": "HackTool:Win32/Mimikatz", "Path": "C:\\m.exe"}),
        ({"service": "bits-client"}, {"RemoteName|contains": "evil"},
         "Microsoft-Windows-Bits-Client/Operational", 16403, {"RemoteName": "http://evil"}),
        ({"service": "applocker"}, {"EventID": [8004, 8007]},
         "Microsoft-Windows-AppLocker/EXE and DLL", 8004, {}),
        ({"category": "registry_delete"}, {"TargetObject|endswith": "\\SD"},
         SYSMON, 12, {"EventType": "DeleteValue", "TargetObject": "HKLM\\Tree\\T\\SD"}),
        ({"category": "ps_classic_start"}, {"Data|contains": "HostVersion=1"},
         "Windows PowerShell", 400, {"Data": "HostVersion=1.0"}),
        ({"category": "process_tampering"}, {"Type": "Image is replaced"},
         SYSMON, 25, {"Type": "Image is replaced"}),
    ],
)  # fmt: skip
def test_windows_channels_and_events_are_known_by_their_names_in_rules(
    made, source, selection, channel, number, data
) -> None:
    assert _holds({"product": "windows", **source}, selection, made(channel, number, data))


def test_what_was_added_to_the_registry_was_not_deleted() -> None:
    record = _flat(SYSMON, 12, {"EventType": "CreateKey", "TargetObject": "HKLM\\x"})
    selection = {"TargetObject|contains": "HKLM"}
    for category, expected in (("registry_delete", False), ("registry_add", True)):
        source = {"product": "windows", "category": category}
        assert _holds(source, selection, record) is expected
