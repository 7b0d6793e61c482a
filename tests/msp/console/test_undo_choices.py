"""A person chooses on the case's and the plan's page what is undone, and sees what it restores."""

import re

import pytest

from msp.staff.models import Role
from playbooks import approvals
from playbooks.models import Plan
from tenants import scope
from tests.pipeline import drain
from tests.playbooks.cases import make_plan
from tests.playbooks.samples import policy
from tests.playbooks.test_runner import both, case, cloud, reread  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
WARNING = "This restores what the intruder made: only if the verdict was wrong."
BOX = re.compile(r'<input type="checkbox" name="step" value="([^"]+)"( checked)?>')


@pytest.fixture
def contained(case, cloud) -> Plan:  # noqa: F811
    with scope.tenant(case.tenant_id):
        plan = make_plan(reread(case), policy(default="automatic"))
    drain(["run", "close"])
    return plan


def _undoings(plan: Plan) -> list[Plan]:
    with scope.tenant(plan.tenant_id):
        return list(Plan.objects.filter(document__reverses=plan.sha256).order_by("created_at"))


def _ask(web, plan: Plan, **form) -> str:
    address = f"/admin/plans/{plan.id}/roll-back/"
    return web.post(address, {"back": "plan", **form}, follow=True).content.decode()


def _actions(plan: Plan) -> list[str]:
    return [step["action"] for step in plan.document["steps"]]


def test_what_the_intruder_made_is_marked_and_not_ticked(browser, contained) -> None:
    web = browser(Role.TECHNICIAN, "tom")
    # Beside the step as well, where it may be undone alone.
    for address, times in (
        (f"/admin/plans/{contained.id}/", 2), (f"/admin/cases/{contained.case_id}/", 1),
    ):  # fmt: skip
        page = web.get(address).content.decode()
        boxes = {key: bool(checked) for key, checked in BOX.findall(page)}
        assert boxes.pop("disable_sign_in") is True
        assert list(boxes.values()) == [False]
        assert page.count(WARNING) == times
        assert "Open the account again" in page


def test_who_approves_sees_what_is_restored_and_what_stays(browser, contained) -> None:
    web = browser(Role.TECHNICIAN, "tom")
    page = _ask(web, contained, what="chosen", step="disable_sign_in")
    assert "This stays as it is:" in page
    assert "Remove a registered sign-in method: +234 …" in page
    assert "Left as it is, by choice. It can be undone later." in page
    [undoing] = _undoings(contained)
    assert _actions(undoing) == ["identity.enable_sign_in"]
    with scope.tenant(contained.tenant_id):
        approvals.decide(
            undoing.approvals.get().id, approve=True, actor="technician:ali", sha256=undoing.sha256
        )
    drain(["run", "close"])
    page = web.get(f"/admin/cases/{contained.case_id}/").content.decode()
    assert [key for key, _ in BOX.findall(page)] == ["remove_methods[m-phone]"]
    page = _ask(web, contained, what="chosen", step="remove_methods[m-phone]")
    assert WARNING in page
    assert _actions(_undoings(contained)[-1]) == ["identity.restore_auth_method"]


def test_all_of_it_is_undone_with_one_click(browser, contained) -> None:
    _ask(browser(Role.TECHNICIAN), contained, what="all")
    [undoing] = _undoings(contained)
    assert _actions(undoing) == ["identity.restore_auth_method", "identity.enable_sign_in"]


def test_the_account_is_opened_again_with_one_click(browser, contained) -> None:
    page = _ask(browser(Role.TECHNICIAN), contained, what="open", step="remove_methods[m-phone]")
    assert "Open the account again" in page
    assert _actions(_undoings(contained)[0]) == ["identity.enable_sign_in"]


def test_nothing_ticked_undoes_nothing(browser, contained) -> None:
    page = _ask(browser(Role.TECHNICIAN), contained, what="chosen")
    assert "Choose on the plan&#x27;s page what is to be undone." in page
    assert _undoings(contained) == []
