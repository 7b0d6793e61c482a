"""A worker killed at any transition leaves no action done twice and none forgotten.

The worker is a real process, killed with SIGKILL as soon as the database shows a transition that
was not seen before; another one takes over. The simulator's own log counts the effects.
"""

from collections.abc import Iterator

import pytest

from playbooks.models import Step
from tenants import ledger, scope
from tenants.models import Case
from tests.integrations.simulators.fixtures import running_simulator
from tests.journeys.clinic import Clinic, connect
from tests.journeys.processes import Processes, wait_until

pytestmark = [pytest.mark.usefixtures("committed_database"), pytest.mark.process]

_STATUSES = ("intended", "called", "verified")


@pytest.fixture
def processes(tmp_path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.close()


@pytest.fixture
def clinic(make_tenant, settings) -> Iterator[Clinic]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with running_simulator(seed="bec") as simulator:
        # Slow enough that a worker is killed while it speaks to the vendor.
        simulator.control.fault("slow", path="/users/|InvokeCommand", seconds=0.15)
        yield connect(make_tenant("contoso-clinic"), simulator)


def _seen(clinic: Clinic) -> set[tuple[str, str]]:
    with scope.tenant(clinic.tenant.id):
        steps = set(Step.objects.values_list("action", "status"))
        cases = {("case", status) for status in Case.objects.values_list("status", flat=True)}
    return {pair for pair in steps | cases if pair[0] == "case" or pair[1] in _STATUSES}


def _is_over(clinic: Clinic) -> bool:
    with scope.tenant(clinic.tenant.id):
        cases = Case.objects.filter(account__username__startswith="priya.shah@")
        return cases.filter(status__in=("closed", "needs_technician")).exists()


@pytest.mark.longest
def test_killed_at_every_transition(clinic, processes) -> None:
    processes.scheduler()
    worker = processes.worker()
    handled: set[tuple[str, str]] = set()
    kills = 0

    def is_new() -> bool:
        return bool(_seen(clinic) - handled) or _is_over(clinic)

    def stuck() -> str:
        return f"stuck after {sorted(handled)}\n{processes.log('worker')[-3000:]}"

    while not _is_over(clinic):
        wait_until(is_new, 60, stuck)
        new = _seen(clinic) - handled
        handled |= new
        if new and not _is_over(clinic):
            processes.kill(worker)
            kills += 1
            worker = processes.worker()
    assert kills >= 8, f"only {kills} kills: {sorted(handled)}"
    case = clinic.case()
    assert case.status == Case.Status.CLOSED, case.needs
    assert case.closed_with_proof
    with scope.tenant(clinic.tenant.id):
        steps = list(Step.objects.all())
        ledger.seal()
        assert ledger.verify().is_ok
    assert {step.status for step in steps} == {"verified"}
    effects = clinic.effects()
    assert len(effects) == len(set(effects)), f"an action was done twice: {effects}"
    assert len(effects) == len(steps), f"an action was forgotten: {effects}"


def test_a_lost_message_is_sent_again(clinic, processes) -> None:
    """No message was ever sent for this work: the test's process sends none."""
    processes.worker()
    processes.scheduler()
    wait_until(
        lambda: _is_over(clinic), 90, lambda: f"{_seen(clinic)}\n{processes.log('worker')[-3000:]}"
    )
    assert clinic.case().status == Case.Status.CLOSED, clinic.case().needs
