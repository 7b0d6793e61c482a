"""“Was this you?” is asked of nobody whose mail is in doubt, answered once, and weighed."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from msp.approval.hidden import without_tokens
from msp.notifications import actions as notifications
from msp.notifications.user_questions import path_of
from msp.staff import actions
from msp.staff.models import Role
from playbooks import library
from playbooks.adoption import activation
from playbooks.errors import LinkError, PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import UserQuestion
from playbooks.questions import user_questions
from tenants import evidence, scope
from tenants.models import Case, Contact, Device, Evidence, LedgerEntry, Tenant, Work
from tests.msp.notifications.smtp_server import MailBox, mail_box
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
PRIYA = "priya.shah@acme.example"
YES = {"name": "Olive Owner", "answer": "yes", "comment": "She is at a wedding."}
PLAYBOOK = library.get("investigate-account-takeover")


@pytest.fixture
def case(tenant: Tenant) -> Case:
    with scope.tenant(tenant.id):
        Contact.objects.create(name="Priya Shah", email=PRIYA, position=1)
        Contact.objects.create(name="Olive Owner", email="olive@acme.example", position=2)
        Contact.objects.create(name="Gone", email="gone@acme.example", is_active=False)
        return make_case(
            make_account(PRIYA), verdict="suspicious", status=Case.Status.NEEDS_TECHNICIAN
        )


@pytest.fixture
def question(case: Case) -> UserQuestion:
    return _ask(case)


def _ask(case: Case, **told) -> UserQuestion:
    with scope.tenant(case.tenant_id):
        (somebody,) = user_questions.people(case)
        given = {"actor": "technician:sam", "way": "mail", **told}
        return user_questions.ask(case, somebody.key, **given)


@pytest.fixture
def mails(settings) -> Iterator[MailBox]:
    with mail_box() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.PUBLIC_URL = "https://holdfast.example"
        yield server


def test_nobody_is_asked_by_mail_that_an_intruder_may_read(case) -> None:
    with scope.tenant(case.tenant_id):
        assert [one.email for one in user_questions.people(case)] == ["olive@acme.example"]
        priya = Contact.objects.get(email=PRIYA)
        with pytest.raises(PlaybookError, match="not in doubt"):
            user_questions.ask(case, str(priya.id), actor="x", way="mail")


def test_who_uses_a_computer_is_asked_where_no_account_is_in_doubt(in_tenant) -> None:
    owner = make_account("ben@acme.example").person
    Device.objects.create(provider="intune", external_id="d", hostname="PC-1", owner=owner)
    case = make_case(None, entities=["device:pc-1"])
    assert [one.email for one in user_questions.people(case)] == ["ben@acme.example"]
    case.entities.append("account:ben@acme.example")
    assert user_questions.people(case) == []


def test_opening_it_answers_nothing_and_an_answer_is_hashed_evidence(question) -> None:
    web, path = Client(), path_of(question)
    page = web.get(path)
    assert "by telephone, not by mail" in page.content.decode()
    assert page["Cache-Control"] == "no-store, private"
    web.head(path)
    with scope.tenant(question.tenant_id):
        assert not UserQuestion.objects.get().answer
        assert UserQuestion.objects.get().opened_at
    assert "Please choose" in web.post(path, {**YES, "answer": ""}).content.decode()
    assert "type your name" in web.post(path, {**YES, "name": " "}).content.decode()
    assert "Thank you" in web.post(path, YES).content.decode()
    assert web.post(path, {**YES, "answer": "no"}).status_code == 404
    with scope.tenant(question.tenant_id):
        row = Evidence.objects.get()
        assert row.sha256 == evidence.content_hash(row)
        assert row.answer["facts"]["answer"] == "yes"
        assert "Olive Owner: She is at a wedding." in str(row.answer)
        facts = case_facts.of_case(Case.objects.get())
        assert facts["evidence"]["word"]["answer"] == "yes"
        assert Work.objects.filter(kind="investigate").exists()
        kinds = set(LedgerEntry.objects.values_list("kind", flat=True))
        assert {"question.asked", "question.opened", "question.answered"} <= kinds
        # Never a verdict by itself.
        assert Case.objects.get().verdict == "suspicious"


def test_countries_are_named_in_words(case, question) -> None:
    with scope.tenant(case.tenant_id):
        evidence.record(
            case, gatherer="identity.list_sign_ins", question="", asked_of="Microsoft 365",
            asked_at=timezone.now(), is_available=True,
            answer={"step": "sign_ins", "facts": {"unusual_countries": ["PT"]}, "reason": ""},
        )  # fmt: skip
    assert "From: <b>Portugal</b>" in Client().get(path_of(question)).content.decode()


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"expires_at": timezone.now()}, "expired"),
        ({"answered_at": timezone.now()}, "used"),
        ({"recipient": PRIYA}, "withdrawn"),
    ],
)
def test_a_link_that_counts_no_more_says_so(question, change, state) -> None:
    with scope.tenant(question.tenant_id):
        UserQuestion.objects.update(**change)
        where = user_questions.address(user_questions.token(question))
        with pytest.raises(LinkError) as error:
            user_questions.find(where)
        assert error.value.state == state
    assert Client().post(path_of(question), YES).status_code == 404


def test_a_link_is_of_one_client_and_no_approval(question, other_tenant) -> None:
    where = user_questions.address(user_questions.token(question))
    with scope.tenant(other_tenant.id), pytest.raises(LinkError):
        user_questions.find(where)
    token = user_questions.token(question)
    assert Client().get(f"/approve/{token}/").status_code == 404
    assert token not in without_tokens(f"GET {path_of(question)}")


def test_a_newer_link_takes_the_place_of_an_earlier_one(case, question) -> None:
    _ask(case)
    assert Client().get(path_of(question)).status_code == 404


def test_one_no_outweighs_a_yes_and_silence_is_told(case, question) -> None:
    with scope.tenant(case.tenant_id):
        assert user_questions.word(case)["answer"] == "waiting"
        UserQuestion.objects.update(expires_at=timezone.now() - dt.timedelta(hours=1))
        assert user_questions.word(case)["answer"] == "no_answer"
        UserQuestion.objects.update(answer="no")
    later = _ask(case)
    with scope.tenant(case.tenant_id):
        UserQuestion.objects.filter(id=later.id).update(answer="yes")
        assert user_questions.word(case)["answer"] == "no"


def test_the_mail_asks_without_the_accounts_mailbox(case, mails) -> None:
    question = _ask(case)
    notifications.notify(case.tenant_id, question.id)
    notifications.notify(case.tenant_id, question.id)
    [mail] = mails.mails
    assert mail["To"] == "olive@acme.example"
    [path] = re.findall(r"https://holdfast\.example(/approve/\S+)", mail.get_content())
    assert Client().get(path).status_code == 200


def test_the_engine_asks_once_and_not_for_a_client_in_shadow(case) -> None:
    Tenant.objects.filter(id=case.tenant_id).update(playbook_mode="shadow")
    with scope.tenant(case.tenant_id):
        activation.set_mode("investigate-malware", "automatic", actor="ann")
        assert user_questions.ask_by_itself(case, PLAYBOOK) is None
        # As clients leave shadow: one playbook after the other.
        activation.set_mode("isolate-endpoint", "approve", actor="ann")
        assert user_questions.ask_by_itself(case, library.get("investigate-malware")) is None
        case.verdict = "true_positive"
        assert user_questions.ask_by_itself(case, PLAYBOOK) is None
        case.verdict = "insufficient_data"
        assert user_questions.ask_by_itself(case, PLAYBOOK) is not None
        assert user_questions.ask_by_itself(case, PLAYBOOK) is None
        assert Work.objects.filter(kind="notify").count() == 1


def test_a_technician_asks_from_the_case(case, settings) -> None:
    settings.REQUIRE_MFA = False
    web = Client()
    web.force_login(
        actions.create_technician("sam", role=Role.TECHNICIAN, password="x" * 20 + "!7"),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    address = f"/admin/cases/{case.id}/"
    assert "Olive Owner, olive@acme.example" in web.get(address).content.decode()
    with scope.tenant(case.tenant_id):
        key = user_questions.people(case)[0].key
    shown = web.post(f"{address}ask/", {"somebody": key}).content.decode()
    [path] = re.findall(r"(/approve/[^<\s]+/question/)", shown)
    assert "signed in as a technician" in web.get(path).content.decode()
    web.post(path, YES)
    assert Client().post(path, YES).status_code == 200
    told = web.get(address).content.decode()
    for said in ("yes, it was", "sam saw the link", "By a link that sam saw."):
        assert said in told, said
