"""Consent at Microsoft: what comes back is believed in nothing that can't be proved."""

import datetime as dt
import logging
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import Connection
from msp.onboarding import actions, consent, progress, relationships
from msp.onboarding.errors import OnboardingError
from msp.onboarding.models import ConsentRequest, Onboarding
from tenants import scope, vault, work
from tenants.models import LedgerEntry, Work
from tests.msp.onboarding.conftest import Microsoft, in_scope, of
from tests.pipeline import drain, make_due

pytestmark = pytest.mark.django_db
State = ConsentRequest.State


def _ask(row: Onboarding, expected: str) -> str:
    with in_scope(row):
        return consent.ask(row, expected, actor="technician:ada")


def _sent_back(url: str, tenant: str = "") -> str:
    """Open the address as the client's administrator, and return where Microsoft sends them."""
    parts = urlsplit(url)
    path = f"/{tenant}/adminconsent" if tenant else parts.path
    answer = httpx.get(f"{parts.scheme}://{parts.netloc}{path}?{parts.query}")
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith("https://holdfast.example/consent/microsoft/?")
    return answer.headers["Location"].removeprefix("https://holdfast.example")


def _state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def _request(row: Onboarding) -> ConsentRequest:
    with in_scope(row):
        return ConsentRequest.objects.latest("asked_at")


def _connection(row: Onboarding) -> Connection | None:
    with in_scope(row):
        return Connection.objects.select_related("secret").first()


@pytest.mark.parametrize("expected", ["id", "domain"])
def test_consent_connects_the_client_and_tests_it(entra: Microsoft, begun, expected) -> None:
    row = begun()
    url = _ask(row, entra.client[expected])
    assert entra.simulator.base_url in url
    page = Client().get(_sent_back(url))
    assert page.status_code == 200
    assert "Thank you" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    drain({"consent", "check"})
    assert _request(row).state == State.CONNECTED
    connection = _connection(row)
    assert connection is not None
    assert connection.settings["tenant_id"] == entra.client["id"]
    assert connection.seen.startswith("Connected to Fabrikam Farm")
    with in_scope(row):
        assert (
            vault.open_secret(connection.secret)["client_secret"]
            == (entra.msp["apps"][0]["secret"])
        )
        kinds = list(LedgerEntry.objects.order_by("id").values_list("kind", flat=True))
        told = str(list(LedgerEntry.objects.values_list("body", "subject")))
    assert [kind for kind in kinds if kind.startswith("consent")] == [
        "consent.asked", "consent.returned", "consent.connected",
    ]  # fmt: skip
    assert _state_of(url) not in told
    assert entra.msp["apps"][0]["secret"] not in told


def test_an_address_counts_once_and_shows_nothing_of_what_is_in_it(entra, begun, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    row = begun()
    back = _sent_back(_ask(row, entra.client["id"]))
    assert Client().get(back).status_code == 200
    again = Client().get(f"{back}&error_description=<b>Call+0900</b>")
    assert again.status_code == 404
    assert "0900" not in again.content.decode()
    assert Client().post(back).status_code == 405
    with in_scope(row):
        assert ConsentRequest.objects.count() == 1


def test_a_newer_address_takes_the_place_of_the_older_one(entra, begun) -> None:
    row = begun()
    older = _sent_back(_ask(row, entra.client["id"]))
    newer = _sent_back(_ask(row, entra.client["id"]))
    assert Client().get(older).status_code == 404
    assert Client().get(newer).status_code == 200


def test_an_old_address_counts_no_more(entra, begun) -> None:
    row = begun()
    back = _sent_back(_ask(row, entra.client["id"]))
    with in_scope(row):
        ConsentRequest.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert Client().get(back).status_code == 404


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state, other: "",
        lambda state, other: "forged",
        lambda state, other: state[:-2] + "xx",
        lambda state, other: state.replace(state.split(".")[2], "guessed" * 6),
        # Whose client it is stands under the signature.
        lambda state, other: ".".join([other.tenant_id.hex, *state.split(".")[1:]]),
    ],
)
def test_a_state_that_is_not_ours_is_not_known(entra, begun, spoil) -> None:
    row, other = begun(), begun("other")
    state = spoil(_state_of(_ask(row, entra.client["id"])), other)
    given = {"state": state, "tenant": entra.client["id"], "admin_consent": "True"}
    assert Client().get("/consent/microsoft/", given).status_code == 404
    assert _request(row).state == State.ASKED
    assert not Work.objects.filter(kind="consent").exists()


def test_consent_of_another_organisation_connects_nothing(entra, begun) -> None:
    row = begun()
    page = Client().get(_sent_back(_ask(row, entra.client["id"]), tenant=entra.msp["id"]))
    assert "There was no consent" in page.content.decode()
    assert _request(row).state == State.REFUSED
    assert "another organisation" in _request(row).words
    # Known only by a domain, it is found out by asking whose domain it is.
    Client().get(_sent_back(_ask(row, entra.client["domain"]), tenant=entra.msp["id"]))
    drain({"consent"})
    assert "does not own" in _request(row).words
    assert _connection(row) is None


def test_two_clients_are_never_connected_to_the_same_organisation(entra, begun) -> None:
    first, second = begun("first"), begun("second")
    for row in (first, second):
        Client().get(_sent_back(_ask(row, entra.client["id"])))
        drain({"consent"})
    assert _connection(first) is not None
    assert _connection(second) is None
    assert "Another client is connected" in _request(second).words


@pytest.mark.parametrize(
    "told",
    [
        {"error": "access_denied", "error_description": "AADSTS65004"},
        {"error": "<script>"},
        {"admin_consent": "False"},
        {"admin_consent": "True", "tenant": "not-one"},
        {},
    ],
)
def test_no_consent_is_said_on_both_sides(entra, begun, told) -> None:
    row = begun()
    state = _state_of(_ask(row, entra.client["id"]))
    page = Client().get(
        "/consent/microsoft/", {"tenant": entra.client["id"], **told, "state": state}
    )
    assert page.status_code == 200
    assert "There was no consent" in page.content.decode()
    assert "ask again" in _request(row).words
    assert "<" not in _request(row).words


def test_consent_that_microsoft_does_not_know_of_yet_is_tried_again(entra, begun) -> None:
    row = begun()
    with in_scope(row):
        consent.try_without_asking(row, entra.client["id"], actor="technician:ada")
    drain({"consent"})
    assert _request(row).state == State.RETURNED
    assert Work.objects.filter(kind="consent", due_at__gt=timezone.now()).count() == 1
    _sent_back(_ask_only(entra, row))
    make_due("consent")
    drain({"consent"})
    assert _request(row).state == State.CONNECTED


def _ask_only(entra: Microsoft, row: Onboarding) -> str:
    """The address that Microsoft knows, without making a request of ours."""
    app = entra.msp["apps"][0]["client_id"]
    back = "https://holdfast.example/consent/microsoft/"
    base = f"{entra.simulator.base_url}/{entra.client['id']}/adminconsent"
    return f"{base}?client_id={app}&redirect_uri={back}&state=x"


def test_consent_that_never_comes_is_given_up_with_the_reason(entra, begun) -> None:
    row = begun()
    with in_scope(row):
        consent.try_without_asking(row, entra.client["id"], actor="technician:ada")
        ConsentRequest.objects.update(used_at=timezone.now() - dt.timedelta(hours=1))
    drain({"consent"})
    assert _request(row).state == State.REFUSED
    assert "AADSTS700016" in _request(row).words


def test_what_is_missing_here_is_said(begun, settings, entra) -> None:
    row = begun()
    for wrong in ("", "no domain", "https://x.example"):
        with pytest.raises(OnboardingError, match="tenant ID at Microsoft"):
            _ask(row, wrong)
    settings.PUBLIC_URL = ""
    with pytest.raises(OnboardingError, match="HOLDFAST_PUBLIC_URL"):
        _ask(row, entra.client["id"])


def test_the_gdap_relationship_says_whether_a_technician_may_consent(entra, begun) -> None:
    entra.simulator.control.permissions(["DelegatedAdminRelationship.Read.All"], entra.msp["id"])
    record = {
        "id": "r1", "displayName": "GDAP 1", "status": "active",
        "endDateTime": "2027-03-01T00:00:00Z",
        "customer": {"tenantId": entra.client["id"], "displayName": "Fabrikam Farm Ltd"},
        "accessDetails": {
            "unifiedRoles": [{"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10"}]
        },
    }  # fmt: skip
    put = {"tenant": entra.msp["id"], "collection": "delegatedAdminRelationships"}
    entra.simulator.control.act("put", record=record, **put)
    [told] = relationships.listed()
    assert (told["client"], told["may_consent"]) == ("Fabrikam Farm Ltd", True)
    row, stranger = begun(), begun("stranger")
    _ask(row, entra.client["id"])
    for one in (row, stranger):
        with in_scope(one):
            work.schedule("relationship", one.id)
    drain({"relationship"})
    for one, status in ((row, "active"), (stranger, "none")):
        with in_scope(one):
            assert Onboarding.objects.get().relationship["status"] == status


def test_a_list_of_relationships_that_is_not_allowed_says_why(entra, begun) -> None:
    row = begun()
    with in_scope(row):
        work.schedule("relationship", row.id)
    drain({"relationship"})
    with in_scope(row):
        told = progress.of(of(row)).onboarding.relationship
    assert told["status"] == "unknown"
    assert "DelegatedAdminRelationship.Read.All" in told["why"]


def test_a_new_secret_of_the_msp_reaches_every_client(entra, begun, settings) -> None:
    row, own = begun(), begun("own-app")
    Client().get(_sent_back(_ask(row, entra.client["id"])))
    drain({"consent"})
    settings.ENTRA_APP = {**settings.ENTRA_APP, "client_secret": "renewed"}
    assert actions.renew_shared(of(row), actor="operator:x") == 1
    assert actions.renew_shared(of(row), actor="operator:x") == 0
    assert actions.renew_shared(of(own), actor="operator:x") == 0
    connection = _connection(row)
    with scope.tenant(row.tenant_id):
        assert vault.open_secret(connection.secret)["client_secret"] == "renewed"
