"""A case is called harmless only on evidence that saw what its alerts tell of, and had the time."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from integrations.alerting.finding import PREFIX
from integrations.intelligence import store
from integrations.intelligence.found import Found
from playbooks import library, verdicts
from playbooks.adoption import activation
from playbooks.expressions.given import merged
from playbooks.investigating import facts as case_facts
from playbooks.investigating import harmless, own_answers
from playbooks.questions import user_questions
from tenants import scope
from tenants.models import Case, Finding, Verdict, Work
from tests.pipeline import drain
from tests.playbooks.samples import facts
from tests.playbooks.test_runner import adopt, both, case, cloud, reread, set_rules  # noqa: F401
from tests.playbooks.test_triage import _alert, _arrive

pytestmark = pytest.mark.django_db
PRIYA = "account:priya.shah@acme.example"
STRANGE = "ip:203.0.113.77"
SIGN_IN = library.get("investigate-suspicious-sign-in")
STAGES = ["triage", "investigate", "respond", "close"]


@pytest.fixture
def quiet(case, cloud, monkeypatch):  # noqa: F811
    """A client whose sign-ins are read, and of whom nothing strange is seen."""
    monkeypatch.setattr(activation, "choose_investigation", lambda told: SIGN_IN)
    usual = {
        "sign_ins": {"suspicious_successes": 0, "unusual_countries": []},
        "methods": {"methods": []},
        "risk": {"user_risk_level": "none"},
    }
    told = facts()["evidence"]
    for step in SIGN_IN.steps:
        answer = {**told[step.id], **usual.get(step.id, {})}
        answer.pop("available")
        cloud.answers[step.uses] = answer
    return case.tenant_id


def _case(tenant_id, *entities: str, minutes: float = 60, **told: Any) -> Case:
    with scope.tenant(tenant_id):
        Case.objects.update(status=Case.Status.CLOSED)
        time = timezone.now() - dt.timedelta(minutes=minutes)
        _arrive(_alert("a", 0, PRIYA, *entities, time=time, title="Impossible travel", **told))
        made = Case.objects.get(findings__uid="a")
    drain(STAGES)
    return reread(made)


def test_an_alert_that_the_evidence_refutes_is_closed(quiet) -> None:
    made = _case(quiet)
    assert (made.status, made.verdict) == (Case.Status.CLOSED, Verdict.FALSE_POSITIVE)


def test_nothing_is_harmless_before_the_vendor_has_written_it_down(quiet) -> None:
    made = _case(quiet, minutes=1)
    assert (made.status, made.verdict) == (Case.Status.INVESTIGATING, "")
    with scope.tenant(quiet):
        again = Work.objects.get(kind="investigate", subject=made.id)
        assert again.due_at - timezone.now() > dt.timedelta(minutes=13)
        made.findings.update(time=timezone.now() - dt.timedelta(minutes=16))
        again.due_at = timezone.now()
        again.save()
    drain(STAGES)
    made = reread(made)
    assert (made.status, made.verdict) == (Case.Status.CLOSED, Verdict.FALSE_POSITIVE)
    assert "looks_again" not in made.verdict_detail


def test_alerts_that_keep_coming_are_not_waited_for_without_end(quiet) -> None:
    made = _case(quiet, minutes=1)
    with scope.tenant(quiet):
        detail = made.verdict_detail
        since = timezone.now() - dt.timedelta(hours=2)
        detail["looks_again"]["since"] = since.isoformat()
        Case.objects.filter(id=made.id).update(verdict_detail=detail)
        Work.objects.filter(subject=made.id).update(due_at=timezone.now())
    drain(STAGES)
    assert reread(made).verdict == Verdict.FALSE_POSITIVE


def test_sign_ins_refute_nothing_of_an_address_that_is_not_among_them(quiet) -> None:
    made = _case(quiet, STRANGE)
    assert (made.status, made.verdict) == (
        Case.Status.NEEDS_TECHNICIAN, Verdict.INSUFFICIENT_DATA
    )  # fmt: skip
    assert "no sign-in from there could be read" in made.verdict_detail["because"]
    (asked,) = [
        one for one in made.verdict_detail["questions"] if "203.0.113.77" in one["question"]
    ]
    assert asked["whom"] == "the user, by telephone"


def test_what_holdfast_itself_knows_of_an_address_is_no_sign_in_from_it(quiet, monkeypatch) -> None:
    of_alert = {"matches": [{"indicator": "203.0.113.77"}], "count": 0, "highest_confidence": 0}
    told = own_answers.tell
    monkeypatch.setattr(
        own_answers, "tell",
        lambda uses, *more: of_alert if uses == "indicator.list_matches" else told(uses, *more),
    )  # fmt: skip
    assert _case(quiet, STRANGE).verdict == Verdict.INSUFFICIENT_DATA


@pytest.mark.parametrize("entity", ["ip:10.1.2.3", "ip:fe80::1", STRANGE])
def test_sign_ins_refute_what_they_saw_or_could_not_see(quiet, cloud, entity) -> None:  # noqa: F811
    told = cloud.answers["identity.list_sign_ins"]
    told["sign_ins"] = [{"ip": "203.0.113.77", "is_success": True}]
    assert _case(quiet, entity).verdict == Verdict.FALSE_POSITIVE


def test_a_critical_alert_is_not_closed_on_middling_confidence(quiet) -> None:
    made = _case(quiet, severity=5)
    assert (made.status, made.verdict) == (
        Case.Status.NEEDS_TECHNICIAN, Verdict.INSUFFICIENT_DATA
    )  # fmt: skip
    assert "is critical" in made.verdict_detail["because"]


def test_a_privilege_that_the_vendor_tells_of_is_in_the_risk(quiet, cloud) -> None:  # noqa: F811
    roles = ["Global Administrator"]
    told = {"is_enabled": True, "is_privileged": True, "roles": roles}
    cloud.answers["identity.get_account"] = {"account": told}
    made = _case(quiet)
    (term,) = [one for one in made.risk_terms if one["name"] == "privilege"]
    assert term["points"] == 20
    assert "Global Administrator" in term["reason"]
    assert made.risk == sum(one["points"] for one in made.risk_terms)


def test_nothing_is_harmless_of_which_somebody_says_that_it_was_not_them(
    quiet, monkeypatch
) -> None:
    monkeypatch.setattr(user_questions, "is_denied", lambda told: True)
    made = _case(quiet)
    assert made.verdict == Verdict.INSUFFICIENT_DATA
    assert "says that it was not them" in made.verdict_detail["because"]


def test_nothing_is_harmless_that_names_what_attackers_are_known_by(quiet, monkeypatch) -> None:
    """Also where the investigation asks nothing of intelligence."""
    steps = tuple(one for one in SIGN_IN.steps if one.uses != "indicator.list_matches")
    rows = tuple(one for one in SIGN_IN.verdicts if "evidence.intelligence" not in one.when.text)
    deaf = replace(SIGN_IN, steps=steps, verdicts=rows)
    monkeypatch.setattr(activation, "choose_investigation", lambda told: deaf)
    domain = "domain:evil.test"
    store.keep("feed", [Found(domain, domain, domain, confidence=90, tlp="red")])
    made = _case(quiet, domain)
    assert made.verdict == Verdict.INSUFFICIENT_DATA
    assert "known to belong to attackers" in made.verdict_detail["because"]
    assert "evil.test" not in made.verdict_detail["because"]


@pytest.mark.parametrize(
    ("days", "verdict"), [(8, Verdict.FALSE_POSITIVE), (10, Verdict.INSUFFICIENT_DATA)]
)
def test_nothing_is_harmless_that_happened_before_what_is_asked_about(quiet, days, verdict) -> None:
    assert _case(quiet, minutes=60 * 24 * days).verdict == verdict


def _doubt_of(tenant_id, connector: str, uid: str, severity: int) -> harmless.Doubt | None:
    """Why a computer of which Defender has no alert is not harmless after another alert."""
    malware = library.get("investigate-malware")
    nothing: dict[str, Any] = {
        "available": True, "provider": "defender_endpoint", "files": [], "processes": [],
        "alerts": [], "connections": [], "high": 0,
    }  # fmt: skip
    told = {**malware.example, "evidence": {step.id: nothing for step in malware.steps}}
    with scope.tenant(tenant_id):
        _arrive(_alert(uid, 0, PRIYA, title="Odd program", severity=severity))
        Finding.objects.filter(uid=uid).update(connector=connector)
        made = Case.objects.get(findings__uid=uid)
        result = verdicts.decide(malware, told)
        assert result.verdict == Verdict.FALSE_POSITIVE
        return harmless.doubt(made, malware, told, result)


@pytest.mark.parametrize(
    ("connector", "uid", "severity", "is_doubted"),
    [
        ("defender_endpoint", "d-1", 3, False),
        ("wazuh", "w-1", 3, True),
        ("wazuh", "w-1", 2, False),
        ("defender_endpoint", f"{PREFIX}rule:1", 3, True),
    ],
)
def test_a_product_that_alerted_of_nothing_refutes_only_itself(
    quiet, connector, uid, severity, is_doubted
) -> None:
    found = _doubt_of(quiet, connector, uid, severity)
    assert bool(found) is is_doubted
    assert found is None or "“Odd program”" in found.why


@pytest.mark.parametrize(
    ("told", "is_doubted"),
    [
        ({"title": "Odd program"}, False),
        ({"title": "Odd program", "is_company_wide": True}, True),
        # As its vendor calls it, where nothing else says so.
        ({"title": "Suspicious Group Policy Tampering", "connector": "microsoft365"}, True),
        ({"title": "Odd program", "techniques": ["T1484.001"]}, True),
        # Called by what a reported mail is called by, and yet no mail.
        (
            {
                "title": "Filter or allow list for mail was changed",
                "techniques": ["T1562.001", "T1566"],
                "is_company_wide": True,
            },
            True,
        ),
        ({"title": "Protection against phishing was removed", "is_company_wide": True}, True),
    ],
)
def test_what_was_found_on_a_computer_refutes_no_change_for_the_whole_company(
    quiet, told, is_doubted
) -> None:
    """Whatever the investigation is started for: a tenant's own may be for any alert."""
    of_all = library.get(library.OF_NOBODY).trigger
    phishing = replace(library.get("investigate-reported-phishing"), trigger=of_all)
    with scope.tenant(quiet):
        _arrive(_alert("w", 0, PRIYA, "message:m-1"))
        Finding.objects.filter(uid="w").update(**told)
        made = Case.objects.get(findings__uid="w")
        seen = {**phishing.example, "case": case_facts.of_case(made)["case"]}
        ordinary = next(one for one in phishing.tests if one["expect"]["verdict"] == "benign")
        seen = {**merged(seen, {"evidence": ordinary["change"]["evidence"]})}
        found = harmless.doubt(made, phishing, seen, verdicts.decide(phishing, seen))
    assert bool(found) is is_doubted
    if found:
        assert (found.whom, told["title"] in found.question) == ("the client's contact", True)


def test_what_is_suspicious_is_put_before_a_technician_with_what_to_ask(quiet, cloud) -> None:  # noqa: F811
    cloud.answers["identity.list_sign_ins"]["unusual_countries"] = ["NG"]
    made = _case(quiet)
    assert (made.verdict, made.verdict_detail["rule"]) == (Verdict.SUSPICIOUS, "new-country")
    asked = [(one["question"], one["whom"]) for one in made.verdict_detail["questions"]]
    assert asked[0] == ("Was it them?", "their manager")
    assert asked[1][1] == "the user, by telephone"
    assert "did they sign in" in asked[1][0]
