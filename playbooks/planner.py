"""Facts → plan → hash. A pure function: the same facts give the same plan, byte for byte."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import catalog, registry
from playbooks.engagement import Engagement, judge, strictest
from playbooks.errors import ConditionError, PlaybookError
from playbooks.expressions import cel_cost, given
from playbooks.expressions.conditions import fill
from playbooks.language import Playbook, PlaybookStep
from playbooks.targeting.targets import target_of
from tenants.canonical import sha256_of

FORMAT = 2
_LONGEST_ID = 120
# What demands a tier where no rule of engagement does.
_THE_PLAYBOOK = {"id": "playbook", "title": "The playbook asks for it"}
_NOT_BY_ITSELF = {
    "id": "not-by-itself",
    "title": "Not proven, or a playbook that does not act by itself here",
}
_SOME_BY_HAND = {"id": "some-by-hand", "title": "Some of its targets are left to a person"}


def plan(
    playbook: Playbook,
    facts: Mapping[str, Any],
    rules: Engagement,
    at_least: str = "automatic",
) -> dict[str, Any]:
    """Return the plan that `playbook` comes to for `facts` under a tenant's rules.

    No step gets a tier below `at_least`. PlaybookError names what the facts lack. Forbidden steps
    stay in the plan, to be seen, and are never carried out.
    """
    with cel_cost.bounded():
        return _plan(playbook, given.clean(facts), rules, at_least)


def _plan(
    playbook: Playbook, facts: Mapping[str, Any], rules: Engagement, at_least: str
) -> dict[str, Any]:
    drafts: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    problems: list[str] = []
    for step in playbook.steps:
        if catalog.get(step.uses).is_read_only:
            # A routine's questions have been asked by now.
            continue
        try:
            made, why_not = _drafts(step, facts, at_least)
        except ConditionError as error:
            problems.append(f"{playbook.id}, step {step.id}: {error}")
            continue
        drafts.extend(made)
        skipped.extend({"step": step.id, **why} for why in why_not)
    if problems:
        raise PlaybookError(problems)
    drafts = _without_impossible(drafts, skipped)
    steps = _with_canaries(_judged(drafts, facts, rules), rules)
    return {
        "format": FORMAT,
        "playbook": {
            "id": playbook.id,
            "version": playbook.version,
            "sha256": playbook.source_sha256,
            "title": playbook.title,
        },
        "engagement": {"version": rules.version, "sha256": rules.sha256},
        "case": facts.get("case", {}).get("id", ""),
        "subject": facts.get("account", {}).get("username", ""),
        # What the case is about besides the first, where the plan is for that.
        **({"about": facts["about"]} if facts.get("about") else {}),
        "skipped": skipped,
        **_summed_up(steps),
    }


def _summed_up(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the steps with the strictest tier that one may still have, and how many targets."""
    allowed = [step["tier"] for step in steps if step["tier"] != "forbidden"]
    return {
        "steps": steps,
        "tier": strictest("automatic", *allowed) if allowed or not steps else "forbidden",
        "objects": len({step["target"]["external_id"] for step in steps}),
    }


def without(document: Mapping[str, Any], step_ids: Collection[str], why: str) -> dict[str, Any]:
    """Return a plan without some of its steps, which nothing in it needs then; `why` is told. Pure.

    The tiers of the others stay: that there were more of a kind is what they were judged by.
    """
    steps = [
        {**step, "needs": [one for one in step["needs"] if one not in step_ids]}
        for step in document["steps"]
        if step["id"] not in step_ids
    ]
    dropped = [{"step": one, "why": why} for one in sorted(step_ids)]
    return {**document, "skipped": [*document["skipped"], *dropped], **_summed_up(steps)}


def left_by_hand(document: Mapping[str, Any]) -> list[str]:
    """Return what a plan leaves to a person, in words: targets too many, or that can't be used."""
    title = document["playbook"]["title"]
    return [f"{title}: {one['why']}." for one in document["skipped"] if one.get("by_hand")]


def plan_sha256(document: Mapping[str, Any]) -> str:
    """Return the hash that people approve a plan by."""
    return sha256_of(document)


def _drafts(
    step: PlaybookStep, facts: Mapping[str, Any], at_least: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a step's targets as drafts, and why others have none."""
    if step.when is not None and not step.when.holds(facts):
        return [], [{"why": f"the condition does not hold: {step.when.text}"}]
    if step.for_each is None:
        return [_draft(step, facts, step.id, _least(step, at_least))], []
    items = step.for_each.evaluate(facts)
    if not isinstance(items, list):
        raise ConditionError(f"{step.for_each.text!r} is no list.")
    if not items:
        return [], [{"why": "there is nothing to do it to"}]
    return _drafts_of_items(step, facts, items, at_least)


def _drafts_of_items(
    step: PlaybookStep, facts: Mapping[str, Any], items: list[Any], at_least: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return one draft for each different target, at most as many as the step allows.

    Many targets must not keep the first ones from being dealt with: the rest is named, and a
    technician looks.
    """
    made: dict[str, dict[str, Any]] = {}
    why_not = []
    for item in items:
        try:
            draft = _draft(step, {**facts, "item": item}, step.id, _least(step, at_least))
        except ConditionError as error:
            why_not.append(f"one item can't be used: {error}")
            continue
        external_id = draft["target"]["external_id"]
        draft["id"] = f"{step.id}[{_short(external_id)}]"
        same = made.setdefault(external_id, draft)
        if same["target"] != draft["target"]:
            name = draft["target"]["name"]
            why_not.append(f"two targets have the id {external_id}, this one by hand: {name}")
    kept = [made[external_id] for external_id in sorted(made)[: step.at_most]]
    for external_id in sorted(made)[step.at_most :]:
        name = made[external_id]["target"]["name"]
        why_not.append(f"more than {step.at_most} targets, by hand: {name} ({external_id})")
    if why_not:
        for draft in kept:
            draft["least"] = _stricter(draft["least"], _Least("technician", _SOME_BY_HAND))
    return kept, [{"why": why, "by_hand": True} for why in why_not]


@dataclass(frozen=True, slots=True)
class _Least:
    """The tier below which a step may not go, and what demands it."""

    tier: str
    rule: Mapping[str, str]


def _least(step: PlaybookStep, at_least: str) -> _Least:
    return _stricter(_Least(step.tier, _THE_PLAYBOOK), _Least(at_least, _NOT_BY_ITSELF))


def _stricter(one: _Least, other: _Least) -> _Least:
    return one if strictest(one.tier, other.tier) == one.tier else other


def _without_impossible(
    drafts: list[dict[str, Any]], skipped: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Leave out what the target's connector can never do, where the playbook goes on without it.

    Not every product can fetch a package of evidence, and that must not keep it from isolating.
    Where nothing would be left, all of it stays, and what is needed can be told.
    """
    beyond = [d for d in drafts if d["on_failure"] == "continue" and _is_beyond(d)]
    if all(_is_beyond(draft) for draft in drafts):
        return drafts
    for draft in beyond:
        title = registry.CONNECTORS[draft["target"]["provider"]].title
        skipped.append({"step": draft["step"], "why": f"{title} can't do it"})
    return [draft for draft in drafts if draft not in beyond]


def _is_beyond(draft: Mapping[str, Any]) -> bool:
    provider = draft["target"]["provider"]
    return provider in registry.CONNECTORS and not registry.offers(provider, draft["action"])


def _short(external_id: str) -> str:
    return external_id if len(external_id) <= _LONGEST_ID else sha256_of(external_id)[:32]


def _draft(
    step: PlaybookStep, facts: Mapping[str, Any], draft_id: str, least: _Least
) -> dict[str, Any]:
    action = catalog.get(step.uses)
    conditions = [one for one in (step.when, step.for_each) if one is not None]
    timeout = {"timeout_seconds": step.timeout_seconds} if step.timeout_seconds else {}
    return {
        **timeout,
        "id": draft_id,
        "step": step.id,
        "action": action.name,
        "title": action.title,
        "target": target_of(step, facts),
        "inputs": step.inputs(facts),
        "why": {
            "words": fill(step.why, facts),
            "condition": "; for each of ".join(one.text for one in conditions) or "always",
            "facts": {
                path: value for one in conditions for path, value in one.facts_read(facts).items()
            },
        },
        "least": least,
        "needs_steps": list(step.needs),
        "on_failure": step.on_failure,
        "reversal": {
            "action": action.reversal,
            "title": catalog.get(action.reversal).title if action.reversal else "",
            "reason": step.no_reversal or action.no_reversal,
        },
    }


def _judged(
    drafts: Sequence[dict[str, Any]], facts: Mapping[str, Any], rules: Engagement
) -> list[dict[str, Any]]:
    """Give each draft its tier, and turn the needed steps into the ids they became."""
    ids: dict[str, list[str]] = {}
    for draft in drafts:
        ids.setdefault(draft["step"], []).append(draft["id"])
    counts: dict[str, int] = {}
    for draft in drafts:
        counts[draft["action"]] = counts.get(draft["action"], 0) + 1
    steps = []
    for draft in drafts:
        told = judge(
            rules,
            action=draft["action"],
            target=draft["target"],
            objects=counts[draft["action"]],
            facts=facts,
        )
        step = {key: value for key, value in draft.items() if key not in ("step",)}
        needed = step.pop("needs_steps")
        step["needs"] = sorted(one for name in needed for one in ids.get(name, []))
        ruled = _Least(told.tier, {"id": told.rule, "title": told.title})
        demanded = _stricter(ruled, step.pop("least"))
        step["tier"], step["tier_rule"] = demanded.tier, dict(demanded.rule)
        steps.append(step)
    return steps


def _with_canaries(steps: list[dict[str, Any]], rules: Engagement) -> list[dict[str, Any]]:
    """Let the first target of a wide action go alone: the others wait until it is proven."""
    if not rules.canary_above:
        return steps
    by_action: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        if step["tier"] != "forbidden":
            by_action.setdefault(step["action"], []).append(step)
    for same in by_action.values():
        if len(same) > rules.canary_above:
            canary, *others = same
            canary["is_canary"] = True
            for step in others:
                step["needs"] = sorted({*step["needs"], canary["id"]})
    return steps
