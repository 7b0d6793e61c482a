"""Alerts that come late, or with a clock that is wrong: each is looked at, and nothing loops."""

import datetime as dt

import pytest
from django.utils import timezone

from playbooks import approvals, closing, investigation, library, response, rollback
from playbooks.adoption import activation
from playbooks.cases import unread
from playbooks.investigating import harmless
from playbooks.models import Approval, Plan, Step
from playbooks.running import recheck as rechecking
from tenants import scope, work
from tenants.models import Case, Finding, LedgerEntry, Verdict, Work
from tests.pipeline import drain
from tests.playbooks.samples import facts
from tests.playbooks.test_rollback import ANN, THREE
from tests.playbooks.test_runner import (  # noqa: F401
    adopt,
    both,
    case,
    cloud,
    reread,
    set_rules,
    steps_of,
)
from tests.playbooks.test_triage import _alert, _arrive

pytestmark = pytest.mark.django_db
PRIYA = "account:priya.shah@acme.example"
BLOCK = "identity.disable_sign_in"
STAGES = ["triage", "investigate", "respond", "run", "close"]
TAKEOVER = library.get("investigate-account-takeover")
RANSOMWARE = library.get("investigate-ransomware")


@pytest.fixture
def attack(case, cloud, monkeypatch) -> Case:  # noqa: F811
    """A takeover that was found, contained and closed."""
    monkeypatch.setattr(activation, "choose_investigation", _choose)
    _answer(cloud)
    made = _another_case(case)
    drain(STAGES)
    assert reread(made).status == Case.Status.CLOSED
    return made


def _another_case(case: Case, time: dt.datetime | None = None) -> Case:  # noqa: F811
    """Let an alert about the case's account open another one."""
    with scope.tenant(case.tenant_id):
        Case.objects.update(status=Case.Status.CLOSED)
        _arrive(_alert("a", 0, PRIYA, time=time or _ago(minutes=5), title="Inbox rule"))
        return Case.objects.get(findings__uid="a")


def _choose(told):
    titles = [finding["title"] for finding in told["case"]["findings"]]
    return TAKEOVER if "Inbox rule" in titles else RANSOMWARE


def _answer(cloud) -> None:  # noqa: F811
    told = facts()["evidence"]
    for step in TAKEOVER.steps:
        answer = dict(told[step.id])
        answer.pop("available")
        cloud.answers[step.uses] = answer


def _ago(**span: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(**span)


def _blocks(cloud) -> int:  # noqa: F811
    return [action for action, _ in cloud.calls].count(BLOCK)


def _late(case: Case, *entities: str, **told) -> None:  # noqa: F811
    """Let another alert of the same account arrive."""
    told = {"time": _ago(minutes=4), "title": "Inbox rule", **told}
    with scope.tenant(case.tenant_id):
        _arrive(_alert("b", 0, PRIYA, *entities, **told))
        assert Finding.objects.get(uid="b").case_id == case.id


def test_a_late_alert_that_tells_nothing_new_is_only_kept(attack, cloud) -> None:  # noqa: F811
    asked = len(cloud.asked)
    _late(attack)
    drain(STAGES)
    assert reread(attack).status == Case.Status.CLOSED
    assert len(cloud.asked) == asked


@pytest.mark.parametrize(
    ("entities", "told"),
    [(["ip:192.0.2.7"], {}), ([], {"category": "Exfiltration"}), ([], {"severity": 5})],
)
def test_a_late_alert_that_tells_more_is_looked_into(attack, cloud, entities, told) -> None:  # noqa: F811
    asked, calls = len(cloud.asked), len(cloud.calls)
    _late(attack, *entities, **told)
    assert reread(attack).status == Case.Status.INVESTIGATING
    drain(STAGES)
    now = reread(attack)
    assert (now.status, now.verdict) == (Case.Status.CLOSED, Verdict.TRUE_POSITIVE)
    assert len(cloud.asked) == asked + len(TAKEOVER.steps)
    # What was done after all that the alerts tell of, and holds, is not done again.
    assert len(cloud.calls) == calls
    with scope.tenant(attack.tenant_id):
        assert LedgerEntry.objects.filter(kind="case.looked_into_again").count() == 1


def test_what_no_longer_holds_is_planned_again(attack, cloud) -> None:  # noqa: F811
    with scope.tenant(attack.tenant_id):
        step = Step.objects.get(run__plan__case=attack, action=BLOCK)
    cloud.done.remove((BLOCK, step.target_external_id))
    rechecking.recheck(attack.tenant_id, step.id)
    _late(attack)
    drain(STAGES)
    with scope.tenant(attack.tenant_id):
        assert Step.objects.filter(run__plan__case=attack, action=BLOCK).count() == 2


def test_an_attack_that_has_gone_on_is_contained_again(attack, cloud) -> None:  # noqa: F811
    with scope.tenant(attack.tenant_id):
        Case.objects.filter(id=attack.id).update(status=Case.Status.RESPONDING)
    _late(attack, time=timezone.now())
    closing.close(attack.tenant_id, attack.id)
    drain(STAGES)
    assert reread(attack).status == Case.Status.CLOSED
    assert _blocks(cloud) == 2


def test_a_contained_attack_stays_one_when_nothing_of_it_is_to_be_seen(attack, cloud) -> None:  # noqa: F811
    cloud.answers["mailbox.list_inbox_rules"] = {"rules": []}
    cloud.answers["identity.list_sign_ins"] = {
        **cloud.answers["identity.list_sign_ins"], "suspicious_successes": 0, "sign_ins": [],
    }  # fmt: skip
    _late(attack, "ip:192.0.2.7")
    drain(STAGES)
    now = reread(attack)
    assert now.verdict == Verdict.TRUE_POSITIVE
    assert now.status in (Case.Status.CLOSED, Case.Status.NEEDS_TECHNICIAN)
    with scope.tenant(attack.tenant_id):
        assert LedgerEntry.objects.filter(kind="case.verdict_stands").count() == 1


def _clean(cloud) -> None:  # noqa: F811
    """Show the account as Holdfast has left it; the vendor's own rating stays high."""
    cloud.answers["mailbox.list_inbox_rules"] = {"rules": []}
    cloud.answers["identity.list_auth_methods"] = {"methods": []}


def test_a_cleaned_mailbox_weakens_no_verdict(attack, cloud) -> None:  # noqa: F811
    """What decided first stays the reason, and since when we are sure."""
    first = reread(attack)
    assert first.verdict_detail["rule"] == "takeover-and-mail-rules"
    _clean(cloud)
    _late(attack, "ip:192.0.2.7")
    drain(STAGES)
    now = reread(attack)
    assert (now.status, now.verdict) == (Case.Status.CLOSED, Verdict.TRUE_POSITIVE)
    for name in ("rule", "because", "confidence", "facts", "evidence", "sure_since"):
        assert now.verdict_detail[name] == first.verdict_detail[name], name
    [look] = now.verdict_detail["looked_again"]
    assert (look["rule"], look["confidence"]) == ("takeover-by-risk", "medium")
    assert unread.sure_since(now) == unread.sure_since(first) < now.decided_at
    with scope.tenant(attack.tenant_id):
        entry = LedgerEntry.objects.get(kind="case.verdict_stands")
    assert entry.body["rule"] == "takeover-by-risk"
    assert entry.subject.endswith("the later look says true positive (medium confidence)")


def test_a_later_look_makes_a_verdict_stronger(attack, cloud) -> None:  # noqa: F811
    with scope.tenant(attack.tenant_id):
        detail = {**reread(attack).verdict_detail, "rule": "takeover-by-risk", "confidence": "low"}
        Case.objects.filter(id=attack.id).update(verdict_detail=detail)
    _late(attack, "ip:192.0.2.7")
    drain(STAGES)
    told = reread(attack).verdict_detail
    assert (told["rule"], told["confidence"]) == ("takeover-and-mail-rules", "high")
    assert told["sure_since"] == detail["sure_since"]


@pytest.mark.parametrize(
    ("word", "verdict"), [("not_asked", Verdict.SUSPICIOUS), ("yes", Verdict.BENIGN)]
)
def test_a_suspicion_ends_by_what_contradicts_it_and_not_by_cleaning(
    attack,
    cloud,  # noqa: F811
    monkeypatch,
    word,
    verdict,
) -> None:
    monkeypatch.setattr(harmless, "SETTLING", dt.timedelta())
    with scope.tenant(attack.tenant_id):
        Case.objects.filter(id=attack.id).update(verdict=Verdict.SUSPICIOUS)
        Finding.objects.update(title="Unusual sign-in")
    monkeypatch.setattr(activation, "choose_investigation", lambda told: TAKEOVER)
    _clean(cloud)
    countries = ["NG"] if word == "yes" else []
    cloud.answers["identity.list_sign_ins"] = {
        **cloud.answers["identity.list_sign_ins"], "suspicious_successes": 0, "sign_ins": [],
        "unusual_countries": countries,
    }  # fmt: skip
    cloud.answers["identity.list_risk_detections"] = {"detections": [], "user_risk_level": "low"}
    cloud.answers["person.get_word"] = {"answer": word, "asked": 1, "said": []}
    _late(attack, category="Exfiltration", title="Unusual sign-in")
    drain(STAGES)
    assert reread(attack).verdict == verdict


def test_what_another_investigation_is_for_is_looked_into_by_that_one(attack, cloud) -> None:  # noqa: F811
    """Nobody can say what the computer did, so a person has to look; the attack stays one."""
    _late(attack, "device:pc-7", severity=5, title="Ransomware")
    drain(STAGES)
    now = reread(attack)
    assert (now.status, now.verdict) == (Case.Status.NEEDS_TECHNICIAN, Verdict.TRUE_POSITIVE)
    with scope.tenant(attack.tenant_id):
        entry = LedgerEntry.objects.get(kind="case.verdict_stands")
    assert entry.body["playbook"] == RANSOMWARE.id


@pytest.mark.parametrize("verdict", ["benign", "true_positive"])
def test_an_alert_that_joins_while_the_case_responds_is_looked_into(attack, verdict) -> None:
    with scope.tenant(attack.tenant_id):
        Case.objects.filter(id=attack.id).update(status=Case.Status.RESPONDING, verdict=verdict)
    _late(attack, "device:pc-7", severity=5, title="Ransomware")
    assert reread(attack).status == Case.Status.RESPONDING
    closing.close(attack.tenant_id, attack.id)
    assert reread(attack).status == Case.Status.INVESTIGATING
    assert Work.objects.filter(kind="investigate", subject=attack.id).exists()


def test_an_alert_that_joins_while_the_case_is_looked_into_is_not_missed(
    case,  # noqa: F811
    cloud,  # noqa: F811
    monkeypatch,
) -> None:
    """The verdict is for a person, and nothing else would look at the alert."""
    monkeypatch.setattr(activation, "choose_investigation", lambda told: TAKEOVER)
    made = _another_case(case)
    gather, joined = investigation.gather, []

    def gather_and_join(*args, **more) -> bool:
        is_done = gather(*args, **more)
        if not joined:
            joined.append(True)
            _late(made, "device:pc-7")
        return is_done

    monkeypatch.setattr(investigation, "gather", gather_and_join)
    drain(STAGES)
    assert reread(made).status == Case.Status.NEEDS_TECHNICIAN
    assert len(cloud.asked) == 2 * len(TAKEOVER.steps)


@pytest.mark.parametrize("ahead", [dt.timedelta(hours=12), dt.timedelta(days=365)])
def test_a_vendor_whose_clock_is_ahead_has_the_case_contained_once(
    case,  # noqa: F811
    cloud,  # noqa: F811
    monkeypatch,
    ahead,
) -> None:
    monkeypatch.setattr(activation, "choose_investigation", lambda told: TAKEOVER)
    _answer(cloud)
    made = _another_case(case, timezone.now() + ahead)
    drain(STAGES)
    assert reread(made).status == Case.Status.CLOSED
    assert _blocks(cloud) == 1


@pytest.mark.parametrize("meeting", ["recheck", "rollback", "close"])
def test_the_response_to_a_new_verdict_is_not_lost(case, cloud, meeting) -> None:  # noqa: F811
    """Between the verdict and its response, something else touches the case's status."""
    plan = adopt(case, THREE)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        Work.objects.filter(kind="close").delete()
        Case.objects.filter(id=case.id).update(
            status=Case.Status.INVESTIGATING, decided_at=timezone.now()
        )
        work.schedule("respond", case.id)
    if meeting == "recheck":
        cloud.done = [done for done in cloud.done if done[0] != "mailbox.remove_forwarding"]
        rechecking.recheck(case.tenant_id, steps_of(plan)["forwarding"].id)
    elif meeting == "rollback":
        with scope.tenant(case.tenant_id):
            rollback.request(plan.id, actor=ANN, chosen={"forwarding"})
    else:
        closing.close(case.tenant_id, case.id)
    drain(["respond"])
    with scope.tenant(case.tenant_id):
        assert (
            Plan.objects.filter(case=case, mode="automatic")
            .exclude(playbook_id=plan.playbook_id)
            .exists()
        )


def test_a_verdict_is_responded_to_once(case, cloud) -> None:  # noqa: F811
    response.respond(case.tenant_id, case.id)
    drain(["run"])
    calls = len(cloud.calls)
    response.respond(case.tenant_id, case.id)
    drain(["run"])
    assert len(cloud.calls) == calls


@pytest.fixture
def asked_for(case, cloud, monkeypatch) -> Case:  # noqa: F811
    """A takeover whose plans wait for a technician."""
    set_rules(case.tenant_id, default="technician")
    monkeypatch.setattr(activation, "choose_investigation", _choose)
    _answer(cloud)
    made = _another_case(case)
    drain([*STAGES, "replan"])
    assert reread(made).status == Case.Status.AWAITING_APPROVAL
    return made


def _asked(case: Case) -> list[Approval]:  # noqa: F811
    with scope.tenant(case.tenant_id):
        rows = Approval.objects.filter(decision="pending").select_related("plan")
        return list(rows.order_by("requested_at"))


def test_a_worse_alert_is_looked_into_before_people_decide(asked_for, cloud) -> None:  # noqa: F811
    """What it adds stands in the plan that they are asked for, once."""
    before = _asked(asked_for)
    rules = cloud.answers["mailbox.list_inbox_rules"]["rules"]
    another = {**rules[0], "external_id": "second-rule", "name": ",,"}
    cloud.answers["mailbox.list_inbox_rules"] = {"rules": [*rules, another]}
    _late(asked_for, severity=5)
    assert reread(asked_for).status == Case.Status.INVESTIGATING
    drain([*STAGES, "replan"])
    now = _asked(asked_for)
    assert reread(asked_for).status == Case.Status.AWAITING_APPROVAL
    assert len(now) == len(before)
    assert [row.plan.document["playbook"]["id"] for row in now] == [
        "contain-cloud-account", "undo-mailbox-tampering",
    ]  # fmt: skip
    assert now[0].id == before[0].id, "What is still right is not asked for again."
    targets = [step["target"]["external_id"] for step in now[1].plan.document["steps"]]
    assert "second-rule" in targets


def test_an_alert_that_tells_nothing_new_keeps_nobody_from_deciding(asked_for, cloud) -> None:  # noqa: F811
    before, read = _asked(asked_for), len(cloud.asked)
    _late(asked_for)
    drain([*STAGES, "replan"])
    assert [row.id for row in _asked(asked_for)] == [row.id for row in before]
    assert reread(asked_for).status == Case.Status.AWAITING_APPROVAL
    assert len(cloud.asked) == read


def test_a_later_look_that_sees_nothing_keeps_what_people_are_asked(asked_for, cloud) -> None:  # noqa: F811
    before = _asked(asked_for)
    cloud.answers["identity.list_sign_ins"] = {
        **cloud.answers["identity.list_sign_ins"], "suspicious_successes": 0, "sign_ins": [],
    }  # fmt: skip
    _late(asked_for, severity=5)
    drain([*STAGES, "replan"])
    now = reread(asked_for)
    assert now.status == Case.Status.AWAITING_APPROVAL
    assert now.needs == "Approve or reject 2 plans."
    assert [row.id for row in _asked(asked_for)] == [row.id for row in before]
    for row in before:
        with scope.tenant(now.tenant_id):
            approvals.decide(row.id, approve=True, actor=ANN, sha256=row.plan.sha256)
    drain(STAGES)
    now = reread(asked_for)
    assert now.status == Case.Status.NEEDS_TECHNICIAN
    assert now.needs.startswith("An alert came later.")
