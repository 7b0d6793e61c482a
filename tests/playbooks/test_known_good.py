"""A pattern decides just what it was made for, and nothing that goes beyond it."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from integrations.alerting.finding import FOLDED
from playbooks import investigation, library
from playbooks.adoption import activation
from playbooks.errors import PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import KnownGood, KnownGoodUse
from playbooks.patterns import known_good, known_good_practice
from playbooks.patterns.known_good import Wish
from playbooks.questions import user_questions
from playbooks.verdicts import Result
from tenants import evidence, scope
from tenants.models import Account, Case, Contact, Device, Finding, LedgerEntry, RawRecord
from tests.playbooks.cases import make_account, make_case
from tests.playbooks.samples import facts
from tests.playbooks.vendor import connect, vendors

ANN, BEN = "technician:ann", "technician:ben"
BACKUP, IP = "account:backup@acme.example", "ip:203.0.113.9"
TITLE = "Impossible travel"
NOW = timezone.now()
DAY = dt.timedelta(days=1)
SUSPICIOUS = Result("suspicious", "low", "new-country", "It was new.", {}, (), (), ())
TRAVEL = "investigate-suspicious-sign-in"
WISH = Wish(
    title="Backup", alerts=[TITLE], entities=[BACKUP, IP], reason="The provider said so.",
    owner="ann", review_at=NOW + 30 * DAY, expires_at=NOW + 90 * DAY,
)  # fmt: skip


def _alert(
    case: Case, title: str = TITLE, severity: int = 3, entities=(BACKUP, IP), **told: str
) -> None:
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=NOW, body=b"", content_hash="", outcome="finding"
    )
    told = {"connector": "c", "uid": f"{raw.id}", **told}
    Finding.objects.create(
        raw=raw, case=case, class_uid=2004, title=title, category="x", time=NOW,
        severity_id=severity, ocsf={}, content_hash="", received_at=NOW, updated_at=NOW,
        entities=list(entities), **told,
    )  # fmt: skip


@pytest.fixture
def account(in_tenant) -> Account:
    return make_account("backup@acme.example")


@pytest.fixture
def case(account) -> Case:
    made = make_case(account, entities=[BACKUP, IP], verdict="")
    _alert(made)
    evidence.record(
        made, gatherer="identity.get_account", question="?", asked_of="x", asked_at=NOW,
        answer={"step": "account", "facts": {"account": {"is_privileged": False, "roles": []}}},
        is_available=True,
    )  # fmt: skip
    return made


def _verdict(case: Case, result: Result = SUSPICIOUS) -> str:
    return known_good.decide(case, case_facts.of_case(case), result, playbook=TRAVEL)[0].verdict


def test_what_is_just_as_before_is_benign_and_names_the_pattern(case) -> None:
    row = known_good.create(case, WISH, actor=ANN)
    told, used = known_good.decide(case, case_facts.of_case(case), SUSPICIOUS, playbook=TRAVEL)
    assert (told.verdict, told.rule) == ("benign", "known good: Backup, version 1")
    assert "The provider said so." in told.because
    assert used == row
    assert LedgerEntry.objects.filter(kind="known_good.created").exists()


@pytest.mark.parametrize(
    "beyond",
    [
        {"title": "Inbox rule"},
        {"entities": (BACKUP, "ip:198.51.100.7")},
        {"entities": ("account:eve@acme.example",)},
        {"severity": 4},
        {"severity": 99},
        {"connector": "d"},
        {"uid": "detection:other/rule:0a"},
    ],
)
def test_what_goes_beyond_it_is_looked_into(case, beyond: dict[str, Any]) -> None:
    known_good.create(case, WISH, actor=ANN)
    _alert(case, **beyond)
    assert _verdict(case) == "suspicious"


def test_an_alerts_own_number_is_nothing_new(case) -> None:
    known_good.create(case, WISH, actor=ANN)
    _alert(case, entities=(BACKUP, "incident:77", "session:8"))
    assert _verdict(case) == "benign"


RULE = {"external_id": "r-1", "name": "Move newsletters", "is_suspicious": True}
RULES = "evidence.inbox_rules.rules"
PHONE = {"external_id": "m-1", "kind": "phone", "is_recent": True}
METHODS = "evidence.methods.methods"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "benign"),
        ({"facts": {RULES: [RULE, {"external_id": "r-2", "is_suspicious": False}]}}, "benign"),
        ({"facts": {RULES: [RULE, {**RULE, "external_id": "r-2"}]}}, "suspicious"),
        ({"facts": {RULES: [RULE], METHODS: [{**PHONE, "is_recent": False}]}}, "benign"),
        ({"facts": {RULES: [RULE], METHODS: [PHONE]}}, "suspicious"),
        ({"facts": {RULES: "12 items"}}, "suspicious"),
        ({"rule": "suspicious-sign-in"}, "suspicious"),
        ({"rule": "not-enough", "verdict": "insufficient_data"}, "insufficient_data"),
    ],
    ids=[
        "the same",
        "another harmless one",
        "another hiding one",
        "a phone of long ago",
        "a phone registered lately",
        "too many to compare",
        "another rule",
        "no data",
    ],
)
def test_what_the_evidence_shows_beyond_it_is_looked_into(case, change, verdict) -> None:
    """The alert is the same each time: an intruder's second mail rule, or a strange sign-in."""
    seen = Result("suspicious", "medium", "suspicious-rules", "x", {RULES: [RULE]}, (), (), ())
    case.verdict_detail = {"playbook": TRAVEL, "rule": seen.rule, "facts": dict(seen.facts)}
    row = known_good.create(case, WISH, actor=ANN)
    assert row.excuses == [f"rule {TRAVEL}: suspicious-rules", f"saw {RULES}: r-1"]
    assert not known_good.covers_doubts_only(row)
    assert _verdict(case, replace(seen, **change)) == verdict


def test_what_another_investigation_says_is_not_excused(case) -> None:
    case.verdict_detail = {"playbook": "other", "rule": SUSPICIOUS.rule, "facts": {}}
    known_good.create(case, WISH, actor=ANN)
    assert _verdict(case) == "suspicious"


def test_a_pattern_made_before_any_table_had_spoken_excuses_doubts_only(case) -> None:
    known_good.create(case, WISH, actor=ANN)
    assert known_good.covers_doubts_only(known_good.newest()[0])
    assert _verdict(case) == "benign"
    assert _verdict(case, replace(SUSPICIOUS, confidence="medium")) == "suspicious"


def test_an_attack_that_the_table_saw_stays_one(case) -> None:
    known_good.create(case, WISH, actor=ANN)
    for verdict in ("true_positive", "false_positive"):
        assert _verdict(case, replace(SUSPICIOUS, verdict=verdict)) == verdict


def test_a_condition_that_can_not_be_told_does_not_hold(case) -> None:
    known_good.create(case, replace(WISH, condition="risk < 100"), actor=ANN)
    assert _verdict(case) == "benign"
    known_good.end(KnownGood.objects.get().pattern, actor=ANN)
    known_good.create(case, replace(WISH, condition="evidence.sign_ins.count > 0"), actor=ANN)
    assert _verdict(case) == "suspicious"


def test_one_that_ended_holds_no_more_and_is_not_renewed(case) -> None:
    row = known_good.create(case, WISH, actor=ANN)
    known_good.end(row.pattern, actor=BEN)
    assert _verdict(case) == "suspicious"
    with pytest.raises(PlaybookError, match="already"):
        known_good.end(row.pattern, actor=BEN)
    with pytest.raises(PlaybookError, match="was ended"):
        known_good.renew(row.pattern, NOW + DAY, actor=ANN, reason="Still so.")
    assert _verdict(case) == "suspicious"


def test_one_that_expired_holds_no_more_until_it_is_renewed(case) -> None:
    row = known_good.create(case, WISH, actor=ANN)
    KnownGood.objects.create(
        **{
            **{f.attname: getattr(row, f.attname) for f in KnownGood._meta.concrete_fields},
            "id": row.from_case_id, "version": 2, "expires_at": NOW - DAY,
        }
    )  # fmt: skip
    assert _verdict(case) == "suspicious"
    with pytest.raises(PlaybookError, match="Say why"):
        known_good.renew(row.pattern, NOW + DAY, actor=BEN, reason=" ")
    again = known_good.renew(row.pattern, NOW + 10 * DAY, actor=BEN, reason="Still so.")
    assert again.version == 3
    assert _verdict(case) == "benign"


def test_the_maker_alone_prolongs_nothing_that_two_had_to_agree_on(case) -> None:
    row = known_good.create(case, replace(WISH, covers_privileged=True), actor=ANN)
    known_good.approve(row.pattern, actor=BEN)
    mine = known_good.renew(row.pattern, NOW + 10 * DAY, actor=ANN, reason="Still so.")
    assert mine.approved_by == ""
    theirs = known_good.renew(row.pattern, NOW + 10 * DAY, actor=BEN, reason="Still so.")
    assert theirs.approved_by == BEN


@pytest.mark.parametrize("entities", [[], ["incident:7"]], ids=["nothing", "an incident"])
def test_an_alert_that_names_nobody_is_never_known_good(case, entities) -> None:
    known_good.create(case, WISH, actor=ANN)
    assert _verdict(case) == "benign"
    case.findings.update(entities=entities)
    assert _verdict(case) == "suspicious"


def test_what_tells_of_many_hits_together_is_never_known_good(case) -> None:
    case.findings.update(title=TITLE + FOLDED)
    known_good.create(case, replace(WISH, alerts=[TITLE + FOLDED]), actor=ANN)
    assert _verdict(case) == "suspicious"


@pytest.mark.parametrize(
    "trait", [{"is_privileged": True}, {"is_break_glass": True}, {"is_excluded": True}]
)
def test_privileged_and_protected_accounts_need_a_second_technician(case, account, trait) -> None:
    Account.objects.filter(id=account.id).update(**trait)
    case.refresh_from_db()
    plain = known_good.create(case, WISH, actor=ANN)
    assert _verdict(case) == "suspicious"
    known_good.end(plain.pattern, actor=ANN)
    row = known_good.create(case, replace(WISH, covers_privileged=True), actor=ANN)
    assert _verdict(case) == "suspicious"
    with pytest.raises(PlaybookError, match="somebody else"):
        known_good.approve(row.pattern, actor=ANN)
    known_good.approve(row.pattern, actor=BEN)
    assert _verdict(case) == "benign"
    with pytest.raises(PlaybookError, match="nobody's approval"):
        known_good.approve(plain.pattern, actor=BEN)


def test_another_account_that_an_alert_names_may_be_privileged_too(case) -> None:
    make_account("boss@acme.example", is_privileged=True)
    _alert(case, entities=("account:Boss@acme.example",))
    wish = replace(WISH, entities=[*WISH.entities, "account:Boss@acme.example"])
    known_good.create(case, wish, actor=ANN)
    assert _verdict(case) == "suspicious"


def test_the_other_half_of_a_privileged_account_is_privileged_too(case, account) -> None:
    Account.objects.filter(id=account.id).update(on_premises_sid="S-1-5-21-9")
    known_good.create(case, WISH, actor=ANN)
    assert _verdict(case) == "benign"
    Account.objects.create(
        provider="active_directory", external_id="guid", username="backup",
        on_premises_sid="S-1-5-21-9", is_privileged=True,
    )  # fmt: skip
    assert _verdict(case) == "suspicious"


def test_a_protected_device_may_be_named_by_its_id(case) -> None:
    entities = (*WISH.entities, "device_id:intune:d-1")
    case.entities = list(entities)
    _alert(case, entities=entities)
    known_good.create(case, replace(WISH, entities=entities), actor=ANN)
    device = Device.objects.create(provider="intune", external_id="D-1", hostname="PC-1")
    assert _verdict(case) == "benign"
    Device.objects.filter(id=device.id).update(is_excluded=True)
    assert _verdict(case) == "suspicious"


def test_what_somebody_denied_is_not_expected(case) -> None:
    known_good.create(case, WISH, actor=ANN)
    olive = Contact.objects.create(name="Olive", email="olive@acme.example")
    question = user_questions.ask(case, str(olive.id), actor=ANN, way="link")
    where = user_questions.address(user_questions.token(question))
    user_questions.answer(where, answer="no", name="Olive")
    assert _verdict(case) == "suspicious"


def test_it_keeps_which_connector_and_rule_an_alert_came_from(case) -> None:
    uid = "detection:pack/a.yml#x: y:0a"
    _alert(case, title="Mine", uid=uid)
    row = known_good.create(case, replace(WISH, alerts=[TITLE, "Mine"]), actor=ANN)
    assert row.sources == ["c, rule pack/a.yml#x: y: Mine", f"c: {TITLE}"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": " "}, "Say why"),
        ({"alerts": ["Other"]}, "alerts of the case"),
        ({"entities": ["ip:1.1.1.1"]}, "what the case's alerts name"),
        ({"condition": "nothing("}, "is not a condition"),
        ({"expires_at": NOW + 400 * DAY}, "within a year"),
        ({"review_at": NOW + 91 * DAY}, "between today"),
    ],
)
def test_what_can_not_be_kept_is_said(case, change, said) -> None:
    with pytest.raises(PlaybookError, match=said):
        known_good.create(case, replace(WISH, **change), actor=ANN)


def test_a_pattern_is_about_few_people_and_devices(case) -> None:
    crowd = [f"account:user{number}@acme.example" for number in range(20)]
    _alert(case, entities=(*crowd, BACKUP))
    known_good.create(case, replace(WISH, entities=[*crowd, IP]), actor=ANN)
    with pytest.raises(PlaybookError, match="at most 20"):
        known_good.create(case, replace(WISH, entities=[*crowd, BACKUP]), actor=ANN)


def test_versions_are_never_changed_and_are_of_one_client(case, other_tenant) -> None:
    row = known_good.create(case, WISH, actor=ANN)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        KnownGood.objects.filter(id=row.id).update(reason="x")
    with scope.tenant(other_tenant.id):
        assert known_good.newest() == []


def test_it_is_said_when_it_may_have_hidden_an_attack(case) -> None:
    row = known_good.create(case, WISH, actor=ANN)
    known_good.note_use(row, case, "suspicious")
    later = make_case(case.account, entities=[BACKUP], opened_at=timezone.now() + DAY)
    told = known_good_practice.of_pattern(row)
    assert (told.uses, told.hidden, told.later) == (1, [], [later])
    case.verdict = "true_positive"
    case.save()
    assert known_good_practice.of_pattern(row).hidden == [case]


def test_three_harmless_cases_of_a_kind_are_proposed_and_not_applied(case) -> None:
    made = [case, *(make_case(case.account, entities=[BACKUP, IP]) for _ in range(2))]
    for one in made[1:]:
        _alert(one)
    closed = {"status": "closed", "closed_at": NOW}
    Case.objects.update(verdict="benign", **closed)
    (found,) = known_good_practice.proposals([])
    assert (found.count, found.alerts) == (3, (f"c: {TITLE}",))
    assert _verdict(case) == "suspicious"
    Case.objects.filter(id=case.id).update(verdict="true_positive")
    assert known_good_practice.proposals([]) == []
    Case.objects.filter(id=case.id).update(verdict="benign")
    row = known_good.create(case, WISH, actor=ANN)
    assert known_good_practice.proposals([row]) == []
    row.entities = ["account:eve@acme.example", IP]
    assert len(known_good_practice.proposals([row])) == 1


@pytest.fixture
def looked_into(case, monkeypatch) -> Iterator[Callable[[], Case]]:
    """Look into the case; Microsoft tells of a hiding rule and of nothing else."""
    playbook = library.get("investigate-account-takeover")
    monkeypatch.setattr(activation, "choose_investigation", lambda told: playbook)
    with vendors(monkeypatch, "microsoft365") as made:
        connect("microsoft365")
        told = facts()["evidence"]
        for step in playbook.steps:
            answer = dict(told[step.id])
            answer.pop("available")
            made["microsoft365"].answers[step.uses] = answer
        asked = made["microsoft365"].answers
        asked["identity.get_account"] = {"account": {"is_privileged": False, "roles": []}}
        asked["identity.list_sign_ins"] = {
            "suspicious_successes": 0, "unusual_countries": ["NG"], "count": 9,
        }  # fmt: skip
        asked["identity.list_auth_methods"] = {"methods": []}
        asked["identity.list_risk_detections"] = {"user_risk_level": "low"}
        asked["mailbox.list_inbox_rules"] = {"rules": []}

        def look() -> Case:
            investigation.investigate(case.tenant_id, case.id)
            case.refresh_from_db()
            return case

        yield look


def test_an_investigation_keeps_its_evidence_and_says_what_it_would_have_been(looked_into) -> None:
    case = looked_into()
    assert case.verdict == "suspicious"
    known_good.create(case, WISH, actor=ANN)
    Case.objects.update(status=Case.Status.INVESTIGATING)
    case = looked_into()
    assert case.verdict == "benign"
    told = case.verdict_detail["known_good"]
    assert (told["instead_of"], told["rule"]) == ("suspicious", "new-country-only")
    assert len(case.verdict_detail["evidence"]) > 10
    assert KnownGoodUse.objects.get().case == case
