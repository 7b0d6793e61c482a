"""A plan in the words of somebody who never heard of it: what we will do, and what undoes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import catalog
from integrations.errors import UnknownAction
from playbooks.guardrails import REQUIRED_APPROVALS
from playbooks.models import Approval, Plan, Step

# The catalog tells owners what was done; here it is still to come.
_TO_COME = {
    "approved": "approve", "asked": "ask", "assigned": "assign", "collected": "collect",
    "freed": "free",
    "locked": "lock", "searched": "search",
    "added": "add", "allowed": "allow", "applied": "apply", "blocked": "block", "changed": "change",
    "cleared": "clear", "closed": "close", "created": "create", "cut": "cut", "deleted": "delete",
    "disabled": "disable", "enabled": "enable", "ended": "end", "forwarded": "forward",
    "gave": "give", "granted": "grant", "installed": "install", "isolated": "isolate",
    "let": "let", "made": "make", "moved": "move", "put": "put", "quarantined": "quarantine",
    "ran": "run",
    "registered": "register", "released": "release", "removed": "remove", "reset": "reset",
    "restarted": "restart", "restored": "restore", "reverted": "revert", "revoked": "revoke",
    "scanned": "scan", "set": "set", "shared": "share", "signed": "sign", "started": "start",
    "stopped": "stop", "switched": "switch", "took": "take", "turned": "turn", "undid": "undo",
    "unblocked": "unblock", "updated": "update", "withdrew": "withdraw",
}  # fmt: skip
_OVER = (Step.Status.SKIPPED, Step.Status.FORBIDDEN, Step.Status.FAILED)


@dataclass(frozen=True, slots=True)
class PlainStep:
    """One action: the sentence, why, and how it can be undone or why not."""

    sentence: str
    why: str
    can_be_undone: bool
    no_reversal: str


@dataclass(frozen=True, slots=True)
class PlainPlan:
    """What the page says. `others`: what goes on in the same plan without the client's word."""

    who: str
    because: str
    asked: Sequence[PlainStep]
    others: Sequence[PlainStep]


def plan_of(approval: Approval) -> PlainPlan:
    """Put the plan that an approval is about into plain words."""
    plan = approval.plan
    rows = {step.key: step for step in plan.run.steps.all()}
    asked: list[PlainStep] = []
    others: list[PlainStep] = []
    for told in plan.document["steps"]:
        if told["id"] not in rows or rows[told["id"]].status in _OVER:
            continue
        needed = REQUIRED_APPROVALS.get(told["tier"], ())
        (asked if approval.tier in needed else others).append(_step(told))
    because = str(plan.case.verdict_detail.get("because", "")) or plan.case.title
    return PlainPlan(who(plan), because, asked, others)


def who(plan: Plan) -> str:
    """Return whom the plan is about, by name where the directory knows one."""
    account = plan.case.account
    if account is None:
        return str(plan.document.get("subject", ""))
    name = account.person.display_name if account.person else account.display_name
    return f"{name} ({account.username})" if name and name != account.username else account.username


def _step(told: Mapping[str, Any]) -> PlainStep:
    target = told["target"]
    name = f"“{target['name']}”" if target["kind"] == "mailbox_rule" else target["name"]
    reversal = told.get("reversal", {})
    return PlainStep(
        sentence=sentence(told["action"], name, told.get("title", "")),
        why=str(told.get("why", {}).get("words", "")),
        can_be_undone=bool(reversal.get("action")),
        no_reversal=str(reversal.get("reason", "")),
    )


def sentence(action: str, target: str, title: str = "") -> str:
    """Say what an action will do to a target; by its title where there are no better words."""
    try:
        told = catalog.get(action).owner_words
    except UnknownAction:
        return f"{title or action}: {target}."
    verb, _, rest = told.removeprefix("We ").removeprefix("no longer ").partition(" ")
    if not told.startswith("We ") or verb not in _TO_COME:
        return f"{title or catalog.get(action).title}: {target}."
    will = "We will no longer" if told.startswith("We no longer ") else "We will"
    return f"{will} {_TO_COME[verb]} {rest}".replace("{target}", target)
