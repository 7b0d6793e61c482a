"""The catalog holds together: reversals, reasons, budgets, and what its questions answer."""

import re

import pytest

from integrations import catalog
from integrations.catalog import company_wide
from integrations.errors import UnknownAction

_CHANGING = [action for action in catalog.ACTIONS if not action.is_read_only]
_ASKING = [action for action in catalog.ACTIONS if action.is_read_only]


def test_each_name_stands_once() -> None:
    names = [action.name for action in catalog.ACTIONS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("action", _CHANGING, ids=lambda action: action.name)
def test_a_change_can_be_undone_or_says_why_not(action: catalog.CatalogAction) -> None:
    if action.reversal is None:
        assert action.no_reversal.endswith(".")
        return
    undoing = catalog.get(action.reversal)
    assert undoing.reversal == action.name
    assert undoing.target == action.target
    assert not action.no_reversal


@pytest.mark.parametrize("action", _CHANGING, ids=lambda action: action.name)
def test_a_change_names_its_defence_its_budget_and_what_the_owner_reads(
    action: catalog.CatalogAction,
) -> None:
    assert re.fullmatch(r"D3-[A-Z]{2,5}", action.d3fend)
    assert action.hourly_limit > 0
    assert action.owner_words.startswith("We ")
    assert "x@y.example" in action.owner_words.format(target="x@y.example")


@pytest.mark.parametrize("action", _ASKING, ids=lambda action: action.name)
def test_a_question_states_its_answers_and_contains_nothing(
    action: catalog.CatalogAction,
) -> None:
    assert action.facts
    assert not action.is_containment
    assert action.reversal is None


def test_an_unknown_name_is_answered_with_those_near_it() -> None:
    with pytest.raises(UnknownAction, match=r"endpoint\.isolate"):
        catalog.get("endpoint.isolat")


@pytest.mark.parametrize(
    ("title", "is_company_wide"),
    [
        ("New CA Policy by Non-approved Actor", True),
        ("Conditional Access policy was modified", True),
        ("User added to conditional access policy exclusion group", True),
        ("User excluded from conditional access policy", True),
        ("Access policy was modified", True),
        ("Conditional Access policy switched to report-only", True),
        ("Trusted location added", True),
        ("Security defaults disabled", True),
        ("Sign-in blocked by conditional access policy", False),
        ("Sign-in failure due to Conditional Access requirements not met", False),
        ("Sign-in from a location that is not trusted", False),
        ("Access policy violation by ann@acme.example", False),
        ("Suspicious inbox rule", False),
    ],
)
def test_a_change_for_all_is_told_apart_from_a_sign_in_that_it_stopped(
    title: str, is_company_wide: bool
) -> None:
    assert company_wide.tells("siem_query", title, []) is is_company_wide
