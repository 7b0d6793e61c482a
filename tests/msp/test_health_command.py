"""``manage.py health``: what it prints, and what its exit code says."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import connections
from integrations.models import Connection, FeedState
from msp import scheduler
from tenants import scope
from tenants.models import Tenant, Work
from tests.integrations.microsoft365.conftest import Vendor
from tests.integrations.simulators.fixtures import running_simulator
from tests.msp.console import rows as seeded

pytestmark = pytest.mark.django_db


def _health(*arguments: str) -> tuple[str, int]:
    out, code = io.StringIO(), 0
    try:
        call_command("health", *arguments, stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    return out.getvalue(), code


def _json(*arguments: str) -> tuple[list[dict[str, Any]], int]:
    told, code = _health("--json", *arguments)
    return json.loads(told), code


@pytest.fixture
def vendor(settings) -> Iterator[Vendor]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with running_simulator(seed="quiet") as simulator:
        yield Vendor(simulator, simulator.control.tenants()[0])


def _connect(tenant: Tenant, vendor: Vendor) -> Connection:
    with scope.tenant(tenant.id):
        row = connections.create(
            connector="microsoft365", name="M365", settings=vendor.settings,
            secrets=vendor.secrets, actor="test",
        )  # fmt: skip
        FeedState.objects.update(caught_up_at=timezone.now())
    return row


def test_it_says_what_is_wrong_with_the_fix_and_ends_with_one(tenant, other_tenant) -> None:
    seeded.fill(tenant)
    told, code = _health()
    assert code == 1
    assert f"{tenant.slug}: Microsoft 365 is broken: The vendor refuses the credentials." in told
    assert "enter them on the connection's page" in told
    assert "missing SecurityAlert.Read.All: In the app registration" in told
    [report], code = _json(tenant.slug)
    assert (report["status"], report["client"], code) == ("broken", tenant.slug, 1)
    assert report["permissions"]["excessive"][0] == "Sites.FullControl.All"
    assert {alarm["kind"] for alarm in report["alarms"]} == {"canary", "expiry"}
    assert "nobody may read this" not in json.dumps(report)
    assert _json(other_tenant.slug) == ([], 0)


def test_a_client_that_is_not_there_is_said(tenant) -> None:
    with pytest.raises(CommandError, match="There is no client 'nobody'"):
        _health("nobody")


def test_check_asks_the_vendor_first(tenant, vendor) -> None:
    _connect(tenant, vendor)
    [before], _ = _json(tenant.slug)
    assert before["last_healthy_at"] is None
    [after], code = _json(tenant.slug, "--check")
    assert after["last_healthy_at"] is not None
    # The simulator grants more than is asked for, and less: both are told.
    assert after["permissions"]["told_by_vendor"]
    assert "Directory.Read.All" in after["permissions"]["excessive"]
    assert code == (0 if after["status"] == "healthy" else 1)


def test_connections_from_before_there_were_checks_are_checked(tenant, vendor) -> None:
    row = _connect(tenant, vendor)
    Work.objects.filter(kind="check").delete()
    assert scheduler.schedule_checks() == 1
    assert Work.objects.filter(kind="check", subject=row.id).count() == 1
    assert scheduler.schedule_checks() == 0
    Work.objects.filter(kind="check").delete()
    with scope.tenant(tenant.id):
        connections.set_paused(row.id, paused=True, actor="test")
    assert scheduler.schedule_checks() == 0


def test_what_is_switched_off_is_said_beside_the_answer(tenant, settings) -> None:
    def warned() -> str:
        err = io.StringIO()
        call_command("health", "--json", stdout=io.StringIO(), stderr=err)
        return err.getvalue()

    assert warned() == ""
    settings.REQUIRE_MFA = False
    assert "HOLDFAST_REQUIRE_MFA is 0" in warned()
    settings.DEMO_SETTINGS = {"HOLDFAST_REQUIRE_MFA": "0", "HOLDFAST_ALLOW_PRIVATE_ENDPOINTS": "1"}
    assert "The settings of the demo are on: decisions need no second sign-in factor" in warned()
    assert "HOLDFAST_REQUIRE_MFA is 0" not in warned()
