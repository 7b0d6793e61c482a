"""Mailboxes: who else may open one, whom it trusts, what it sends, and what may be done to it."""

import datetime as dt

import pytest

from integrations.contract import Target
from integrations.errors import Rejected

LONG_AGO = (dt.datetime.now(dt.UTC) - dt.timedelta(days=60)).isoformat()


def test_a_delegate_from_outside_is_suspicious(vendor, ask) -> None:
    assert ask("mailbox.list_delegates") == {"delegates": []}
    vendor.act("give_access", user="priya.shah", to="x@collector.example", at=LONG_AGO)
    vendor.act("give_access", user="priya.shah", to="anna.berg@contoso-clinic.example",
               kind="send_as", at=LONG_AGO)  # fmt: skip
    outside, colleague = ask("mailbox.list_delegates")["delegates"]
    assert outside["is_external"]
    assert outside["is_suspicious"]
    assert not outside["is_recent"]
    assert colleague["kind"] == "send_as"
    assert not colleague["is_suspicious"]


@pytest.mark.parametrize("kind", ["full_access", "send_as", "send_on_behalf"])
def test_a_colleague_who_was_given_access_lately_is_suspicious(vendor, ask, kind) -> None:
    vendor.act("give_access", user="priya.shah", to="tom.okafor@contoso-clinic.example", kind=kind)
    found = ask("mailbox.list_delegates")["delegates"]
    assert [(d["kind"], d["is_recent"], d["is_suspicious"]) for d in found] == [(kind, True, True)]
    vendor.act("give_access", user="anna.berg", to="tom.okafor@contoso-clinic.example",
               kind=kind, at=LONG_AGO)  # fmt: skip
    of_another = ask("mailbox.list_delegates", vendor.account("anna.berg"))["delegates"]
    assert not of_another[0]["is_recent"]


def test_where_the_audit_log_may_not_be_read_nobody_is_new(vendor, ask) -> None:
    vendor.act("give_access", user="priya.shah", to="tom.okafor@contoso-clinic.example")
    vendor.control.fault("refuse", path="Search-UnifiedAuditLog", status=403)
    assert not ask("mailbox.list_delegates")["delegates"][0]["is_recent"]


@pytest.mark.parametrize("kind", ["full_access", "send_as", "send_on_behalf"])
def test_every_kind_of_access_is_taken_away_and_given_back(vendor, ask, carry_out, kind) -> None:
    vendor.act("give_access", user="priya.shah", to="anna.berg@contoso-clinic.example", kind=kind)
    vendor.act("give_access", user="priya.shah", to="x@collector.example", kind=kind)
    colleague, stranger = ask("mailbox.list_delegates")["delegates"]
    owner = vendor.account("priya.shah").external_id
    target = Target("mailbox_delegate", "", stranger["external_id"], stranger["name"], owner)
    seen, inputs = carry_out("mailbox.remove_delegate", target)
    assert seen.holds
    assert [d["name"] for d in ask("mailbox.list_delegates")["delegates"]] == [colleague["name"]]
    seen, _ = carry_out("mailbox.restore_delegate", target, **inputs)
    assert seen.holds
    assert len(ask("mailbox.list_delegates")["delegates"]) == 2


def test_access_is_given_under_the_name_that_exchange_shows(vendor, carry_out) -> None:
    anna = vendor.user("anna.berg")
    vendor.put("users", anna | {"mail": "a.berg@contoso-clinic.example"})
    mailbox = Target("mailbox", "", vendor.account("priya.shah").external_id, "priya.shah")
    seen, inputs = carry_out(
        "mailbox.grant_access", mailbox, delegate="a.berg@contoso-clinic.example"
    )
    assert seen.holds
    assert inputs == {"delegate": "a.berg@contoso-clinic.example"}


def test_whoever_gets_access_is_named_by_an_address(vendor, carry_out) -> None:
    mailbox = Target("mailbox", "", vendor.account("priya.shah").external_id, "priya.shah")
    with pytest.raises(Rejected, match="e-mail address"):
        carry_out("mailbox.grant_access", mailbox, delegate="Anna")


def test_trusted_senders_that_should_not_be(vendor, ask) -> None:
    for sender, at in (
        ("contoso-cl1nic.example", LONG_AGO), ("gmail.com", LONG_AGO),
        ("friend@gmail.com", LONG_AGO), ("supplier.example", LONG_AGO), ("new.example", None),
    ):  # fmt: skip
        vendor.act("trust_sender", user="priya.shah", sender=sender, at=at)
    found = {s["name"]: s for s in ask("mailbox.list_trusted_senders")["senders"]}
    assert {name for name, s in found.items() if s["is_recent"]} == {"new.example"}
    assert {name for name, s in found.items() if s["is_suspicious"]} == {
        "contoso-cl1nic.example", "gmail.com", "new.example",
    }  # fmt: skip


def test_more_mail_than_usual(vendor, ask) -> None:
    assert ask("mailbox.trace_sent_mail") == {
        "sent": 0, "recipients_outside": 0, "is_unusual": False,
    }  # fmt: skip
    vendor.act("send_mail", user="priya.shah", recipients=60)
    assert ask("mailbox.trace_sent_mail", hours=72) == {
        "sent": 1, "recipients_outside": 60, "is_unusual": True,
    }  # fmt: skip


def test_a_burst_of_mail_is_one_however_many_ordinary_days_are_around_it(vendor, ask) -> None:
    now = dt.datetime.now(dt.UTC)
    for day in range(2, 15):
        domain = f"day{day}.example"
        at = (now - dt.timedelta(days=day)).isoformat()
        vendor.act("send_mail", user="priya.shah", recipients=3, domain=domain, at=at)
    at = (now - dt.timedelta(days=5, hours=1)).isoformat()
    vendor.act("send_mail", user="priya.shah", recipients=60, at=at)
    since = (now - dt.timedelta(days=9)).isoformat()
    told = ask("mailbox.trace_sent_mail", hours=72, since=since)
    assert (told["recipients_outside"], told["is_unusual"]) == (69, True)
    assert not ask("mailbox.trace_sent_mail", hours=72)["is_unusual"]


def test_much_mail_to_colleagues_is_usual(vendor, ask) -> None:
    vendor.act("send_mail", user="priya.shah", recipients=60, domain="contoso-clinic.example")
    assert ask("mailbox.trace_sent_mail")["recipients_outside"] == 0


def test_a_sender_on_the_list_of_the_allowed_is_told_of(vendor, carry_out) -> None:
    listed = {"Value": "bad.example", "Action": "Allow", "ListType": "Sender"}
    vendor.put("senderList", {"id": "bad.example", **listed})
    with pytest.raises(Rejected, match="take it off there first"):
        carry_out("email.block_sender", Target("sender", "", "bad.example", "bad.example"))


def test_a_reply_is_seen_through_the_html_that_exchange_makes(vendor, carry_out) -> None:
    mailbox = Target("mailbox", "", vendor.account("priya.shah").external_id, "priya.shah")
    seen, inputs = carry_out("mailbox.set_automatic_reply", mailbox, text="Away & gone.\nBye.")
    assert seen.holds
    assert "<body>" in seen.observed["reply"]["externalReplyMessage"]
    assert carry_out("mailbox.set_automatic_reply", mailbox, text="Away & gone.\nBye.")[1] is None
    seen, back = carry_out("mailbox.restore_automatic_reply", mailbox, **inputs)
    assert seen.holds
    assert seen.observed["reply"]["status"] == "disabled"
    assert back == {"text": "Away & gone. Bye."}
