"""What Holdfast did itself is no attack; its identity at another time is a stranger's."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations.alerting.own_actions import is_own
from integrations.models import Connection
from tenants import ledger
from tenants.models import Event

OWN = "5b1c9d1e-0000-4000-8000-000000000001"


def _event(*entities: str, actor: str = "", minutes: int = 0) -> Event:
    return Event(
        connector="microsoft365", actor=actor, entities=list(entities), ocsf={},
        time=timezone.now() + dt.timedelta(minutes=minutes),
    )  # fmt: skip


@pytest.fixture
def acted(in_tenant) -> None:
    Connection.objects.create(
        connector="microsoft365", name="M365", settings={"client_id": OWN, "cloud": "global"}
    )
    ledger.append("step.called", actor="engine", subject="identity.disable_sign_in", body={})


def test_what_a_step_did_is_our_own(acted) -> None:
    assert is_own(_event(f"app:{OWN}", "account:ann@x.example"))
    assert is_own(_event(actor=OWN.upper()))


def test_what_somebody_else_did_meanwhile_is_not(acted) -> None:
    assert not is_own(_event("app:another-app-0001", actor="mallory@x.example"))
    assert not is_own(_event("app:global"))


def test_our_identity_at_another_time_is_a_strangers(acted) -> None:
    assert not is_own(_event(f"app:{OWN}", minutes=-60))
    assert not is_own(_event(f"app:{OWN}", minutes=60))


def test_without_any_step_nothing_is_our_own(in_tenant) -> None:
    Connection.objects.create(connector="microsoft365", name="M", settings={"client_id": OWN})
    assert not is_own(_event(f"app:{OWN}"))
