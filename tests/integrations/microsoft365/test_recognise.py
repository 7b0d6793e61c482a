"""From documents to records: nothing is lost, nothing is invented."""

import json

import pytest

from integrations.connectors.microsoft365.normalise.dispatch import normaliser
from integrations.connectors.microsoft365.normalise.resources import resource_of
from integrations.connectors.microsoft365.recognise import explode
from tenants.errors import Quarantine

USER = {"id": "u1", "userPrincipalName": "a@b.example", "displayName": "A"}
GRAPH = "https://graph.microsoft.com/v1.0"


def exchange(path: str, body, status: int = 200) -> dict:
    return {"method": "GET", "url": f"{GRAPH}{path}", "status": status, "body": body}


def code_of(record, feed: str = "users") -> str:
    with pytest.raises(Quarantine) as caught:
        normaliser(feed)(record)
    assert caught.value.reason
    return caught.value.code


@pytest.mark.parametrize(
    "document",
    [
        USER,
        [USER],
        {"value": [USER]},
        {"@odata.context": f"{GRAPH}/$metadata#users", "@odata.count": 1, "value": [USER]},
        {"value": USER},
        {"records": [USER]},
        exchange("/users", {"value": [USER]}),
        exchange("/users/u1", USER),
        exchange("/users", json.dumps({"value": [USER]})),
        [exchange("/users", {"value": [USER]})],
        {"responses": [{"id": "1", "status": 200, "body": USER}]},
        exchange("/$batch", {"responses": [{"id": "1", "status": 200, "body": USER}]}),
        exchange("/users", {"_unparsed": '{"value": [' + json.dumps(USER) + ",]}"}),
    ],
)
def test_one_user_in_every_wrapping(document) -> None:
    (record,) = explode(document)
    assert record.body == USER
    item = normaliser("users")(record)
    assert (item.kind, item.external_id, item.name) == ("account", "u1", "a@b.example")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (exchange("/users", {"error": {"code": "Forbidden", "message": "no"}}, 403),
         "error_answer"),
        (exchange("/users/u1", None, 204), "no_content"),
        (exchange("/users/$count", 893), "not_an_object"),
        (exchange("/organization", {"value": [{"id": "o", "displayName": "O"}]}),
         "other_resource"),
        (exchange("/users", {"_unparsed": "Received: from contoso.com"}), "unreadable_json"),
        (exchange("/users", {"value": [{}]}), "empty_record"),
        (exchange("/users", {"value": [{"displayName": "only"}]}), "missing_id"),
        (exchange("/users", {"value": [7]}), "not_an_object"),
        (42, "not_an_object"),
        (None, "not_an_object"),
        ([["deep"]], "not_an_object"),
        ({"error": {"code": "InvalidAuthenticationToken", "message": "x"}}, "error_answer"),
        ({"success": ["a"], "invalid": []}, "not_recognised"),
        ({"responses": [{"id": "1", "status": 404, "body": {"error": {"code": "NotFound"}}}]},
         "error_answer"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_quarantined_with_a_reason(document, code) -> None:
    (record,) = explode(document)
    assert code_of(record) == code


def test_a_token_answer_is_kept_without_its_token() -> None:
    url = "https://login.microsoftonline.com/t/oauth2/v2.0/token"
    (record,) = explode({"url": url, "status": 200, "body": {"access_token": "eyJ-secret"}})
    assert code_of(record) == "token_answer"
    assert "eyJ-secret" not in json.dumps(record.body)


def test_of_a_cut_off_list_the_whole_records_are_saved() -> None:
    text = '{"value": [' + json.dumps(USER) + ', {"id": "u2", "displ'
    whole, rest = explode(exchange("/users", {"_unparsed": text}))
    assert whole.body == USER
    assert code_of(rest) == "unreadable_json"
    assert "u2" in json.dumps(rest.body)


def test_commas_inside_texts_are_left_alone() -> None:
    text = '{"value": [{"id": "u1", "displayName": "a ,] b", "x": [1, 2, ], },]}'
    (record,) = explode(exchange("/users", {"_unparsed": text}))
    assert record.body["displayName"] == "a ,] b"


def test_an_empty_page_holds_no_record() -> None:
    assert explode(exchange("/users", {"value": []})) == []


def test_the_owner_comes_from_the_address() -> None:
    rule = {"id": "r1", "displayName": "x", "sequence": 1, "isEnabled": True, "actions": {}}
    path = "/users/u-7/mailFolders/inbox/messageRules"
    (record,) = explode(exchange(f"{path}?$top=5", {"value": [rule]}))
    assert record.context == {"url": f"{GRAPH}{path}", "user_id": "u-7"}
    item = normaliser("inbox_rules")(record)
    assert (item.kind, item.external_id, item.parent) == ("inbox_rule", "u-7/r1", "u-7")
    (mine,) = explode(exchange("/me/mailFolders/inbox/messageRules/r1", rule))
    assert normaliser("inbox_rules")(mine).parent == ""


@pytest.mark.parametrize(
    ("url", "feed", "user_id"),
    [
        (f"{GRAPH}/users", "users", ""),
        (f"{GRAPH}/users/u1?$select=id", "users", "u1"),
        (f"{GRAPH}/users('u1')/mailboxSettings", "mailbox_settings", "u1"),
        (f"{GRAPH}/users/u1/authentication/phoneMethods/x", "auth_methods", "u1"),
        (f"{GRAPH}/users/delta", "users", "delta"),
        (f"{GRAPH}/groups/g/members", "members", ""),
        (f"{GRAPH}/users/u1/messages", "other", "u1"),
        ("https://graph.microsoft.com/beta/auditLogs/signIns", "sign_ins", ""),
        ("https://graph.microsoft.us/v1.0/security/alerts_v2", "alerts", ""),
        ("https://management.azure.com/subscriptions", "other", ""),
        (f"{GRAPH}/$metadata#users(id,displayName)/$entity", "users", ""),
        (f"{GRAPH}/$metadata#users('u1')/mailboxSettings", "mailbox_settings", "u1"),
        (f"{GRAPH}/identity/conditionalAccess/templates", "other", ""),
        ("", "", ""),
    ],
)
def test_addresses_tell_what_they_serve(url, feed, user_id) -> None:
    found = resource_of(url)
    assert found.feed == feed
    assert found.user_id == ("" if user_id == "delta" else user_id)
