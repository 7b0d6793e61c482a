"""Feeds of a real mail server, beyond what every connector has to prove."""

from dataclasses import replace

import pytest

from integrations.connectors.imap.manifest import MANIFEST
from integrations.errors import PermissionMissing, Unauthorised, Unavailable
from tests.integrations.conformance.driving import sweep
from tests.integrations.conformance.subject import QUICK
from tests.integrations.imap.mail import BEN, INVOICE, PRIYA, PROJECTS


def read(client, name: str, cursor=None):
    """The items of a feed, and the cursor after them; raises what one mailbox refused."""
    return sweep(MANIFEST, client, name, cursor)


def subjects(events) -> list[str]:
    return [event.ocsf["email"]["subject"] for event in events]


def test_messages_are_read_in_every_folder_but_drafts(client) -> None:
    found, _ = read(client, "messages")
    ids = {event.ocsf["email"]["message_uid"]: event for event in found}
    assert len(ids) == 15
    assert "half@clinic.example" not in ids
    assert ids["build@clinic.example"].ocsf["unmapped"]["folder"] == PROJECTS
    assert ids["reply@clinic.example"].activity == "Send"
    assert ids["won@lottery.example"].ocsf["unmapped"]["folder"] == "Junk"
    assert ids[INVOICE].ocsf["email_auth"]["dmarc"] == "fail"


def test_only_what_is_new_comes_again(vendor, client) -> None:
    _, cursor = read(client, "messages")
    assert read(client, "messages", cursor)[0] == []
    vendor.mail.deliver(PRIYA, "new@x.example", subject="New", sender="a@x.example")
    vendor.mail.deliver(PRIYA, "junk@x.example", subject="Junk", folder="Junk")
    found, cursor = read(client, "messages", cursor)
    assert sorted(subjects(found)) == ["Junk", "New"]
    assert read(client, "messages", cursor)[0] == []


def test_what_is_older_than_a_week_is_not_read_but_what_came_late_is(vendor, client) -> None:
    vendor.mail.deliver(PRIYA, "old@x.example", subject="Old", folder=PROJECTS, days_ago=30)
    found, cursor = read(client, "messages")
    assert "Old" not in subjects(found)
    # Moved here by its reader, with its own date.
    vendor.mail.deliver(PRIYA, "late@x.example", subject="Late", days_ago=20)
    assert subjects(read(client, "messages", cursor)[0]) == ["Late"]


def test_a_folder_that_was_made_anew_is_read_again(vendor, client) -> None:
    _, cursor = read(client, "messages")
    place = f"{PRIYA} {PROJECTS}"
    validity, reached = cursor["seen"][place]
    cursor["seen"][place] = [validity + 1, reached + 100]
    assert subjects(read(client, "messages", cursor)[0]) == ["Umzug ins Büro"]


def test_a_message_that_is_moved_stays_the_same_event(vendor, client) -> None:
    found, cursor = read(client, "messages")
    with vendor.mail.signed_in(PRIYA) as imap:
        imap.select("INBOX")
        imap.uid("MOVE", "1", "Junk")
    again, _ = read(client, "messages", cursor)
    [event] = again
    assert event.uid in {one.uid for one in found}


def test_a_folder_that_is_gone_when_it_is_its_turn_is_passed_over(vendor, client) -> None:
    feed = MANIFEST.feed("messages")
    pages = feed.fetch(client, {})
    first = next(pages)
    vendor.mail.remove(PRIYA, PROJECTS)
    rest = list(pages)
    assert rest[-1].is_last
    found = [feed.normalise(r) for page in (first, *rest) for r in page.records]
    assert "Umzug ins Büro" not in subjects(found)
    assert len(found) == 14


def test_what_is_in_quarantine_is_no_news(vendor, client) -> None:
    with vendor.mail.signed_in(PRIYA) as imap:
        imap.create('"Holdfast Quarantine/INBOX"')
        imap.select("INBOX")
        imap.uid("MOVE", "12", '"Holdfast Quarantine/INBOX"')
    found, _ = read(client, "messages")
    assert "Unpaid invoice" not in subjects(found)


def test_a_mailbox_that_may_not_be_read_is_told_and_keeps_no_other_waiting(vendor) -> None:
    client = vendor.connect(mailboxes=f"nobody@clinic.example, {BEN}")
    feed = MANIFEST.feed("messages")
    for _ in range(2):
        pages = list(feed.fetch(client, {}))
        assert pages[-1].is_last
        assert isinstance(pages[-1].refused, Unauthorised)
        assert "nobody@" in str(pages[-1].refused)
        found = [feed.normalise(record) for page in pages for record in page.records]
        assert subjects(found) == ["Rota of week 0"]
    told = list(MANIFEST.feed("mailboxes").fetch(client, {}))
    assert isinstance(told[-1].refused, Unauthorised)
    assert [record.body["mailbox"] for page in told for record in page.records] == [BEN]
    client.close()


def test_mailboxes_tell_their_folders(vendor) -> None:
    client = vendor.connect(mailboxes=f"{PRIYA} {BEN}")
    found, cursor = read(client, "mailboxes")
    assert [item.external_id for item in found] == [PRIYA, BEN]
    assert found[0].attributes["folders"] == ["Drafts", "INBOX", "Junk", PROJECTS, "Sent", "Trash"]
    assert len(read(client, "mailboxes", cursor)[0]) == 2
    client.close()


def test_folders_without_the_right_to_read_them_are_told(vendor) -> None:
    vendor.mail.server.give_rights("holdfast", "l")
    client = vendor.connect()
    for name in ("mailboxes", "messages"):
        with pytest.raises(PermissionMissing, match="look up and read"):
            read(client, name)
    client.close()


def test_a_server_that_drops_one_mailbox_still_shows_the_next(vendor) -> None:
    client = vendor.connect(replace(QUICK, repeats=0), mailboxes=f"{PRIYA}, {BEN}")
    vendor.fault("drop_before_effect", method="LIST", path="^priya")
    pages = list(MANIFEST.feed("messages").fetch(client, {}))
    assert isinstance(pages[-1].refused, Unavailable)
    assert [record.body["mailbox"] for page in pages for record in page.records] == [BEN]
    vendor.clear_faults()
    vendor.fault("drop_before_effect", method="LIST")
    with pytest.raises(Unavailable):
        next(iter(MANIFEST.feed("messages").fetch(client, {})))
    client.close()
