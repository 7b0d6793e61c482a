"""The strictest matching rule wins, in whatever order they stand; an error forbids."""

import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import engagement
from playbooks.engagement import TIERS, judge, load_engagement, strictest
from playbooks.errors import PlaybookError
from tests.playbooks.samples import facts, policy

ACTION = "identity.disable_sign_in"
TARGET = {"kind": "account", "external_id": "1", "name": "ann"}
# Patterns and conditions, each with what it comes to for ACTION on ordinary facts.
PATTERNS = {"*": True, "identity.*": True, ACTION: True, "mailbox.*": False, "*.delete_*": False}
CONDITIONS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "account.is_vip": False,
    "!account.is_privileged": True,
    "objects > 3": False,
    'target.name == "ann"': True,
    'verdict.value == "true_positive"': True,
    "account.never_told": None,
    "1 / (objects - 2) == 1": None,
}


def _rule(number: int, tier: str, when: str = "true", actions: Any = "*") -> dict[str, Any]:
    return {
        "id": f"r{number}", "title": f"Rule {number}", "tier": tier, "when": when,
        "actions": actions if isinstance(actions, list) else [actions],
    }  # fmt: skip


RULES = st.lists(
    st.tuples(
        st.sampled_from(TIERS),
        st.sampled_from(sorted(CONDITIONS)),
        st.lists(st.sampled_from(sorted(PATTERNS)), min_size=1, max_size=2, unique=True),
    ),
    max_size=6,
).map(lambda told: [_rule(i, *rule) for i, rule in enumerate(told)])


def _judge(rules: engagement.Engagement, **changes: Any) -> engagement.Judgement:
    return judge(rules, action=ACTION, target=TARGET, objects=2, facts=facts(**changes))


def _expected(rules: list[dict[str, Any]], default: str) -> str:
    """Say by hand what the policy comes to for ACTION."""
    tiers = []
    for rule in rules:
        if any(PATTERNS[pattern] for pattern in rule["actions"]):
            holds = CONDITIONS[rule["when"]]
            tiers += ["forbidden"] if holds is None else [rule["tier"]] if holds else []
    return strictest(*tiers) if tiers else default


@given(rules=RULES, default=st.sampled_from(TIERS), seed=st.integers(0, 1000))
def test_the_strictest_rule_that_holds_wins_in_any_order(rules, default, seed) -> None:
    shuffled = random.Random(seed).sample(rules, len(rules))
    found, again = (_judge(policy(*order, default=default)) for order in (rules, shuffled))
    assert found.tier == again.tier == _expected(rules, default)


@given(rules=RULES, default=st.sampled_from(TIERS), is_vip=st.booleans())
def test_a_protected_account_is_never_touched_whatever_the_rules(rules, default, is_vip) -> None:
    found = _judge(
        policy(*rules, default=default), account={"is_protected": True, "is_vip": is_vip}
    )
    assert (found.tier, found.rule) == ("forbidden", "guardrail.protected")


@given(rules=RULES, added=RULES)
def test_a_rule_more_never_loosens(rules, added) -> None:
    renamed = [{**rule, "id": f"more-{rule['id']}"} for rule in added]
    if _judge(policy(*rules)).rule == "default":
        return
    before, after = _judge(policy(*rules)).tier, _judge(policy(*rules, *renamed)).tier
    assert TIERS.index(after) >= TIERS.index(before)


@pytest.mark.parametrize("value", [None, "no", 0, []])
def test_what_is_not_known_to_be_unprotected_is_protected(value) -> None:
    assert _judge(policy(default="automatic"), account={"is_protected": value}).tier == "forbidden"


def test_an_error_in_a_rule_forbids_and_names_the_rule() -> None:
    found = _judge(policy(_rule(1, "automatic"), _rule(7, "automatic", "account.never_told")))
    assert (found.tier, found.rule) == ("forbidden", "r7")
    assert "Rule 7" in found.title
    assert "never_told" in found.title


def test_an_error_in_a_rule_for_other_actions_does_no_harm() -> None:
    found = _judge(policy(_rule(1, "client", "account.never_told", "mailbox.*")))
    assert (found.tier, found.rule) == ("technician", "default")


def test_the_number_of_targets_counts() -> None:
    rules = policy(_rule(1, "automatic"), _rule(2, "second_technician", "objects > 10"))
    tiers = [
        judge(rules, action=ACTION, target=TARGET, objects=n, facts=facts()).tier for n in (10, 11)
    ]
    assert tiers == ["automatic", "second_technician"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (["a"], "a policy is a mapping"),
        ({"default": "anyone"}, "default 'anyone' is none of"),
        ({"default": ["technician"]}, "is none of"),
        ({"version": "two"}, "version 'two'"),
        ({"verson": 2}, "verson"),
        ({"rules": [_rule(1, "king")]}, "'king' is none of"),
        ({"rules": [_rule(1, "client", "nobody.knows")]}, "undeclared reference"),
        ({"rules": [_rule(1, "client", "1 +")]}, "Syntax error"),
        ({"rules": [_rule(1, "client", "hour + 1")]}, "not true or false"),
        ({"rules": [_rule(1, "client") | {"acitons": ["*"]}]}, "acitons"),
        ({"rules": [_rule(1, "client", actions="identty.*")]}, "identty"),
        ({"rules": ["words"]}, "rule 1 (not a mapping)"),
        ({"rules": [{"id": "x", "title": "X"}]}, "tier"),
        ({"rules": [{"tier": "client", "title": "X"}]}, "id"),
        ({"rules": [{"tier": "client", "id": "x"}]}, "title"),
    ],
)
def test_a_bad_policy_is_refused_with_the_reason(document, told) -> None:
    with pytest.raises(PlaybookError, match=re.escape(told)):
        load_engagement(document)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"rules": 5}, "rules"),
        ({"rules": "client"}, "`rules:`"),
        ({"version": True}, "version"),
        ({"rules": [_rule(1, "client", actions=[5])]}, "actions"),
        ({"rules": [_rule(1, "client") | {"actions": 5}]}, "actions"),
        ({"rules": [_rule(1, "client"), _rule(1, "automatic")]}, "stands twice"),
    ],
)
def test_a_policy_of_the_wrong_types_is_refused(document, told) -> None:
    with pytest.raises(PlaybookError, match=told):
        load_engagement(document)


@pytest.mark.parametrize("when", [True, "true", " true "])
def test_a_rule_may_hold_always(when) -> None:
    assert _judge(policy(_rule(1, "client") | {"when": when})).tier == "client"


def test_all_problems_of_a_policy_are_told_at_once() -> None:
    rules = [_rule(1, "king"), _rule(2, "client"), _rule(3, "client", "1 +"), "words"]
    with pytest.raises(PlaybookError) as caught:
        load_engagement({"default": "anyone", "colour": "red", "rules": rules}, "policy")
    assert len(caught.value.problems) == 5
    assert all(problem.startswith("policy: ") for problem in caught.value.problems)
    assert [p for p in caught.value.problems if "rule 1 (r1)" in p or "rule 3 (r3)" in p]


def test_another_policy_has_another_hash_and_the_order_of_keys_does_not_count() -> None:
    rule = _rule(1, "client")
    same = load_engagement({"rules": [dict(reversed(rule.items()))], "default": "technician"})
    assert load_engagement({"default": "technician", "rules": [rule]}).sha256 == same.sha256
    assert load_engagement({"default": "client", "rules": [rule]}).sha256 != same.sha256
