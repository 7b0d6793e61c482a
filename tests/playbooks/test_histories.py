"""An upgrade in the middle of a run changes nothing of what the run does; see `history`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from playbooks.models import Plan
from tenants import scope
from tests.playbooks import history
from tests.playbooks.scenarios import SCENARIOS
from tests.playbooks.vendor import vendors

RELEASES = sorted(history.FOLDER.glob("[0-9]*.json"))


def _recorded() -> Iterator[Any]:
    for path in RELEASES:
        told = json.loads(path.read_text(encoding="utf-8"))
        for name, scenario in told["scenarios"].items():
            yield pytest.param(scenario, id=f"{path.stem}-{name}")


def test_every_scenario_of_today_has_a_history() -> None:
    latest = json.loads(RELEASES[-1].read_text(encoding="utf-8"))
    assert set(latest["scenarios"]) >= set(SCENARIOS)


@pytest.mark.django_db
@pytest.mark.parametrize("scenario", list(_recorded()))
def test_a_run_goes_on_as_it_would_have(
    scenario: dict[str, Any], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """From each moment at which the worker was killed, or a person asked, to the same end."""
    history.without_waiting(settings)
    with vendors(monkeypatch, *scenario["begun"]) as made:
        for moment in scenario["moments"]:
            with transaction.atomic():
                tenant = history.restore(scenario, moment, made)
                end = history.carry_on(tenant, made)
                with scope.tenant(tenant.id):
                    whole = all(map(history.is_whole, Plan.objects.all()))
                transaction.set_rollback(True)
            assert whole, f"{moment['at']}: a plan is no longer what people approved."
            assert end == scenario["end"], f"{moment['at']}: it ended otherwise."
