"""How Google's refusals are understood, and that nothing gets past our transport."""

from __future__ import annotations

import pytest

from integrations.connectors.google_workspace import client as client_module
from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.client import NoMailbox
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
)
from integrations.transport import Answer, Call
from tests.integrations.conformance.subject import QUICK
from tests.integrations.google_workspace.subject import user


def refused(client, status: int, reason: str, url: str = "https://admin.googleapis.com/x"):
    """The error for an answer of Google with this reason."""
    body = {"error": {"code": status, "message": "secret input", "errors": [{"reason": reason}]}}
    call = Call("GET", url, permission=scopes.USERS_READ)
    return client._refusal(call, Answer(status, body, {"retry-after": "3"}))


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"])
def test_a_403_that_says_too_fast_is_throttling(client, reason) -> None:
    error = refused(client, 403, reason)
    assert isinstance(error, Throttled)
    assert error.retry_after == 3


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [(403, "forbidden", PermissionMissing), (400, "invalid", Rejected),
     (400, "failedPrecondition", Rejected)],
)  # fmt: skip
def test_a_refusal_names_googles_reason_and_not_its_words(client, status, reason, kind) -> None:
    error = refused(client, status, reason)
    assert type(error) is kind
    assert reason in str(error)
    assert "secret input" not in str(error)


def test_a_scope_that_is_not_delegated_is_named_with_what_to_do(vendor) -> None:
    vendor.grant([scopes.USERS_READ])
    client = vendor.connect()
    with pytest.raises(PermissionMissing, match=r"apps\.alerts .*Domain-wide delegation"):
        client.read(client.alerts.alerts().list(), scopes.ALERTS)


def test_another_administrator_or_key_is_refused_in_words(vendor) -> None:
    nobody = vendor.connect(admin="nobody@contoso-clinic.example")
    with pytest.raises(Unauthorised, match=r"nobody@contoso-clinic\.example is an admin"):
        client_module.canary(nobody)
    ordinary = vendor.connect(admin=user(vendor)["primaryEmail"])
    with pytest.raises(PermissionMissing):
        client_module.canary(ordinary)


@pytest.mark.parametrize("key", ["{}", "no json", '{"client_email": "a", "token_uri": "b"}'])
def test_what_is_no_key_file_is_refused_before_anything_is_sent(vendor, key) -> None:
    with pytest.raises(ConnectionMisconfigured, match="key"):
        vendor.connect(service_account_key=key)
    broken = vendor.secrets["service_account_key"].replace("MII", "XXX")
    with pytest.raises(ConnectionMisconfigured, match="private key"):
        vendor.connect(service_account_key=broken)
    assert vendor.requests() == []


def test_a_mailbox_is_only_opened_for_its_owner(vendor, client) -> None:
    filters = client.gmail.users().settings().filters()
    someone, other = user(vendor)["primaryEmail"], user(vendor, "ben.cole")["primaryEmail"]
    with pytest.raises(PermissionMissing):
        client.read(filters.list(userId=other), scopes.MAIL_SETTINGS, someone)
    with pytest.raises(NotFound, match=r"nobody@contoso-clinic\.example"):
        client.read(filters.list(userId="me"), scopes.MAIL_SETTINGS,
                    "nobody@contoso-clinic.example")  # fmt: skip


def test_an_account_without_gmail_is_told_apart(vendor, client) -> None:
    mail = user(vendor, "felix.braun")["primaryEmail"]
    request = client.gmail.users().settings().filters().list(userId="me")
    with pytest.raises(NoMailbox):
        client.read(request, scopes.MAIL_SETTINGS, mail)


def test_each_scope_has_its_own_token_which_is_kept(vendor, client) -> None:
    for _ in range(3):
        client_module.canary(client)
        client.read(client.alerts.alerts().list(), scopes.ALERTS)
    assert len(vendor.requests("POST", "^/token$")) == 2


def test_a_request_of_the_library_can_not_go_out_by_itself(vendor, client) -> None:
    with pytest.raises(RuntimeError, match="WorkspaceClient"):
        client.directory.users().get(userKey="me").execute()
    assert vendor.requests() == []


def test_a_query_that_is_too_long_for_the_library_is_still_a_read(vendor, client) -> None:
    long = ",".join(f"USER_EMAIL=={n}@contoso-clinic.example" for n in range(100))
    request = client.reports.activities().list(userKey="all", applicationName="admin", filters=long)
    assert client.read(request, scopes.AUDIT)["kind"] == "reports#activities"
    assert [line["method"] for line in vendor.requests(path="/applications/admin$")] == ["GET"]


def test_addresses_are_asked_for_once(vendor, client, victim) -> None:
    assert {client.address(victim.external_id) for _ in range(3)} == {victim.name}
    assert client.address("x@y.example") == "x@y.example"
    assert len(vendor.requests("GET", f"/users/{victim.external_id}$")) == 1
    assert client.domains() == {"contoso-clinic.example"}


def test_limits_hold_for_tokens_too(vendor) -> None:
    vendor.fault("throttle", path="^/token$", retry_after=60)
    client = vendor.connect(QUICK)
    with pytest.raises(Throttled):
        client_module.canary(client)
