"""Versions of playbooks on the command line: in, out, back, and for which clients."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from playbooks import activation, library
from playbooks.models import PlaybookVersion
from tenants import scope
from tenants.models import Tenant
from tests.playbooks.cases import CONTAIN

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
    with pytest.raises(CommandError, match="There is no tenant 'nobody'"):
        call_command("playbook", "import", str(path), "--activate", "nobody")
    assert not PlaybookVersion.objects.exists()


def test_activations_go_to_another_client(tmp_path, tenant, other_tenant) -> None:
    version = library.get(CONTAIN).version
    _printed("activate", CONTAIN, version, "--tenant", tenant.slug, "--mode", "shadow")
    path = tmp_path / "activations.json"
    path.write_text(_printed("activations", tenant.slug, "--json"), encoding="utf-8")
    _printed("apply-activations", str(path), other_tenant.slug)
    assert _held(other_tenant) == (version, "shadow")
    assert CONTAIN in _printed("activations", other_tenant.slug)


def test_what_is_exported_as_cacao_comes_back(tmp_path, db) -> None:
    path = tmp_path / "contain.json"
    path.write_text(_printed("export", CONTAIN, "--format", "cacao"), encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8"))["spec_version"] == "cacao-2.0"
    sha256 = library.get(CONTAIN).source_sha256
    assert sha256 in _printed("import", str(path))


def test_the_schema_is_json(db) -> None:
    assert json.loads(_printed("schema"))["type"] == "object"
