"""How files were changed, as Defender's advanced hunting tells it, and when it can't."""

import datetime as dt

import pytest

from integrations import catalog, registry
from integrations.connectors.defender_endpoint import file_changes
from integrations.contract import Target
from integrations.errors import NotFound, PermissionMissing, Rejected

CHANGES = registry.gatherer("defender_endpoint", "endpoint.list_file_changes")


def tell(vendor, computer, action: str, path: str, before: str = "", hours: float = 1) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    (folder, _, name), (old, _, old_name) = path.rpartition("\\"), before.rpartition("\\")
    event = {
        "id": f"{action} {path}", "Timestamp": at.isoformat(), "DeviceId": computer.external_id,
        "ActionType": action, "FolderPath": folder, "FileName": name,
        "PreviousFolderPath": old, "PreviousFileName": old_name,
    }  # fmt: skip
    vendor.act("put", collection="DeviceFileEvents", record=event)


def test_files_that_are_being_locked(vendor, client, computer) -> None:
    for number in range(6):
        path = rf"C:\Users\ann\{number}.docx"
        tell(vendor, computer, "FileRenamed", f"{path}.locked", before=path)
    tell(vendor, computer, "FileRenamed", r"C:\Users\ann\new.docx", before=r"C:\Users\ann\~1.tmp")
    for folder in ("Desktop", "Documents", "Pictures"):
        tell(vendor, computer, "FileCreated", rf"C:\Users\ann\{folder}\HOW TO RESTORE FILES.txt")
    tell(vendor, computer, "FileCreated", r"C:\Users\ann\old.txt", hours=30)
    command = {"id": "c", "Timestamp": dt.datetime.now(dt.UTC).isoformat(),
               "DeviceId": computer.external_id,
               "ProcessCommandLine": "vssadmin delete shadows /all /quiet"}  # fmt: skip
    vendor.act("put", collection="DeviceProcessEvents", record=command)
    told = CHANGES.gather(client, computer, {"hours": 6})
    assert told.keys() == catalog.get(CHANGES.name).facts.keys()
    assert told == {
        "changed": 11, "renamed": 6, "ransom_notes": 3, "shadow_copies_deleted": True,
    }  # fmt: skip


def test_ordinary_work_is_told_as_such(client, computer) -> None:
    assert CHANGES.gather(client, computer, {}) == {
        "changed": 1, "renamed": 0, "ransom_notes": 0, "shadow_copies_deleted": False,
    }  # fmt: skip


def test_renamed_files_are_read_first_however_much_else_happened(
    vendor, client, computer, monkeypatch
) -> None:
    monkeypatch.setattr(file_changes, "_MOST", 52)
    for number in range(50):
        path = rf"C:\Users\ann\{number}.docx"
        tell(vendor, computer, "FileRenamed", f"{path}.locked", before=path, hours=3)
        tell(vendor, computer, "FileCreated", rf"C:\Temp\{number}.tmp")
        tell(vendor, computer, "FileModified", rf"C:\Temp\{number}.log")
    assert CHANGES.gather(client, computer, {"hours": 6})["renamed"] == 50


@pytest.mark.parametrize("table", ["DeviceFileEvents", "DeviceProcessEvents"])
def test_a_part_that_shows_no_harm_is_no_answer(
    vendor, client, computer, monkeypatch, table
) -> None:
    monkeypatch.setattr(file_changes, "_MOST", 3)
    for number in range(3):
        if table == "DeviceFileEvents":
            tell(vendor, computer, "FileCreated", rf"C:\Temp\{number}.tmp")
            continue
        command = {
            "id": f"c{number}",
            "Timestamp": dt.datetime.now(dt.UTC).isoformat(),
            "DeviceId": computer.external_id,
            "ProcessCommandLine": "wbadmin get versions",
        }
        vendor.act("put", collection=table, record=command)
    with pytest.raises(Rejected, match="More than 3 changes"):
        CHANGES.gather(client, computer, {"hours": 6})


def test_files_that_were_only_written_to_hide_nothing(
    vendor, client, computer, monkeypatch
) -> None:
    monkeypatch.setattr(file_changes, "_MOST", 3)
    for number in range(9):
        tell(vendor, computer, "FileModified", rf"C:\Temp\{number}.log")
    assert CHANGES.gather(client, computer, {"hours": 6})["renamed"] == 0


def test_a_computer_of_which_nothing_is_kept_tells_nothing(vendor, client) -> None:
    with pytest.raises(Rejected, match="no record"):
        CHANGES.gather(client, Target("device", "", "0" * 40, "pc"), {})
    with pytest.raises(NotFound):
        CHANGES.gather(client, Target("device", "", 'x" or true //', "pc"), {})
    assert all("or true" not in str(line) for line in vendor.requests("POST", "advancedqueries"))


def test_without_the_right_it_says_which(vendor, computer) -> None:
    vendor.grant(["Machine.Read.All"])
    least = vendor.connect()
    with pytest.raises(PermissionMissing, match=r"AdvancedQuery\.Read\.All"):
        CHANGES.gather(least, computer, {})
    least.close()
