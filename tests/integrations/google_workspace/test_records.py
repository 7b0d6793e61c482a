"""Recorded activities and devices, each against what a reader sees in it.

The expectations were written down by reading the raw records.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integrations.connectors.google_workspace.normalise.dispatch import normaliser
from integrations.connectors.google_workspace.recognise import explode
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, Normalised, SourceRecord

RECORDS = Path(__file__).parents[4] / "shared/records/google-workspace"
here = pytest.mark.skipif(not RECORDS.exists(), reason="the records are not in ../shared")


def outcomes(name: str) -> list[Normalised | str]:
    """What became of each record of a file; a quarantine's code where it can't be read."""
    found: list[Normalised | str] = []
    for line in (RECORDS / name).read_text().splitlines():
        for record in explode(json.loads(line)):
            try:
                found.append(normaliser("activities")(record))
            except Quarantine as error:
                found.append(error.code)
    return found


# class, activity, success, actor, target, address; or the code of the quarantine
RENAMED = (6003, 3, True, "user@example.io", "Document Title- Found Here", "12.12.12.12")
SHARING = (6003, 3, True, "example@example.io", "SHARING_OUTSIDE_DOMAIN", "12.12.12.12")
EVENTS = {
    "activity-events/google_workspace_advanced_protection_program.ndjson": [
        (3001, 99, True, "user@example.io", "", "2600:2600:2600:2600:2600:2600:2600:2600"),
        (6003, 1, True, "example@example.io", "Advanced Protection Program Settings - Allow "
         "security codes", "12.12.12.12"),
        (6003, 1, True, "example@example.io", "Advanced Protection Program Settings - Enable "
         "user enrollment", "12.12.12.12"),
        (6003, 1, True, "example@example.io", "CustomAdminRoleName", "12.12.12.12"),
        RENAMED,
    ],
    "activity-events/gsuite_calendar_made_public.ndjson": [
        (6003, 3, True, "user@example.io", "user@example.io", "1.2.3.4"),
        (6003, 3, True, "user@example.io", "user@example.io", "1.2.3.4"),
        SHARING,
        RENAMED,
    ],
    "activity-events/gsuite_malicious_smtp_response.ndjson": [
        (4009, 4, False, "eve@lexcorp.com", "frodo@lotr.com", "1.1.1.1"),
        (4009, 4, False, "john@justice.org", "denethor@lotr.com", "1.2.3.4"),
        (4009, 4, True, "colleague@partner-company.com", "gimli@lotr.com", "172.16.0.10"),
    ],
    "activity-events/gsuite_oauth_privileged_scopes.ndjson": [
        (6003, 1, True, "user@example.com", "SuspiciousThirdPartyApp", "192.0.2.1"),
        (6003, 1, True, "user@example.com", "LegitimateCalendarApp", "192.0.2.1"),
        (3001, 1, True, "user@example.com", "", "192.0.2.1"),
        (6003, 1, True, "admin@example.com", "AdminToolApp", "192.0.2.1"),
    ],
    "activity-events/gsuite_workspace_trusted_domains_allowlist.ndjson": [
        (6003, 4, True, "user@example.io", "evilexample.com", ""),
        (6003, 1, True, "user@example.io", "evilexample.com", ""),
        SHARING,
        RENAMED,
    ],
    "activity-events/gsuite_suspicious_logins.ndjson": ["missing_time"] * 3,
    "reports-activities/gsuite_drive_external_share.ndjson": [
        (6003, 3, True, "example@acme.com", "1 Document Title Primary", ""),
        (6003, 3, True, "example@acme.com", "Untitled document", ""),
        (6003, 3, True, "alice@acme.com", "1 Document Title Pattern", ""),
        (6003, 3, True, "alice@abc.com", "2 Document Title Pattern", ""),
    ],
}  # fmt: skip


@here
@pytest.mark.parametrize("name", EVENTS)
def test_recorded_activities(name) -> None:
    rows = [
        (e.class_uid, e.ocsf["activity_id"], e.is_success, e.actor, e.target, e.source_ip)
        if isinstance(e, Event) else e
        for e in outcomes(name)
    ]  # fmt: skip
    assert rows == EVENTS[name]


@here
def test_two_activities_of_one_moment_and_qualifier_are_two_events() -> None:
    found = outcomes("activity-events/gsuite_oauth_privileged_scopes.ndjson")
    assert len({e.uid for e in found if isinstance(e, Event)}) == 4


@here
def test_recorded_devices() -> None:
    found = [
        one
        for name in ("fetchChromeOSDevices", "fetchUserDevices", "fetchMobileDevices")
        for one in outcomes(f"recorded-http/google--{name}.ndjson")
    ]
    devices = [one for one in found if isinstance(one, DirectoryItem)]
    assert [(d.kind, d.name, d.attributes["operating_system"]) for d in devices] == [
        ("device", "3WAZ9FGNC00030E", "ChromeOS 101.0.4951.59"),
        ("device", "067b8390-538b-48ef-9b94-d3362f86dd1e", "Linux"),
        ("device", "568931cb-ca73-4b4a-a860-248156c222c1", "macOS 10.15.7"),
        ("device", "69199174-891c-46bf-b3f6-f47b19f2fcf2", "Linux"),
    ]
    assert [one for one in found if isinstance(one, str)] == ["empty_record"] * 2


def of_api(name: str, parameters: list[dict], **more) -> Event:
    """An activity as the API gives it, read."""
    body = {
        "kind": "admin#reports#activity",
        "id": {"time": "2026-11-20T09:00:00.000Z", "uniqueQualifier": "-7", "customerId": "C1",
               "applicationName": "login"},
        "actor": {"email": "a@b.example", "profileId": "1"},
        "ipAddress": "198.51.100.7:443",
        "networkInfo": {"regionCode": "gb"},
        "events": [{"type": "login", "name": name, "parameters": parameters}],
        **more,
    }  # fmt: skip
    event = normaliser("activities")(SourceRecord(body))
    assert isinstance(event, Event)
    return event


def test_an_activity_of_the_api_and_its_flattened_export_are_the_same() -> None:
    parameters = [
        {"name": "is_suspicious", "boolValue": True},
        {"name": "login_challenge_method", "multiValue": ["google_prompt", "none"]},
        {"name": "count", "intValue": "7"},
        {"name": "place", "messageValue": {"parameter": [{"name": "city", "value": "Leeds"}]}},
    ]
    event = of_api("login_success", parameters)
    told = event.ocsf["unmapped"]["parameters"]
    assert told == {
        "is_suspicious": True, "login_challenge_method": ["google_prompt", "none"], "count": "7",
        "place": {"city": "Leeds"},
    }  # fmt: skip
    flat = {
        "id": {"time": "2026-11-20 09:00:00.000000000", "uniqueQualifier": "-7",
               "customerId": "C1", "applicationName": "login"},
        "actor": {"email": "a@b.example", "profileId": "1"}, "ipAddress": "198.51.100.7:443",
        "networkInfo": {"regionCode": "gb"}, "type": "login", "name": "login_success",
        "parameters": told,
    }  # fmt: skip
    other = normaliser("activities")(SourceRecord(flat))
    assert isinstance(other, Event)
    assert (event.severity_id, event.source_ip, event.country) == (4, "198.51.100.7", "GB")
    for name in ("class_uid", "time", "severity_id", "is_success", "actor", "target", "source_ip",
                 "country", "entities"):  # fmt: skip
        assert getattr(other, name) == getattr(event, name), name


@pytest.mark.parametrize(
    ("name", "status", "is_success"),
    [("login_failure", "", False), ("logout", "", True),
     ("login_challenge", "Challenge Passed.", True),
     ("login_challenge", "Challenge Failed.", False),
     ("login_challenge", "", None), ("suspicious_login", "", None)],
)  # fmt: skip
def test_whether_a_sign_in_succeeded(name, status, is_success) -> None:
    parameters = [{"name": "login_challenge_status", "value": status}]
    assert of_api(name, parameters).is_success is is_success


def test_an_activity_with_several_events_is_several_records() -> None:
    events = [{"type": "x", "name": name, "parameters": []} for name in ("view", "edit", "edit")]
    answer = {"kind": "reports#activities", "etag": "e", "nextPageToken": "t", "items": [
        {"id": {"time": "2026-11-20T09:00:00Z", "applicationName": "drive"}, "events": events},
    ]}  # fmt: skip
    assert [r.body["events"][0]["name"] for r in explode(answer)] == ["view", "edit", "edit"]


@pytest.mark.parametrize(
    ("body", "code"),
    [({"kind": "x", "etag": "y"}, "empty_record"),
     ({"error": {"code": 404, "message": "Not Found"}}, "error_answer"),
     ({"access_token": "x"}, "token_answer"), ({"colour": "red"}, "not_recognised"),
     ({"kind": "admin#directory#member", "id": "1"}, "other_resource"),
     ({"primaryEmail": "a@b.example", "deletionTime": "", "kind": "admin#directory#alias"},
      "other_resource"),
     ({"id": {"applicationName": "login"}, "name": "logout", "type": "login"}, "missing_time"),
     ({"id": {"applicationName": "login", "time": "soon"}, "name": "x", "type": "y"}, "bad_time"),
     ({"id": "f1", "criteria": {"from": "x"}, "action": {}}, "missing_owner"),
     ({"alertId": "a"}, "not_an_alert")],
)  # fmt: skip
def test_what_can_not_be_read_is_quarantined_with_what_to_do(body, code) -> None:
    with pytest.raises(Quarantine) as caught:
        normaliser("users")(SourceRecord(body))
    assert caught.value.code == code
    assert len(caught.value.reason) > 20


_ALERT = "type.googleapis.com/google.apps.alertcenter.type"


@pytest.mark.parametrize(
    ("data", "is_company_wide"),
    [
        ({"@type": f"{_ALERT}.AppSettingsChanged", "name": "Drive settings changed"}, True),
        ({"@type": f"{_ALERT}.SensitiveAdminAction", "ssoProfileUpdatedEvent": {}}, True),
        ({"@type": f"{_ALERT}.SensitiveAdminAction", "superAdminPasswordResetEvent": {}}, False),
        ({"@type": f"{_ALERT}.AccountWarning", "email": "a@b.example"}, False),
    ],
)
def test_an_alert_says_what_holds_for_the_whole_organisation(data, is_company_wide) -> None:
    told = {"alertId": "a", "type": "t", "createTime": "2026-11-20T09:10:00Z", "data": data}
    found = normaliser("alerts")(SourceRecord(told))
    assert isinstance(found, Finding)
    assert found.is_company_wide is is_company_wide


def test_a_recorded_answer_tells_whose_filters_it_holds() -> None:
    exchange = {
        "url": "https://gmail.googleapis.com/gmail/v1/users/a@b.example/settings/filters",
        "status": 200,
        "body": {"filter": [{"id": "f", "criteria": {"from": "x"}, "action": {"forward": "y@z"}}]},
    }
    (record,) = explode(exchange)
    item = normaliser("mail_settings")(record)
    assert isinstance(item, DirectoryItem)
    assert (item.external_id, item.name) == ("a@b.example/f", "from x: forward to y@z")
