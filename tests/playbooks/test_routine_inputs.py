"""What a routine is given: by whoever starts it, by the tenant's own defaults, by the playbook."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from playbooks import library, routine_inputs, routines
from playbooks.errors import PlaybookError
from playbooks.models import RoutineDefaults
from tenants import scope
from tenants.models import LedgerEntry, Tenant
from tests.playbooks.cases import make_account

pytestmark = pytest.mark.django_db

OFFBOARD = library.get("offboard-leaver")


def own(tenant: Tenant, **inputs: Any) -> None:
    with scope.tenant(tenant.id):
        routine_inputs.set_defaults(OFFBOARD, inputs, actor="technician:ann")


def started_with(tenant: Tenant, **given: Any) -> dict[str, Any]:
    """Start the routine, and return the inputs that its case has."""
    with scope.tenant(tenant.id):
        case = routines.start(
            OFFBOARD.id, actor="technician:ann", inputs=given, account=make_account()
        )
        return case.request["inputs"]


def test_the_tenants_own_stand_before_the_playbooks(tenant: Tenant, other_tenant: Tenant) -> None:
    own(tenant, retire_devices=True, automatic_reply="Write to office@acme.example.")
    told = started_with(tenant)
    assert told["retire_devices"] is True
    assert told["automatic_reply"] == "Write to office@acme.example."
    assert told["convert_mailbox"] is True
    assert started_with(other_tenant)["retire_devices"] is False


def test_who_starts_it_may_say_otherwise(tenant: Tenant) -> None:
    own(tenant, retire_devices=True)
    assert started_with(tenant, retire_devices=False)["retire_devices"] is False


def test_the_newest_defaults_hold_whole_and_the_old_ones_stay_to_be_seen(tenant: Tenant) -> None:
    own(tenant, retire_devices=True)
    own(tenant, remove_licences=False)
    told = started_with(tenant)
    assert (told["retire_devices"], told["remove_licences"]) == (False, False)
    own(tenant, remove_licences=False)
    with scope.tenant(tenant.id):
        assert RoutineDefaults.objects.count() == 2
        entries = LedgerEntry.objects.filter(kind="routine.defaults_set").order_by("id")
        assert [entry.body["inputs"] for entry in entries] == [
            {"retire_devices": True}, {"remove_licences": False},
        ]  # fmt: skip
        with pytest.raises(DatabaseError), transaction.atomic():
            RoutineDefaults.objects.update(inputs={})


def test_what_a_version_no_longer_knows_or_knows_otherwise_is_left_out(tenant: Tenant) -> None:
    with scope.tenant(tenant.id):
        RoutineDefaults.objects.create(
            tenant_id=tenant.id, playbook_id=OFFBOARD.id, actor="an earlier release",
            inputs={"gone": 1, "retire_devices": "yes", "remove_licences": False},
        )  # fmt: skip
    told = started_with(tenant)
    assert "gone" not in told
    assert (told["retire_devices"], told["remove_licences"]) == (False, False)


@pytest.mark.parametrize(
    ("playbook_id", "inputs", "told"),
    [
        ("offboard-leaver", {"devices": True}, "takes no input 'devices'"),
        ("offboard-leaver", {"retire_devices": "yes"}, "not of the type boolean"),
        ("access-review", {"inactive_days": True}, "not of the type integer"),
        ("isolate-endpoint", {}, "not a routine"),
    ],
)
def test_bad_defaults_are_refused(tenant: Tenant, playbook_id, inputs, told) -> None:
    with scope.tenant(tenant.id), pytest.raises(PlaybookError, match=told):
        routine_inputs.set_defaults(library.get(playbook_id), inputs, actor="test")


def test_a_required_input_may_come_from_the_tenant_and_is_missed_otherwise(tenant: Tenant) -> None:
    patch = library.get("emergency-patch")
    with scope.tenant(tenant.id):
        for given in ({}, {"cve": ""}, {"cve": None}):
            with pytest.raises(PlaybookError, match="'cve' is missing"):
                routine_inputs.checked(patch, given)
        routine_inputs.set_defaults(patch, {"cve": "CVE-2026-1"}, actor="test")
        assert routine_inputs.checked(patch, {}) == {"cve": "CVE-2026-1"}


@pytest.mark.parametrize(
    ("playbook_id", "has_account", "told"),
    [
        ("offboard-leaver", False, "is about one account"),
        ("access-review", True, "is about the whole client"),
    ],
)
def test_whom_it_is_about_fits_the_routine(tenant: Tenant, playbook_id, has_account, told) -> None:
    with scope.tenant(tenant.id):
        account = make_account() if has_account else None
        with pytest.raises(PlaybookError, match=told):
            routines.start(playbook_id, actor="test", account=account)


def _typed(*words: str) -> str:
    out = io.StringIO()
    call_command("routine", "defaults", *words, stdout=out)
    return out.getvalue()


def test_they_are_set_shown_and_cleared_from_the_command_line(tenant: Tenant) -> None:
    words = (tenant.slug, "access-review")
    assert "inactive_days = 90 " in _typed(*words)
    assert "inactive_days = 45 " in _typed(*words, "--input", "inactive_days=45")
    assert "inactive_days = 45 " in _typed(*words)
    assert "inactive_days = 90 " in _typed(*words, "--clear")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("access-review", "--input", "inactive_days=soon"), "not of the type integer"),
        (("no-such-routine",), "There is no playbook"),
    ],
)
def test_a_mistake_on_the_command_line_is_said(tenant: Tenant, words, told) -> None:
    with pytest.raises(CommandError, match=told) as error:
        _typed(tenant.slug, *words)
    assert error.value.returncode == 2
