"""Links and reminders go out by a real SMTP server, once; what fails is tried again and told."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import alarms
from integrations.alarms import Wrong
from integrations.models import Connection, HealthAlarm
from msp.notifications import actions as notifications
from msp.notifications.errors import MailNotSent
from msp.notifications.mail_server import MailServer, mail_server
from msp.staff import actions
from msp.staff.models import Role
from playbooks import approvals
from playbooks.ladder import client_links, reminders
from playbooks.models import Approval, ClientLink, Plan
from tenants import scope
from tenants.models import Contact, LedgerEntry, Tenant, Work
from tests.msp.approval.conftest import Asked, ask
from tests.msp.notifications.smtp_server import MailBox, mail_box
from tests.pipeline import drain, make_due
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def mails(settings) -> Iterator[MailBox]:
    with mail_box() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.PUBLIC_URL = "https://holdfast.example"
        yield server


@pytest.fixture
def asked(tenant) -> Asked:
    return ask(tenant)


def _link(asked: Asked) -> ClientLink:
    with scope.tenant(asked.tenant.id):
        return ClientLink.objects.get(id=asked.link.id)


def _notify(asked: Asked) -> None:
    notifications.notify(asked.tenant.id, asked.link.id)


def test_the_mail_carries_a_link_that_opens_the_page(asked, mails) -> None:
    _notify(asked)
    [mail] = mails.mails
    assert mail["To"] == "owner@acme.example"
    text = mail.get_content()
    assert "Olive Owner" in text
    [url] = re.findall(r"https://holdfast\.example(/approve/\S+)", text)
    assert Client().get(url).status_code == 200
    assert _link(asked).sent_at is not None


def test_it_is_sent_once_however_often_it_is_asked_for(asked, mails) -> None:
    _notify(asked)
    _notify(asked)
    assert len(mails.mails) == 1


def test_a_plan_for_the_client_sends_its_mail_by_itself(tenant, mails) -> None:
    asked = ask(tenant)
    with scope.tenant(tenant.id):
        ClientLink.objects.all().delete()
        Work.objects.exclude(kind="remind").delete()
        drain({"remind", "notify"})
        assert ClientLink.objects.get().sent_at is not None
        [due] = Work.objects.filter(kind="remind", subject=asked.approval.id)
        assert due.due_at > due.created_at
    assert [mail["To"] for mail in mails.mails] == ["owner@acme.example"]


def test_nothing_is_sent_for_what_is_decided(asked, mails) -> None:
    with scope.tenant(asked.tenant.id):
        approvals.decide(
            asked.approval.id, approve=True, actor="technician:x", sha256=asked.plan.sha256,
            comment="By phone.",
        )  # fmt: skip
    _notify(asked)
    assert mails.mails == []


def test_a_server_that_puts_off_is_asked_again(asked, mails) -> None:
    mails.refuse_with = "451 later"
    with pytest.raises(MailNotSent):
        _notify(asked)
    assert "put the mail off" in _link(asked).send_error
    mails.refuse_with = ""
    _notify(asked)
    assert (_link(asked).send_error, len(mails.mails)) == ("", 1)


def test_a_server_that_is_away_is_asked_again(asked, settings) -> None:
    with mail_box() as server:
        gone = server.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", gone
    settings.PUBLIC_URL = "https://holdfast.example"
    with pytest.raises(MailNotSent):
        _notify(asked)
    assert "not reached" in _link(asked).send_error


def test_an_address_that_is_refused_for_good_is_told_and_not_tried_again(asked, mails) -> None:
    mails.refuse_with = "550 no such user"
    _notify(asked)
    assert _link(asked).send_error == "The mail server refused the recipient's address."
    with scope.tenant(asked.tenant.id):
        assert LedgerEntry.objects.filter(kind="client_link.not_sent").count() == 1


def test_without_a_server_nothing_is_sent_and_the_box_says_so(asked, settings) -> None:
    settings.EMAIL_HOST = ""
    _notify(asked)
    assert "No mail server is set" in _link(asked).send_error
    assert _link(asked).sent_at is None


def test_a_reminder_is_the_same_link_and_says_that_it_is_one(asked, mails) -> None:
    _notify(asked)
    with scope.tenant(asked.tenant.id):
        Approval.objects.update(reminded_at=asked.link.created_at.replace(year=2100))
        ClientLink.objects.update(sent_at=None)
    _notify(asked)
    first, second = mails.mails
    assert not first["Subject"].startswith("Reminder")
    assert second["Subject"].startswith("Reminder")
    token = client_links.token(asked.link)
    assert token in first.get_content()
    assert token in second.get_content()


def test_a_client_is_reminded_when_the_mail_is_out(asked, mails) -> None:
    _notify(asked)
    with scope.tenant(asked.tenant.id):
        Approval.objects.update(requested_at=timezone.now() - dt.timedelta(hours=5))
        reminders.remind(asked.tenant.id, asked.approval.id)
    assert _ledger(asked.plan, "approval.reminded") == []
    _notify(asked)
    [told] = _ledger(asked.plan, "approval.reminded")
    assert told["to"] == ["owner@acme.example"]


def test_who_may_decide_no_more_gets_no_mail(asked, mails) -> None:
    with scope.tenant(asked.tenant.id):
        Contact.objects.update(is_active=False)
    _notify(asked)
    assert mails.mails == []


def test_the_next_contact_is_asked_when_the_mail_is_out(asked, mails) -> None:
    with scope.tenant(asked.tenant.id):
        Approval.objects.update(requested_at=timezone.now() - dt.timedelta(hours=9))
        reminders.remind(asked.tenant.id, asked.approval.id)
        assert _ledger(asked.plan, "approval.escalated") == []
        drain(["notify"])
    [told] = _ledger(asked.plan, "approval.escalated")
    assert told["to"] == ["second.owner@acme.example"]


def _ledger(plan: Plan, kind: str) -> list[dict[str, Any]]:
    with scope.tenant(plan.tenant_id):
        rows = LedgerEntry.objects.filter(case_id=plan.case_id, kind=kind)
        return list(rows.order_by("id").values_list("body", flat=True))


def _technician(name: str, role: Role, tenants: list[Tenant] | None = None) -> None:
    one = actions.create_technician(name, role=role, password="x" * 20, tenants=tenants)
    one.email = f"{name}@msp.example"
    one.save()


@pytest.fixture
def waiting(tenant) -> Approval:
    """A plan that waits for a technician, so long that a reminder is due."""
    with scope.tenant(tenant.id):
        plan = make_plan(make_case(make_account()), policy(default="technician"))
        approval = plan.approvals.get()
        approval.requested_at = timezone.now() - dt.timedelta(hours=3)
        approval.save()
    return approval


def _remind(approval: Approval) -> Approval:
    """Remind of the approval, have the mail sent, and look at it again."""
    reminders.remind(approval.tenant_id, approval.id)
    with scope.tenant(approval.tenant_id):
        drain(["notify"])
        return Approval.objects.select_related("plan").get(id=approval.id)


def _reminded(approval: Approval) -> list[dict[str, Any]]:
    return _ledger(approval.plan, "approval.reminded")


def _not_reminded(approval: Approval) -> list[str]:
    return [body["error"] for body in _ledger(approval.plan, "approval.not_reminded")]


def test_technicians_who_may_decide_are_reminded(waiting, other_tenant, mails) -> None:
    _technician("may", Role.APPROVER)
    _technician("looks", Role.VIEWER)
    _technician("elsewhere", Role.APPROVER, [other_tenant])
    _technician("leads", Role.ADMIN)
    approval = _remind(waiting)
    [mail] = mails.mails
    assert mail["To"] == "may@msp.example"
    assert f"/admin/cases/{waiting.plan.case_id}/" in mail.get_content()
    assert [told["to"] for told in _reminded(approval)] == [["may@msp.example"]]
    assert approval.send_error == ""


def test_after_the_escalation_the_administrators_are_told(waiting, mails) -> None:
    _technician("may", Role.APPROVER)
    _technician("leads", Role.ADMIN)
    with scope.tenant(waiting.tenant_id):
        Approval.objects.update(requested_at=timezone.now() - dt.timedelta(hours=5))
    approval = _remind(waiting)
    assert [mail["To"] for mail in mails.mails] == ["leads@msp.example"]
    [told] = _ledger(approval.plan, "approval.escalated")
    assert told["to"] == ["leads@msp.example"]


def test_without_an_approver_the_administrators_are_reminded(waiting, mails) -> None:
    _technician("leads", Role.ADMIN)
    _remind(waiting)
    assert [mail["To"] for mail in mails.mails] == ["leads@msp.example"]


def test_without_a_mail_server_nobody_was_reminded_and_it_is_told(waiting, settings) -> None:
    settings.EMAIL_HOST = ""
    _technician("may", Role.APPROVER)
    approval = _remind(waiting)
    assert _reminded(approval) == []
    assert _not_reminded(approval) == [approval.send_error]
    assert "No mail server is set" in approval.send_error


def test_a_reminder_for_nobody_is_told(waiting, mails) -> None:
    _technician("looks", Role.VIEWER)
    approval = _remind(waiting)
    assert (_reminded(approval), mails.mails) == ([], [])
    assert "has an e-mail address" in approval.send_error
    assert _not_reminded(approval) == [approval.send_error]


def test_a_reminder_that_is_refused_for_good_is_told(waiting, mails) -> None:
    _technician("may", Role.APPROVER)
    mails.refuse_with = "550 no such user"
    approval = _remind(waiting)
    assert _reminded(approval) == []
    assert approval.send_error == "The mail server refused the recipient's address."
    assert _not_reminded(approval) == [approval.send_error]


def test_a_reminder_that_is_put_off_is_told_until_it_is_out(waiting, mails) -> None:
    _technician("may", Role.APPROVER)
    mails.refuse_with = "451 later"
    for _ in range(2):
        with pytest.raises(MailNotSent):
            notifications.notify(waiting.tenant_id, waiting.id)
    assert _not_reminded(waiting) == ["The mail server put the mail off."]
    mails.refuse_with = ""
    approval = _remind(waiting)
    assert (approval.send_error, len(_reminded(approval))) == ("", 1)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("", MailServer()),
        ("smtp://mail.example", MailServer("mail.example", 25)),
        (
            "smtp+tls://us%40er:p%3Aw@mail.example:2525",
            MailServer("mail.example", 2525, "us@er", "p:w", use_tls=True),
        ),
        ("smtps://mail.example", MailServer("mail.example", 465, use_ssl=True)),
    ],
)
def test_the_url_of_the_mail_server_is_read(url, server) -> None:
    assert mail_server(url) == server


@pytest.mark.parametrize("url", ["mail.example", "http://u:secret@x", "smtp://"])
def test_another_url_is_refused_without_its_password(url) -> None:
    with pytest.raises(ValueError, match="HOLDFAST_SMTP_URL") as refused:
        mail_server(url)
    assert "secret" not in str(refused.value)


def _alarm(tenant: Tenant) -> HealthAlarm:
    with scope.tenant(tenant.id):
        connection = Connection.objects.create(connector="microsoft365", name="Microsoft 365")
        wrong = [
            Wrong(
                HealthAlarm.Kind.CANARY, "The vendor refuses the credentials.", "Enter new ones."
            ),
            Wrong(HealthAlarm.Kind.EXPIRY, "The credentials ran out.", "Enter new ones."),
        ]
        alarms.settle(connection, wrong, judged=frozenset())
        alarms.settle(connection, wrong, judged=frozenset())
        return HealthAlarm.objects.get(kind=HealthAlarm.Kind.CANARY)


def test_alarms_of_a_connection_reach_technicians_in_one_mail(tenant, other_tenant, mails) -> None:
    for name, role, sees in (
        ("tess", Role.TECHNICIAN, None),
        ("otto", Role.TECHNICIAN, [other_tenant]),
        ("vera", Role.VIEWER, None),
        ("ada", Role.ADMIN, None),
    ):
        actions.create_technician(
            name, role=role, password="x" * 20 + "!7", tenants=sees, email=f"{name}@msp.example"
        )
    alarm = _alarm(tenant)
    make_due("notify")
    drain({"notify"})
    [mail] = mails.mails
    assert mail["To"] == "tess@msp.example"
    text = mail.get_content()
    assert "The vendor refuses the credentials." in text
    assert "The credentials ran out." in text
    assert "What to do: Enter new ones." in text
    assert f"https://holdfast.example/admin/health/{alarm.connection_id}/" in text
    with scope.tenant(tenant.id):
        assert HealthAlarm.objects.filter(told_at=None).count() == 0
    notifications.notify(tenant.id, alarm.connection_id)
    assert len(mails.mails) == 1


def test_an_alarm_that_nobody_can_be_told_says_so(tenant, mails, settings) -> None:
    alarm = _alarm(tenant)
    notifications.notify(tenant.id, alarm.connection_id)
    settings.EMAIL_HOST = ""
    with scope.tenant(tenant.id):
        alarm.refresh_from_db()
        assert "No technician who sees this client" in alarm.tell_error
    notifications.notify(tenant.id, alarm.connection_id)
    with scope.tenant(tenant.id):
        alarm.refresh_from_db()
    assert "HOLDFAST_SMTP_URL" in alarm.tell_error
    assert alarm.told_at is None


def test_an_alarm_that_could_not_be_sent_is_tried_again(tenant, mails, settings) -> None:
    actions.create_technician(
        "tess", role=Role.TECHNICIAN, password="x" * 20 + "!7", email="tess@msp.example"
    )
    alarm = _alarm(tenant)
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    with pytest.raises(MailNotSent):
        notifications.notify(tenant.id, alarm.connection_id)
    settings.EMAIL_PORT = port
    notifications.notify(tenant.id, alarm.connection_id)
    with scope.tenant(tenant.id):
        alarm.refresh_from_db()
    assert (alarm.tell_error, len(mails.mails)) == ("", 1)
