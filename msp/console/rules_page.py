"""Rules of engagement in plain words: what holds, and where each rule comes from."""

import fnmatch
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations import catalog
from msp.console.words import TIERS, Word
from playbooks.approval_policy import ApprovalPolicy
from playbooks.engagement import Engagement, Rule, is_override
from playbooks.freezes import WEEKDAYS, Freeze
from playbooks.models import Tier
from tenants.models import Tenant

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
    "technician": "then an approver may answer instead",
    "reversible_part": "then only what can be undone is carried out",
}


# What may happen when nobody answered, in the words of the form.
OUTCOMES = {
    "end": "The plan ends, a technician looks",
    "technician": "An approver answers instead",
    "reversible_part": "What can be undone is done",
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule as it is shown: to what it applies, when, who decides, and whose rule it is.

    `origin` is None on the MSP's own page, where every rule is the MSP's.
    """

    rule: Rule
    actions: str
    condition: str
    tier: Word
    origin: Word | None


@dataclass(frozen=True, slots=True)
class RulesPage:
    """Everything that holds. `left_out` are MSP-wide rules switched off for a client.

    `limits`: how often an hour each action may be done, by its title, whoever says so.
    """

    rules: list[RuleRow]
    default: Word
    left_out: list[Rule]
    budgets: list[tuple[str, int]]
    limits: list[tuple[str, int]]
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
    return _page(
        rules,
        rows=[_row(rule, _origin(rule, own_ids, base_ids)) for rule in rules.rules],
        left_out=[rule for rule in base.rules if rule.id in without],
        stands_alone=stands_alone,
    )


def build_msp_wide(rules: Engagement) -> RulesPage:
    """Return the page of the MSP-wide rules."""
    rows = [_row(rule, None) for rule in rules.rules]
    return _page(rules, rows=rows, left_out=[], stands_alone=False)


def clients_apart(
    tenants: Iterable[Tenant], own: Mapping[uuid.UUID, Mapping[str, Any]]
) -> list[tuple[Tenant, str]]:
    """Return the clients with rules of their own, and how these differ from the MSP-wide ones."""
    return [(tenant, _differs(own[tenant.id])) for tenant in tenants if tenant.id in own]


def _differs(document: Mapping[str, Any]) -> str:
    if not is_override(document):
        return "stand alone: the MSP-wide rules do not hold here"
    counted = (
        (len(document.get("rules") or []), "own rule"),
        (len(document.get("without") or []), "rule switched off"),
        (len(document.get("freezes") or []), "own freeze"),
        (len(document.get("budgets") or {}), "own limit"),
        (len(document.get("approvals") or {}), "own wait"),
    )
    told = [f"{count} {_plural(noun, count)}" for count, noun in counted if count]
    told += ["another default"] if "default" in document else []
    return ", ".join(told) or "nothing differs"


def _plural(noun: str, count: int) -> str:
    if count == 1:
        return noun
    first, _, rest = noun.partition(" ")
    return f"{first}s {rest}" if first == "rule" else f"{noun}s"


def _page(
    rules: Engagement, *, rows: list[RuleRow], left_out: list[Rule], stands_alone: bool
) -> RulesPage:
    return RulesPage(
        rules=rows,
        default=tier_word(rules.default),
        left_out=left_out,
        limits=[
            (action.title, rules.budget(action.name))
            for action in catalog.ACTIONS
            if not action.is_read_only
        ],
        budgets=[(_of_actions((pattern,)), count) for pattern, count in rules.budgets.items()],
        canary_above=rules.canary_above,
        freezes=[(freeze.title, _when(freeze)) for freeze in rules.freezes],
        waits=[
            (TIERS[Tier(tier)], _wait(tier, policy)) for tier, policy in rules.approvals.items()
        ],
        stands_alone=stands_alone,
    )


def _origin(rule: Rule, own_ids: set[str], base_ids: set[str]) -> Word:
    if rule.id not in own_ids:
        return Word("MSP-wide", "quiet")
    if rule.id in base_ids:
        return Word("This client, instead of the MSP's", "info")
    return Word("This client", "info")


def _row(rule: Rule, origin: Word | None) -> RuleRow:
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


def _wait(tier: str, policy: ApprovalPolicy) -> str:
    told = [f"{policy.hours} h to answer"]
    if policy.remind_after_hours:
        told.append(f"reminded after {policy.remind_after_hours} h")
    if policy.escalate_after_hours:
        next_one = "the next contact" if tier == Tier.CLIENT else "administrators too"
        told.append(f"{next_one} after {policy.escalate_after_hours} h")
    return ", ".join(told) + f"; {_TIMEOUTS[policy.on_timeout]}"
