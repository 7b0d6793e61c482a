"""The routines about devices and settings, really carried out: what the evidence names is done."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.errors import Rejected
from playbooks import approvals, routines
from playbooks.engagement import TIERS
from playbooks.models import Approval, Plan, Step
from tenants import scope
from tenants.models import Case, Device, Tenant
from tests.pipeline import drain
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db

INSTALL = "patch.install"
PENDING = "patch.list_pending_updates"
EXPOSED = "patch.list_exposed_devices"
DRIFT = "posture.list_drift"


@pytest.fixture
def rmm(monkeypatch) -> Iterator[Vendor]:
    with vendors(monkeypatch, "ninjaone") as made:
        yield made["ninjaone"]


@pytest.fixture
def client(tenant: Tenant, rmm) -> Tenant:
    with scope.tenant(tenant.id):
        connect("ninjaone")
    return tenant


def computer(number: int, ring: str = "pilot", **more: Any) -> dict[str, Any]:
    """Tell of a computer that lacks one update."""
    told = {"external_id": f"dev-{number}", "name": f"PC-{number}", "ring": ring}
    return {**told, "is_server": False, "patches": [f"KB{number}"], **more}


def inventory(client: Tenant, *numbers: int, **fields: Any) -> None:
    """Put computers of these numbers into the client's directory."""
    with scope.tenant(client.id):
        for number in numbers:
            Device.objects.create(
                provider="ninjaone", external_id=f"dev-{number}", hostname=f"PC-{number}", **fields
            )


def start(client: Tenant, playbook: str, **inputs: Any) -> None:
    with scope.tenant(client.id):
        routines.start(playbook, actor="operator:test", inputs=inputs)
    drain()


def approve(client: Tenant, *people: str) -> None:
    """Let each technician in turn give the approval that comes first."""
    for name in people:
        with scope.tenant(client.id):
            waiting = Approval.objects.filter(decision="pending")
            first = min(waiting, key=lambda row: TIERS.index(row.tier))
            told = {"actor": f"technician:{name}", "sha256": first.plan.sha256}
            approvals.decide(first.id, approve=True, **told)
        drain()


def the_case(client: Tenant) -> Case:
    with scope.tenant(client.id):
        return Case.objects.get()


def test_the_input_names_the_ring_and_the_evidence_the_rest(client, rmm) -> None:
    inventory(client, 1, 2, 3)
    rmm.answers[PENDING] = {
        "devices": [
            computer(1, "broad"), computer(2, "pilot"),
            computer(3, "broad", patches=["KB7", "KB8"]), computer(4, "broad", patches=[]),
        ]
    }  # fmt: skip
    start(client, "patch-ring", ring="broad")
    assert rmm.asked == [(PENDING, {"ring": "broad"})]
    approve(client, "ann")
    assert sorted(rmm.given, key=lambda one: one[0]) == [
        ("dev-1", {"patches": ["KB1"]}), ("dev-3", {"patches": ["KB7", "KB8"]}),
    ]  # fmt: skip
    assert the_case(client).closing_note == "2 actions done and read back."


def test_the_first_of_a_large_ring_goes_alone(client, rmm) -> None:
    inventory(client, *range(1, 8))
    rmm.answers[PENDING] = {"devices": [computer(number) for number in range(1, 8)]}
    failed: list[str] = []

    def fail_the_first(action: str, target: str) -> None:
        failed.append(target)
        raise Rejected("the update broke it")

    rmm.on_call = fail_the_first
    start(client, "patch-ring")
    approve(client, "ann")
    assert failed == ["dev-1"]
    with scope.tenant(client.id):
        assert set(Step.objects.exclude(status="failed").values_list("status", flat=True)) == {
            "skipped"
        }
    assert the_case(client).status == "needs_technician"


def test_a_server_is_known_by_the_directory_too(client, rmm) -> None:
    """What the vendor takes for a workstation may be a server all the same."""
    inventory(client, 1, is_server=True)
    inventory(client, 2)
    rmm.answers[PENDING] = {"devices": [computer(1), computer(2), computer(3)]}
    start(client, "patch-ring")
    with scope.tenant(client.id):
        steps = Plan.objects.get().document["steps"]
    told = {step["target"]["name"]: step["target"]["is_server"] for step in steps}
    # The third is not in the directory, so it may be one.
    assert told == {"PC-1": True, "PC-2": False, "PC-3": True}


def test_a_ring_that_nobody_belongs_to_is_said(client, rmm) -> None:
    rmm.answers[PENDING] = {"devices": [computer(1)]}
    start(client, "patch-ring", ring="piolt")
    case = the_case(client)
    assert case.status == "needs_technician"
    assert case.needs == (
        "No computer belongs to the ring piolt. Look at how the ring is written, or put computers "
        "into it."
    )


def test_a_hole_is_closed_where_there_is_an_update_and_said_where_there_is_none(
    client, rmm
) -> None:
    inventory(client, 1, 2, 3)
    rmm.answers[EXPOSED] = {
        "devices": [computer(1), computer(2, patches=[]), computer(3, is_server=True)]
    }
    start(client, "emergency-patch", cve="CVE-2026-1234")
    approve(client, "ann", "ben")
    assert {target for _, target in rmm.done} == {"dev-1", "dev-3"}
    case = the_case(client)
    assert case.status == "needs_technician"
    assert case.needs.startswith("PC-2 has the hole CVE-2026-1234, and no update closes it yet.")


def test_a_weakened_setting_is_corrected_by_the_connector_that_told_of_it(client, rmm) -> None:
    setting = {"external_id": "MS.AAD.1.1v1", "name": "Legacy sign-in is blocked"}
    rmm.answers[DRIFT] = {
        "settings": [{**setting, "is_weaker": True, "wanted": {"state": "enabled"}}]
    }
    start(client, "correct-posture-drift")
    approve(client, "ann")
    assert rmm.given == [("MS.AAD.1.1v1", {"wanted": {"state": "enabled"}})]
    case = the_case(client)
    assert (case.status, case.closed_with_proof) == ("closed", True)


def test_what_was_too_much_for_one_run_is_left_to_a_person_and_named(client, rmm) -> None:
    rmm.answers[DRIFT] = {
        "settings": [
            {"external_id": f"S{n:02}", "name": f"Setting {n:02}", "is_weaker": True,
             "wanted": {"state": "enabled"}}
            for n in range(22)
        ]
    }  # fmt: skip
    with scope.tenant(client.id):
        routines.start("correct-posture-drift", actor="operator:test")
    drain()
    approve(client, "ann", "ben")
    case = the_case(client)
    assert case.status in ("needs_technician", "responding")
    assert [line for line in case.verdict_detail["not_planned"] if "Setting 21" in line] == [
        "Correct weakened security settings: more than 20 targets, by hand: Setting 21 (S21)."
    ]
