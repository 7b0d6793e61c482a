"""How files were changed, as Wazuh's file integrity monitoring tells it, and when it can't."""

import datetime as dt

import pytest

from integrations import registry
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


def test_another_clients_computer_is_not_read(vendor, client) -> None:
    with pytest.raises(NotFound):
        CHANGES.gather(client, computer(vendor, 90), {})
