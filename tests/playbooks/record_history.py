"""Records the histories of this release. Run by `make history`; see `history`."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from playbooks import planner
from tenants.models import Tenant
from tests.playbooks import history
from tests.playbooks.scenarios import SCENARIOS
from tests.playbooks.vendor import vendors

ROOT = Path(__file__).resolve().parents[2]
VENDORS = ("microsoft365", "active_directory")


def version() -> str:
    """Return the version of the release that is in the works."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(told["project"]["version"])


@pytest.mark.django_db
def test_record(make_tenant, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Write what every scenario leaves in the database at each of its moments."""
    history.without_waiting(settings)
    path = history.FOLDER / f"{version()}.json"
    if path.exists():
        pytest.fail(
            f"{path} is there already. What was released is never recorded anew: give the next"
            " version in pyproject.toml, or delete the file where it was never released."
        )
    told = {"release": version(), "format": planner.FORMAT, "scenarios": {}}
    for name, set_up in SCENARIOS.items():
        with vendors(monkeypatch, *VENDORS) as made:
            tenant: Tenant = make_tenant(name.replace("_", "-"))
            told["scenarios"][name] = history.record(set_up, tenant, made)
        print(f"{name}: {len(told['scenarios'][name]['moments'])} moments", flush=True)
    path.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
    moments = sum(len(one["moments"]) for one in told["scenarios"].values())
    print(f"\n{path.name}: {len(SCENARIOS)} plans at {moments} moments")
