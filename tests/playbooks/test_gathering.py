"""Whom a question is put to; vendors that ask to wait: what the others said is kept."""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from types import MappingProxyType

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import registry
from integrations.errors import Throttled
from integrations.intelligence import store
from integrations.intelligence.found import Found
from integrations.models import Connection
from playbooks import investigation, library, routines
from playbooks.adoption import activation
from playbooks.investigating import gathering, own_answers
from playbooks.models import Step
from tenants.models import Account, Case, Evidence, Work
from tests.playbooks.cases import make_account, make_case
from tests.playbooks.samples import facts
from tests.playbooks.vendor import Vendor, connect, vendors

PLAYBOOK = library.get("investigate-account-takeover")
BUSY = "identity.list_sign_ins"


@pytest.fixture
def cloud(in_tenant, monkeypatch) -> Iterator[Vendor]:
    monkeypatch.setattr(activation, "choose_investigation", lambda told: PLAYBOOK)
    with vendors(monkeypatch, "microsoft365") as made:
        connect("microsoft365")
        vendor = made["microsoft365"]
        told = facts()["evidence"]
        for step in PLAYBOOK.steps:
            answer = dict(told[step.id])
            answer.pop("available")
            vendor.answers[step.uses] = answer
        yield vendor


@pytest.fixture
def case(cloud) -> Case:
    cloud.on_ask = _throttle
    return make_case(make_account(), status=Case.Status.NEW, verdict="", verdict_detail={})


def _throttle(question: str) -> None:
    if question == BUSY:
        raise Throttled("slow down", retry_after=600)


def _look(case: Case) -> Case:
    investigation.investigate(case.tenant_id, case.id)
    case.refresh_from_db()
    return case


def _asked(cloud: Vendor) -> list[str]:
    return [question for question, _ in cloud.asked]


@pytest.mark.parametrize(("days_ago", "reached"), [(0, 0), (3, 3), (40, 7)])
def test_what_is_asked_late_reaches_back_to_the_beginning(case, cloud, days_ago, reached) -> None:
    """Else an intruder's country is usual, and their work not seen, when a case is opened late."""
    cloud.on_ask = None
    now = timezone.now()
    case.first_activity_at = now - dt.timedelta(days=days_ago)
    case.save(update_fields=["first_activity_at"])
    _look(case)
    given = {step.uses: step.inputs(facts()) for step in PLAYBOOK.steps}
    began = now - dt.timedelta(days=reached)
    for question, inputs in cloud.asked:
        since = dt.datetime.fromisoformat(inputs["since"])
        assert abs(since + dt.timedelta(hours=48) - began) < dt.timedelta(minutes=1)
        if "days" in inputs:
            assert inputs["days"] - given[question]["days"] in (reached, reached + 1)
    hours = gathering._Question(PLAYBOOK.steps[0], (), {"hours": 24})
    assert gathering._reaching_back(hours, case).inputs["hours"] - 24 in (
        24 * reached, 24 * reached + 1,
    )  # fmt: skip
    # The more ordinary days are around a burst, the more usual it seems.
    files = library.get("investigate-mass-download").steps[1]
    burst = gathering._Question(files, (), {"hours": 24})
    assert gathering._reaching_back(burst, case).inputs["hours"] == 24


def test_only_the_busy_vendor_is_asked_again(case, cloud) -> None:
    assert _look(case).verdict == ""
    due = Work.objects.get(kind="investigate").due_at - timezone.now()
    assert dt.timedelta(minutes=9) < due <= dt.timedelta(minutes=10)
    assert Evidence.objects.count() == len(PLAYBOOK.steps) - 1
    cloud.on_ask = None
    assert _look(case).verdict == "true_positive"
    assert len(_asked(cloud)) == len(PLAYBOOK.steps) + 1
    assert _asked(cloud)[-1] == BUSY


def test_whose_accounts_they_are_is_read_once_for_all_questions(case, cloud) -> None:
    cloud.on_ask = None
    with CaptureQueriesContext(connection) as caught:
        assert gathering.gather(case.tenant_id, case.id, PLAYBOOK.steps, retry="investigate")
    read = [one["sql"] for one in caught if 'FROM "tenants_account"' in one["sql"]]
    of_person = [sql for sql in read if '"tenants_account"."person_id" =' in sql]
    assert len(PLAYBOOK.steps) > 1
    assert len(of_person) == 1, of_person


def test_after_half_an_hour_it_is_decided_without_the_answer(case, cloud) -> None:
    _look(case)
    _asked_before(case, dt.timedelta(minutes=29))
    assert _look(case).verdict == ""
    due = Work.objects.get(kind="investigate").due_at - timezone.now()
    assert due <= dt.timedelta(minutes=1)
    _asked_before(case, dt.timedelta(minutes=31))
    now = _look(case)
    assert now.verdict != ""
    assert [missing["step"] for missing in now.verdict_detail["missing"]] == ["sign_ins"]
    assert not Evidence.objects.get(gatherer=BUSY).is_available


def test_the_next_look_waits_anew_and_asks_everything(case, cloud) -> None:
    _look(case)
    _asked_before(case, dt.timedelta(hours=3))
    cloud.asked.clear()
    _look(case)
    assert len(_asked(cloud)) == len(PLAYBOOK.steps)
    assert Work.objects.filter(kind="investigate").exists()


def _asked_before(case: Case, ago: dt.timedelta) -> None:
    """Let the vendor have asked to wait so long ago."""
    Work.objects.all().delete()
    since = timezone.now() - ago
    Case.objects.filter(id=case.id).update(verdict_detail={"asking_since": since.isoformat()})


DEVICES = "identity.list_devices"


@pytest.fixture
def three(in_tenant, monkeypatch) -> Iterator[dict[str, Vendor]]:
    """An identity provider, and two products that know whose devices are whose."""
    names = ("microsoft365", "intune", "tactical_rmm")
    with vendors(monkeypatch, *names) as made:
        own = registry.CONNECTORS["microsoft365"]
        without = tuple(one for one in own.gatherers if one.name != DEVICES)
        known = {**registry.CONNECTORS, "microsoft365": dataclasses.replace(own, gatherers=without)}
        with monkeypatch.context() as patch:
            patch.setattr(registry, "CONNECTORS", MappingProxyType(known))
            for name in names:
                connect(name)
            yield made


def _leave(three: dict[str, Vendor], **inputs: bool) -> Evidence:
    account = make_account()
    Account.objects.create(
        provider="google_workspace", external_id="g-7", username="priya@acme.example",
        person=account.person,
    )  # fmt: skip
    started = routines.start(
        "offboard-leaver", actor="operator:ann", account=account, inputs=inputs
    )
    routines.carry_out(started.tenant_id, started.id)
    return Evidence.objects.get(gatherer=DEVICES)


def test_every_product_is_asked_for_the_persons_devices(three) -> None:
    phone = {"external_id": "d-1", "name": "PHONE", "is_managed": True}
    three["intune"].answers[DEVICES] = {"devices": [phone]}
    three["tactical_rmm"].answers[DEVICES] = {"devices": [{**phone, "name": "PC"}]}
    found = _leave(three)
    assert found.is_available, found.summary
    assert found.asked_of == "intune, tactical_rmm"
    assert [(one["provider"], one["name"]) for one in found.answer["facts"]["devices"]] == [
        ("intune", "PHONE"), ("tactical_rmm", "PC"),
    ]  # fmt: skip
    assert [name for name, _ in three["intune"].asked if name == DEVICES] == [DEVICES] * 2
    assert not [name for name, _ in three["microsoft365"].asked if name == DEVICES]


def test_what_one_of_them_can_not_tell_is_not_taken_for_all(three) -> None:
    """What the others told is shown; what needs all of it is not done."""
    phone = {"external_id": "d-1", "name": "PHONE", "is_managed": True}
    three["intune"].answers[DEVICES] = {"devices": [phone]}
    found = _leave(three, retire_devices=True)
    assert not found.is_available
    assert found.summary.startswith("Not whole: tactical_rmm can't tell")
    assert "Known so far: 1 devices" in found.summary
    assert found.answer["facts"] == {}
    assert [one["name"] for one in found.answer["known"]["devices"]] == ["PHONE"]
    assert not Step.objects.filter(action="endpoint.retire").exists()


def test_what_is_known_of_an_answer_that_is_not_whole_is_told(three) -> None:
    phone = {"external_id": "d-1", "name": "PHONE", "is_managed": True}
    three["intune"].answers[DEVICES] = {"devices": [phone]}
    case = _leave(three).case
    case.refresh_from_db()
    told = [line["says"] for line in case.verdict_detail["results"]]
    assert "The company's data is still on PHONE." in told
    assert any(
        "“Devices of the account” was not all told: tactical_rmm can't tell" in t for t in told
    )


def test_a_product_that_can_not_be_asked_leaves_what_the_others_told(three) -> None:
    phone = {"external_id": "d-1", "name": "PHONE", "is_managed": True}
    three["intune"].answers[DEVICES] = {"devices": [phone]}
    Connection.objects.filter(connector="tactical_rmm").update(
        problem="organisation", error="It is another client's."
    )
    found = _leave(three)
    assert not found.is_available
    assert "another client's" in found.summary
    assert found.answer["known"]["devices"]


def test_what_could_not_be_seen_becomes_questions_to_people(case, cloud) -> None:
    cloud.on_ask = None
    for step in PLAYBOOK.steps:
        cloud.answers.pop(step.uses)
    now = _look(case)
    assert now.verdict == "insufficient_data"
    asked = {one["step"]: one["whom"] for one in now.verdict_detail["questions"]}
    assert asked["sign_ins"] == "the user, by telephone"
    # Nothing in the table reads what was usual, so nobody is asked about it.
    assert {"inbox_rules", "forwarding", "methods", "risk"} <= asked.keys()
    assert not {"baseline", "past_cases", "changes"} & asked.keys()


INTERACTIONS = "email.list_interactions"
PHISHING = library.get("investigate-reported-phishing")
ORDINARY = {
    "passes_authentication": True, "has_malicious_url": False, "has_malicious_attachment": False,
    "is_lookalike_domain": False,
}  # fmt: skip


@pytest.fixture
def reported(in_tenant, monkeypatch) -> Iterator[Case]:
    """A message that is ordinary, reported to a mailbox whose server knows no readers."""
    monkeypatch.setattr(activation, "choose_investigation", lambda told: PHISHING)
    with vendors(monkeypatch, "imap", "microsoft365") as made:
        imap = registry.CONNECTORS["imap"]
        without = tuple(one for one in imap.gatherers if one.name != INTERACTIONS)
        known = {**registry.CONNECTORS, "imap": dataclasses.replace(imap, gatherers=without)}
        with monkeypatch.context() as patch:
            patch.setattr(registry, "CONNECTORS", MappingProxyType(known))
            connect("imap")
            made["imap"].answers |= {
                "email.get_message": {"message": ORDINARY},
                "email.find_copies": {"copies": [], "count": 1},
                "indicator.list_matches": {"matches": [], "count": 0, "highest_confidence": 0},
            }
            case = make_case(
                make_account(), entities=["message:m-1@partner.example"],
                status=Case.Status.NEW, verdict="", verdict_detail={},
            )  # fmt: skip
            case.account = None
            case.save()
            yield case


def test_an_ordinary_message_is_harmless_where_no_product_tells_who_answered(reported) -> None:
    assert _look(reported).verdict == "benign"
    assert Evidence.objects.get(gatherer=INTERACTIONS).answer["is_askable"] is False


@pytest.mark.parametrize("state", [Connection.State.ACTIVE, Connection.State.PAUSED])
def test_a_product_that_can_tell_and_does_not_clears_no_message(reported, state) -> None:
    connect("microsoft365")
    Connection.objects.filter(connector="microsoft365").update(state=state)
    assert _look(reported).verdict == "insufficient_data"
    assert [one["step"] for one in reported.verdict_detail["missing"]] == ["interactions"]


def test_own_rows_are_looked_through_around_the_case_however_late(case, cloud, monkeypatch) -> None:
    cloud.on_ask = None
    case.first_activity_at = timezone.now() - dt.timedelta(days=20)
    case.save(update_fields=["first_activity_at"])
    step = next(one for one in PLAYBOOK.steps if one.uses == "identity.compare_sign_ins")
    told: dict[str, dict] = {}
    can_answer = registry.can_answer
    monkeypatch.setattr(
        registry, "can_answer", lambda one, uses: uses != step.uses and can_answer(one, uses)
    )
    monkeypatch.setattr(own_answers, "tell", lambda uses, _, inputs: told.setdefault(uses, inputs))
    _look(case)
    since = (case.first_activity_at - dt.timedelta(hours=48)).isoformat()
    assert told[step.uses] == {**step.inputs(facts()), "since": since}


def test_what_is_known_is_asked_with_what_the_mailbox_tells_in_the_same_look(case, cloud) -> None:
    cloud.on_ask = None
    bad = "domain:collector.test"
    store.keep("feed", [Found(external_id="1", told=bad, entity=bad)])
    del cloud.answers["indicator.list_matches"]
    can_answer = registry.can_answer
    cloud.answers["mailbox.get_forwarding"] = {
        "forwarding": {"smtp_address": "a@collector.test", "recipient": None, "keeps_copy": True},
        "is_forwarding": True, "forwards_outside": True,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            registry, "can_answer",
            lambda one, uses: uses != "indicator.list_matches" and can_answer(one, uses),
        )  # fmt: skip
        _look(case)
    told = Evidence.objects.get(gatherer="indicator.list_matches").answer["facts"]
    assert [one["name"] for one in told["matches"]] == [bad]
