"""Rules of engagement → the tier of a step. All matching rules count, and the strictest wins.

An error in a rule forbids: a policy that can't be read must not let anything through.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from integrations import catalog
from playbooks import yaml_reader
from playbooks.conditions import Condition, compile_yes_or_no
from playbooks.errors import ConditionError, PlaybookError
from tenants.canonical import sha256_of

TIERS = ("automatic", "technician", "second_technician", "client", "forbidden")
_KEYS = ("version", "default", "rules")
_RULE_KEYS = ("id", "title", "actions", "when", "tier")
_DEFAULT_FILE = Path(__file__).parent / "engagement.default.yaml"


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
    """A tenant's policy in one version. `document` is what it was read from."""

    version: int
    default: str
    rules: tuple[Rule, ...]
    sha256: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The tier of a step, and by which rule."""

    tier: str
    rule: str
    title: str


def strictest(*tiers: str) -> str:
    """Return the strictest of some tiers."""
    return max(tiers, key=TIERS.index)


def load_engagement(document: Mapping[str, Any], name: str = "rules of engagement") -> Engagement:
    """Check and compile a policy; PlaybookError lists everything that is wrong with it."""
    if not isinstance(document, Mapping):
        raise PlaybookError([f"{name}: a policy is a mapping with `default:` and `rules:`"])
    problems = [
        f"{name}: unknown key {key!r}; known: {', '.join(_KEYS)}"
        for key in document
        if key not in _KEYS
    ]
    version = document.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool):
        problems.append(f"{name}: version {version!r} is no whole number")
    told_rules = document.get("rules") or []
    if not isinstance(told_rules, list):
        problems.append(f"{name}: `rules:` is a list of rules, not {told_rules!r}")
        told_rules = []
    rules = []
    default = document.get("default", "technician")
    if default not in TIERS:
        problems.append(f"{name}: default {default!r} is none of: {', '.join(TIERS)}")
    for i, told in enumerate(told_rules):
        try:
            rules.append(_rule(told))
        except (ConditionError, ValueError) as error:
            problems.append(f"{name}: rule {i + 1} ({_name(told)}): {error}")
    ids = [rule.id for rule in rules]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    problems.extend(f"{name}: the rule id {one!r} stands twice" for one in twice)
    if problems:
        raise PlaybookError(problems)
    return Engagement(
        version=version,
        default=default,
        rules=tuple(rules),
        sha256=sha256_of(document),
        document=document,
    )


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
    actions = told.get("actions", ["*"])
    if isinstance(actions, str):
        actions = [actions]
    if not isinstance(actions, list) or not all(isinstance(action, str) for action in actions):
        raise ValueError("`actions:` is a list of action names or patterns")
    for pattern in actions:
        if not fnmatch.filter([action.name for action in catalog.ACTIONS], pattern):
            raise ValueError(f"{pattern!r} is no action of the catalog, and matches none")
    when = told.get("when", True)
    if isinstance(when, bool):
        when = "true" if when else "false"
    return Rule(
        id=str(told["id"]),
        title=str(told["title"]),
        actions=tuple(actions),
        when=compile_yes_or_no(str(when).strip()),
        tier=told["tier"],
    )


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
    # What isn't known to be unprotected is protected.
    if facts.get("account", {}).get("is_protected") is not False:
        return Judgement(
            "forbidden", "guardrail.protected", "Protected account: no action ever touches it"
        )
    known = {**facts, "action": action, "target": dict(target), "objects": objects}
    matched = [found for rule in rules.rules if (found := _match(rule, action, known))]
    if not matched:
        return Judgement(rules.default, "default", "No rule matches: the default")
    return max(matched, key=lambda found: TIERS.index(found.tier))


def _match(rule: Rule, action: str, facts: Mapping[str, Any]) -> Judgement | None:
    if not any(fnmatch.fnmatchcase(action, pattern) for pattern in rule.actions):
        return None
    try:
        holds = rule.when.holds(facts)
    except ConditionError as error:
        return Judgement("forbidden", rule.id, f"The rule “{rule.title}” failed: {error}")
    return Judgement(rule.tier, rule.id, rule.title) if holds else None
