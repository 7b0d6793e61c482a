"""Files as people export them: tables, packed, with a byte order mark."""

import gzip
import json
from pathlib import Path

import pytest

from integrations import files, registry
from tenants.errors import IntakeError
from tenants.records import SourceRecord, Unreadable

AUDIT = {"Operation": "New-InboxRule", "Workload": "Exchange", "Parameters": [{"Name": "x"}]}


def _read(path: Path, content: bytes) -> list:
    path.write_bytes(content)
    found = files.read(path, registry.connector("microsoft365").explode)
    return [one.body if isinstance(one, SourceRecord) else one.reason for one in found]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "export"


def _cell(value: object) -> str:
    return '"' + json.dumps(value).replace('"', '""') + '"'


def test_a_row_is_a_record_and_a_cell_may_hold_json(path) -> None:
    text = (
        "TimeGenerated [UTC],Operation,Parameters,Empty\r\n"
        f"2026-10-05,Set-Mailbox,{_cell(AUDIT['Parameters'])},\r\n\r\n"
        '2026-10-05,"two\nlines",{not json,x\r\n'
    )
    first = {
        "TimeGenerated": "2026-10-05",
        "Operation": "Set-Mailbox",
        "Parameters": [{"Name": "x"}],
    }
    second = {"TimeGenerated": "2026-10-05", "Operation": "two\nlines", "Parameters": "{not json",
              "Empty": "x"}  # fmt: skip
    assert _read(path, text.encode()) == [first, second]
    assert _read(path, b"\xef\xbb\xbf" + text.encode()) == [first, second]


def test_the_audit_search_keeps_its_record_in_one_column(path) -> None:
    text = f"RecordId;CreationDate;AuditData\n1;2026-10-05;{_cell(AUDIT)}\n"
    assert _read(path, text.encode()) == [AUDIT]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_says_how_the_text_is_written(path, encoding) -> None:
    assert _read(path, json.dumps(AUDIT).encode(encoding)) == [AUDIT]


def test_a_packed_file_is_unpacked(path) -> None:
    lines = f"{json.dumps(AUDIT)}\n{json.dumps(AUDIT)}\n"
    assert _read(path, gzip.compress(lines.encode())) == [AUDIT, AUDIT]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"x" * 100)[:-9], "can't be unpacked"),
        (gzip.compress(b" "), "is empty"),
        (gzip.compress(b"[1]" * 1000), "more than 0 MB"),
    ],
    # Packed content tells the time, so no name can be made of it.
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_packed_file_that_can_not_be_unpacked_is_refused(
    path, content, reason, monkeypatch
) -> None:
    monkeypatch.setattr(files, "_LARGEST_FILE_BYTES", 2000)
    with pytest.raises(IntakeError, match=reason):
        _read(path, content)


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        (b"a,b\n1,2\n1,2,3\n", [{"a": "1", "b": "2"}, "Line 3 has 3 cells for 2 columns"]),
        (b'a,b\n1,2\n1,"2\n', [{"a": "1", "b": "2"}, "From line 3 on it is no table"]),
        (b"a,b\n1,2\n\xff,2\n", ["not UTF-8"]),
        (b"a,b\n", ["not JSON"]),
        (b"a,a\n1,2\n", ["not JSON"]),
        (b"Dear Sir, please\nread this\n", ["not JSON"]),
        (b"\xff\xfe\x00", ["not UTF-8"]),
    ],
)
def test_what_is_no_whole_table_is_told_of_and_not_lost(path, content, reasons) -> None:
    found = _read(path, content)
    assert len(found) == len(reasons)
    for one, reason in zip(found, reasons, strict=True):
        assert one == reason if isinstance(reason, dict) else reason in one
    raw = [one for one in files.read(path, registry.connector("microsoft365").explode)
           if isinstance(one, Unreadable)]  # fmt: skip
    assert all(one.body for one in raw)
