"""A worker dies at a point once, with a permit, and at no other."""

from collections.abc import Iterator

import pytest
from django.db import transaction
from django.db.models.signals import post_save

from bench import kill_points, verdict
from integrations import catalog
from playbooks.models import Step

ACTION = "identity.disable_sign_in"


@pytest.fixture
def died(monkeypatch) -> Iterator[list[str]]:
    """Where this process would have killed itself: while it wrote, or after the commit."""
    found: list[str] = []
    monkeypatch.setattr(kill_points, "_die", lambda: found.append("now"))
    monkeypatch.setattr(transaction, "on_commit", lambda what: found.append("after the commit"))
    before = list(post_save.receivers)
    yield found
    post_save.receivers = before
    post_save.sender_receivers_cache.clear()


def reach(status: str) -> None:
    post_save.send(sender=Step, instance=Step(action=ACTION, status=status))


@pytest.mark.parametrize("status", [*kill_points.STATUSES, *kill_points.RARE])
def test_each_transition_is_hit_once_before_and_once_after_its_commit(
    tmp_path, died, status
) -> None:
    folder = tmp_path / "points"
    kill_points.arm(folder, kill_points.names([ACTION], [status]))
    kill_points.watch(folder)
    reach(status)
    assert died == [], "nobody may die yet"
    for _ in range(3):
        kill_points.permit(folder)
        reach(status)
    assert sorted(died) == ["after the commit", "now"]
    assert kill_points.left(folder) == []


def test_what_nobody_came_to_is_counted_by_its_transition(tmp_path) -> None:
    folder = tmp_path / "points"
    kill_points.arm(folder, kill_points.names([ACTION], ["called", "failed"]))
    kill_points.permit(folder)
    (folder / f"{ACTION} failed after").unlink()
    assert kill_points.by_transition(kill_points.left(folder)) == {"called": 2, "failed": 1}


def test_every_action_with_an_effect_is_one_of_the_catalogs() -> None:
    assert all(not catalog.get(action).is_read_only for action in verdict.EFFECTS)
