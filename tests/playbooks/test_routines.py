"""Routines: started by hand or for later, planned, approved, proven, and no incident."""

import datetime as dt
import io
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from playbooks import approvals, language, library, routines
from playbooks.errors import PlaybookError
from playbooks.models import Approval, Plan
from tenants import scope
from tenants.models import Case, Tenant, Work
from tests.pipeline import drain
from tests.playbooks.cases import make_account
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db

LOCK_OUT = """\
id: lock-out
version: "1"
kind: routine
title: Lock out
summary: We blocked the account.
inputs:
  end_sessions: {type: boolean, title: Sign out everywhere, default: true}
  ticket: {type: string, title: Number of the ticket, required: true}
steps:
  - id: disable
    uses: identity.disable_sign_in
    target: account
    why: Asked for in ${ inputs.ticket }.
  - id: sessions
    uses: identity.revoke_sessions
    target: account
    when: inputs.end_sessions
    needs: [disable]
tests:
  - name: one
    change: {inputs: {ticket: T1}}
    expect: {tier: technician}
"""


@pytest.fixture
def cloud(monkeypatch) -> Iterator[Vendor]:
    playbook = language.load(LOCK_OUT, "lock-out.yaml")
    there = dict(library.playbooks()) | {playbook.id: playbook}
    monkeypatch.setattr(library, "playbooks", lambda: there)
    monkeypatch.setattr(library, "get", there.__getitem__)
    with vendors(monkeypatch, "microsoft365") as made:
        yield made["microsoft365"]


@pytest.fixture
def client(tenant: Tenant, cloud) -> Tenant:
    with scope.tenant(tenant.id):
        connect("microsoft365")
        make_account()
    return tenant


def start(client: Tenant, *more: str) -> str:
    """Start the routine as an operator would."""
    out = io.StringIO()
    call_command(
        "routine", "start", client.slug, "lock-out", "--account", "priya.shah@acme.example", *more,
        stdout=out,
    )  # fmt: skip
    return out.getvalue()


def the_case(client: Tenant) -> Case:
    with scope.tenant(client.id):
        return Case.objects.get(kind="routine")


def test_it_is_planned_approved_carried_out_and_closed_with_its_proof(client, cloud) -> None:
    start(client, "--input", "ticket=T-4711")
    drain()
    with scope.tenant(client.id):
        plan = Plan.objects.get()
        assert [step["tier"] for step in plan.document["steps"]] == ["technician"] * 2
        assert plan.document["steps"][0]["why"]["words"] == "Asked for in T-4711."
        approval = Approval.objects.get()
        approvals.decide(approval.id, approve=True, actor="technician:ann", sha256=plan.sha256)
    drain()
    case = the_case(client)
    assert (case.status, case.closing_note) == ("closed", "2 actions done and read back.")
    assert [action for action, _ in cloud.done] == [
        "identity.disable_sign_in", "identity.revoke_sessions",
    ]  # fmt: skip


def test_an_input_decides_what_is_planned(client) -> None:
    start(client, "--input", "ticket=T1", "--input", "end_sessions=false")
    drain()
    with scope.tenant(client.id):
        assert [step["id"] for step in Plan.objects.get().document["steps"]] == ["disable"]


def test_it_can_be_started_for_later(client, cloud) -> None:
    at = timezone.now() + dt.timedelta(days=2)
    start(client, "--input", "ticket=T1", "--at", at.isoformat())
    drain()
    assert the_case(client).status == "new"
    assert abs(Work.objects.get(kind="routine").due_at - at) < dt.timedelta(minutes=1)
    with scope.tenant(client.id):
        assert not Plan.objects.exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "'ticket' is missing: Number of the ticket"),
        (["--input", "ticket=7"], "is 7, not of the type string"),
        (["--input", "ticket=T1", "--input", "x=1"], "takes no input 'x'"),
        (["--input", "ticket"], "is not NAME=VALUE"),
        (["--input", "ticket=T1", "--at", "tomorrow"], "no time with an offset"),
        (["--input", "ticket=T1", "--at", "2020-01-01T00:00Z"], "has passed"),
        (["--input", "ticket=T1", "--account", "nobody@x"], "has no account"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(client, more, message) -> None:
    with pytest.raises(CommandError, match=message) as error:
        start(client, *more)
    assert error.value.returncode == 2
    with scope.tenant(client.id):
        assert not Case.objects.exists()


def test_only_routines_are_started_so(client) -> None:
    with scope.tenant(client.id), pytest.raises(PlaybookError, match="not a routine"):
        routines.start("contain-cloud-account", actor="test")
