"""An account that Active Directory governs is contained once, on both sides, in the right order."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from integrations import connections
from integrations.errors import OutcomeUnknown, Rejected, Unauthorised, Unavailable
from integrations.models import Connection, FeedState
from playbooks import approvals, routines
from playbooks.engagement import TIERS
from playbooks.models import Approval, Plan, Step
from playbooks.response import respond
from tenants import evidence, scope
from tenants.models import (
    Account,
    Case,
    Evidence,
    LedgerEntry,
    PlaybookMode,
    Tenant,
    Work,
)
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db

SID = "S-1-5-21-1-2-3-1104"


@pytest.fixture
def both(monkeypatch) -> Iterator[dict[str, Vendor]]:
    with vendors(monkeypatch, "microsoft365", "active_directory") as made:
        yield made


@pytest.fixture
def client(tenant: Tenant, both) -> Tenant:
    Tenant.objects.filter(id=tenant.id).update(playbook_mode=PlaybookMode.AUTOMATIC)
    with scope.tenant(tenant.id):
        for name in both:
            connect(name)
    return tenant


def attacked(client: Tenant, *, authority: str, has_twin: bool) -> Case:
    """Let the account of a case be proven to be taken over, and plan what follows."""
    with scope.tenant(client.id):
        case = make_case(make_account(source_of_authority=authority, on_premises_sid=SID))
        if has_twin:
            Account.objects.create(
                provider="active_directory", external_id=SID, username="ACME\\priya.shah",
                on_premises_sid=SID, is_enabled=True, source_of_authority="active_directory",
            )  # fmt: skip
        give_evidence(case)
    respond(client.id, case.id)
    return case


def planned(client: Tenant) -> list[str]:
    with scope.tenant(client.id):
        return [plan.document["playbook"]["id"] for plan in Plan.objects.order_by("created_at")]


def approve_all(client: Tenant) -> None:
    while True:
        with scope.tenant(client.id):
            waiting = list(Approval.objects.filter(decision="pending"))
            if not waiting:
                return
            first = min(waiting, key=lambda row: TIERS.index(row.tier))
            told = {"actor": "technician:ann", "sha256": first.plan.sha256}
            approvals.decide(first.id, approve=True, **told)
        drain()


@pytest.mark.parametrize(
    ("authority", "has_twin", "containment"),
    [
        ("cloud", False, "contain-cloud-account"),
        ("cloud", True, "contain-cloud-account"),
        ("active_directory", True, "contain-hybrid-account"),
        ("active_directory", False, "contain-cloud-account"),
        ("unknown", False, "contain-cloud-account"),
    ],
)
def test_exactly_one_containment_is_planned(client, authority, has_twin, containment) -> None:
    attacked(client, authority=authority, has_twin=has_twin)
    assert planned(client) == [containment, "undo-mailbox-tampering"]


def test_the_server_is_dealt_with_first_and_each_step_is_had_once(client, both) -> None:
    case = attacked(client, authority="active_directory", has_twin=True)
    order: list[tuple[str, str]] = []
    for name, vendor in both.items():
        vendor.on_call = lambda action, target, name=name: order.append((name, action))
    drain()
    approve_all(client)
    contained = [one for one in order if not one[1].startswith("mailbox.")]
    assert contained[:3] == [
        ("active_directory", "identity.disable_sign_in"),
        ("active_directory", "identity.reset_password"),
        ("microsoft365", "identity.disable_sign_in"),
    ]
    assert ("microsoft365", "identity.revoke_sessions") in contained[3:]
    assert len(order) == len(set(order))
    with scope.tenant(client.id):
        closed = Case.objects.get(id=case.id)
        assert (closed.status, closed.closed_with_proof) == ("closed", True)


def test_blocked_in_the_cloud_only_the_case_says_what_is_left(client) -> None:
    case = attacked(client, authority="active_directory", has_twin=False)
    drain()
    approve_all(client)
    with scope.tenant(client.id):
        left = Case.objects.get(id=case.id)
    assert left.status == "needs_technician"
    assert left.needs == (
        "priya.shah@acme.example: governed by Active Directory. Block it there too, or the next "
        "sync lets it in again."
    )


BLOCK, END_SESSIONS = "identity.disable_sign_in", "identity.revoke_sessions"
LICENCES = {"licences": [{"external_id": "l-1", "name": "Business Premium"}]}


def watch(both: dict[str, Vendor]) -> list[tuple[str, str]]:
    """Return the list into which every call is put, in the order of the calls."""
    order: list[tuple[str, str]] = []
    for name, vendor in both.items():
        vendor.on_call = lambda action, target, name=name: order.append((name, action))
    return order


def raising(error: Exception):
    """Return what the vendor does instead of answering."""

    def refuse(action: str, target: str) -> None:
        raise error

    return refuse


def look_after(client: Tenant, **waited: float) -> None:
    """Look at the run again as if its steps had been kept waiting for so long."""
    with scope.tenant(client.id):
        for step in Step.objects.exclude(held_since=None):
            Step.objects.filter(id=step.id).update(
                held_since=timezone.now() - dt.timedelta(**waited)
            )
    make_due("run")
    drain()


def calls_to_cloud(both: dict[str, Vendor]) -> list[str]:
    return [action for action, _ in both["microsoft365"].calls if "mailbox" not in action]


def the_case(client: Tenant) -> Case:
    with scope.tenant(client.id):
        return Case.objects.get()


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("dc1.acme.example does not answer."),
        Unauthorised("The directory refused the name or the password."),
    ],
    ids=["down", "refused"],
)
def test_a_server_out_of_reach_does_not_keep_the_cloud_open(client, both, error) -> None:
    attacked(client, authority="active_directory", has_twin=True)
    both["active_directory"].on_read = raising(error)
    order = watch(both)
    drain()
    approve_all(client)
    look_after(client, minutes=1)
    assert BLOCK not in calls_to_cloud(both), "The server gets its time first."
    look_after(client, minutes=2)
    assert {BLOCK, END_SESSIONS} <= set(calls_to_cloud(both))
    left = the_case(client)
    assert left.status == "needs_technician"
    assert "“Disable sign-in” for ACME\\priya.shah waits: " in left.needs
    assert str(error) in left.needs
    look_after(client, minutes=3)
    with scope.tenant(client.id):
        assert LedgerEntry.objects.filter(kind="step.held").count() == 1
    # It goes on trying, and does its part when the server is back.
    both["active_directory"].on_read = None
    look_after(client, minutes=30)
    assert [one for one in order if one[0] == "active_directory"] == [
        ("active_directory", BLOCK), ("active_directory", "identity.reset_password"),
    ]  # fmt: skip
    assert len(order) == len(set(order))
    drain()
    closed = the_case(client)
    assert (closed.status, closed.closed_with_proof) == ("closed", True)


def test_a_server_that_answers_again_is_dealt_with_first(client, both) -> None:
    attacked(client, authority="active_directory", has_twin=True)
    both["active_directory"].on_read = raising(Unavailable("dc1.acme.example does not answer."))
    order = watch(both)
    drain()
    approve_all(client)
    both["active_directory"].on_read = None
    look_after(client, minutes=2)
    assert [one for one in order if one[1] == BLOCK] == [
        ("active_directory", BLOCK), ("microsoft365", BLOCK),
    ]  # fmt: skip


def test_a_server_that_falls_silent_half_way_does_not_keep_the_cloud_open(client, both) -> None:
    attacked(client, authority="active_directory", has_twin=True)
    silent = Unavailable("dc1.acme.example does not answer.")

    def die(action: str, target: str) -> None:
        both["active_directory"].on_read = raising(silent)
        raise OutcomeUnknown("the line was cut")

    both["active_directory"].after_call = die
    drain()
    approve_all(client)
    make_due("run")
    drain()
    look_after(client, minutes=2)
    assert BLOCK in calls_to_cloud(both)
    assert "“Disable sign-in” for ACME\\priya.shah waits: dc1" in the_case(client).needs


def test_with_the_server_paused_the_cloud_is_blocked_and_the_case_says_what_is_left(
    client, both
) -> None:
    with scope.tenant(client.id):
        server = Connection.objects.get(connector="active_directory")
        connections.set_paused(server.id, paused=True, actor="technician:ann")
    attacked(client, authority="active_directory", has_twin=True)
    drain()
    approve_all(client)
    assert BLOCK in calls_to_cloud(both)
    assert END_SESSIONS in calls_to_cloud(both)
    assert both["active_directory"].calls == []
    left = the_case(client)
    assert left.status == "needs_technician"
    assert (
        "“Disable sign-in” for ACME\\priya.shah failed: This client has no connection" in left.needs
    )
    assert "by hand" in left.needs


def test_with_the_server_paused_after_the_plan_was_approved(client, both) -> None:
    attacked(client, authority="active_directory", has_twin=True)
    with scope.tenant(client.id):
        server = Connection.objects.get(connector="active_directory")
        connections.set_paused(server.id, paused=True, actor="technician:ann")
    drain()
    approve_all(client)
    assert BLOCK not in calls_to_cloud(both)
    look_after(client, minutes=2)
    assert BLOCK in calls_to_cloud(both)
    assert "is paused: resume it" in the_case(client).needs


def test_where_nothing_is_connected_nothing_is_planned(client, both) -> None:
    with scope.tenant(client.id):
        for row in Connection.objects.all():
            connections.set_paused(row.id, paused=True, actor="technician:ann")
    attacked(client, authority="active_directory", has_twin=True)
    drain()
    assert planned(client) == []
    assert "needs: a connection to" in the_case(client).needs


def server_read(client: Tenant, **told: Any) -> None:
    """Let the server's users have been read so far."""
    with scope.tenant(client.id):
        server = Connection.objects.get(connector="active_directory")
        FeedState.objects.update_or_create(connection=server, feed="users", defaults=told)


@pytest.mark.parametrize("authority", ["active_directory", "unknown"])
def test_an_alert_before_the_first_reading_of_the_server_waits_for_it(client, authority) -> None:
    server_read(client, caught_up_at=None)
    case = attacked(client, authority=authority, has_twin=False)
    assert planned(client) == []
    with scope.tenant(client.id):
        feed = FeedState.objects.get()
        assert Work.objects.filter(kind="poll", subject=feed.id, lane="active_directory").exists()
        assert Work.objects.filter(kind="respond", subject=case.id).exists()
        Account.objects.create(
            provider="active_directory", external_id=SID, username="ACME\\priya.shah",
            on_premises_sid=SID, is_enabled=True, source_of_authority="active_directory",
        )  # fmt: skip
        Account.objects.filter(provider="microsoft365").update(
            source_of_authority="active_directory"
        )
    respond(client.id, case.id)
    assert planned(client)[0] == "contain-hybrid-account"


def test_what_the_vendor_says_now_counts_where_the_directory_does_not_know(client) -> None:
    server_read(client, caught_up_at=timezone.now() + dt.timedelta(hours=1))
    with scope.tenant(client.id):
        Account.objects.create(
            provider="active_directory", external_id=SID, username="ACME\\priya.shah",
            on_premises_sid=SID, source_of_authority="active_directory",
        )  # fmt: skip
        case = make_case(make_account(source_of_authority="unknown", on_premises_sid=SID))
        give_evidence(case)
        told = Evidence.objects.get(gatherer="identity.get_account").answer
        told["facts"]["account"]["source_of_authority"] = "active_directory"
        evidence.record(
            case, gatherer="identity.get_account", question="account", asked_of="test",
            asked_at=timezone.now(), answer=told, is_available=True, summary="",
        )  # fmt: skip
    respond(client.id, case.id)
    assert planned(client)[0] == "contain-hybrid-account"


@pytest.mark.parametrize(
    ("read", "authority"),
    [
        ({"caught_up_at": None, "error": "The server does not answer."}, "active_directory"),
        ({"caught_up_at": None}, "cloud"),
    ],
)
def test_the_cloud_is_not_kept_open_for_a_server_that_can_not_tell(client, read, authority) -> None:
    server_read(client, **read)
    attacked(client, authority=authority, has_twin=False)
    assert planned(client)[0] == "contain-cloud-account"


def test_the_cloud_is_not_kept_open_for_long(client) -> None:
    server_read(client, caught_up_at=None)
    case = attacked(client, authority="active_directory", has_twin=False)
    with scope.tenant(client.id):
        Case.objects.update(decided_at=timezone.now() - dt.timedelta(minutes=6))
    respond(client.id, case.id)
    assert planned(client)[0] == "contain-cloud-account"


def test_a_leaver_is_taken_off_in_the_cloud_though_the_server_refuses(client, both) -> None:
    def refuse(action: str, target: str) -> None:
        raise Rejected("The directory does not allow it.")

    both["active_directory"].on_call = refuse
    both["microsoft365"].answers["identity.list_licences"] = LICENCES
    with scope.tenant(client.id):
        account = make_account(source_of_authority="active_directory", on_premises_sid=SID)
        Account.objects.create(
            provider="active_directory", external_id=SID, username="ACME\\priya.shah",
            on_premises_sid=SID, is_enabled=True, source_of_authority="active_directory",
        )  # fmt: skip
        routines.start("offboard-leaver", actor="operator:ann", account=account)
    drain()
    approve_all(client)
    assert {BLOCK, END_SESSIONS, "identity.remove_licence"} <= set(calls_to_cloud(both))
    left = the_case(client)
    assert left.status == "needs_technician"
    assert "“Disable sign-in” for ACME\\priya.shah failed: The directory does not" in left.needs


def test_a_leaver_who_can_still_sign_in_keeps_the_licence(client, both) -> None:
    """What comes after needs the way in to be shut, and the mailbox to be handed over."""

    def refuse(action: str, target: str) -> None:
        if action == BLOCK:
            raise Rejected("The account can't be changed.")

    both["microsoft365"].on_call = refuse
    both["microsoft365"].answers["identity.list_licences"] = LICENCES
    with scope.tenant(client.id):
        routines.start("offboard-leaver", actor="operator:ann", account=make_account())
    drain()
    approve_all(client)
    assert "identity.remove_licence" not in calls_to_cloud(both)
