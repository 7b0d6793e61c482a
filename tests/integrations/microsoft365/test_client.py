"""The client over real HTTP: tokens, pages, batches, faults, and what errors say."""

import logging
import traceback
from dataclasses import replace

import pytest

from integrations.connectors.microsoft365.client import address, canary, connect
from integrations.errors import (
    AnswerTooLarge,
    ConnectionMisconfigured,
    NotFound,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
)
from tests.integrations.microsoft365.conftest import QUICK

USERS = address("/users", select="id,userPrincipalName")


def test_the_canary_says_in_a_sentence_what_it_saw(client) -> None:
    assert canary(client) == "Connected to Contoso Clinic (contoso-clinic.example)."


def test_pages_are_followed_to_the_end(vendor, client) -> None:
    found = client.all(USERS, "User.Read.All")
    assert {u["id"] for u in found} == {u["id"] for u in vendor.records("users")}
    assert len(vendor.requests("/v1.0/users")) > 1


def test_the_token_is_asked_for_once(vendor, client) -> None:
    for _ in range(3):
        canary(client)
    assert len(vendor.requests("/oauth2/v2.0/token")) == 1


def test_a_token_that_expires_between_two_pages_is_renewed(vendor, client) -> None:
    pages = client.pages(USERS, "User.Read.All")
    first = next(pages)
    vendor.control.fault("expired_tokens")
    rest = [user for page in pages for user in page]
    assert len(first) + len(rest) == len(vendor.records("users"))
    assert len(vendor.requests("/oauth2/v2.0/token")) == 2


def test_a_token_that_expires_before_a_write_is_renewed_and_written_once(
    vendor, client, victim
) -> None:
    canary(client)
    vendor.control.fault("expired_tokens")
    path = address("/users/{}", victim.external_id)
    client.write("PATCH", path, "User.EnableDisableAccount.All", {"accountEnabled": False})
    assert len(vendor.control.effects("user.disable")) == 1


def test_a_throttled_read_waits_as_asked_and_goes_on(vendor, client) -> None:
    vendor.control.fault("throttle", path="/users$", times=2, retry_after=0)
    assert client.all(USERS, "User.Read.All")
    statuses = [line["status"] for line in vendor.requests("/v1.0/users")]
    assert statuses[:3] == [429, 429, 200]


def test_a_read_that_should_wait_long_is_given_back(vendor, client) -> None:
    vendor.control.fault("throttle", path="/users$", retry_after=120)
    with pytest.raises(Throttled) as caught:
        client.all(USERS, "User.Read.All")
    assert caught.value.retry_after == 120
    assert len(vendor.requests("/v1.0/users")) == 1


def test_a_failing_read_is_tried_again_then_given_up(vendor, client) -> None:
    vendor.control.fault("server_error", path="/users$", status=502, times=1)
    assert client.all(USERS, "User.Read.All")
    vendor.control.fault("server_error", path="/domains$", status=500)
    with pytest.raises(Unavailable, match="500"):
        client.get("/domains", "Domain.Read.All")
    assert len(vendor.requests("/domains")) == 1 + QUICK.repeats


@pytest.mark.parametrize("kind", ["broken_json", "drop_after_effect"])
def test_a_damaged_answer_to_a_read_is_tried_again(vendor, client, kind) -> None:
    vendor.control.fault(kind, path="/domains$", times=1)
    assert client.get("/domains", "Domain.Read.All")["value"]
    vendor.control.fault(kind, path="/organization$")
    with pytest.raises(Unavailable):
        canary(client)


def test_a_slow_answer_is_not_waited_for_without_end(vendor) -> None:
    impatient = vendor.connect(replace(QUICK, read=0.2, repeats=0))
    canary(impatient)
    vendor.control.fault("slow", path="/domains$", seconds=1)
    with pytest.raises(Unavailable):
        impatient.get("/domains", "Domain.Read.All")
    impatient.close()


def test_an_answer_that_trickles_is_cut_off(vendor) -> None:
    impatient = vendor.connect(replace(QUICK, total=0.5, repeats=0))
    canary(impatient)
    vendor.control.fault("slow_body", path="/users$", seconds=2)
    with pytest.raises(Unavailable, match="whole answer"):
        impatient.all(USERS, "User.Read.All")
    impatient.close()


def test_an_answer_without_end_is_cut_off(vendor) -> None:
    small = vendor.connect(replace(QUICK, largest_body=2000, repeats=0))
    with pytest.raises(AnswerTooLarge, match="MB in one answer"):
        small.all("/users", "User.Read.All")
    small.close()


def test_a_batch_of_more_than_twenty_has_an_answer_for_each(vendor, client) -> None:
    users = vendor.records("users")
    paths = {f"{u['id']}-{n}": address("/users/{}", u["id"]) for u in users for n in range(2)}
    answers = client.batch(paths, "User.Read.All")
    assert set(answers) == set(paths)
    assert {a.status for a in answers.values()} == {200}
    assert len(vendor.requests("/$batch")) == -(-len(paths) // 20)


def test_only_the_throttled_items_of_a_batch_are_asked_again(vendor, client) -> None:
    users = vendor.records("users")[:4]
    paths = {u["id"]: address("/users/{}", u["id"]) for u in users}
    vendor.control.fault("throttle", path=users[0]["id"], times=1, retry_after=0)
    answers = client.batch(paths, "User.Read.All")
    assert {a.status for a in answers.values()} == {200}
    items = [line for line in vendor.control.log() if line.get("batch_item")]
    assert len(items) == len(paths) + 1


def test_a_batch_that_stays_throttled_says_how_long(vendor, client) -> None:
    vendor.control.fault("throttle", path="/users/", retry_after=60)
    with pytest.raises(Throttled) as caught:
        client.batch({"a": "/users/anybody"}, "User.Read.All")
    assert caught.value.retry_after == 60


def test_a_link_to_another_host_is_not_followed(client) -> None:
    with pytest.raises(Rejected, match="another host"):
        client.get("https://graph.microsoft.com.evil.example/v1.0/users", "User.Read.All")


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"client_secret": "wrong-secret-value"}, Unauthorised, "not its ID"),
        ({"client_id": "00000000-0000-0000-0000-000000000001"}, Unauthorised, "client_id"),
        ({"tenant_id": "00000000-0000-0000-0000-000000000002"}, ConnectionMisconfigured,
         "tenant_id"),
    ],
)  # fmt: skip
def test_wrong_credentials_say_what_to_correct(vendor, changed, error, words) -> None:
    wrong = vendor.connect(**changed)
    with pytest.raises(error, match=words):
        canary(wrong)
    wrong.close()


def test_a_sign_in_service_that_fails_is_tried_again(vendor) -> None:
    vendor.control.fault("server_error", path="/token$", status=503, times=1)
    fresh = vendor.connect()
    assert canary(fresh)
    fresh.close()


def test_a_missing_permission_is_named(vendor) -> None:
    vendor.control.permissions(["User.Read.All"], vendor.tenant["id"])
    poor = vendor.connect()
    with pytest.raises(PermissionMissing, match=r"Organization\.Read\.All"):
        canary(poor)
    poor.close()


def test_what_is_not_there_and_what_is_refused(client) -> None:
    with pytest.raises(NotFound):
        client.get(address("/users/{}", "nobody@nowhere.example"), "User.Read.All")
    with pytest.raises(Rejected):
        client.get("/users?$filter=colour%20eq%20'red'", "User.Read.All")


def test_ids_are_quoted_in_paths() -> None:
    found = address("/users/{}/mailFolders/inbox/messageRules/{}", "a#EXT#@x.y", "AQ/=+")
    assert found == "/users/a%23EXT%23%40x.y/mailFolders/inbox/messageRules/AQ%2F%3D%2B"


def test_no_secret_is_in_an_exception_or_a_log(vendor, caplog) -> None:
    secret = vendor.secrets["client_secret"]
    said: list[str] = []
    caplog.set_level(logging.DEBUG)
    client = vendor.connect(replace(QUICK, repeats=0))
    canary(client)
    token = client._tokens.get("https://graph.microsoft.com/.default")
    password = "Correct-Horse-9-Battery"
    vendor.control.fault("server_error", method="PATCH", status=500)
    vendor.control.fault("drop_after_effect", method="GET", path="/domains")
    vendor.control.fault("broken_json", path="/organization")
    attempts = [
        lambda: client.write("PATCH", "/users/x", "P", {"passwordProfile": {"password": password}}),
        lambda: client.get("/domains", "Domain.Read.All"),
        lambda: canary(client),
        lambda: canary(vendor.connect(client_secret=secret + "x")),
    ]
    for attempt in attempts:
        try:
            attempt()
        except Exception:
            said.append(traceback.format_exc())
    assert len(said) == len(attempts)
    everything = "\n".join([*said, caplog.text, repr(client), repr(vars(client))])
    for hidden in (secret, token, password):
        assert hidden not in everything
    client.close()


def test_settings_that_can_not_work_are_named(vendor) -> None:
    with pytest.raises(ConnectionMisconfigured, match="client_secret"):
        connect(vendor.settings, {}, allow_private=True)
    with pytest.raises(ConnectionMisconfigured, match="tenant_id"):
        connect({**vendor.settings, "tenant_id": "a/../b"}, vendor.secrets, allow_private=True)
    with pytest.raises(ConnectionMisconfigured, match="https"):
        connect(vendor.settings, vendor.secrets, allow_private=False)
