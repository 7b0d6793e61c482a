"""Events that tell of rules and forwarding name where the mail is sent on to."""

import pytest

from integrations.connectors.google_workspace.normalise.activities import activity
from integrations.connectors.microsoft365.normalise.unified import hunting_row, unified_audit
from integrations.values import Fields

STAMP = "2026-01-15T09:35:20Z"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ForwardTo", "Thief@evil.example"),
        ("RedirectTo", '"Thief" [SMTP:thief@evil.example]'),
        ("ForwardAsAttachmentTo", "boss@contoso.example;thief@evil.example"),
        ("ForwardingSmtpAddress", "SMTP:thief@evil.example"),
        ("RuleActions", '[{"ActionType":"Forward","Recipients":["thief@evil.example"]}]'),
    ],
)
def test_microsofts_audit_log_names_it(name: str, value: str) -> None:
    entry = {
        "Id": "x", "CreationTime": STAMP, "Operation": "New-InboxRule",
        "UserId": "eve@contoso.example", "Parameters": [{"Name": name, "Value": value}],
    }  # fmt: skip
    row = {"Timestamp": STAMP, "ActionType": "New-InboxRule", "RawEventData": entry}
    for event in (unified_audit(Fields(entry)), hunting_row(Fields(row))):
        assert "sender:thief@evil.example" in event.entities


def test_what_sends_nothing_on_names_nobody() -> None:
    entry = {
        "Id": "x", "CreationTime": STAMP, "Operation": "New-InboxRule", "UserId": "eve@c.example",
        "Parameters": [{"Name": "From", "Value": "bank@partner.example"},
                       {"Name": "ForwardingSmtpAddress", "Value": ""}],
    }  # fmt: skip
    named = unified_audit(Fields(entry)).entities
    assert not [one for one in named if one.startswith("sender:")]


def test_googles_log_names_it() -> None:
    event = activity(Fields({
        "id": {"time": STAMP, "uniqueQualifier": "1", "applicationName": "user_accounts"},
        "actor": {"email": "eve@acme.example", "profileId": "7"},
        "events": [{"type": "email_forwarding_change", "name": "email_forwarding_out_of_domain",
                    "parameters": [{"name": "email_forwarding_destination_address",
                                    "value": "thief@evil.example"}]}],
    }))  # fmt: skip
    assert "sender:thief@evil.example" in event.entities
