"""Folders and archives of rules that are broken, or made to do harm."""

import gzip
import io
import os
import tarfile
import tracemalloc
import zipfile

import pytest
import yaml

from integrations.detection import loading
from integrations.detection.errors import RulesUnreadable
from tests.integrations.detection.rulebook import rule


def _text(**other: object) -> str:
    return yaml.safe_dump(rule({"s": {"f": "x"}, "condition": "s"}, **other))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path) -> None:
    os.symlink("/etc/passwd", tmp_path / "a.yml")
    with pytest.raises(RulesUnreadable, match="is a link"):
        loading.load(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_archive_is_named_and_not_passed_over(tmp_path, kind) -> None:
    with tarfile.open(tmp_path / "rules.tar", "w") as archive:
        link = tarfile.TarInfo("rules/a.yml")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(RulesUnreadable, match=r"rules/a\.yml is a link"):
        loading.load(tmp_path / "rules.tar")


def test_a_name_that_leads_out_of_the_archive_is_a_name_like_others(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "rules.zip", "w") as archive:
        archive.writestr("../../out.yml", _text())
        archive.writestr(".git/hidden.yml", _text(id="22222222-2222-4222-8222-222222222222"))
    assert [one.file for one in loading.load(tmp_path / "rules.zip").rules] == ["../../out.yml"]


def _zipped(compression: int = zipfile.ZIP_DEFLATED) -> bytearray:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        archive.writestr("a.yml", _text() * 9)
    return bytearray(made.getvalue())


def _with_a_broken_member() -> bytes:
    content = _zipped()
    content[60] ^= 0xFF
    return bytes(content)


def _with_an_unknown_packer() -> bytes:
    content = _zipped()
    content[8] = content[content.find(b"PK\x01\x02") + 10] = 99
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_with_a_broken_member(), "can't be read from"),
        (_with_an_unknown_packer(), "compression method is not supported"),
        (bytes(_zipped()[:-30]), "neither a whole zip nor a whole tar"),
        (gzip.compress(_text().encode()), "neither a whole zip nor a whole tar"),
    ],
    # Packed content tells the time, so no name can be made of it.
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_archive_that_can_not_be_read_is_said(tmp_path, content, reason) -> None:
    (tmp_path / "rules").write_bytes(content)
    with pytest.raises(RulesUnreadable, match=reason):
        loading.load(tmp_path / "rules")


def test_a_members_attributes_do_not_fill_the_memory(tmp_path) -> None:
    """What reads a tar reads them whole: 64 MB of them take 64 kB of a packed archive."""
    with tarfile.open(tmp_path / "rules.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.yml")
        member.pax_headers = {"comment": "x" * 64 * 2**20}
        archive.addfile(member)
    tracemalloc.start()
    with pytest.raises(RulesUnreadable, match="larger than 1 MB"):
        loading.load(tmp_path / "rules.tar.gz")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * 2**20


def test_a_members_name_is_one_that_can_be_kept(tmp_path) -> None:
    with tarfile.open(tmp_path / "rules.tar", "w") as archive:
        member, content = tarfile.TarInfo("a\udcff.yml"), _text().encode()
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    [one] = loading.load(tmp_path / "rules.tar").rules
    assert one.file.encode() == b"a?.yml"
