"""A client decides on a phone, without an account; whoever else opens the link decides nothing."""

import datetime as dt

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from integrations import catalog
from msp.approval import attempts, plain
from msp.staff import actions
from msp.staff.models import Role
from playbooks.ladder import client_links
from playbooks.models import Approval, ClientLink, Plan, Step
from playbooks.signed_links import Address
from tenants import scope
from tenants.models import Account, Case, Contact, LedgerEntry, Work
from tests.msp.approval.conftest import Asked, ask

pytestmark = pytest.mark.django_db
AN_HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_failures_yet() -> None:
    cache.clear()


def _answer(asked: Asked, client: Client | None = None, **form: str):
    told = {"decision": "approve", "name": "Olive Owner", "sha256": asked.plan.sha256, **form}
    return (client or Client()).post(asked.path, told)


def _state(asked: Asked) -> tuple[str, str, set[str]]:
    with scope.tenant(asked.tenant.id):
        approval = Approval.objects.get(id=asked.approval.id)
        steps = set(Step.objects.filter(run__plan=asked.plan).values_list("status", flat=True))
    return approval.decision, approval.decided_by, steps


def _kinds(asked: Asked) -> list[str]:
    with scope.tenant(asked.tenant.id):
        rows = LedgerEntry.objects.filter(case_id=asked.case.id, kind__startswith="client_link")
        return list(rows.order_by("id").values_list("kind", flat=True))


PENDING = ("pending", "", {"awaiting_approval"})


def test_the_page_says_what_why_and_until_when_in_plain_words(asked) -> None:
    page = Client().get(asked.path)
    text = page.content.decode()
    assert page.status_code == 200
    assert "May we do this?" in text
    assert "We will block sign-in for priya.shah@acme.example" in text
    assert "We can undo this." in text
    assert "This can’t be undone." in text
    assert asked.tenant.name in text
    for jargon in ("true_positive", "identity.", "sha256:", "tier"):
        assert jargon not in text


def test_the_page_is_kept_nowhere_and_tells_nobody(asked) -> None:
    for page in (Client().get(asked.path), Client().get("/approve/forged/"), _answer(asked)):
        assert "no-store" in page["Cache-Control"]
        assert "noindex" in page["X-Robots-Tag"]
        assert page["Referrer-Policy"] in ("no-referrer", "same-origin")
        assert "default-src 'none'" in page["Content-Security-Policy"]


def test_browsers_may_send_the_origin_that_the_forms_check_needs(asked) -> None:
    """With `no-referrer` they send `Origin: null`, and no decision would ever get through."""
    client = Client(enforce_csrf_checks=True)
    page = client.get(asked.path)
    assert page["Referrer-Policy"] == "same-origin"
    form = {"decision": "approve", "name": "Olive", "sha256": asked.plan.sha256}
    form["csrfmiddlewaretoken"] = client.cookies["csrftoken"].value
    refused = client.post(asked.path, form, HTTP_ORIGIN="null")
    taken = client.post(asked.path, form, HTTP_ORIGIN="http://testserver")
    assert (refused.status_code, taken.status_code) == (403, 200)


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_scanner_that_opens_the_link_decides_nothing(asked, method) -> None:
    for _ in range(3):
        assert getattr(Client(), method)(f"{asked.path}?decision=approve&name=x").status_code == 200
    assert _state(asked) == PENDING
    assert _kinds(asked) == ["client_link.created", "client_link.opened"]
    with scope.tenant(asked.tenant.id):
        link = ClientLink.objects.get(id=asked.link.id)
    assert link.opened_at is not None
    assert link.used_at is None
    assert _answer(asked).status_code == 200


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": ""}, "type your name"),
        ({"name": " x "}, "type your name"),
        ({"decision": ""}, "choose Approve or Reject"),
        ({"sha256": "0" * 64}, "not the one you saw"),
    ],
)
def test_a_post_that_is_no_decision_decides_nothing(asked, form, words) -> None:
    page = _answer(asked, **form)
    assert page.status_code == 400
    assert words in page.content.decode()
    assert _state(asked) == PENDING
    assert _answer(asked).status_code == 200


def test_a_decision_needs_the_forms_token(asked) -> None:
    assert _answer(asked, Client(enforce_csrf_checks=True)).status_code == 403
    assert _state(asked) == PENDING


def test_approving_frees_the_steps_and_is_recorded_with_the_name(asked) -> None:
    page = _answer(asked, name="  Olive   Owner ", comment="Do it.")
    assert "you approved" in page.content.decode()
    assert _state(asked) == ("approved", "client:owner@acme.example", {"pending"})
    assert _kinds(asked)[-1] == "client_link.used"
    with scope.tenant(asked.tenant.id):
        entry = LedgerEntry.objects.get(kind="approval.approved")
    assert entry.actor == "client:owner@acme.example"
    assert entry.body["comment"].startswith("Olive Owner, by the link sent to owner@acme.example")
    assert entry.body["comment"].endswith(": Do it.")


def test_rejecting_drops_the_steps(asked) -> None:
    assert "you rejected" in _answer(asked, decision="reject").content.decode()
    assert _state(asked) == ("rejected", "client:owner@acme.example", {"skipped"})


def test_a_link_counts_once(asked) -> None:
    _answer(asked)
    again = _answer(asked, decision="reject")
    assert (again.status_code, Client().get(asked.path).status_code) == (404, 404)
    assert "decided already" in again.content.decode()
    assert _state(asked)[0] == "approved"


def _expire(asked: Asked) -> None:
    past = timezone.now() - AN_HOUR
    ClientLink.objects.filter(id=asked.link.id).update(expires_at=past)


def _supersede(asked: Asked) -> None:
    Plan.objects.filter(id=asked.plan.id).update(status="superseded")


def _decide_otherwise(asked: Asked) -> None:
    other = Contact.objects.get(position=2)
    link = client_links.create(asked.approval.id, other, actor="engine", send=False)
    client_links.use(
        Address(asked.tenant.id, link.id),
        approve=True,
        name="Sam Second",
        sha256=asked.plan.sha256,
    )


def _send_newer(asked: Asked) -> None:
    client_links.create(asked.approval.id, asked.link.contact, actor="engine", send=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_expire, "The time for this is over"),
        (_supersede, "This has changed"),
        (_decide_otherwise, "This is decided already"),
        (_send_newer, "There is a newer message"),
    ],
)
def test_a_link_that_counts_no_more_says_so(asked, change, words) -> None:
    with scope.tenant(asked.tenant.id):
        change(asked)
    before = _state(asked)
    for page in (Client().get(asked.path), _answer(asked)):
        assert page.status_code == 404
        assert words in page.content.decode()
    assert _state(asked) == before


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"can_approve": False}, {"email": "elsewhere@acme.example"}]
)
def test_who_may_not_approve_any_more_cant_by_the_old_link(asked, change) -> None:
    with scope.tenant(asked.tenant.id):
        Contact.objects.filter(position=1).update(**change)
    for page in (Client().get(asked.path), _answer(asked)):
        assert page.status_code == 404
        assert "no longer for you to decide" in page.content.decode()
    assert _state(asked) == PENDING


def test_whose_account_turns_out_to_be_attacked_too_cant_decide(asked) -> None:
    """Another alert joins the case and names the contact: an intruder may read their mail."""
    with scope.tenant(asked.tenant.id):
        Case.objects.update(entities=["account:Owner@acme.example"])
    assert _answer(asked, decision="reject").status_code == 404
    assert _state(asked) == PENDING


def test_a_forged_link_is_not_known(asked) -> None:
    token = asked.path.split("/")[2]
    for forged in ("x", token[:-1] + ("A" if token[-1] != "A" else "B"), token.swapcase()):
        page = Client().get(f"/approve/{forged}/")
        assert page.status_code == 404
        assert "This link is not known" in page.content.decode()
    assert _kinds(asked) == ["client_link.created"]


def test_a_link_leads_to_its_own_client_only(asked, other_tenant) -> None:
    """Even a well signed token with another client's id finds nothing."""
    stranger = ClientLink(id=asked.link.id, tenant_id=other_tenant.id)
    page = Client().get(f"/approve/{client_links.token(stranger)}/")
    assert page.status_code == 404
    assert "priya" not in page.content.decode()
    assert _state(asked) == PENDING


def test_one_clients_decision_leaves_anothers_plan_alone(asked, other_tenant) -> None:
    other = ask(other_tenant, "owner@beta.example")
    _answer(asked)
    assert _state(other) == PENDING


def test_many_failures_are_slowed_down_but_a_good_link_is_served(asked) -> None:
    answers = [Client().get("/approve/x/").status_code for _ in range(attempts.MOST_FAILURES + 1)]
    assert answers == [404] * attempts.MOST_FAILURES + [429]
    assert Client().get(asked.path).status_code == 200
    assert _answer(asked).status_code == 200


def test_a_technician_does_not_decide_for_the_client(asked) -> None:
    client = Client()
    client.force_login(
        actions.create_technician("mira", role=Role.ADMIN, password="x" * 20 + "!7"),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    page = client.get(asked.path)
    assert "signed in as a technician" in page.content.decode()
    assert "<form" not in page.content.decode()
    assert _answer(asked, client).status_code == 400
    assert _state(asked) == PENDING
    assert _kinds(asked) == ["client_link.created"]


def test_the_token_stands_in_no_row(asked) -> None:
    token = asked.path.split("/")[2]
    _answer(asked)
    with scope.tenant(asked.tenant.id):
        for entry in LedgerEntry.objects.all():
            assert token not in f"{entry.subject} {entry.body}"


def test_hostile_words_are_shown_as_text(asked) -> None:
    with scope.tenant(asked.tenant.id):
        asked.case.verdict_detail = {"because": "<script>alert(1)</script>"}
        asked.case.save()
    page = Client().get(asked.path).content.decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_every_action_is_told_in_the_future() -> None:
    for action in catalog.ACTIONS:
        if not action.is_read_only:
            said = plain.sentence(action.name, "Priya")
            assert said.startswith("We will "), f"{action.name}: {said}"


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_what_has_changed_since_the_link_was_sent_is_asked_for_anew(asked, decision) -> None:
    with scope.tenant(asked.tenant.id):
        Account.objects.update(is_enabled=False)
    page = _answer(asked, decision=decision)
    assert page.status_code == 404
    assert "changed" in page.content.decode()
    with scope.tenant(asked.tenant.id):
        assert Approval.objects.get(id=asked.approval.id).decision == "superseded"
        fresh = Approval.objects.get(decision="pending")
        assert fresh.plan.replaces_id == asked.plan.id
        assert Work.objects.filter(kind="remind", subject=fresh.id).exists()
