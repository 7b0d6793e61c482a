"""A client's rules of engagement in plain words: what holds, and where each rule comes from."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations import catalog
from msp.console.words import TIERS, Word
from playbooks.approval_policy import ApprovalPolicy
from playbooks.engagement import Engagement, Rule, is_override
from playbooks.freezes import WEEKDAYS, Freeze
from playbooks.models import Tier
from playbooks.what_if import WhatIf

_TONES = {
    Tier.AUTOMATIC: "good",
    Tier.TECHNICIAN: "warn",
    Tier.SECOND_TECHNICIAN: "warn",
    Tier.CLIENT: "info",
    Tier.FORBIDDEN: "bad",
}
_MOST_NAMES = 4
_TIMEOUTS = {
    "end": "then the plan ends and a technician looks",
    "technician": "then a technician may answer instead",
    "reversible_part": "then only what can be undone is carried out",
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule as it is shown: to what it applies, when, who decides, and whose rule it is."""

    rule: Rule
    actions: str
    condition: str
    tier: Word
    origin: Word


@dataclass(frozen=True, slots=True)
class RulesPage:
    """Everything that holds for a client. `left_out` are MSP-wide rules switched off here."""

    rules: list[RuleRow]
    default: Word
    left_out: list[Rule]
    budgets: list[tuple[str, int]]
    canary_above: int
    freezes: list[tuple[str, str]]
    waits: list[tuple[str, str]]
    stands_alone: bool


def tier_word(tier: str) -> Word:
    """Return who decides at a tier, in its tone."""
    return Word(TIERS[Tier(tier)].capitalize(), _TONES[Tier(tier)])


def build(rules: Engagement, base: Engagement, own: Mapping[str, Any] | None) -> RulesPage:
    """Return the page of the rules in force, made of the MSP-wide `base` and the client's own."""
    own = {"extends": "msp"} if own is None else own
    own_ids = {str(rule["id"]) for rule in own.get("rules") or []}
    stands_alone = not is_override(own)
    base_ids = set() if stands_alone else {rule.id for rule in base.rules}
    without = set() if stands_alone else set(own.get("without") or [])
    return RulesPage(
        rules=[_row(rule, own_ids, base_ids) for rule in rules.rules],
        default=tier_word(rules.default),
        left_out=[rule for rule in base.rules if rule.id in without],
        budgets=[(_of_actions((pattern,)), count) for pattern, count in rules.budgets.items()],
        canary_above=rules.canary_above,
        freezes=[(freeze.title, _when(freeze)) for freeze in rules.freezes],
        waits=[(TIERS[Tier(tier)], _wait(policy)) for tier, policy in rules.approvals.items()],
        stands_alone=stands_alone,
    )


def changes(found: WhatIf) -> list[tuple[Any, Word, Word]]:
    """Return the steps that would have had another tier, with the tiers in words."""
    return [(one, tier_word(one.before), tier_word(one.after)) for one in found.changes]


def counts(found: WhatIf) -> list[tuple[int, Word, Word]]:
    """Return how many steps would have gone from which tier to which, in words."""
    return [
        (count, tier_word(before), tier_word(after))
        for (before, after), count in found.counts.items()
    ]


def _row(rule: Rule, own_ids: set[str], base_ids: set[str]) -> RuleRow:
    if rule.id not in own_ids:
        origin = Word("MSP-wide", "quiet")
    elif rule.id in base_ids:
        origin = Word("This client, instead of the MSP's", "info")
    else:
        origin = Word("This client", "info")
    condition = "" if rule.when.text == "true" else rule.when.text
    return RuleRow(rule, _of_actions(rule.actions), condition, tier_word(rule.tier), origin)


def _of_actions(patterns: tuple[str, ...]) -> str:
    """Name the actions that some patterns match, by their titles."""
    if "*" in patterns:
        return "Every action"
    titles = [
        action.title
        for action in catalog.ACTIONS
        if not action.is_read_only
        and any(fnmatch.fnmatchcase(action.name, pattern) for pattern in patterns)
    ]
    more = len(titles) - _MOST_NAMES
    if not titles:
        return ", ".join(patterns)
    return ", ".join(titles[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _when(freeze: Freeze) -> str:
    if freeze.starts is not None and freeze.ends is not None:
        told = f"from {freeze.starts:%Y-%m-%d %H:%M} until {freeze.ends:%Y-%m-%d %H:%M}"
    else:
        told = ", ".join(WEEKDAYS[day].capitalize() for day in freeze.weekdays)
        if len(freeze.weekdays) == len(WEEKDAYS):
            told = "every day"
        if freeze.hours is not None:
            told += f", {freeze.hours[0]:%H:%M} to {freeze.hours[1]:%H:%M}"
    return told + (f"; may go on: {_of_actions(freeze.excepted)}" if freeze.excepted else "")


def _wait(policy: ApprovalPolicy) -> str:
    told = [f"{policy.hours} h to answer"]
    if policy.remind_after_hours:
        told.append(f"reminded after {policy.remind_after_hours} h")
    if policy.escalate_after_hours:
        told.append(f"the next contact after {policy.escalate_after_hours} h")
    return ", ".join(told) + f"; {_TIMEOUTS[policy.on_timeout]}"
