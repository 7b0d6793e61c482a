"""Every request that the product sends, and every answer it gets, is as the vendor's contract says.

The whole way is recorded: feeds, investigation, containment, read-back and undoing.
"""

import pytest

from playbooks import approvals, rollback
from playbooks.models import Plan
from playbooks.running import undo_choices
from tenants import scope
from tests.contracts.published import GRAPH_CONTRACT, WHY_ABSENT, assert_conforms
from tests.integrations.simulators.fixtures import running_simulator
from tests.journeys.clinic import connect
from tests.pipeline import drain

pytestmark = [
    pytest.mark.usefixtures("committed_database"),
    pytest.mark.skipif(not GRAPH_CONTRACT.exists(), reason=WHY_ABSENT),
]


def test_the_whole_way_conforms(make_tenant, settings, tmp_path) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    recording = tmp_path / "exchanges.ndjson"
    with running_simulator(seed="bec", record_exchanges=recording) as simulator:
        clinic = connect(make_tenant("contoso-clinic"), simulator)
        drain()
        with scope.tenant(clinic.tenant.id):
            for plan in list(Plan.objects.all()):
                undoing = rollback.request(
                    plan.id, actor="technician:kim", chosen=undo_choices.everything(plan)
                )
                approvals.decide(
                    undoing.approvals.get().id,
                    approve=True,
                    actor="technician:ali",
                    sha256=undoing.sha256,
                )
        drain()
        assert len(clinic.effects()) >= 10
    assert assert_conforms(recording) >= 40
