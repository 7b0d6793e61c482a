"""What counts as a demand, a renamed file, or the end of saved versions, and what does not."""

import time

import pytest

from integrations.file_changes import deletes_saved_versions, demands, renamed


@pytest.mark.parametrize(
    "command",
    [
        "vssadmin.exe Delete Shadows /All /Quiet",
        "vssadmin resize shadowstorage /for=c: /on=c: /maxsize=401MB",
        "wmic shadowcopy delete",
        "powershell -c Get-WmiObject Win32_Shadowcopy | ForEach-Object {$_.Delete();}",
        "wbadmin delete catalog -quiet",
        "bcdedit /set {default} recoveryenabled No",
    ],
)
def test_what_ends_the_saved_versions(command) -> None:
    assert deletes_saved_versions(command)


@pytest.mark.parametrize(
    "command",
    ["vssadmin list shadows", "wmic shadowcopy list", "bcdedit /enum", "del c:\\shadow.txt",
     "wbadmin get versions"],
)  # fmt: skip
def test_what_only_looks_at_them(command) -> None:
    assert not deletes_saved_versions(command)


@pytest.mark.parametrize("last", ["vssadmin delete shadows", "wbadmin get versions"])
def test_a_command_as_long_as_windows_takes_costs_no_time(last) -> None:
    """It is the attacker's own text, and nothing else runs meanwhile."""
    long = "cmd /c rem \ud800 " + "vssadmin delete " * 2000 + last
    before = time.process_time()
    assert deletes_saved_versions(long) is last.startswith("vssadmin")
    assert time.process_time() - before < 1


def test_a_long_name_costs_no_time() -> None:
    name = "help" + "-" * 30000 + "decrypt"
    before = time.process_time()
    assert demands([f"/srv/{folder}/{name}.txt" for folder in "abc"]) == 3
    assert demands([f"/srv/{folder}/{name}.pdf\ud800" for folder in "abc"]) == 0
    assert time.process_time() - before < 1


def test_a_demand_is_left_in_folder_after_folder() -> None:
    names = ["HOW_TO_RESTORE_FILES.txt", "Decrypt-me.hta", "recover your files.html"]
    for name in names:
        paths = [rf"c:\users\ann\{folder}\{name}" for folder in "abcd"]
        assert demands(paths) == 4
        assert demands(paths[:2]) == 0
    ordinary = ["README.txt", "help.html", "restore.docx", "license.txt", "decrypt.py"]
    assert demands([f"/srv/{folder}/{name}" for folder in "abcd" for name in ordinary]) == 0


def test_a_file_that_came_back_with_another_ending_was_renamed() -> None:
    gone = ["/home/ann/Plan.docx", "/home/ann/b.xlsx", "/home/ann/c.txt"]
    came = ["/home/ann/plan.docx.locked", "/home/ann/b.xlsx.id-7.lock", "/home/ann/other.txt"]
    assert renamed(came, gone) == 2
