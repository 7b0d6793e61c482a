"""Rules of engagement → the tier of a step. All matching rules count, and the strictest wins.

An error in a rule forbids: a policy that can't be read must not let anything through. A client's
own document either stands alone, or says `extends: msp` and is laid on the MSP-wide one.
"""

import datetime as dt
import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from integrations import catalog
from playbooks import yaml_reader
from playbooks.approval_policy import DEFAULTS as APPROVALS
from playbooks.approval_policy import ApprovalPolicy, load_policies
from playbooks.errors import ConditionError, PlaybookError
from playbooks.expressions.conditions import Condition, compile_yes_or_no
from playbooks.freezes import Freeze, load_freeze, patterns
from tenants.canonical import sha256_of

TIERS = ("automatic", "technician", "second_technician", "client", "forbidden")
_KEYS = ("version", "default", "rules", "budgets", "canary_above", "freezes", "approvals")
_OF_OVERRIDES = ("extends", "without")
_RULE_KEYS = ("id", "title", "actions", "when", "tier")
_DEFAULT_FILE = Path(__file__).parent / "engagement.default.yaml"
_OWNERS = ("account", "on_premises")
# What can be touched without touching anybody's account.
_OF_NO_ACCOUNT = (
    "sender", "device", "process", "file", "indicator", "policy_setting", "tenant",
)  # fmt: skip
_LARGEST_COUNT = 100_000
_Places = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: on which actions, under which condition, which tier."""

    id: str
    title: str
    actions: tuple[str, ...]
    when: Condition
    tier: str


@dataclass(frozen=True, slots=True)
class Engagement:
    """A tenant's policy in one version. `document` is what it was read from.

    `budgets`: how often an hour, by pattern of actions. `canary_above`: with more targets than
    this the first goes alone; 0 for never. `approvals`: by tier, how long to wait for whom.
    """

    version: int
    default: str
    rules: tuple[Rule, ...]
    sha256: str
    document: Mapping[str, Any]
    budgets: Mapping[str, int] = field(default_factory=dict)
    canary_above: int = 0
    freezes: tuple[Freeze, ...] = ()
    approvals: Mapping[str, ApprovalPolicy] = field(default_factory=lambda: APPROVALS)

    def budget(self, action: str) -> int:
        """Return how many targets an hour `action` may touch: the least of those that match."""
        matching = [
            n for pattern, n in self.budgets.items() if fnmatch.fnmatchcase(action, pattern)
        ]
        return min(matching) if matching else catalog.get(action).hourly_limit

    def frozen(self, action: str, now: dt.datetime, time_zone: str) -> str:
        """Return the title of the freeze that keeps `action` from going on now; '' for none."""
        titles = [one.holds(now, time_zone) for one in self.freezes if one.stops(action)]
        return next((title for title in titles if title), "")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The tier of a step, and by which rule. `failed`: the rule could not be evaluated."""

    tier: str
    rule: str
    title: str
    failed: bool = False


def strictest(*tiers: str) -> str:
    """Return the strictest of some tiers."""
    return max(tiers, key=TIERS.index)


def load_engagement(
    document: Mapping[str, Any], name: str = "rules of engagement", at: _Places | None = None
) -> Engagement:
    """Check and compile a whole policy; PlaybookError lists everything that is wrong with it.

    `at` says where in a file a value stands, by its path; without it, problems begin with `name`.
    """
    place = at or (lambda *path: name)
    if not isinstance(document, Mapping):
        raise PlaybookError([f"{place()}: a policy is a mapping with `default:` and `rules:`"])
    problems = [
        f"{place(key)}: unknown key {key!r}; known: {', '.join(_KEYS)}"
        for key in document
        if key not in _KEYS
    ]
    version = document.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool):
        problems.append(f"{place('version')}: version {version!r} is no whole number")
    default = document.get("default", "technician")
    if default not in TIERS:
        problems.append(f"{place('default')}: default {default!r} is none of: {', '.join(TIERS)}")
    rules = _rules(document, place, problems)
    freezes = _freezes(document, place, problems)
    budgets = _budgets(document, place, problems)
    canary_above = _canary_above(document, place, problems)
    approvals, wrong = load_policies(document.get("approvals") or {})
    problems.extend(f"{place('approvals', tier)}: approvals {tier}: {told}" for tier, told in wrong)
    if problems:
        raise PlaybookError(problems)
    return Engagement(
        version, default, tuple(rules), sha256_of(document), document, budgets, canary_above,
        tuple(freezes), approvals,
    )  # fmt: skip


def _rules(document: Mapping[str, Any], place: _Places, problems: list[str]) -> list[Rule]:
    rules = []
    for i, told in enumerate(_list(document, "rules", place, problems)):
        try:
            rules.append(_rule(told))
        except (ConditionError, ValueError) as error:
            problems.append(f"{place('rules', i)}: rule {i + 1} ({_name(told)}): {error}")
    ids = [rule.id for rule in rules]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    problems.extend(f"{place('rules')}: the rule id {one!r} stands twice" for one in twice)
    return rules


def _freezes(document: Mapping[str, Any], place: _Places, problems: list[str]) -> list[Freeze]:
    freezes = []
    for i, told in enumerate(_list(document, "freezes", place, problems)):
        try:
            freezes.append(load_freeze(told))
        except ValueError as error:
            problems.append(f"{place('freezes', i)}: freeze {i + 1}: {error}")
    return freezes


def _list(document: Mapping[str, Any], key: str, place: _Places, problems: list[str]) -> list[Any]:
    told = document.get(key) or []
    if isinstance(told, list):
        return told
    problems.append(f"{place(key)}: `{key}:` is a list of {key}, not {told!r}")
    return []


def _budgets(document: Mapping[str, Any], place: _Places, problems: list[str]) -> dict[str, int]:
    told = document.get("budgets") or {}
    if not isinstance(told, Mapping):
        problems.append(f"{place('budgets')}: `budgets:` is a mapping from an action to a number")
        return {}
    budgets = {}
    for pattern, count in told.items():
        try:
            patterns(pattern, "budgets")
            budgets[str(pattern)] = _count(count)
        except ValueError as error:
            problems.append(f"{place('budgets', pattern)}: budget {pattern!r}: {error}")
    return budgets


def _canary_above(document: Mapping[str, Any], place: _Places, problems: list[str]) -> int:
    try:
        return _count(document.get("canary_above", 0))
    except ValueError as error:
        problems.append(f"{place('canary_above')}: canary_above: {error}")
        return 0


def _count(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told <= _LARGEST_COUNT:
        raise ValueError(f"{told!r} is no whole number from 0 to {_LARGEST_COUNT}")
    return told


def _name(told: Any) -> str:
    return str(told.get("id", "no id")) if isinstance(told, Mapping) else "not a mapping"


def _rule(told: Any) -> Rule:
    if not isinstance(told, Mapping):
        raise ValueError("a rule is a mapping with `id:`, `title:` and `tier:`")
    unknown = sorted(map(str, set(told) - set(_RULE_KEYS)))
    if unknown:
        raise ValueError(f"unknown keys {unknown}; known: {', '.join(_RULE_KEYS)}")
    missing = [key for key in ("id", "title", "tier") if not told.get(key)]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
    if told["tier"] not in TIERS:
        raise ValueError(f"tier {told['tier']!r} is none of: {', '.join(TIERS)}")
    actions = patterns(told.get("actions", ["*"]), "actions")
    when = told.get("when", True)
    if isinstance(when, bool):
        when = "true" if when else "false"
    return Rule(
        id=str(told["id"]),
        title=str(told["title"]),
        actions=actions,
        when=compile_yes_or_no(str(when).strip()),
        tier=told["tier"],
    )


def is_override(document: Mapping[str, Any]) -> bool:
    """Whether a client's document is laid on the MSP-wide one instead of standing alone."""
    return isinstance(document, Mapping) and "extends" in document


def lay_on(
    base: Mapping[str, Any],
    own: Mapping[str, Any],
    name: str = "rules of engagement",
    at: _Places | None = None,
) -> Engagement:
    """Return the policy that a client's overrides make of the MSP-wide document.

    Rules are added, or replace the one with the same id; `without` leaves rules of the base out,
    and one that the base no longer has is left out already. Freezes are added, or replace the one
    with the same title; the other keys replace the base's, budgets and approvals one by one.
    PlaybookError lists what is wrong.
    """
    place = at or (lambda *path: name)
    problems = []
    if own.get("extends") != "msp":
        told = own.get("extends")
        problems.append(f"{place('extends')}: extends {told!r}: only `extends: msp` is known")
    without = own.get("without") or []
    if not isinstance(without, list) or not all(isinstance(one, str) for one in without):
        problems.append(f"{place('without')}: `without:` is a list of ids of the MSP's rules")
        without = []
    try:
        parts = {key: value for key, value in own.items() if key not in _OF_OVERRIDES}
        checked = load_engagement(parts, name, at)
    except PlaybookError as error:
        raise PlaybookError([*problems, *error.problems]) from None
    both = sorted({rule.id for rule in checked.rules} & set(without))
    problems.extend(
        f"{place('without')}: the rule {one!r} is left out and given: drop it from one of the two"
        for one in both
    )
    if problems:
        raise PlaybookError(problems)
    return load_engagement(_merged(base, parts, without), name)


def _merged(
    base: Mapping[str, Any], parts: Mapping[str, Any], without: list[str]
) -> dict[str, Any]:
    merged = {**base, **parts}
    kept = [rule for rule in base.get("rules") or [] if rule["id"] not in without]
    merged["rules"] = _replaced(kept, parts.get("rules") or [], "id")
    merged["freezes"] = _replaced(base.get("freezes") or [], parts.get("freezes") or [], "title")
    for key in ("budgets", "approvals"):
        merged[key] = {**(base.get(key) or {}), **(parts.get(key) or {})}
    return merged


def _replaced(base: list[Any], own: list[Any], key: str) -> list[Any]:
    by_key = {str(one[key]): one for one in own}
    kept = [by_key.pop(str(one[key]), one) for one in base]
    return [*kept, *by_key.values()]


@cache
def default() -> Engagement:
    """Return the MSP-wide default policy that comes with Holdfast."""
    document = yaml_reader.parse(_DEFAULT_FILE.read_text(encoding="utf-8"), _DEFAULT_FILE.name)
    return load_engagement(document.data, _DEFAULT_FILE.name)


def judge(
    rules: Engagement,
    *,
    action: str,
    target: Mapping[str, Any],
    objects: int,
    facts: Mapping[str, Any],
) -> Judgement:
    """Return the tier that the policy demands for an action on a target.

    `objects` is how many targets the whole plan touches with this action.
    """
    if target.get("is_protected", False) is None:
        return Judgement(
            "forbidden", "guardrail.unknown",
            "Not in the client's directory, so not known to be free: no action touches it",
        )  # fmt: skip
    if _is_excluded_device(target, facts):
        return Judgement(
            "forbidden", "guardrail.protected", "Excluded device: no action ever touches it"
        )
    if _is_protected(target, facts):
        return Judgement(
            "forbidden", "guardrail.protected", "Protected account: no action ever touches it"
        )
    seen = _with_traits(target, facts)
    known = {
        **_with_account(target, facts), "action": action, "target": seen, "objects": objects,
    }  # fmt: skip
    matched = [found for rule in rules.rules if (found := _match(rule, action, known))]
    if not matched:
        return Judgement(rules.default, "default", "No rule matches: the default")
    return max(matched, key=lambda found: TIERS.index(found.tier))


def _is_excluded_device(target: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether the step would touch an excluded device: its target's own, or else the case's."""
    if target.get("kind") not in catalog.OF_A_DEVICE:
        return False
    known = target if "is_protected" in target else facts.get("device", {})
    return known.get("is_protected") is True


def _is_protected(target: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether the step would touch a protected account; one not known to be free is protected."""
    said = [facts[name].get("is_protected") for name in _OWNERS if name in facts]
    if "is_protected" in target:
        said.append(target["is_protected"])
    if not said:
        return target.get("kind") not in _OF_NO_ACCOUNT
    return any(one is not False for one in said)


def _with_traits(target: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the target with what rules judge it by; what it doesn't say is as the account is."""
    account = facts.get("account")
    if not account or target.get("kind") in _OF_NO_ACCOUNT:
        return dict(target)
    traits = {name: account[name] for name in ("is_privileged", "is_vip") if name in account}
    if "source_of_authority" in account:
        traits["is_synced"] = account["source_of_authority"] == "active_directory"
    if "kind" in account:
        traits["is_shared"] = account["kind"] == "shared"
    return {**traits, "is_server": False, **target}


def _with_account(target: Mapping[str, Any], facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts with the account that is touched, where the case is about none itself."""
    there = "messages" if target.get("kind") == "message" else "accounts"
    touched = facts.get("directory", {}).get(there, {}).get(target.get("external_id"))
    if touched is None or "account" in facts or target.get("kind") in _OF_NO_ACCOUNT:
        return facts
    return {**facts, "account": touched}


def _match(rule: Rule, action: str, facts: Mapping[str, Any]) -> Judgement | None:
    if not any(fnmatch.fnmatchcase(action, pattern) for pattern in rule.actions):
        return None
    try:
        holds = rule.when.holds(facts)
    except ConditionError as error:
        title = f"The rule “{rule.title}” failed: {error}"
        return Judgement("forbidden", rule.id, title, failed=True)
    return Judgement(rule.tier, rule.id, rule.title) if holds else None
