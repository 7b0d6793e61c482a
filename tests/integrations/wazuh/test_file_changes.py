"""How files were changed, as Wazuh's file integrity monitoring tells it, and when it can't."""

import datetime as dt

import pytest

from integrations import registry
from integrations.connectors.wazuh import file_changes
from integrations.errors import NotFound, Rejected
from integrations.simulators.wazuh.seeds import change
from tests.integrations.wazuh.subject import computer

CHANGES = registry.gatherer("wazuh", "endpoint.list_file_changes")


def tell(vendor, event: str, *paths: str, hours: float = 1, number: int = 3) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    for place, path in enumerate(paths):
        own = place + 1000 * (event == "deleted")
        vendor.act("put", collection="alerts", record=change(path, event, number, at, own))


def test_files_that_are_being_locked(vendor, client) -> None:
    names = [f"/home/ann/{n}.odt" for n in range(12)]
    tell(vendor, "deleted", *names)
    tell(vendor, "added", *(f"{name}.locked" for name in names),
         *(f"/home/{who}/RESTORE_FILES.txt" for who in ("ann", "ben", "cat")))  # fmt: skip
    found = CHANGES.gather(client, computer(vendor), {"hours": 6})
    assert found == {
        "changed": 27, "renamed": 12, "ransom_notes": 3, "shadow_copies_deleted": False,
    }  # fmt: skip
    assert CHANGES.gather(client, computer(vendor, 4), {"hours": 6})["changed"] == 0


def test_what_was_changed_before_is_not_told(vendor, client) -> None:
    tell(vendor, "modified", "/home/ann/plan.odt", hours=30)
    assert CHANGES.gather(client, computer(vendor), {"hours": 6})["changed"] == 0
    assert CHANGES.gather(client, computer(vendor), {"hours": 48})["changed"] == 1


def test_the_end_of_saved_versions_is_seen_in_commands_and_by_technique(vendor, client) -> None:
    for own, (rule, data) in enumerate(
        (
            ({"mitre": {"id": ["T1490"]}}, {}),
            ({}, {"win": {"eventdata": {"commandLine": "vssadmin delete shadows /all"}}}),
        )
    ):
        one = change("x", "added", own + 1, dt.datetime.now(dt.UTC), 900 + own)
        source = one["_source"]
        del source["syscheck"]
        source |= {"rule": {**source["rule"], "groups": ["sysmon"], **rule}, "data": data}
        vendor.act("put", collection="alerts", record=one)
        found = CHANGES.gather(client, computer(vendor, own + 1), {})
        assert (found["shadow_copies_deleted"], found["changed"]) == (True, 0)


def test_where_no_documents_are_watched_nothing_is_claimed(vendor, client) -> None:
    (mine,) = [one for one in vendor.records("watched").values() if one["_agent"] == "003"]
    vendor.act("put", collection="watched", record={**mine, "file": "/etc/passwd"})
    tell(vendor, "modified", "/etc/passwd")
    with pytest.raises(Rejected, match="watches no documents"):
        CHANGES.gather(client, computer(vendor), {})
    tell(vendor, "added", *(f"/etc/{n}/how-to-decrypt.txt" for n in range(3)))
    assert CHANGES.gather(client, computer(vendor), {})["ransom_notes"] == 3


def command(vendor, line: str, own: int, minutes: int) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    one = change("x", "added", 3, at, own)
    source = one["_source"]
    del source["syscheck"]
    source["rule"]["groups"] = ["sysmon"]
    source["data"] = {"win": {"eventdata": {"commandLine": line}}}
    vendor.act("put", collection="alerts", record=one)


def test_commands_and_files_do_not_crowd_each_other_out(vendor, client, monkeypatch) -> None:
    # The simulator gives pages of ten.
    monkeypatch.setattr(file_changes, "_PAGES", 12)
    names = [f"/home/ann/{n}.odt" for n in range(50)]
    tell(vendor, "deleted", *names)
    tell(vendor, "added", *(f"{name}.locked" for name in names))
    for number in range(130):
        command(vendor, "notepad.exe plan.txt", 2000 + number, minutes=5)
    command(vendor, "VSSADMIN.exe Delete Shadows /all", 3000, minutes=50)
    found = CHANGES.gather(client, computer(vendor), {"hours": 6})
    assert (found["renamed"], found["shadow_copies_deleted"]) == (50, True)


def test_a_part_that_shows_no_harm_is_no_answer(vendor, client, monkeypatch) -> None:
    monkeypatch.setattr(file_changes, "_PAGE", 2)
    monkeypatch.setattr(file_changes, "_PAGES", 2)
    tell(vendor, "modified", *(f"/home/ann/{n}.odt" for n in range(4)))
    assert CHANGES.gather(client, computer(vendor), {})["changed"] == 4
    tell(vendor, "deleted", "/home/ann/x.odt")
    with pytest.raises(Rejected, match="More than 4 alerts"):
        CHANGES.gather(client, computer(vendor), {})
    command(vendor, "wbadmin delete catalog", 3000, minutes=1)
    assert CHANGES.gather(client, computer(vendor), {})["shadow_copies_deleted"]


def test_another_clients_computer_is_not_read(vendor, client) -> None:
    with pytest.raises(NotFound):
        CHANGES.gather(client, computer(vendor, 90), {})
