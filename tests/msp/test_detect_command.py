"""``manage.py detect``: what no rule can have been meant for is said, not passed over."""

import json
import re
import zipfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.usefixtures("db")


def _detect(path: Path) -> tuple[list[dict], str]:
    out, err = StringIO(), StringIO()
    call_command(
        "detect", str(path), "--connector", "microsoft365", "--feed", "sign_ins", "--json",
        stdout=out, stderr=err,
    )  # fmt: skip
    return [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def test_records_of_no_known_kind_are_told_of(tmp_path) -> None:
    path = tmp_path / "strange.json"
    sign_in = {
        "id": "s1", "createdDateTime": "2026-11-20T09:00:00Z", "ipAddress": "203.0.113.9",
        "userPrincipalName": "priya@acme.example", "appDisplayName": "Outlook",
        "isInteractive": True, "status": {"errorCode": 0},
    }  # fmt: skip
    path.write_text(json.dumps([{"colour": "green"}, sign_in]))
    found, said = _detect(path)
    assert [one["matches"] for one in found] == [[], []]
    assert "1 of 2 records are neither of the feed sign_ins" in said


def test_records_that_no_rule_is_for_are_told_of(tmp_path) -> None:
    path = tmp_path / "audit.json"
    path.write_text(json.dumps([{
        "id": "s1", "createdDateTime": "2026-11-20T09:00:00Z", "ipAddress": "203.0.113.9",
        "userPrincipalName": "priya@acme.example", "isInteractive": True,
        "appDisplayName": "Outlook",
    }]))  # fmt: skip
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "one.yml").write_text(
        "title: Anybody signed in\nid: 7d0c5b0e-5a5b-4f0f-9c59-0c8d1c1d2a11\nlevel: low\n"
        "logsource: {product: azure, service: signinlogs}\n"
        "detection: {a: {UserPrincipalName: '*'}, condition: a}\n"
    )
    err, out = StringIO(), StringIO()
    call_command(
        "detect", str(path), "--connector", "microsoft365", "--feed", "sign_ins",
        "--rules", str(rules), stdout=out, stderr=err,
    )  # fmt: skip
    assert "1 events, 0 matches of 0 rules. 1 rules were run" in out.getvalue()
    assert "1 of 1 records are known, but of no log source" in err.getvalue()


def test_a_file_of_which_nothing_is_a_record_is_an_error(tmp_path) -> None:
    path = tmp_path / "picture.json"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(CommandError) as told:
        _detect(path)
    assert told.value.returncode == 2


def test_a_record_with_a_doubled_key_is_named_and_loses_no_neighbour(tmp_path) -> None:
    path = tmp_path / "doubled.ndjson"
    path.write_text('{"colour": 1}\n{"userId": "ann", "userId": "bob"}\n{"colour": 2}\n')
    found, _ = _detect(path)
    assert [one["event"] for one in found] == [1, 2, 3]
    assert "'userId' twice" in found[1]["problem"]
    out = StringIO()
    call_command("detect", str(path), "--connector", "microsoft365", "--feed", "sign_ins",
                 stdout=out, stderr=StringIO())  # fmt: skip
    assert "     2  unclear        It has 'userId' twice" in out.getvalue()


def test_a_zip_is_told_to_be_unpacked(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("a.json", "{}")
    with pytest.raises(CommandError, match="is a zip archive: unpack it"):
        _detect(tmp_path / "some.zip")


def test_what_can_not_be_read_is_counted(tmp_path) -> None:
    path = tmp_path / "mixed.ndjson"
    path.write_text('{"Operation": "Send", "Workload": "Exchange"}\nnothing\n')
    found, said = _detect(path)
    assert [one["event"] for one in found] == [1, 2]
    assert found[0] == {"event": 1, "matches": []}
    assert "not JSON" in found[1]["problem"]
    assert "1 of 2 records can't be read" in said


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ([], "with --connector and --feed. Connectors: active_directory, "),
        (["--connector", "intune"], "Say which feed of intune the records are of"),
        (["--connector", "intune", "--feed", "x"], "intune has no feed 'x'. Its feeds: "),
        (["--connector", "intune", "--feed", "audit", "--rules", "none"], "No such file"),
        (["--connector", "intune", "--feed", "audit", "--rules", "empty"], "are no Sigma rules"),
    ],
)
def test_what_is_asked_for_wrongly_is_said_with_what_to_do(tmp_path, named, words) -> None:
    path = tmp_path / "some.ndjson"
    path.write_text("{}\n")
    (tmp_path / "empty").mkdir()
    named = [str(tmp_path / one) if one in ("none", "empty") else one for one in named]
    with pytest.raises(CommandError, match=re.escape(words)) as told:
        call_command("detect", str(path), *named, "--json", stdout=StringIO(), stderr=StringIO())
    assert told.value.returncode == 2


def test_a_folder_is_not_a_file_of_records(tmp_path) -> None:
    with pytest.raises(CommandError, match="is a folder: name one of the files in it"):
        _detect(tmp_path)
