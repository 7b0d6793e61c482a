"""Microsoft says that users changed: the address is tried, the secret counts, the feed is read."""

import json
import uuid
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from integrations import notices
from integrations.connectors.microsoft365.notices import handshake, read
from integrations.models import Connection, FeedState, Subscription
from tenants import scope
from tenants.models import RawRecord, Work
from tests.integrations.simulators.fixtures import RunningSimulator, running_simulator
from tests.journeys.clinic import Clinic, connect
from tests.pipeline import drain, make_due


@pytest.fixture
def server(committed_database, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """The product's web side in a thread, at the address that the vendor is given."""
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["*"])
    live = LiveServer("127.0.0.1")
    monkeypatch.setattr(settings, "PUBLIC_URL", live.url)
    yield live
    live.stop()


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """Microsoft 365 of one organisation."""
    with running_simulator(seed="bec") as running:
        yield running


@pytest.fixture
def clinic(server: LiveServer, simulator: RunningSimulator, make_tenant, monkeypatch) -> Clinic:
    """A client that is connected to it, and whose users feed was read."""
    monkeypatch.setattr(settings, "HOLDFAST_ALLOW_PRIVATE_ENDPOINTS", True, raising=False)
    connected = connect(make_tenant(f"clinic-{uuid.uuid4().hex[:6]}"), simulator)
    read_users(connected)
    return connected


def read_users(clinic: Clinic) -> None:
    """Read the users feed and watch it; to read the others would take three seconds each time."""
    Work.objects.filter(kind="poll").exclude(subject=users(clinic).id).delete()
    drain({"poll", "watch"})


def users(clinic: Clinic) -> FeedState:
    with scope.tenant(clinic.tenant.id):
        return FeedState.objects.select_related("subscription").get(feed="users")


def polls_due(clinic: Clinic, state: FeedState) -> bool:
    """Whether the feed is to be read within a few seconds."""
    make_nothing = Work.objects.filter(tenant_id=clinic.tenant.id, kind="poll", subject=state.id)
    return make_nothing.extra(where=["due_at <= now() + interval '30 seconds'"]).exists()


def notify(clinic: Clinic, **given) -> list[int]:
    told = clinic.simulator.control.act(
        "notify", tenant=clinic.directory_id, resource="users", **given
    )
    return told["statuses"]


def test_the_vendor_tries_the_address_and_then_tells_of_a_change(clinic) -> None:
    state = users(clinic)
    assert state.subscription.external_id
    assert state.subscription.error == ""
    assert state.subscription.expires_at is not None
    assert not polls_due(clinic, state)
    assert notify(clinic) == [202]
    assert polls_due(clinic, state)
    assert users(clinic).subscription.heard_at is not None


def test_a_notice_is_never_taken_for_data(clinic) -> None:
    with scope.tenant(clinic.tenant.id):
        before = RawRecord.objects.count()
    assert notify(clinic, resource_data={"id": "x", "userPrincipalName": "evil@bad.example"}) == [
        202
    ]
    with scope.tenant(clinic.tenant.id):
        assert RawRecord.objects.count() == before


def test_a_notice_with_another_secret_changes_nothing(clinic) -> None:
    state = users(clinic)
    assert notify(clinic, client_state="guessed") == [401]
    assert not polls_due(clinic, state)
    assert users(clinic).subscription.heard_at is None


def test_a_watch_is_renewed_before_it_ends(clinic) -> None:
    before = users(clinic).subscription
    make_due("watch")
    drain({"watch"})
    after = users(clinic).subscription
    assert after.external_id == before.external_id
    assert after.expires_at > before.expires_at
    effects = clinic.simulator.control.effects("subscription.")
    assert [effect["kind"] for effect in effects] == ["subscription.add", "subscription.update"]


def test_a_watch_that_the_vendor_forgot_is_begun_anew_with_another_secret(clinic) -> None:
    before = users(clinic).subscription
    clinic.simulator.control.act(
        "remove", tenant=clinic.directory_id, collection="subscriptions", id=before.external_id
    )
    make_due("watch")
    drain({"watch"})
    after = users(clinic).subscription
    assert after.external_id not in ("", before.external_id)
    assert after.secret_digest != before.secret_digest
    assert notify(clinic) == [202]


def test_word_that_the_watch_ends_renews_it_at_once(clinic) -> None:
    before = users(clinic).subscription.expires_at
    assert notify(clinic, lifecycle="reauthorizationRequired") == [202]
    drain({"watch"})
    assert users(clinic).subscription.expires_at > before


def test_a_vendor_that_refuses_is_told_of_and_the_feed_is_read_all_the_same(
    server, simulator, make_tenant, monkeypatch
) -> None:
    monkeypatch.setattr(settings, "HOLDFAST_ALLOW_PRIVATE_ENDPOINTS", True, raising=False)
    simulator.control.fault("refuse", method="POST", path="/subscriptions", status=403)
    clinic = connect(make_tenant(f"clinic-{uuid.uuid4().hex[:6]}"), simulator)
    read_users(clinic)
    state = users(clinic)
    assert "User.Read.All" in state.subscription.error
    assert state.subscription.problem == "permission"
    assert state.last_success_at is not None


def test_a_paused_connection_is_not_read(clinic) -> None:
    state = users(clinic)
    with scope.tenant(clinic.tenant.id):
        Connection.objects.update(state=Connection.State.PAUSED)
    assert notify(clinic) == [202]
    assert not polls_due(clinic, state)


@pytest.mark.django_db
def test_without_a_public_address_nobody_is_asked_to_tell(tenant, simulator, settings) -> None:
    settings.PUBLIC_URL = ""
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    connect(tenant, simulator)
    drain({"poll", "watch"})
    with scope.tenant(tenant.id):
        assert Subscription.objects.count() == 0


def test_a_stranger_learns_nothing(clinic) -> None:
    state = users(clinic)
    mine = notices.Door(clinic.tenant.id, state.id)
    path = f"/api/v1/notices/{mine.tenant_id}/{mine.feed_id}"
    elsewhere = f"/api/v1/notices/{uuid.uuid4()}/{state.id}"
    web = Client()
    tried = web.post(f"{path}?validationToken=%3Cscript%3E", data=b"", content_type="text/plain")
    assert (tried.status_code, tried.content) == (200, b"<script>")
    assert tried["Content-Type"].startswith("text/plain")
    assert tried["X-Content-Type-Options"] == "nosniff"
    for where, body in (
        (elsewhere, b""), (path, b"no json"), (path, b"[" * 200_000), (path, b"{}"),
        (path, json.dumps({"value": [{"clientState": ""}]}).encode()),
        (path, b"x" * 1_100_000),
    ):  # fmt: skip
        answer = web.post(where, data=body, content_type="application/json")
        assert (answer.status_code, answer.content) == (401, b""), body[:20]
    assert web.post(f"{elsewhere}?validationToken=x").status_code == 401
    assert web.get(path).status_code == 405
    assert not polls_due(clinic, state)


def test_what_the_vendor_sends_is_read_without_trust() -> None:
    assert read(None) == []
    assert read({"value": "x"}) == []
    told = read({"value": [{"clientState": "s"}, {"lifecycleEvent": "subscriptionRemoved"}]})
    assert [(one.secret, one.is_ending) for one in told] == [("s", False), ("", True)]
    assert handshake({}) is None
    assert len(handshake({"validationToken": "x" * 10_000}) or "") == 4_096
