"""Questions reach a client's chat, whose address is told nowhere, and only its contacts there."""

import json
import re
from collections.abc import Iterator

import pytest
from django.test import Client

from integrations.errors import ConnectionMisconfigured
from msp.notifications import actions as notifications
from msp.notifications import chat
from msp.notifications.errors import MessageNotSent
from playbooks import library
from playbooks.errors import PlaybookError
from playbooks.models import ChatChannel, UserQuestion
from playbooks.questions import chat_channels, user_questions
from tenants import scope
from tenants.models import Case, Contact, LedgerEntry, Tenant
from tests.msp.notifications.chat_server import Chat, chat_server
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
SAM, ADA = "technician:sam", "technician:ada"
PLAYBOOK = library.get("investigate-account-takeover")
SECRET = "verysecret"


@pytest.fixture
def server(settings) -> Iterator[Chat]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    settings.PUBLIC_URL = "https://holdfast.example"
    with chat_server() as made:
        yield made


@pytest.fixture
def case(tenant: Tenant, server) -> Case:
    with scope.tenant(tenant.id):
        Contact.objects.create(name="Olive Owner", email="olive@acme.example", position=1)
        chat_channels.put("slack", "security", server.url, actor=ADA)
        return make_case(make_account(), verdict="suspicious", status=Case.Status.NEEDS_TECHNICIAN)


def _ask(case: Case) -> UserQuestion:
    with scope.tenant(case.tenant_id):
        key = user_questions.people(case)[0].key
        return user_questions.ask(case, key, actor=SAM, way="chat")


def _reread(question: UserQuestion) -> UserQuestion:
    with scope.tenant(question.tenant_id):
        return UserQuestion.objects.get(id=question.id)


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_question_gets_there_once_and_is_answered_by_its_link(case, server, kind) -> None:
    with scope.tenant(case.tenant_id):
        chat_channels.put(kind, "security", server.url, actor=ADA)
    question = _ask(case)
    for _ in range(2):
        notifications.notify(case.tenant_id, question.id)
    [(path, body)] = server.posts
    assert path.endswith(SECRET)
    [link] = re.findall(r"https://holdfast\.example(/approve/[\w./-]+/question/)", json.dumps(body))
    told = {"name": "Olive Owner", "answer": "no"}
    assert Client().post(link, told).status_code == 200
    with scope.tenant(case.tenant_id):
        word = user_questions.word(case)
        assert (word["answer"], word["said"][0]["way"]) == ("no", "chat")
        assert ChatChannel.objects.get().told_at
        said = str(list(LedgerEntry.objects.values_list("body", "subject")))
    assert SECRET not in said
    assert _reread(question).sent_at


@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (429, b""), (200, b"Webhook message delivery failed: 429")]
)  # fmt: skip
def test_what_was_put_off_is_tried_again(case, server, status, body) -> None:
    question = _ask(case)
    server.status, server.body = status, body
    with pytest.raises(MessageNotSent) as error:
        notifications.notify(case.tenant_id, question.id)
    assert SECRET not in str(error.value)
    assert "put the message off" in _reread(question).send_error
    server.status, server.body = 202, b""
    notifications.notify(case.tenant_id, question.id)
    told = _reread(question)
    assert (told.send_error, bool(told.sent_at)) == ("", True)


@pytest.mark.parametrize("status", [302, 404, 410])
def test_what_is_refused_says_what_to_do_and_goes_nowhere_else(case, server, status) -> None:
    question = _ask(case)
    server.status = status
    notifications.notify(case.tenant_id, question.id)
    assert len(server.posts) == 1
    told = _reread(question).send_error
    assert f"status {status}" in told
    assert SECRET not in told
    with scope.tenant(case.tenant_id):
        assert ChatChannel.objects.get().error == told


def test_a_chat_that_is_away_is_said_without_its_address() -> None:
    with pytest.raises(MessageNotSent) as error:
        chat.send(f"https://chat.invalid/{SECRET}", "slack", "x")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/x", "https://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.1/x",
     "ftp://chat.example/x", "https://me:word@chat.example/x"],
)  # fmt: skip
def test_no_address_leads_into_our_own_network(in_tenant, settings, url) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = False
    with pytest.raises(ConnectionMisconfigured):
        chat_channels.put("slack", "security", url, actor=ADA)
    assert chat.send(url, "slack", "x")


def test_no_question_is_posted_where_somebody_in_doubt_reads(case) -> None:
    with scope.tenant(case.tenant_id):
        username = case.account.username
        Contact.objects.create(name="Priya", email=username, position=2)
        assert chat_channels.may_ask(case) is None
        olive = user_questions.people(case)[0]
        with pytest.raises(PlaybookError, match="read by somebody else"):
            user_questions.ask(case, olive.key, actor=SAM, way="chat")


def test_the_engine_asks_where_the_client_reads(case) -> None:
    with scope.tenant(case.tenant_id):
        case.tenant.playbook_mode = "approve"
        question = user_questions.ask_by_itself(case, PLAYBOOK)
        assert question.way == "chat"
        UserQuestion.objects.all().delete()
        chat_channels.remove(actor=ADA)
        assert user_questions.ask_by_itself(case, PLAYBOOK).way == "mail"


def test_a_name_makes_no_link_of_its_own(server) -> None:
    for kind in ("slack", "teams"):
        chat.send(server.url, kind, "[Log in](https://evil.example) <https://evil.example|x>")
    slack, teams = (json.dumps(body) for _, body in server.posts)
    assert "<https" not in slack
    assert "](http" not in teams
