"""Everything that the page of one plan shows: each step, why it has its tier, how far it is."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import catalog, registry
from integrations.errors import UnknownAction
from msp.console import plan_views, words
from msp.console.plan_views import PlanView
from msp.console.words import NotNeeded, Word
from playbooks.models import Plan, Step, Tier
from playbooks.plans import witness
from playbooks.plans.standing import OPEN_PLANS
from playbooks.plans.steps import FINISHED
from playbooks.running import undo_choices
from playbooks.targeting import touched

_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the plan, with the row that carries it out where there is one.

    `facts` are what its condition read; `undo` says what would put it back, or why nothing can.
    """

    key: str
    title: str
    target: str
    provider: str
    status: Word | None
    why: str
    warning: str
    condition: str
    facts: Sequence[tuple[str, str]]
    touches: str
    tier: str
    rule: str
    needs: Sequence[str]
    undo: str
    on_failure: str
    is_canary: bool
    proof: str
    holds: bool | None
    error: str
    held_since: dt.datetime | None
    held_why: str
    can_be_undone: bool
    undo_warning: str
    can_be_told: bool
    told: str


@dataclass(frozen=True, slots=True)
class PlanPage:
    """The page."""

    row: Plan
    title: str
    status: Word
    tier: str
    mode: str
    note: str
    steps: Sequence[StepRow]
    skipped: Sequence[NotNeeded]
    objects: int
    is_open: bool
    replaced_by: Plan | None
    was_asked_again: bool
    view: PlanView
    can_be_stopped: bool

    @property
    def gave_way(self) -> bool:
        """Return whether another plan took its place by itself, and nobody had to ask."""
        return self.replaced_by is not None and "asks_again" not in self.replaced_by.document

    @property
    def done(self) -> int:
        """Return how many steps were read back."""
        return sum(step.holds is True for step in self.steps)


_ON_FAILURE = {
    "stop": "If it fails, nothing more is done.",
    "continue": "If it fails, the others go on; at other vendors also when this one can't be asked "
    "for two minutes.",
    "roll_back": "If it fails, undoing what was done is planned.",
}


def find(plan_id: Any) -> Plan | None:
    """Return the plan if the technician's scope shows it."""
    return (
        Plan.in_scope()
        .select_related("tenant", "case", "playbook", "run", "replaces")
        .filter(id=plan_id)
        .first()
    )


def read(plan: Plan, actor: str) -> PlanPage:
    """Return the page of `plan` as the technician `actor` sees it. Runs in the tenant's scope."""
    run = getattr(plan, "run", None)
    rows = {step.key: step for step in run.steps.all()} if run else {}
    document = plan.document
    titles = {step["id"]: _title(step) for step in document["steps"]}
    steps = [_step(told, rows.get(told["id"]), titles, plan) for told in document["steps"]]
    return PlanPage(
        row=plan,
        title=str(document["playbook"]["title"]),
        status=words.of_plan(plan, list(rows.values())),
        tier=words.TIERS.get(Tier(plan.tier), plan.tier),
        mode=plan.mode,
        note=run.note if run else "",
        steps=steps,
        skipped=words.not_needed(plan),
        objects=document.get("objects", len(steps)),
        is_open=plan.status in OPEN_PLANS,
        replaced_by=plan.replaced_by.first(),
        was_asked_again="asks_again" in document,
        view=next(one for one in plan_views.of_case(plan.case, actor) if one.row.id == plan.id),
        can_be_stopped=plan.status in OPEN_PLANS,
    )


def _title(told: Mapping[str, Any]) -> str:
    return f"{told['title']}: {words.target(told['target']['kind'], told['target']['name'])}"


def _step(
    told: Mapping[str, Any], row: Step | None, titles: Mapping[str, str], plan: Plan
) -> StepRow:
    why = told.get("why", {})
    return StepRow(
        key=told["id"],
        title=str(told["title"]),
        target=words.target(told["target"]["kind"], told["target"]["name"]),
        provider=_provider(str(told["target"].get("provider", ""))),
        status=words.of_step(row, words.rule_of(plan, row.key)) if row else None,
        why=str(why.get("words", "")),
        warning=str(told.get("warning", "")),
        condition=str(why.get("condition", "")),
        facts=[(path, _shown(value)) for path, value in sorted(why.get("facts", {}).items())],
        touches=touched.in_words(told, plan.document["steps"]),
        tier=words.TIERS.get(Tier(told["tier"]), told["tier"]),
        rule=str(told.get("tier_rule", {}).get("title", "")),
        needs=[titles[key] for key in told["needs"] if key in titles],
        undo=_undo(told["action"]),
        on_failure=_ON_FAILURE.get(told["on_failure"], ""),
        is_canary=bool(told.get("is_canary")),
        proof=str(row.read_back.get("explanation", "")) if row else "",
        holds=row.read_back.get("holds") if row else None,
        error=row.error if row else "",
        held_since=row.held_since if row and row.status not in FINISHED else None,
        held_why=row.held_why if row else "",
        can_be_undone=row is not None
        and "reverses" not in plan.document
        and undo_choices.can_be_undone(row),
        undo_warning=undo_choices.warning(plan, row) if row else "",
        can_be_told=row is not None and witness.may_be_told(row),
        told=_told(row) if row else "",
    )


def _told(row: Step) -> str:
    """Say whose word is being compared with the vendor; afterwards the step says it itself."""
    return witness.words(row) if witness.is_being_settled(row) else ""


def _provider(name: str) -> str:
    manifest = registry.CONNECTORS.get(name)
    return manifest.title if manifest else name.replace("_", " ")


def _undo(action: str) -> str:
    try:
        told = catalog.get(action)
    except UnknownAction:
        return "Not known: the catalog no longer has this action."
    if told.reversal:
        return f"Can be undone: {words.action_title(told.reversal)}."
    return f"Can't be undone. {told.no_reversal}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + " …"
