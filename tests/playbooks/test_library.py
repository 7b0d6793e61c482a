"""Every playbook of the library does what its golden cases say."""

from dataclasses import replace

import pytest

from playbooks import golden, library


@pytest.mark.parametrize("playbook_id", list(library.playbooks()))
def test_golden_cases(playbook_id: str) -> None:
    outcomes = golden.run(library.get(playbook_id))
    assert outcomes
    assert [outcome for outcome in outcomes if outcome.difference] == []


def test_a_golden_case_can_fail() -> None:
    playbook = library.get("contain-cloud-account")
    expected = {"tier": "client"}
    wrong = [{"name": "wrong", "expect": expected}]
    outcome = golden.run(_with_tests(playbook, wrong))[0]
    assert "expected 'client', found 'automatic'" in outcome.difference


def _with_tests(playbook, tests):

    return replace(playbook, tests=tuple(tests))
