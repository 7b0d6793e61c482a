"""What would have happened: other rules of engagement, replayed over the plans that were made.

Each plan is planned again from its stored facts and its playbook as it was, under the other
rules. Only the tiers are compared: freezes, budgets and waits don't change a plan.
"""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from playbooks import planner
from playbooks.adoption.versions import playbook_of
from playbooks.engagement import Engagement, is_override, lay_on
from playbooks.errors import PlaybookError
from playbooks.expressions import given
from playbooks.freezes import zone_of
from playbooks.models import Plan
from playbooks.policy.rules import own_rules
from playbooks.response import least_tier
from playbooks.rollback import tier_of_undoing
from tenants.errors import HoldfastError
from tenants.models import Tenant

DAYS = 90
MOST_DAYS = 3650
MOST_PLANS = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """One step whose tier would have been another, and by which rule."""

    case: int
    case_id: str
    case_title: str
    playbook: str
    step: str
    title: str
    target: str
    before: str
    after: str
    rule: str
    rule_title: str


@dataclass(frozen=True, slots=True)
class NotReplayed:
    """A plan, or steps of it, that nothing can be said about, and why."""

    case: int
    plan: str
    why: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What other rules would have come to. `left_out`: older plans beyond the most looked at."""

    days: int
    plans: int
    steps: int
    changes: tuple[Change, ...]
    not_replayed: tuple[NotReplayed, ...]
    left_out: int

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many steps would have gone from one tier to another, the most first."""
        counted = Counter((change.before, change.after) for change in self.changes)
        return dict(counted.most_common())

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            **asdict(self),
            "counts": [
                {"before": before, "after": after, "steps": count}
                for (before, after), count in self.counts.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class MspWhatIf:
    """What other MSP-wide rules would have come to, client by client.

    `clients` are those that had plans and for whom the MSP-wide rules hold, `apart` how many have
    rules that stand alone, `unreadable` those whose own rules can't be laid on them, and why.
    """

    days: int
    clients: tuple[tuple[Tenant, WhatIf], ...]
    apart: int
    unreadable: tuple[tuple[Tenant, str], ...]
    left_out: int

    @property
    def plans(self) -> int:
        """How many plans were planned again."""
        return sum(found.plans for _, found in self.clients)

    @property
    def steps(self) -> int:
        """How many steps of them were compared."""
        return sum(found.steps for _, found in self.clients)

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many steps would have gone from one tier to another, the most first."""
        counted: Counter[tuple[str, str]] = Counter()
        for _, found in self.clients:
            counted.update(found.counts)
        return dict(counted.most_common())

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "days": self.days,
            "clients": {tenant.slug: found.as_json() for tenant, found in self.clients},
            "apart": self.apart,
            "unreadable": {tenant.slug: why for tenant, why in self.unreadable},
            "left_out": self.left_out,
        }


def replay_msp_wide(
    base: Engagement, tenants: Collection[Tenant], days: int = DAYS, most: int = MOST_PLANS
) -> MspWhatIf:
    """Replay the plans of the last `days` of these tenants under other MSP-wide rules.

    Each client's own rules are laid on them, as they would be. Runs in a scope that reads the
    tenants' rows, with a number of queries that doesn't grow with them. Changes nothing.
    """
    known = {tenant.id: tenant for tenant in tenants}
    effective: dict[uuid.UUID, Engagement] = dict.fromkeys(known, base)
    unreadable = []
    own = {tenant_id: told for tenant_id, told in own_rules().items() if tenant_id in known}
    for tenant_id, document in own.items():
        del effective[tenant_id]
        try:
            if is_override(document):
                effective[tenant_id] = lay_on(base.document, document)
        except PlaybookError as error:
            unreadable.append((known[tenant_id], str(error)))
    apart = sum(not is_override(document) for document in own.values())
    rows = _plans(days).filter(tenant_id__in=effective)
    left_out = max(0, rows.count() - most)
    newest = _plans(days).filter(id__in=rows.values("id")[:most])
    plans = newest.order_by("tenant__name", "tenant_id", "-created_at").iterator(chunk_size=100)
    clients = tuple(
        (known[tenant_id], _replayed(some, effective[tenant_id], days, 0))
        for tenant_id, some in groupby(plans, key=attrgetter("tenant_id"))
    )
    return MspWhatIf(days, clients, apart, tuple(unreadable), left_out)


def replay(rules: Engagement, days: int = DAYS, most: int = MOST_PLANS) -> WhatIf:
    """Replay the plans of the last `days` of the scope's tenant under other rules.

    Plans that were replaced by another one are left out. Changes nothing.
    """
    rows = _plans(days)
    left_out = max(0, rows.count() - most)
    return _replayed(rows[:most].iterator(chunk_size=100), rules, days, left_out)


def _plans(days: int) -> QuerySet[Plan]:
    if not 1 <= days <= MOST_DAYS:
        raise PlaybookError([f"{days} days: give a number from 1 to {MOST_DAYS}."])
    return (
        Plan.in_scope()
        .filter(created_at__gte=timezone.now() - dt.timedelta(days=days))
        .exclude(status=Plan.Status.SUPERSEDED)
        .select_related("case__tenant", "playbook")
        .order_by("-created_at")
    )


def _replayed(plans: Iterable[Plan], rules: Engagement, days: int, left_out: int) -> WhatIf:
    changes: list[Change] = []
    not_replayed: list[NotReplayed] = []
    replayed = steps = 0
    for plan in plans:
        try:
            after = _steps_again(plan, rules)
        except (HoldfastError, KeyError, TypeError) as error:
            why = str(error) if isinstance(error, HoldfastError) else "its record is not complete"
            not_replayed.append(NotReplayed(plan.case.number, plan.sha256, why[:500]))
            continue
        before = {step["id"]: step for step in plan.document["steps"]}
        common = [step for step in after if step["id"] in before]
        replayed += 1
        steps += len(common)
        changes.extend(
            _change(plan, before[step["id"]], step)
            for step in common
            if before[step["id"]]["tier"] != step["tier"]
        )
        gone = sorted(before.keys() ^ {step["id"] for step in after})
        if gone:
            why = f"the plan of now has other steps, which were not compared: {', '.join(gone)}"
            not_replayed.append(NotReplayed(plan.case.number, plan.sha256, why[:500]))
    return WhatIf(days, replayed, steps, tuple(changes), tuple(not_replayed), left_out)


def _steps_again(plan: Plan, rules: Engagement) -> list[dict[str, Any]]:
    facts = _facts(plan)
    if "reverses" in plan.document:
        return _undoing_again(plan.document["steps"], facts, rules)
    if not plan.playbook.source:
        raise PlaybookError(["the playbook's source was not kept"])
    verdict = facts.get("verdict", {}).get("value", "")
    at_least = least_tier(plan.mode, verdict, is_routine=plan.playbook.kind == "routine")
    return list(planner.plan(playbook_of(plan.playbook), facts, rules, at_least)["steps"])


def _undoing_again(
    steps: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], rules: Engagement
) -> list[dict[str, Any]]:
    counts = Counter(step["action"] for step in steps)
    clean = given.clean(facts)
    return [
        {
            **step,
            **tier_of_undoing(rules, step["action"], step["target"], counts[step["action"]], clean),
        }
        for step in steps
    ]


def _facts(plan: Plan) -> dict[str, Any]:
    """Return the stored facts; what older plans did not store yet is taken from the record."""
    local = plan.created_at.astimezone(zone_of(plan.case.tenant.time_zone))
    told = {"hour": local.hour, "weekday": local.weekday(), "risk": plan.case.risk}
    directory = {"messages": _mailboxes(plan), **plan.facts.get("directory", {})}
    return {**told, **plan.facts, "directory": directory}


def _mailboxes(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return whose mailboxes a plan's messages were in, as its own judgement took them to be."""
    return {
        target["external_id"]: {
            "is_protected": False,
            "is_privileged": target.get("is_privileged"),
            "is_vip": target.get("is_vip"),
            "source_of_authority": "active_directory" if target.get("is_synced") else "cloud",
            "kind": "shared" if target.get("is_shared") else "member",
        }
        for target in (step["target"] for step in plan.document["steps"])
        if target["kind"] == "message"
    }


def _change(plan: Plan, before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    return Change(
        case=plan.case.number,
        case_id=str(plan.case_id),
        case_title=plan.case.title,
        playbook=plan.playbook.playbook_id,
        step=after["id"],
        title=before["title"],
        target=before["target"]["name"],
        before=before["tier"],
        after=after["tier"],
        rule=after["tier_rule"]["id"],
        rule_title=after["tier_rule"]["title"],
    )
