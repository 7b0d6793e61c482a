"""Versions of playbooks on the command line: in, out, back, and for which clients."""

import io
import json
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from playbooks import library
from playbooks.adoption import activation
from playbooks.models import Activation, PlaybookVersion
from tenants import scope
from tenants.models import LedgerEntry, Tenant
from tests.playbooks.cases import CONTAIN
from tests.playbooks.samples import NOT_ENOUGH, investigation_text, response_text

pytestmark = pytest.mark.django_db


def _printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("playbook", *arguments, stdout=out)
    return out.getvalue()


def _changed() -> str:
    ours = library.get(CONTAIN)
    return ours.source.replace(f'version: "{ours.version}"', 'version: "99"', 1)


def _held(tenant: Tenant) -> tuple[str, str]:
    with scope.tenant(tenant.id):
        held = activation.in_force(CONTAIN)
    return held.playbook.version, held.mode


def test_a_file_is_imported_for_one_client_and_taken_back(tmp_path, tenant, other_tenant) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(_changed(), encoding="utf-8")
    told = _printed("import", str(path), "--activate", tenant.slug, "--mode", "approve")
    assert '+version: "99"' in told
    assert _held(tenant) == ("99", "approve")
    assert _held(other_tenant)[0] == library.get(CONTAIN).version
    assert "99" in _printed("versions", CONTAIN)
    ours = library.get(CONTAIN).version
    _printed("restore", CONTAIN, ours, "--tenant", tenant.slug)
    assert _held(tenant) == (ours, "approve")


def test_an_unknown_client_leaves_nothing_behind(tmp_path, db) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(_changed(), encoding="utf-8")
    with pytest.raises(CommandError, match="There is no client 'nobody'"):
        call_command("playbook", "import", str(path), "--activate", "nobody")
    assert not PlaybookVersion.objects.exists()


def test_a_playbook_goes_no_further_than_practice_shows_without_a_reason(tenant) -> None:
    version = library.get(CONTAIN).version
    telling = ("activate", CONTAIN, version, "--tenant", tenant.slug, "--mode")
    _printed(*telling, "shadow")
    with pytest.raises(CommandError, match="automatic needs 10 runs in 90 days; there are 0"):
        _printed(*telling, "automatic")
    assert _held(tenant) == (version, "shadow")
    told = _printed(*telling, "automatic", "--reason", "agreed with the client on the telephone")
    assert (
        f"Warning: {tenant.slug}: it goes further than practice has shown: automatic needs 10 runs "
        "in 90 days; there are 0." in told
    )
    assert _held(tenant) == (version, "automatic")
    assert "Warning" not in _printed(*telling, "approve")
    assert _held(tenant) == (version, "approve")


def test_activations_go_to_another_client(tmp_path, tenant, other_tenant) -> None:
    version = library.get(CONTAIN).version
    _printed("activate", CONTAIN, version, "--tenant", tenant.slug, "--mode", "shadow")
    path = tmp_path / "activations.json"
    path.write_text(_printed("activations", tenant.slug, "--json"), encoding="utf-8")
    _printed("apply-activations", str(path), other_tenant.slug)
    assert _held(other_tenant) == (version, "shadow")
    assert CONTAIN in _printed("activations", other_tenant.slug)


def test_activations_go_no_further_than_practice_at_the_other_client(
    tmp_path, tenant, other_tenant
) -> None:
    version = library.get(CONTAIN).version
    _printed("activate", CONTAIN, version, "--tenant", other_tenant.slug, "--mode", "shadow")
    telling = ("activate", CONTAIN, version, "--tenant", tenant.slug, "--mode", "automatic")
    _printed(*telling, "--reason", "agreed with the client")
    path = tmp_path / "activations.json"
    path.write_text(_printed("activations", tenant.slug, "--json"), encoding="utf-8")
    with pytest.raises(CommandError, match="automatic needs 10 runs in 90 days; there are 0"):
        _printed("apply-activations", str(path), other_tenant.slug)
    assert _held(other_tenant) == (version, "shadow")
    _printed("apply-activations", str(path), other_tenant.slug, "--reason", "agreed there too")
    assert _held(other_tenant) == (version, "automatic")


def test_what_is_exported_as_cacao_comes_back(tmp_path, db) -> None:
    path = tmp_path / "contain.json"
    path.write_text(_printed("export", CONTAIN, "--format", "cacao"), encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8"))["spec_version"] == "cacao-2.0"
    sha256 = library.get(CONTAIN).source_sha256
    assert sha256 in _printed("import", str(path))


def test_the_schema_is_json(db) -> None:
    assert json.loads(_printed("schema"))["type"] == "object"


def _refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        _printed(*arguments)
    assert caught.value.returncode == 2
    return str(caught.value)


def _file(folder: Path, text: str, name: str = "ours.yaml") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def _facts(folder: Path, chosen: str, *more: str) -> str:
    return _file(folder, _printed("facts", chosen, *more), "facts.json")


def test_a_dry_run_says_all_and_keeps_nothing(tmp_path, tenant) -> None:
    path = _file(tmp_path, _changed())
    told = _printed("import", path, "--activate", tenant.slug, "--mode", "approve", "--dry-run")
    ours = library.get(CONTAIN).version
    assert '+version: "99"' in told
    assert f"99 holds, mode approve (before: version {ours}, mode automatic)" in told
    assert told.rstrip().endswith("Dry run: nothing of this was kept.")
    assert not PlaybookVersion.objects.exists()
    with scope.tenant(tenant.id):
        assert not Activation.objects.exists()
        assert not LedgerEntry.objects.filter(kind="playbook.activated").exists()
    assert told.replace("Dry run: nothing of this was kept.\n", "") == _printed(
        "import", path, "--activate", tenant.slug, "--mode", "approve"
    )


def test_an_import_for_several_clients_is_whole_or_not_at_all(
    tmp_path, tenant, monkeypatch
) -> None:
    activate = activation.activate

    def once(*arguments, **more):
        if Activation.objects.exists():
            raise OSError("the power went")
        return activate(*arguments, **more)

    monkeypatch.setattr(activation, "activate", once)
    path = _file(tmp_path, _changed())
    with pytest.raises(OSError, match="power"):
        _printed("import", path, "--activate", tenant.slug, "--activate", tenant.slug)
    assert not PlaybookVersion.objects.exists()


def test_a_playbook_of_ones_own_is_used_like_any_other(tmp_path, tenant) -> None:
    text = response_text()
    good = text.replace("{tier: automatic}", "{tier: technician}") + (
        "example: {verdict: {confidence: low}}\n"
    )
    path = _file(tmp_path, good)
    assert "1 passed, 0 failed" in _printed("test", path)
    facts = _facts(tmp_path, path)
    planned = _printed("plan", path, "--facts", facts, "--json")
    _printed("import", path)
    assert re.search(r"^sample +response +Sample$", _printed("list"), re.MULTILINE)
    assert _printed("show", "sample") == good
    assert "1 passed, 0 failed" in _printed("test", "sample")
    assert _printed("plan", "sample", "--facts", facts, "--json") == planned
    assert json.loads(_printed("export", "sample"))["name"] == "Sample"
    assert _printed("export", "sample", "--format", "yaml") == good
    later = good.replace('version: "1"', 'version: "2"').replace("Sample", "Later")
    _printed("import", _file(tmp_path, later), "--activate", tenant.slug)
    assert _printed("show", "sample", "--playbook-version", "1") == good
    assert (
        _printed("show", "sample") == _printed("show", "sample", "--tenant", tenant.slug) == later
    )
    _printed("restore", "sample", "1", "--tenant", tenant.slug)
    assert _printed("show", "sample", "--tenant", tenant.slug) == good
    assert json.loads(
        _printed("plan", "sample", "--facts", facts, "--json", "--tenant", tenant.slug)
    )


def test_an_earlier_version_is_restored_by_its_hash_too(tmp_path, tenant) -> None:
    _printed("import", _file(tmp_path, _changed()), "--activate", tenant.slug, "--mode", "approve")
    ours = library.get(CONTAIN)
    told = _printed("restore", CONTAIN, ours.source_sha256[:12], "--tenant", tenant.slug)
    assert f"{ours.version} holds, mode approve (before: version 99, mode approve)" in told
    assert "has no version '7.7'. Versions: " in _refused(
        "restore", CONTAIN, "7.7", "--tenant", tenant.slug
    )
    assert "no client 'nobody'" in _refused("restore", CONTAIN, "99", "--tenant", "nobody")
    with scope.tenant(tenant.id):
        rows = LedgerEntry.objects.filter(kind="playbook.activated").order_by("id")
        assert [row.body["playbook"]["version"] for row in rows] == ["99", ours.version]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "{tier: automatic}",
            "{tier: client}",
            ":12:5: golden case 'one': tier: expected 'client'",
        ),
        ("version: ", "responses: {benign: [x]}\nversion: ", ":2:22: 'x' is no playbook here"),
        ("version: ", "responses: {benign: [patch-ring]}\nversion: ", "patch-ring' is of kind rou"),
        ("uses: identity.", "uses: identty.", ":9:11: The catalog has no action"),
    ],
)
def test_what_speaks_against_an_import_is_told_with_its_place(tmp_path, old, new, told) -> None:
    path = _file(tmp_path, response_text().replace(old, new, 1))
    problem = _refused("import", path)
    assert told in problem
    assert problem.startswith(f"{path}:")
    assert not PlaybookVersion.objects.exists()


def test_a_known_version_can_not_get_another_content(tmp_path) -> None:
    text = response_text().replace("{tier: automatic}", "{tier: automatic, steps: []}")
    text = text.replace('trigger: "true"', 'trigger: "true"\nexample: {account: {is_vip: true}}')
    text = text.replace("{tier: automatic, steps: []}", "{tier: technician}")
    _printed("import", _file(tmp_path, text))
    told = _refused("import", _file(tmp_path, text + "# another\n"))
    assert "ours.yaml:2:10: sample version 1 is known with another content" in told
    assert "give it a new version" in told


def test_a_cacao_document_that_is_wrong_is_refused_with_its_line(tmp_path) -> None:
    document = json.loads(_printed("export", CONTAIN))
    action = next(s for s in document["workflow"].values() if s.get("name") == "reset_password")
    (own,) = action["step_extensions"].values()
    own["tier"] = "king"
    text = json.dumps(document, indent=1)
    line = 1 + text[: text.index('"king"')].count("\n")
    told = _refused("import", _file(tmp_path, text, "ours.json"))
    assert f"ours.json:{line}:" in told
    assert "tier 'king' is none of" in told


def test_a_golden_case_that_fails_in_a_cacao_document_has_its_line_there(tmp_path) -> None:
    document = json.loads(_printed("export", CONTAIN))
    (own,) = document["playbook_extensions"].values()
    own["tests"][0]["expect"] = {"tier": "client"}
    text = json.dumps(document, indent=1)
    line = 1 + text[: text.index("{", text.index('"tests"'))].count("\n")
    told = _refused("import", _file(tmp_path, text, "ours.json"))
    assert f"ours.json:{line}:" in told
    assert "golden case" in told


def test_a_key_that_stands_twice_in_json_is_refused_with_its_line(tmp_path) -> None:
    text = _printed("export", CONTAIN)
    doubled = text.replace('"type": "playbook",', '"type": "playbook",\n "type": "x",', 1)
    told = _refused("import", _file(tmp_path, doubled, "ours.json"))
    assert "ours.json:3:10: 'type' stands twice" in told


def test_every_file_of_a_folder_is_linted_and_every_problem_told(tmp_path) -> None:
    good, bad = response_text(), response_text().replace("tier: automatic", "tier: maybe")
    _file(tmp_path, good, "a.yaml")
    _file(tmp_path, bad.replace("id: sample", "id: b"), "b.yml")
    _file(tmp_path, "id: [", "sub/c.yaml")
    _file(tmp_path, good, "d.yaml")
    summary, *problems = _refused("lint", str(tmp_path)).splitlines()
    assert summary == "3 problems in 4 playbooks."
    assert [problem.removeprefix(str(tmp_path)).split(": ")[0] for problem in problems] == [
        "/b.yml:13:20", "/d.yaml:1:1", "/sub/c.yaml:1:6",
    ]  # fmt: skip
    assert "/a.yaml has the id 'sample' too" in problems[1]


def test_playbooks_of_one_folder_may_name_each_other(tmp_path) -> None:
    asking = investigation_text(NOT_ENOUGH).replace("id: sample", "id: asking")
    _file(tmp_path, asking + "responses: {suspicious: [sample]}\n", "asking.yaml")
    told = _refused("lint", str(tmp_path))
    assert "asking.yaml:20:26: 'sample' is no playbook here: import it first" in told
    _file(tmp_path, response_text(), "sample.yaml")
    assert "2 playbooks, nothing wrong" in _printed("lint", str(tmp_path))


def test_a_folder_without_a_playbook_is_no_success(tmp_path) -> None:
    assert "no file that ends in .yaml or .yml" in _refused("lint", str(tmp_path))


@pytest.mark.parametrize("command", ["lint", "import", "show", "test"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id: x\ntitle: \xe9\n", ":2:8: can't be read: byte 0xe9 is not UTF-8: save"),
        ("id: x\n".encode("utf-16"), ":1:1: can't be read: byte 0xff is not UTF-8"),
        (b"a" * (300 * 1024), ":1:1: larger than 256 KB: split it."),
    ],
    ids=["latin-1", "utf-16", "large"],
)
def test_a_file_that_is_no_text_is_refused_with_its_place(tmp_path, command, content, told) -> None:
    path = tmp_path / "ours.yaml"
    path.write_bytes(content)
    assert f"{path}{told}" in _refused(command, str(path))


def test_a_file_without_end_is_read_no_further_than_it_may_be_long() -> None:
    assert "larger than 256 KB" in _refused("lint", "/dev/zero")
