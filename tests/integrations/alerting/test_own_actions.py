"""What Holdfast did itself is no attack; all else with its identity is a stranger's."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from integrations.alerting.own_actions import OwnActions
from integrations.models import Connection
from tenants import ledger
from tenants.models import Case, Event
from tests.playbooks.cases import make_account, make_case

OWN = "5b1c9d1e-0000-4000-8000-000000000001"


@pytest.fixture
def acted(in_tenant) -> Case:
    """A case about an account, for which a step was just carried out."""
    Connection.objects.create(
        connector="microsoft365", name="M365", settings={"client_id": OWN, "tenant_id": "t" * 36}
    )
    case = make_case(make_account(), entities=["account:ann@x.example"])
    ledger.append(
        "step.called", actor="engine", case_id=case.id, subject="identity.reset_password", body={}
    )
    return case


def is_own(event: Event) -> bool:
    return OwnActions().has(event)


def _event(
    *entities: str, minutes: int = 0, app: str = OWN, user: dict[str, Any] | None = None
) -> Event:
    actor = {"app_uid": app} | ({"user": user} if user else {})
    return Event(
        connector="microsoft365", actor="Holdfast", ocsf={"actor": actor},
        entities=[*(entities or ("account:ann@x.example",)), f"app:{app}"],
        time=timezone.now() + dt.timedelta(minutes=minutes),
    )  # fmt: skip


def test_what_a_step_did_is_our_own_whatever_names_the_account(acted) -> None:
    assert is_own(_event())
    assert is_own(_event(app=OWN.upper()))
    assert acted.account is not None
    assert is_own(_event(f"account_id:{acted.account.external_id}"))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (_event("account:bob@x.example"), "nothing was done for that person"),
        (_event("ip:203.0.113.9"), "it names nobody"),
        (_event(minutes=-60), "no step was at that time"),
        (_event(minutes=60), "no step was at that time"),
        (_event(app="9199bf20-a13f-4107-85dc-02114787ef48"), "another application did it"),
        (_event(app="t" * 36), "another setting of the connection is no identity"),
        (_event(app=""), "no application did it"),
        (_event(user={"name": "mallory@x.example"}), "a user did it through the application"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_all_else_is_a_strangers(acted, event, why) -> None:
    event.time += timezone.now() - _MADE
    assert not is_own(event), why


def test_what_is_done_to_our_application_is_not_done_by_it(acted) -> None:
    event = _event(app="")
    event.entities.append(f"app:{OWN}")
    assert not is_own(event)


def test_without_any_step_nothing_is_our_own(in_tenant) -> None:
    Connection.objects.create(connector="microsoft365", name="M", settings={"client_id": OWN})
    make_case(make_account(), entities=["account:ann@x.example"])
    assert not is_own(_event())


# The parameters above are made when the file is read.
_MADE = timezone.now()
