"""Why a verdict: the case's page shows the rule, what it read and lacked, and what to ask whom."""

import pytest
from django.urls import reverse

from integrations import catalog
from integrations.catalog import fact_words
from msp.console import verdict_view
from msp.staff.models import Role
from playbooks import library
from playbooks.investigating import open_questions
from tenants import scope
from tenants.models import Case, Verdict
from tests.msp.console.rows import Rows

pytestmark = pytest.mark.django_db
ASKED = sorted(
    {
        step.uses
        for playbook in library.playbooks().values()
        if playbook.kind == "investigation"
        for step in playbook.steps
    }
)


def _view(case: Case) -> verdict_view.VerdictView:
    with scope.tenant(case.tenant_id):
        return verdict_view.of_case(case, verdict_view.evidence_of(case))


def test_the_rule_names_the_record_that_it_read_and_both_hashes_agree(rows: Rows) -> None:
    told = _view(rows.case)
    assert [one.row.id for one in told.read] == [rows.evidence.id]
    assert (told.stood_on, told.is_intact) == (2, True)
    (fact,) = told.facts
    assert (fact.path, fact.value) == ("evidence.rules.rules", "1 listed")
    assert fact.words == "Rules of the mailbox"


def test_a_verdict_says_when_its_evidence_is_not_what_it_named(rows: Rows) -> None:
    rows.case.verdict_detail["evidence"][0]["sha256"] = "0" * 64
    assert not _view(rows.case).is_intact
    rows.case.verdict_detail["evidence"] = [{"id": str(rows.case.id), "sha256": "1" * 64}]
    assert not _view(rows.case).is_intact


def test_the_page_says_it_all(browser, rows: Rows) -> None:
    page = browser(Role.VIEWER).get(f"/admin/cases/{rows.case.id}/").content.decode()
    for said in (
        "Unchanged", "2 records of evidence", "Could not be ruled out, since evidence was missing",
        "evidence.forwarding.forwards_outside", "What could not be seen",
        reverse("console:evidence", args=[rows.evidence.id]),
    ):  # fmt: skip
        assert said in page, said
    assert "What to ask now" not in page


def test_what_could_not_be_decided_says_what_to_ask_whom(browser, rows: Rows) -> None:
    page = browser(Role.VIEWER).get(f"/admin/cases/{rows.quiet_case.id}/").content.decode()
    assert "What to ask now" in page
    assert "did they sign in during the last two weeks?" in page
    assert "Ask the user, by telephone" in page
    assert "Ask the vendor" not in page


def test_the_playbook_is_named_as_people_call_it_and_one_click_away(browser, rows: Rows) -> None:
    detail = rows.case.verdict_detail
    page = browser(Role.VIEWER).get(f"/admin/cases/{rows.case.id}/").content.decode()
    address = reverse("console:playbook", args=[detail["playbook"]])
    assert f'<a href="{address}">{library.get(detail["playbook"]).title}</a>' in page
    assert browser(Role.VIEWER).get(address).status_code == 200


@pytest.mark.parametrize("uses", ASKED)
def test_each_question_of_the_library_has_plain_words_for_people(uses: str) -> None:
    words, whom = open_questions.question(uses)
    assert words.endswith("?")
    assert whom
    if uses != "case.count_elsewhere":
        assert not words.startswith(catalog.get(uses).title), "give it words of its own"


def test_what_is_missing_twice_is_asked_once() -> None:
    missing = [{"step": name, "uses": "mailbox.get_forwarding"} for name in ("one", "two")]
    assert [one["step"] for one in open_questions.of_missing(missing)] == ["one"]
    assert open_questions.of_missing(missing)[0]["whom"] == "the user"


def test_each_fact_of_each_question_has_words_for_people() -> None:
    told = {one.name: set(one.facts) for one in catalog.QUESTIONS}
    table = dict(fact_words.table())
    of_case = table.pop(fact_words.OF_CASE)
    assert {name: set(words) for name, words in table.items()} == told
    read = {
        path
        for playbook in library.playbooks().values()
        if playbook.kind == "investigation"
        for row in playbook.verdicts
        for path in row.when.reads
        if not path.startswith("evidence.")
    }
    assert read <= set(of_case)


def test_what_would_change_a_verdict_is_said_in_words_and_the_expression_is_a_click_away(
    browser, rows: Rows
) -> None:
    change = {
        "rule": "many-files", "verdict": "true_positive", "when": "evidence.activity.is_unusual",
        "because": "Priya Shah took unusually many files.",
    }  # fmt: skip
    with scope.tenant(rows.case.tenant_id):
        case = Case.objects.get(id=rows.case.id)
        case.verdict_detail["would_change"] = [change]
        case.save(update_fields=["verdict_detail"])
    page = browser(Role.VIEWER).get(f"/admin/cases/{rows.case.id}/").content.decode()
    said, expression = page.index(change["because"]), page.index(change["when"])
    assert "<details" in page[said:expression]


def test_a_suspicion_asks_too(browser, rows: Rows) -> None:
    asked = open_questions.of_suspicion(
        [("word", "person.get_word"), ("rules", "mailbox.list_inbox_rules"),
         ("risk", "identity.list_risk_detections")]
    )  # fmt: skip
    assert [one["whom"] for one in asked] == ["their manager", "the user, by telephone"]
    with scope.tenant(rows.case.tenant_id):
        case = Case.objects.get(id=rows.case.id)
        case.verdict, case.verdict_detail["questions"] = Verdict.SUSPICIOUS, asked
        case.save(update_fields=["verdict", "verdict_detail"])
    page = browser(Role.VIEWER).get(f"/admin/cases/{rows.case.id}/").content.decode()
    assert "What to ask now" in page
    assert "Was it them?" in page


def test_what_else_a_case_is_about_is_shown_with_what_was_found(browser, rows: Rows) -> None:
    found = {
        "about": "device:2", "name": "pc-2", "playbook": "investigate-malware", "title": "Malware",
        "verdict": "suspicious", "confidence": "low", "because": "A strange program runs.",
    }  # fmt: skip
    left = {**dict.fromkeys(found, ""), "about": "account:3", "name": "svc-print"}
    with scope.tenant(rows.case.tenant_id):
        case = Case.objects.get(id=rows.case.id)
        case.verdict_detail["others"] = [found, left]
        case.save(update_fields=["verdict_detail"])
    page = browser(Role.VIEWER).get(f"/admin/cases/{rows.case.id}/").content.decode()
    told = page[page.index("What else the case is about") :]
    assert "pc-2" in told
    assert found["because"] in told
    assert "Not looked into" in told[: told.index("svc-print")]
