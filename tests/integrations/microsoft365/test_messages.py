"""A message in all mailboxes: found, judged, taken out and put back."""

import pytest

from integrations import registry
from integrations.connectors.microsoft365 import mail
from integrations.contract import Target
from integrations.errors import NotFound, PermissionMissing
from integrations.intelligence.naming import with_parents
from tests.integrations.microsoft365.test_feeds import sweep

TO = ["priya.shah", "anna.berg", "tom.okafor"]


@pytest.fixture
def message(vendor) -> Target:
    """A harmful message that three people got, as an alert names it."""
    told = vendor.act("deliver", users=TO, threat="Phish")
    return named(told)


def named(told: dict) -> Target:
    """The message as an alert names it."""
    return Target("message", "", told["internetMessageId"], "Unpaid invoice")


def test_a_harmful_message(ask, message) -> None:
    assert ask("email.get_message", message)["message"] == {
        "subject": "Unpaid invoice 4711",
        "sender": "accounts@bad.example",
        "sender_domain": "bad.example",
        "passes_authentication": True,
        "has_malicious_url": True,
        "has_malicious_attachment": False,
        "is_lookalike_domain": False,
    }


def test_the_alert_and_the_trace_of_a_message_name_its_sender(vendor, client) -> None:
    """By that an indicator is found in them: whoever reports a mail has not judged it."""
    sender = "accounts@bad.example"
    vendor.act("deliver", users=TO, sender=sender, is_reported=True)
    alerts, _ = sweep(client, "alerts")
    [told] = [one for one in alerts if one.title.startswith("Email reported by user")]
    traces, _ = sweep(client, "message_trace")
    named = [one for one in traces if f"sender:{sender}" in one.entities]
    assert f"sender:{sender}" in told.entities
    assert (len(named), with_parents(told.entities) >= {"domain:bad.example"}) == (3, True)


def test_a_forged_sender_of_a_domain_that_looks_like_the_own(vendor, ask) -> None:
    told = vendor.act("deliver", users=["anna.berg"], sender="boss@contoso-cl1nic.example",
                      message_id="<1@contoso-cl1nic.example>",
                      authentication="spf=pass dkim=none dmarc=fail")  # fmt: skip
    found = ask("email.get_message", named(told))["message"]
    assert found["is_lookalike_domain"]
    assert not found["passes_authentication"]
    assert not found["has_malicious_url"]
    assert not found["has_malicious_attachment"]


def test_a_harmful_file(vendor, ask) -> None:
    told = vendor.act("deliver", users=["anna.berg"], threat="Malware")
    found = ask("email.get_message", named(told))["message"]
    assert found["has_malicious_attachment"]
    assert not found["has_malicious_url"]


def test_a_message_is_found_by_the_id_that_alerts_give_it(vendor, ask, message) -> None:
    evidence = [e for a in vendor.records("alerts") for e in a.get("evidence") or ()]
    network_id = next(e["networkMessageId"] for e in evidence if e.get("networkMessageId"))
    found = ask("email.find_copies", Target("message", "", network_id, network_id))
    assert found["count"] == 3
    with pytest.raises(NotFound, match="No alert tells"):
        ask("email.find_copies", Target("message", "", "00000000-0000-0000-0000-000000000000", ""))


def test_all_copies_are_found_by_few_requests(vendor, ask, message) -> None:
    found = ask("email.find_copies", message)
    assert found["count"] == 3
    assert {c["mailbox"].split("@")[0] for c in found["copies"]} == set(TO)
    assert found["copies"][0]["name"].startswith("Unpaid invoice 4711 (")
    mailboxes = [line for line in vendor.requests("/messages") if "batch_item" not in line]
    assert mailboxes == []


def test_a_message_that_nobody_has(ask) -> None:
    nowhere = Target("message", "", "<unheard@of.example>", "")
    assert ask("email.find_copies", nowhere) == {"copies": [], "count": 0}
    with pytest.raises(NotFound):
        ask("email.get_message", nowhere)


def test_who_fell_for_it(vendor, ask, message) -> None:
    vendor.act("click", user="anna.berg")
    vendor.act("answer", user="tom.okafor")
    found = ask("email.list_interactions", message)
    assert (found["clicked"], found["replied"], found["opened"]) == (1, 1, 1)
    assert {a["name"].split("@")[0]: (a["has_clicked"], a["has_replied"])
            for a in found["accounts"]} == {
        "anna.berg": (True, False), "tom.okafor": (False, True),
    }  # fmt: skip


def test_without_hunting_nobody_knows_who_clicked(vendor, message, victim) -> None:
    granted = [p for p in vendor.tenant["apps"][0]["permissions"] if "Hunting" not in p]
    vendor.control.permissions(granted, vendor.tenant["id"])
    client = vendor.connect()
    with pytest.raises(PermissionMissing, match=r"ThreatHunting\.Read\.All"):
        _gather(client, message)
    client.close()


def _gather(client, target: Target):
    return registry.gatherer("microsoft365", "email.list_interactions").gather(client, target, {})


def test_a_message_goes_from_every_mailbox_and_comes_back_to_its_folder(
    vendor, ask, carry_out, message, client
) -> None:
    owner = vendor.account("priya.shah").external_id
    before = vendor.records(f"messages:{owner}")[0]["parentFolderId"]
    undoing = []
    for copy in ask("email.find_copies", message)["copies"]:
        target = Target("message", "", copy["external_id"], copy["name"])
        seen, inputs = carry_out("email.quarantine_message", target)
        assert seen.holds
        undoing.append((target, inputs))
    assert ask("email.find_copies", message)["count"] == 0
    assert (
        len(mail.in_mailbox(client, owner, message.external_id, mail.READ, mail.RECOVERABLE)) == 1
    )
    for target, inputs in undoing:
        assert carry_out("email.restore_message", target, **inputs)[0].holds
    assert vendor.records(f"messages:{owner}")[0]["parentFolderId"] == before


def test_a_message_whose_folder_is_gone_comes_back_to_the_inbox(vendor, carry_out, message) -> None:
    owner = vendor.account("priya.shah").external_id
    inbox = vendor.records(f"messages:{owner}")[0]["parentFolderId"]
    target = Target("message", "", f"{owner}/{message.external_id}", "")
    carry_out("email.quarantine_message", target)
    carry_out("email.restore_message", target, message={"folders": ["AAMkgone"]})
    assert vendor.records(f"messages:{owner}")[0]["parentFolderId"] == inbox


def test_what_is_gone_already_is_not_put_back(vendor, carry_out, message) -> None:
    owner = vendor.account("priya.shah").external_id
    target = Target("message", "", f"{owner}/{message.external_id}", "")
    carry_out("email.quarantine_message", target)
    seen, inputs = carry_out("email.quarantine_message", target)
    assert seen.holds
    assert inputs is None
