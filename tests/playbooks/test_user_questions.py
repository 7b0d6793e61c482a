"""What people say weighs on a case while their link counts, also when the engine closed it."""

from collections.abc import Iterator

import pytest

from integrations import registry
from playbooks import library
from playbooks.adoption import activation
from playbooks.errors import LinkError, PlaybookError
from playbooks.models import Step, UserQuestion
from playbooks.questions import user_questions
from tenants import evidence, scope
from tenants.models import Account, Case, Contact, Evidence, LedgerEntry
from tests.pipeline import drain
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import facts
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db
STAGES = ["investigate", "respond", "run", "close"]
TAKEOVER = library.get("investigate-account-takeover")
SAM = "technician:sam"
# Containment is proposed, and a technician is asked.
SUSPECTED = ("awaiting_approval", "suspicious")


@pytest.fixture
def cloud(monkeypatch) -> Iterator[Vendor]:
    """Microsoft tells of sign-ins from a new country, and of nothing else."""
    monkeypatch.setattr(activation, "choose_investigation", lambda told: TAKEOVER)
    with vendors(monkeypatch, "microsoft365") as made:
        asked = made["microsoft365"].answers
        told = facts()["evidence"]
        for step in TAKEOVER.steps:
            asked[step.uses] = dict(told[step.id])
        asked["identity.list_sign_ins"] = {
            "suspicious_successes": 0, "unusual_countries": ["NG"], "count": 9,
        }  # fmt: skip
        asked["identity.list_auth_methods"] = {"methods": []}
        asked["identity.list_risk_detections"] = {"user_risk_level": "low"}
        asked["mailbox.list_inbox_rules"] = {"rules": []}
        asked["mailbox.get_forwarding"] = {"forwards_outside": False}
        # Nobody but Holdfast knows what people said.
        can = registry.can_answer
        monkeypatch.setattr(
            registry, "can_answer", lambda who, what: what != user_questions.ASKS and can(who, what)
        )
        yield made["microsoft365"]


@pytest.fixture
def case(tenant, cloud) -> Case:
    with scope.tenant(tenant.id):
        connect("microsoft365")
        for position, name in enumerate(("Olive Owner", "Pat Partner", "Quin Quiet"), 1):
            email = f"{name.split()[0].lower()}@acme.example"
            Contact.objects.create(name=name, email=email, position=position)
        return make_case(
            make_account(), verdict="suspicious", status=Case.Status.NEEDS_TECHNICIAN,
            verdict_detail={"playbook": TAKEOVER.id},
        )  # fmt: skip


def _ask(case: Case, name: str, way: str = "mail") -> UserQuestion:
    with scope.tenant(case.tenant_id):
        key = next(one.key for one in user_questions.people(case) if one.name == name)
        return user_questions.ask(case, key, actor=SAM, way=way)


def _answer(question: UserQuestion, answer: str, name: str = "") -> None:
    with scope.tenant(question.tenant_id):
        where = user_questions.address(user_questions.token(question))
        user_questions.answer(where, answer=answer, name=name or question.name)


def _now(case: Case) -> tuple[str, str]:
    """Let everything be done that is due; return the case's status and verdict."""
    drain(STAGES)
    with scope.tenant(case.tenant_id):
        row = Case.objects.get(id=case.id)
        return row.status, row.verdict


def test_a_no_counts_after_a_yes_has_closed_the_case(case) -> None:
    yes, no, late = (_ask(case, name) for name in ("Olive Owner", "Pat Partner", "Quin Quiet"))
    _answer(yes, "yes")
    assert _now(case) == ("closed", "benign")
    _answer(no, "no")
    assert _now(case) == SUSPECTED
    with scope.tenant(case.tenant_id):
        assert LedgerEntry.objects.filter(kind="case.looked_into_again").count() == 1
        assert user_questions.word(Case.objects.get())["answer"] == "no"
    _answer(late, "yes")
    assert _now(case) == SUSPECTED


def test_another_yes_is_kept_and_opens_nothing(case) -> None:
    first, second = _ask(case, "Olive Owner"), _ask(case, "Pat Partner")
    _answer(first, "yes")
    assert _now(case) == ("closed", "benign")
    _answer(second, "yes")
    assert _now(case) == ("closed", "benign")
    with scope.tenant(case.tenant_id):
        assert Evidence.objects.filter(gatherer="person.get_word", summary__contains="Pat").exists()


def test_what_a_technician_closed_asks_nobody_any_more(case) -> None:
    question = _ask(case, "Olive Owner")
    with scope.tenant(case.tenant_id):
        Case.objects.update(status=Case.Status.CLOSED, verdict="benign")
        for actor in ("engine", SAM):
            LedgerEntry.objects.create(
                at=case.opened_at, kind="case.closed", actor=actor, case_id=case.id, subject="",
                body={},
            )  # fmt: skip
        with pytest.raises(LinkError) as error:
            user_questions.find(user_questions.address(user_questions.token(question)))
    assert error.value.state == "expired"


def test_a_no_before_anything_has_begun_has_the_case_decided_anew(case) -> None:
    question = _ask(case, "Olive Owner")
    with scope.tenant(case.tenant_id):
        Case.objects.update(status=Case.Status.RESPONDING, verdict="benign")
    _answer(question, "no")
    assert _now(case) == SUSPECTED


def test_a_no_while_something_is_being_done_is_left_for_a_technician(case) -> None:
    question = _ask(case, "Olive Owner")
    with scope.tenant(case.tenant_id):
        plan = make_plan(Case.objects.get())
        Step.objects.filter(run__plan=plan).update(status=Step.Status.CALLED)
    _answer(question, "no")
    with scope.tenant(case.tenant_id):
        told = Case.objects.get()
        assert told.status == Case.Status.AWAITING_APPROVAL
        assert told.verdict_detail["left_before"] == [
            "Olive Owner says that it was somebody else: see what more has to be done."
        ]


def test_an_answer_by_a_link_that_a_technician_saw_decides_nothing_alone(case) -> None:
    _answer(_ask(case, "Olive Owner", way="link"), "yes")
    assert _now(case) == SUSPECTED
    with scope.tenant(case.tenant_id):
        told = user_questions.word(Case.objects.get())
        assert told["answer"] == "unconfirmed"
        assert told["said"][0]["link_seen_by"] == "sam"
        row = Evidence.objects.filter(gatherer="person.get_word").order_by("asked_at").first()
        assert "by a link that sam saw" in row.summary
        assert row.answer["facts"] == told
        asked = LedgerEntry.objects.get(kind="question.answered")
        assert asked.body["link_seen_by"] == SAM


def test_a_no_by_such_a_link_takes_a_yes_its_weight(case) -> None:
    yes, no = _ask(case, "Olive Owner"), _ask(case, "Pat Partner", way="link")
    _answer(yes, "yes")
    assert _now(case) == ("closed", "benign")
    _answer(no, "no")
    assert _now(case) == SUSPECTED


@pytest.mark.parametrize("told", ["id", "address", "now"])
def test_the_manager_whom_the_directory_names_is_asked_first(case, told) -> None:
    with scope.tenant(case.tenant_id):
        boss = make_account("mia@acme.example")
        if told == "now":
            facts = {"account": {"manager": boss.external_id}}
            evidence.record(
                case, gatherer="identity.get_account", question="?", asked_of="Microsoft",
                asked_at=case.opened_at, answer={"step": "account", "facts": facts},
                is_available=True,
            )  # fmt: skip
        else:
            value = boss.external_id if told == "id" else boss.email or boss.username
            Account.objects.create(
                provider="google_workspace", external_id="g", username="priya",
                person=case.account.person, attributes={"manager": value},
            )  # fmt: skip
        assert user_questions.people(case)[0].email == "mia@acme.example"
        question = user_questions.ask(case, str(boss.id), actor=SAM, way="mail")
        assert not question.is_self
        # Whom the alerts name is asked nothing, whoever they manage.
        case.entities = [f"account:{boss.username}"]
        assert user_questions.people(case)[0].name == "Olive Owner"


def test_nobody_that_a_doubted_administrator_could_name_is_asked(case) -> None:
    with scope.tenant(case.tenant_id):
        boss = make_account("mia@acme.example")
        Account.objects.filter(id=case.account_id).update(
            is_privileged=True, attributes={"manager": boss.username}
        )
        row = Case.objects.get()
        assert user_questions.people(row)[0].name == "Olive Owner"


@pytest.mark.parametrize(
    "name", ["priya.shah@acme.example", "Priya.Shah", " PRIYA.SHAH@acme.example "]
)
def test_whoever_is_in_doubt_can_not_answer_by_a_link_that_was_passed_on(case, name) -> None:
    question = _ask(case, "Olive Owner")
    with pytest.raises(PlaybookError, match="for Olive Owner"):
        _answer(question, "yes", name)
    _answer(question, "yes")


@pytest.mark.parametrize(
    ("name", "told"),
    [("Olive O.", ""), ("Sam Smith", "by the link that Olive Owner was sent")],
)
def test_who_else_answers_by_a_link_is_told_in_the_evidence(case, name, told) -> None:
    _answer(_ask(case, "Olive Owner"), "not_sure", name)
    with scope.tenant(case.tenant_id):
        summary = case.evidence.get(gatherer=user_questions.ASKS).summary
    assert summary.startswith(f"{name} says: not sure")
    assert ("by the link" in summary) == bool(told)
    assert told in summary


def test_of_an_account_that_a_program_uses_it_is_asked_whether_it_was_expected(case) -> None:
    with scope.tenant(case.tenant_id):
        Account.objects.filter(id=case.account_id).update(kind=Account.Kind.SERVICE)
        question = _ask(Case.objects.get(id=case.id), "Olive Owner")
        name = question.about
        assert question.words == f"Was this expected of the program that uses {name}?"
    _answer(question, "yes", "Olive Owner")
    with scope.tenant(case.tenant_id):
        assert Evidence.objects.get(gatherer=user_questions.ASKS).question == question.words
