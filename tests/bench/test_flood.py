"""A flood of one client's alerts is worked off piece by piece, and holds up nobody else."""

import pytest

from bench import flood
from playbooks.cases import case_alerts, looking
from playbooks.correlating import case_entities

ALERTS, ACCOUNTS, AT_ONCE = 800, 9, 3


@pytest.fixture
def _small(monkeypatch) -> None:
    """Some hundred alerts are as many as a hundred thousand."""
    monkeypatch.setattr(looking, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(case_alerts, "MOST", 100)
    monkeypatch.setattr(case_entities, "MOST", 50)


@pytest.mark.usefixtures("_small", "committed_database")
def test_a_flood_holds_up_no_other_client_and_loses_nothing() -> None:
    told = flood.run(ALERTS, ACCOUNTS)
    assert told["lost"] == 0
    assert told["cases"] == ACCOUNTS + 1
    # Behind what was on its way, and the messages of the others themselves.
    assert told["others_waited_messages"] <= 2 * AT_ONCE + 3
