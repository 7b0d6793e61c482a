"""The case page says everything that is left for a person, not only the last that happened."""

import pytest

from integrations.errors import Rejected
from msp.staff.models import Role
from playbooks import rollback
from playbooks.running import recheck
from tenants import scope
from tenants.models import Case
from tests.msp.console.test_held_steps import case, cloud  # noqa: F401
from tests.pipeline import drain
from tests.playbooks.test_runner import TWO, adopt, reread, steps_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
BOTH = ("“Disable sign-in” for priya", "“Revoke all sign-in sessions” for priya")


def _page(browser, case: Case) -> str:  # noqa: F811
    return browser(Role.VIEWER).get(f"/admin/cases/{case.id}/").content.decode()


def test_two_steps_that_failed(browser, case, cloud) -> None:  # noqa: F811
    def refuse(action: str, target: str) -> None:
        raise Rejected("The account is read-only.")

    cloud.on_call = refuse
    adopt(case, TWO.format(first="on_failure: continue", second="on_failure: continue"))
    drain(["run", "close"])
    needs = _page(browser, case).split("Needed now:")[1].split("</div>")[0]
    for said in BOTH:
        assert said in needs
    assert needs.count("failed: The account is read-only.") == 2


def test_two_effects_that_were_lost_while_an_undoing_waits(browser, case, cloud) -> None:  # noqa: F811
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run", "close"])
    assert reread(case).status == Case.Status.CLOSED
    with scope.tenant(case.tenant_id):
        rollback.request(plan.id, actor="technician:ann", chosen={"disable"})
    for step in steps_of(plan).values():
        cloud.done.remove((step.action, step.target_external_id))
        recheck.recheck(case.tenant_id, step.id)
    needs = _page(browser, case).split("Needed now:")[1].split("</div>")[0]
    for said in ("Approve or reject the undoing.", *BOTH):
        assert said in needs
    queue = browser(Role.VIEWER).get("/admin/queue/").content.decode()
    for said in ("Approve or reject:", *BOTH):
        assert said in queue
