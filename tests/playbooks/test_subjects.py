"""A case with two mails, two computers or two accounts: each is looked into and dealt with."""

import datetime as dt
from typing import Any

import pytest

from integrations.intelligence import store
from integrations.intelligence.found import Found
from playbooks import library, regrouping
from playbooks.cases import looks, subjects
from playbooks.investigating import facts as case_facts
from playbooks.investigating import own_answers
from playbooks.models import Plan, Step, UserQuestion
from playbooks.policy import rules
from playbooks.questions import absences, user_questions
from tenants import scope
from tenants.models import Case, Device, Evidence, Finding
from tests.pipeline import drain
from tests.playbooks.cases import make_account
from tests.playbooks.test_regrouping import WHO
from tests.playbooks.test_runner import both, case, cloud, set_rules  # noqa: F401
from tests.playbooks.test_triage import _alert, _arrive
from tests.playbooks.vendor import Vendor

pytestmark = pytest.mark.django_db
BOX = "priya.shah@acme.example"
STAGES = ["triage", "investigate", "respond", "run", "close", "replan"]
QUARANTINE, ISOLATE, BLOCK = (
    "email.quarantine_message", "endpoint.isolate", "identity.disable_sign_in",
)  # fmt: skip
MAIL, COPIES = "email.get_message", "email.find_copies"
PHISHING = {"techniques": ("T1566.002",), "title": "Email reported by user as phish"}
LOCKING = {"techniques": ("T1486",), "title": "Ransomware behaviour", "severity": 5}


def _answer(vendor: Vendor, investigation: str) -> None:
    """Let a vendor answer as in an investigation's example: it is an attack."""
    playbook = library.get(investigation)
    for step in playbook.steps:
        told = dict(playbook.example["evidence"][step.id])
        told.pop("available")
        vendor.answers[step.uses] = told


def _two_mails(vendor: Vendor) -> None:
    _answer(vendor, "investigate-reported-phishing")
    for one in ("m-1", "m-2"):
        copy = {"external_id": f"{BOX}/{one}", "name": one, "mailbox": BOX}
        vendor.answers_about[COPIES, one] = {"copies": [copy], "count": 1}


def _merged(tenant_id: Any) -> Case:
    """Merge two cases, each with its plan, and let the work that follows be done."""
    drain(STAGES)
    with scope.tenant(tenant_id):
        one, other = Case.objects.filter(findings__isnull=False).distinct().order_by("number")
        regrouping.merge(one.id, other.id, **WHO)
    drain(STAGES)
    with scope.tenant(tenant_id):
        return Case.objects.get(id=one.id)


def _held(case: Case, action: str) -> set[str]:  # noqa: F811
    """Return what of a case an open plan would still do, or has done."""
    gone = (Plan.Status.SUPERSEDED, Plan.Status.REJECTED)
    rows = Step.objects.filter(run__plan__case=case, action=action)
    return set(
        rows.exclude(run__plan__status__in=gone).values_list("target_external_id", flat=True)
    )


@pytest.mark.parametrize("default", ["technician", "automatic"])
def test_both_mails_of_a_merged_case_are_put_aside(case, cloud, default) -> None:  # noqa: F811
    set_rules(case.tenant_id, default=default)
    _two_mails(cloud)
    with scope.tenant(case.tenant_id):
        _arrive(_alert("a", 0, "message:m-1", **PHISHING))
        _arrive(_alert("b", 0, "message:m-2", **PHISHING))
    merged = _merged(case.tenant_id)
    with scope.tenant(case.tenant_id):
        assert _held(merged, QUARANTINE) == {f"{BOX}/m-1", f"{BOX}/m-2"}
        for one in subjects.further(merged):
            assert case_facts.of_case(merged, one)["evidence"]["copies"]["copies"] == [
                {"external_id": f"{BOX}/m-2", "name": "m-2", "mailbox": BOX}
            ]
    if default == "automatic":
        assert {(QUARANTINE, f"{BOX}/m-1"), (QUARANTINE, f"{BOX}/m-2")} <= set(cloud.done)
    else:
        assert merged.status == Case.Status.AWAITING_APPROVAL


def test_a_harmful_mail_is_not_closed_over_by_a_harmless_one(case, cloud) -> None:  # noqa: F811
    _two_mails(cloud)
    mail = dict(cloud.answers[MAIL]["message"])
    fine = {"has_malicious_url": False, "is_lookalike_domain": False, "passes_authentication": True}
    cloud.answers_about[MAIL, "m-1"] = {"message": {**mail, **fine}}
    cloud.answers["email.list_interactions"] = {
        **cloud.answers["email.list_interactions"], "clicked": 0, "replied": 0,
    }  # fmt: skip
    with scope.tenant(case.tenant_id):
        rules.save({"version": 1, "default": "automatic", "rules": []}, actor="test")
        _arrive(
            _alert("a", 0, "message:m-1", "ip:203.0.113.9", **PHISHING),
            _alert("b", 0, "message:m-2", "ip:203.0.113.9", **PHISHING),
        )
        for one in Case.objects.filter(findings__uid="b").exclude(findings__uid="a"):
            regrouping.merge(Case.objects.get(findings__uid="a").id, one.id, **WHO)
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        merged = Case.objects.get(findings__uid="a")
        assert merged.verdict == "true_positive"
        assert [(one.about, one.verdict) for one in looks.others(merged)] == [("", "benign")]
        assert _held(merged, QUARANTINE) == {f"{BOX}/m-2"}


def test_both_computers_of_a_case_are_cut_off(case, cloud) -> None:  # noqa: F811
    _answer(cloud, "investigate-ransomware")
    with scope.tenant(case.tenant_id):
        make_account("kim@acme.example")
        for name in ("pc-1", "pc-2"):
            Device.objects.create(provider="microsoft365", external_id=name, hostname=name)
        _arrive(
            _alert("a", 0, "device:pc-1", "account:kim@acme.example", **LOCKING),
            _alert("b", 0, "device:pc-2", "account:kim@acme.example", **LOCKING),
        )
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        (merged,) = Case.objects.filter(findings__isnull=False).distinct()
        assert _held(merged, ISOLATE) == {"pc-1", "pc-2"}
        assert {("endpoint.list_processes", one) for one in ("pc-1", "pc-2")} <= set(
            cloud.asked_about
        )


def test_both_accounts_of_a_case_are_blocked(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    _answer(cloud, "investigate-account-takeover")
    told = {"techniques": ("T1564.008",), "title": "Suspicious inbox rule"}
    with scope.tenant(case.tenant_id):
        ids = {make_account(f"{one}@acme.example").external_id for one in ("ann", "bob")}
        _arrive(_alert("a", 0, "account:ann@acme.example", **told))
        _arrive(_alert("b", 0, "account:bob@acme.example", **told))
    merged = _merged(case.tenant_id)
    with scope.tenant(case.tenant_id):
        assert _held(merged, BLOCK) == ids


def test_what_no_investigation_is_for_is_for_a_technician(case, cloud) -> None:  # noqa: F811
    """The first mail is dealt with; the case stays open over what nobody has looked into."""
    _two_mails(cloud)
    with scope.tenant(case.tenant_id):
        ann = make_account("ann@acme.example", kind="service")
        _arrive(_alert("a", 0, "message:m-1", "ip:203.0.113.9", **PHISHING))
        _arrive(_alert("b", 0, "account:ann@acme.example", techniques=("T9999",), title="Odd"))
        one, other = Case.objects.filter(findings__isnull=False).distinct().order_by("number")
        regrouping.merge(one.id, other.id, **WHO)
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        merged = Case.objects.get(id=one.id)
        assert merged.status == Case.Status.NEEDS_TECHNICIAN
        assert ann.username in merged.needs


def test_what_one_of_them_is_known_for_says_nothing_of_the_others(case, cloud) -> None:  # noqa: F811
    """Whose employment, whose word and whose known address it is decides on nobody else."""
    set_rules(case.tenant_id, default="technician")
    _answer(cloud, "investigate-account-takeover")
    with scope.tenant(case.tenant_id):
        for one in ("ann", "bob"):
            make_account(f"{one}@acme.example")
        told = {"techniques": ("T1564.008",), "title": "Suspicious inbox rule"}
        _arrive(_alert("a", 0, "account:ann@acme.example", "ip:185.220.101.5", **told))
        _arrive(_alert("b", 0, "account:bob@acme.example", "ip:185.220.101.6", **told))
    merged = _merged(case.tenant_id)
    with scope.tenant(case.tenant_id):
        (bob,) = subjects.further(merged)
        of_ann, of_bob = (subjects.narrowed(merged, one) for one in (None, bob))
        assert [one.account.username for one in (of_ann, of_bob)] == [
            "ann@acme.example", "bob@acme.example",
        ]  # fmt: skip
        assert "ip:185.220.101.5" in of_ann.entities
        assert not {"ip:185.220.101.5", "account:ann@acme.example"} & set(of_bob.entities)
        UserQuestion.objects.create(
            tenant_id=merged.tenant_id, case=merged, recipient="x@acme.example", name="X",
            about=user_questions.about(of_ann), created_by="t", created_at=merged.opened_at,
            expires_at=merged.opened_at, answer=UserQuestion.Answer.YES,
        )  # fmt: skip
        words = [user_questions.word(one)["answer"] for one in (of_ann, of_bob)]
        assert words == ["yes", "not_asked"]
        seen = own_answers.tell("case.count_elsewhere", of_bob, {})["indicators"]
        assert seen == ["ip:185.220.101.6"]


def test_a_known_address_of_one_mail_makes_the_other_no_attack(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    _two_mails(cloud)
    bad = "domain:collector.example"
    with scope.tenant(case.tenant_id):
        store.keep("feed", [Found(bad, bad, bad, confidence=95)])
        _arrive(_alert("a", 0, "message:m-1", "ip:203.0.113.9", **PHISHING))
        _arrive(_alert("b", 0, "message:m-2", "ip:203.0.113.9", bad, **PHISHING))
    merged = _merged(case.tenant_id)
    with scope.tenant(case.tenant_id):
        told = [
            own_answers.tell("indicator.list_matches", subjects.narrowed(merged, one), {})["count"]
            for one in (None, *subjects.further(merged))
        ]
        assert told == [0, 1]


def test_nobody_is_a_leaver_since_another_of_the_case_is(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    _answer(cloud, "investigate-dormant-account")
    cloud.answers["hr.get_employment"] = {"status": "active", "last_day": "", "until": ""}
    told = {"techniques": ("T1078.004",), "title": "Dormant account in use"}
    with scope.tenant(case.tenant_id):
        ids = [make_account(f"{one}@acme.example").external_id for one in ("ann", "bob")]
        absences.note("ann@acme.example", "leaver", dt.date(2020, 1, 1), actor="technician:x")
        _arrive(_alert("a", 0, "account:ann@acme.example", "ip:203.0.113.9", **told))
        _arrive(_alert("b", 0, "account:bob@acme.example", "ip:203.0.113.9", **told))
        # Joined before anybody looked: one look answers for both.
        found = {one.case_id: one.case for one in Finding.objects.exclude(case=None)}
        if len(found) > 1:
            regrouping.merge(*sorted(found), **WHO)
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        rows = Evidence.objects.filter(gatherer="hr.get_employment").order_by("answered_at")
        status = {one.answer["about"]["account"]: one.answer["facts"]["status"] for one in rows}
        assert status == dict(zip(ids, ("leaver", "active"), strict=True))
