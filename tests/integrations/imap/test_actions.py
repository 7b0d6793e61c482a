"""Putting messages aside and back on a real mail server, and the questions about them."""

from dataclasses import replace

import pytest

from integrations import catalog, registry
from integrations.connectors.imap.manifest import MANIFEST
from integrations.contract import Target
from integrations.errors import NotFound, PermissionMissing, Rejected
from tests.integrations.conformance.driving import intention
from tests.integrations.imap.mail import BEN, FORGED, INVOICE, PRIYA, PROJECTS

QUARANTINE, RESTORE = "email.quarantine_message", "email.restore_message"


def run(vendor, client, name: str, target: Target):
    """Carry an action out; return it and the intention."""
    action = registry.action("imap", name)
    intended = intention(vendor, client, name, target, {})
    action.call(client, intended)
    return action, intended


def ask(client, question: str, target: Target):
    return registry.gatherer("imap", question).gather(client, target, {})


def test_every_copy_goes_and_each_comes_back_to_its_place(vendor, client, invoice) -> None:
    vendor.mail.deliver(PRIYA, INVOICE, folder=PROJECTS)
    vendor.mail.deliver(PRIYA, INVOICE, folder="Trash")
    before = vendor.mail.folders(PRIYA)
    action, done = run(vendor, client, QUARANTINE, invoice)
    seen = action.read_back(client, done)
    assert seen.holds
    assert seen.observed["outside"] == []
    during = vendor.mail.folders(PRIYA)
    for folder in ("INBOX", PROJECTS, "Trash"):
        assert during[f"Holdfast Quarantine/{folder}"] == [INVOICE]
        assert INVOICE not in during.get(folder, [])
    action, undone = run(vendor, client, RESTORE, invoice)
    assert action.read_back(client, undone).holds
    assert vendor.mail.folders(PRIYA) == before


def test_a_message_id_that_only_begins_alike_is_left_alone(vendor, client, invoice) -> None:
    for other in (f"{INVOICE}.x", f"x{INVOICE}", INVOICE.upper()):
        vendor.mail.deliver(PRIYA, other)
    run(vendor, client, QUARANTINE, invoice)
    held = vendor.mail.folders(PRIYA)
    assert held["Holdfast Quarantine/INBOX"] == [INVOICE]
    assert {f"{INVOICE}.x", f"x{INVOICE}", INVOICE.upper()} <= set(held["INBOX"])


@pytest.mark.parametrize(
    "message_id",
    ['a"b@x.example', "a\\b@x.example", "a b@x.example", "a)(b@x.example", "{7}@x.example", "*@x"],
)
def test_a_message_id_can_not_break_out_of_a_search(vendor, client, message_id) -> None:
    vendor.mail.deliver(PRIYA, message_id)
    target = Target("message", "", f"{PRIYA}/<{message_id}>", "odd")
    run(vendor, client, QUARANTINE, target)
    assert vendor.mail.folders(PRIYA)["Holdfast Quarantine/INBOX"] == [message_id]


@pytest.mark.parametrize("message_id", ["a\r\nA1 DELETE INBOX@x", "ü@x.example", "a\0@x"])
def test_what_no_message_id_can_hold_is_not_sent(vendor, client, message_id) -> None:
    target = Target("message", "", f"{PRIYA}/{message_id}", "odd")
    with pytest.raises(Rejected, match="characters"):
        run(vendor, client, QUARANTINE, target)
    assert vendor.requests("UID SEARCH") == []


@pytest.mark.parametrize(
    "external_id", [INVOICE, f"{BEN}/{INVOICE}", f"{PRIYA}/", f"{PRIYA}.evil/{INVOICE}", ""]
)
def test_a_target_must_name_a_mailbox_of_the_connection(vendor, client, external_id) -> None:
    target = Target("message", "", external_id, "Unpaid invoice")
    with pytest.raises(Rejected, match="find its copies first"):
        run(vendor, client, QUARANTINE, target)


def test_a_message_that_is_gone_is_told(vendor, client, invoice) -> None:
    with pytest.raises(NotFound, match="no message with this Message-ID"):
        run(vendor, client, QUARANTINE, replace(invoice, external_id=f"{PRIYA}/none@x.example"))
    action, done = run(vendor, client, QUARANTINE, invoice)
    vendor.mail.empty(PRIYA, "Holdfast Quarantine/INBOX")
    seen = action.read_back(client, done)
    assert seen.holds
    assert "no longer shows the message anywhere" in seen.explanation
    with pytest.raises(NotFound):
        run(vendor, client, RESTORE, invoice)


def test_a_message_that_somebody_has_taken_out_again_no_longer_holds(
    vendor, client, invoice
) -> None:
    action, done = run(vendor, client, QUARANTINE, invoice)
    with vendor.mail.signed_in(PRIYA) as imap:
        imap.select('"Holdfast Quarantine/INBOX"')
        imap.uid("MOVE", "1", "Junk")
    seen = action.read_back(client, done)
    assert not seen.holds
    assert "in Junk" in seen.explanation


def test_a_folder_that_was_removed_meanwhile_is_made_again(vendor, client) -> None:
    target = Target("message", "", f"{PRIYA}/build@clinic.example", "Umzug")
    run(vendor, client, QUARANTINE, target)
    vendor.mail.remove(PRIYA, PROJECTS)
    action, undone = run(vendor, client, RESTORE, target)
    assert action.read_back(client, undone).holds
    assert vendor.mail.folders(PRIYA)[PROJECTS] == ["build@clinic.example"]


def test_the_quarantine_may_have_another_name(vendor, invoice) -> None:
    client = vendor.connect(quarantine_folder="INBOX/Verdächtig")
    action, done = run(vendor, client, QUARANTINE, invoice)
    assert action.read_back(client, done).holds
    assert vendor.mail.folders(PRIYA)["INBOX/Verdächtig/INBOX"] == [INVOICE]
    client.close()


def test_without_the_right_to_make_folders_it_is_named(vendor, client, invoice) -> None:
    vendor.mail.server.give_rights("holdfast", "lrite")
    poor = vendor.connect()
    with pytest.raises(PermissionMissing, match="create folders"):
        run(vendor, poor, QUARANTINE, invoice)
    poor.close()
    assert INVOICE in vendor.mail.folders(PRIYA)["INBOX"]


def test_a_mailbox_can_sign_in_by_itself(vendor, invoice) -> None:
    own = vendor.connect(username="", password="Own-of-Priya-1")
    vendor.mail.grant([])
    action, done = run(vendor, own, QUARANTINE, invoice)
    assert action.read_back(own, done).holds
    own.close()


def test_every_question_is_asked_here() -> None:
    asked = {name for name in globals() if name.startswith("test_")}
    for one in MANIFEST.gatherers:
        assert f"test_{one.name.partition('.')[2]}" in asked


def test_find_copies(vendor) -> None:
    client = vendor.connect(mailboxes=f"{PRIYA}, {BEN}")
    vendor.mail.deliver(BEN, INVOICE, folder="Junk")
    vendor.mail.deliver(BEN, INVOICE)
    target = Target("message", "", f"<{INVOICE}>", "Unpaid invoice")
    told = ask(client, "email.find_copies", target)
    assert told.keys() == catalog.get("email.find_copies").facts.keys()
    assert told["count"] == 2
    assert [one["external_id"] for one in told["copies"]] == [
        f"{PRIYA}/{INVOICE}", f"{BEN}/{INVOICE}"
    ]  # fmt: skip
    for copy in told["copies"]:
        run(vendor, client, QUARANTINE, Target("message", "", copy["external_id"], copy["name"]))
    assert ask(client, "email.find_copies", target) == {"copies": [], "count": 0}
    client.close()


def test_get_message(vendor, client, invoice) -> None:
    for target in (invoice, replace(invoice, external_id=f"<{INVOICE}>")):
        told = ask(client, "email.get_message", target)["message"]
        assert told == {
            "subject": "Unpaid invoice",
            "sender": "billing@clinlc.example",
            "sender_domain": "clinlc.example",
            "passes_authentication": False,
            "is_lookalike_domain": True,
        }
    with pytest.raises(NotFound, match="No mailbox"):
        ask(client, "email.get_message", replace(invoice, external_id="none@x.example"))


def test_only_the_servers_own_verdict_counts(vendor, client) -> None:
    """What stands below the first may have come with the message."""
    forged = "Authentication-Results: mx.clinic.example; dmarc=pass"
    vendor.mail.deliver(PRIYA, "forged@x.example", results=FORGED, extra=[forged])
    vendor.mail.deliver(
        PRIYA, "true@x.example", extra=["Authentication-Results: other; dmarc=fail"]
    )
    for message_id, passes in (("forged@x.example", False), ("true@x.example", True)):
        target = Target("message", "", message_id, "")
        told = ask(client, "email.get_message", target)["message"]
        assert told["passes_authentication"] is passes
