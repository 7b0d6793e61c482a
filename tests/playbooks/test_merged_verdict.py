"""Two suspicions merged by hand: the one about somebody stands."""

import pytest

from playbooks import library, regrouping
from tenants import scope
from tenants.models import Case, Device
from tests.pipeline import drain
from tests.playbooks.test_regrouping import WHO
from tests.playbooks.test_runner import both, case, cloud  # noqa: F401
from tests.playbooks.test_subjects import STAGES
from tests.playbooks.test_triage import _alert, _arrive

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("first", ["pc", "nobody"])
def test_who_is_named_is_not_forgotten_for_an_alert_that_names_nobody(
    case,  # noqa: F811
    cloud,  # noqa: F811
    first,
) -> None:
    of_nobody = library.get(library.OF_NOBODY)
    for step in of_nobody.steps:
        told = dict(of_nobody.example["evidence"][step.id])
        told.pop("available")
        cloud.answers[step.uses] = told
    alerts = {
        "pc": _alert("pc", 0, "device:pc-1", techniques=("T9999",), title="Odd"),
        "nobody": _alert("nobody", 0, "ip:203.0.113.9", techniques=("T9999",), title="Odd too"),
    }
    with scope.tenant(case.tenant_id):
        Device.objects.create(provider="microsoft365", external_id="pc-1", hostname="pc-1")
        _arrive(alerts.pop(first))
        _arrive(*alerts.values())
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        of_pc, other = (Case.objects.get(findings__uid=one) for one in ("pc", "nobody"))
        assert other.verdict_detail["playbook"] == library.OF_NOBODY
        investigated = of_pc.verdict_detail["playbook"]
        merged = regrouping.merge(of_pc.id, other.id, **WHO).case
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        merged.refresh_from_db()
        assert merged.verdict_detail["playbook"] == investigated
        assert merged.verdict_detail["questions"]
