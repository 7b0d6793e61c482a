"""The demo's settings hold for every process on its state, and for no other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from msp.appliance import demo_settings
from msp.appliance.errors import DemoSettingsUnusable
from tests.appliance.helpers import ROOT

PRINT = (
    "import json; from msp import settings as s; "
    "print(json.dumps([s.REQUIRE_MFA, s.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS, s.DEMO_SETTINGS]))"
)


def _settings(var: Path, **environment: str) -> tuple[bool, bool, dict[str, str]]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST", "DATABASE"))}
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        cwd=ROOT,
        env=inherited | {"HOLDFAST_VAR": str(var)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    has_mfa, private, told = json.loads(done.stdout)
    return has_mfa, private, told


def test_every_process_on_the_demos_state_has_them_and_the_environment_comes_first(
    tmp_path,
) -> None:
    assert _settings(tmp_path) == (True, False, {})
    demo_settings.write(tmp_path)
    assert demo_settings.path_in(tmp_path).stat().st_mode & 0o777 == 0o600
    assert _settings(tmp_path) == (False, True, demo_settings.DEMO)
    one = _settings(tmp_path, HOLDFAST_REQUIRE_MFA="1")
    assert one == (True, True, {"HOLDFAST_ALLOW_PRIVATE_ENDPOINTS": "1"})


def test_they_do_not_hold_for_a_database_of_ones_own(tmp_path, monkeypatch) -> None:
    demo_settings.write(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/else")
    assert demo_settings.read(tmp_path) == {}


def test_a_file_that_others_may_write_or_the_demo_did_not_is_refused(tmp_path) -> None:
    demo_settings.write(tmp_path)
    path = demo_settings.path_in(tmp_path)
    path.chmod(0o666)
    with pytest.raises(DemoSettingsUnusable, match="others may write"):
        demo_settings.read(tmp_path)
    path.chmod(0o600)
    for content in ('{"HOLDFAST_VAULT_KEYS": "mine"}', "[]", "no JSON"):
        path.write_text(content)
        with pytest.raises(DemoSettingsUnusable, match="not as the demo writes it"):
            demo_settings.read(tmp_path)
