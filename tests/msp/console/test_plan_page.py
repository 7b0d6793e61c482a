"""The page of a plan says why each step has its tier, follows the plan, and undoes one step."""

import pytest

from msp.staff.models import Role
from playbooks.models import Plan, Step
from tenants import scope
from tests.msp.console.rows import Rows

pytestmark = pytest.mark.django_db


def test_it_says_why_each_step_has_its_tier_and_what_would_undo_it(browser, rows: Rows) -> None:
    html = browser(Role.VIEWER).get(f"/admin/plans/{rows.plan.id}/").content.decode()
    told = rows.plan.document["steps"][0]
    assert told["title"] in html
    assert told["tier_rule"]["title"] in html
    assert "Why this step is in the plan" in html
    assert "a revoked session can&#x27;t be restored" in html
    assert 'data-live="yes"' in html
    assert rows.plan.sha256 in html


def test_it_stops_to_follow_when_the_plan_is_over(browser, rows: Rows) -> None:
    with scope.tenant(rows.tenant.id):
        Plan.objects.filter(id=rows.plan.id).update(status=Plan.Status.DONE)
    assert b'data-live="no"' in browser(Role.VIEWER).get(f"/admin/plans/{rows.plan.id}/").content


def test_a_plan_that_took_the_place_of_another_is_named(browser, rows: Rows) -> None:
    with scope.tenant(rows.tenant.id):
        old = rows.plan
        fresh = Plan.objects.create(
            tenant_id=old.tenant_id, case=old.case, playbook=old.playbook, engagement_version=1,
            facts={}, document=old.document, sha256="f" * 64, tier=old.tier, replaces=old,
        )  # fmt: skip
        Plan.objects.filter(id=old.id).update(status=Plan.Status.SUPERSEDED)
        assert Step.objects.filter(run__plan=old).exists()
    client = browser(Role.VIEWER)
    assert f"/admin/plans/{fresh.id}/" in client.get(f"/admin/plans/{old.id}/").content.decode()
    assert f"/admin/plans/{old.id}/" in client.get(f"/admin/plans/{fresh.id}/").content.decode()
