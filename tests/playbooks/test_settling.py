"""What nobody knows is read back once more, and goes by a technician's word where that fails."""

import pytest
from django.utils import timezone

from integrations.errors import OutcomeUnknown, PermissionMissing
from integrations.models import Connection
from playbooks import rollback
from playbooks.errors import PlaybookError
from playbooks.models import Plan, Step
from playbooks.replanning import replanning
from playbooks.running import settling, stuck, undo_choices
from tenants import ledger, scope
from tenants.models import Case, LedgerEntry
from tests.pipeline import drain, make_due
from tests.playbooks.test_resuming import ONE
from tests.playbooks.test_runner import adopt, both, case, cloud, reread, steps_of  # noqa: F401
from tests.playbooks.vendor import Vendor

pytestmark = pytest.mark.django_db
ANN = "technician:ann"
SAW = "The portal shows it."


@pytest.fixture
def unknown(case: Case, cloud: Vendor) -> Plan:  # noqa: F811
    """A plan whose one call got no answer, and then nothing could be read back any more."""

    def unreadable(action: str, target: str) -> None:
        raise PermissionMissing("The right to read is missing.")

    def cut(action: str, target: str) -> None:
        cloud.done.remove((action, target))
        cloud.on_read = unreadable
        raise OutcomeUnknown("cut")

    cloud.after_call = cut
    plan = adopt(case, ONE)
    carry_on()
    assert steps_of(plan)["disable"].status == "unknown"
    assert reread(case).status == Case.Status.NEEDS_TECHNICIAN
    assert "say on the plan's page whether it was done" in reread(case).needs
    return plan


def carry_on() -> None:
    for _ in range(3):
        make_due("run")
        drain(["run", "close"])


def say(plan: Plan, *, was_done: bool, note: str = SAW, step: str = "disable") -> None:
    with scope.tenant(plan.tenant_id):
        settling.tell(plan.id, step, was_done=was_done, note=note, actor=ANN)


def settle(plan: Plan) -> Step:
    """Let the workers take up what was said."""
    drain(["recheck", "close"])
    return steps_of(plan)["disable"]


def entries(plan: Plan, *kinds: str) -> list[tuple[str, str]]:
    with scope.tenant(plan.tenant_id):
        assert not ledger.verify().broken
        found = LedgerEntry.objects.filter(kind__in=kinds).order_by("id")
        return [(one.kind, one.actor) for one in found]


def test_what_was_done_closes_the_case_without_proof(unknown, case) -> None:  # noqa: F811
    say(unknown, was_done=True)
    assert steps_of(unknown)["disable"].status == "unknown"
    step = settle(unknown)
    assert step.status == "unknown"
    assert step.error.startswith(f"ann saw at the vendor that it was done: “{SAW}”.")
    closed = reread(case)
    assert (closed.status, closed.closed_with_proof) == (Case.Status.CLOSED, False)
    assert "ann saw at the vendor that it was done" in closed.closing_note
    assert entries(unknown, "step.told", "step.told_done") == [
        ("step.told", ANN), ("step.told_done", "engine"),
    ]  # fmt: skip
    with scope.tenant(case.tenant_id):
        assert undo_choices.can_be_undone(step)


def test_what_was_not_done_has_failed_and_can_be_planned_again(
    unknown,
    case,  # noqa: F811
    cloud,  # noqa: F811
) -> None:
    say(unknown, was_done=False)
    step = settle(unknown)
    assert step.status == "failed"
    assert f"ann saw at the vendor that it was not done: “{SAW}”." in reread(case).needs
    assert reread(case).status == Case.Status.NEEDS_TECHNICIAN
    assert entries(unknown, "step.told_not_done") == [("step.told_not_done", "engine")]
    with scope.tenant(case.tenant_id):
        assert not undo_choices.can_be_undone(step)
        fresh = replanning.ask_again(unknown.id, actor=ANN)
    assert (fresh.status, fresh.tier) == ("awaiting_approval", "technician")
    assert len(cloud.calls) == 1


@pytest.mark.parametrize("was_done", [True, False])
def test_what_else_a_person_has_to_do_stays(unknown, case, was_done) -> None:  # noqa: F811
    other = "“Isolate” for PC-7 no longer holds: It is on the network."
    with scope.tenant(case.tenant_id):
        stuck.also_needs(reread(case), other)
    say(unknown, was_done=was_done)
    settle(unknown)
    now = reread(case)
    assert now.status == Case.Status.NEEDS_TECHNICIAN
    assert other in now.needs
    assert "Look at the vendor" not in now.needs
    assert ("saw at the vendor that it was not done" in now.needs) is not was_done


def test_what_failed_otherwise_is_not_planned_again_by_that(unknown) -> None:
    with scope.tenant(unknown.tenant_id), pytest.raises(PlaybookError):
        replanning.ask_again(unknown.id, actor=ANN)


@pytest.mark.parametrize("was_done", [True, False])
def test_what_the_vendor_shows_counts_before_any_word(
    unknown,
    case,  # noqa: F811
    cloud,  # noqa: F811
    was_done,
) -> None:
    cloud.on_read = None
    cloud.done.append(cloud.calls[0])
    say(unknown, was_done=was_done)
    step = settle(unknown)
    assert (step.status, step.read_back["holds"]) == ("verified", True)
    if was_done:
        assert (reread(case).status, reread(case).closed_with_proof) == ("closed", True)
    else:
        assert "took effect after all" in reread(case).needs
    assert entries(unknown, "step.told_done", "step.told_not_done") == []


def test_the_word_counts_where_the_connection_is_gone(unknown) -> None:
    with scope.tenant(unknown.tenant_id):
        Connection.objects.update(connector="active_directory")
        Step.objects.update(connection_id=None)
    say(unknown, was_done=True)
    assert "was done" in settle(unknown).error


def test_proof_that_comes_later_is_kept(unknown, case, cloud) -> None:  # noqa: F811
    say(unknown, was_done=True)
    settle(unknown)
    cloud.on_read = None
    cloud.done.append(cloud.calls[0])
    make_due("recheck")
    assert settle(unknown).status == "verified"
    assert reread(case).status == Case.Status.CLOSED


def test_who_says_that_an_undoing_was_done_has_the_step_undone(
    case,  # noqa: F811
    cloud,  # noqa: F811
) -> None:
    plan = adopt(case, ONE)
    carry_on()
    with scope.tenant(case.tenant_id):
        undoing = rollback.request(plan.id, actor=ANN)
        undoing.approvals.update(
            decision="approved", decided_sha256=undoing.sha256, decided_at=timezone.now()
        )
        Step.objects.filter(run__plan=undoing).update(status="unknown", error="It is not known.")
    say(undoing, was_done=True, step="undo disable")
    assert settle(plan).status == "rolled_back"


@pytest.mark.parametrize(
    ("change", "told"), [({"note": " "}, "what you saw"), ({"step": "no such"}, "known by now")]
)
def test_what_can_not_be_told(unknown, change, told) -> None:
    with pytest.raises(PlaybookError, match=told):
        say(unknown, was_done=True, **change)
    assert entries(unknown, "step.told") == []


def test_it_is_told_once(unknown) -> None:
    say(unknown, was_done=True)
    with pytest.raises(PlaybookError, match="known by now"):
        say(unknown, was_done=False)


def test_nobody_is_asked_about_what_is_known(case) -> None:  # noqa: F811
    plan = adopt(case, ONE)
    carry_on()
    with pytest.raises(PlaybookError, match="known by now"):
        say(plan, was_done=False)
