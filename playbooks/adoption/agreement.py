"""What technicians' practice says about a playbook's plans, and how far it may therefore go.

Letting a plan go on, or doing by hand what a shadow plan would have done, agrees with it; rejecting
it, allowing its undoing, or closing the case as harmless overrides it; a case that reopens counts
against it. A promotion needs a minimum; what brings a playbook below it lowers it by itself.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from playbooks.adoption import activation
from playbooks.errors import PlaybookError
from playbooks.models import Activation, Agreement, Plan, Step, Tier
from playbooks.people import ENGINE
from tenants import ledger, scope, work
from tenants.models import HARMLESS, Case, PlaybookMode, Verdict

# Practice of a quarter: long enough for rare alerts, short enough that old habits don't count.
WINDOW = dt.timedelta(days=90)
# A case that came back says that the effect did not last: a month without one is asked for.
QUIET = dt.timedelta(days=30)
ORDER = (PlaybookMode.SHADOW, PlaybookMode.APPROVE, PlaybookMode.AUTOMATIC)
_JUDGED_BY_CLOSING = (Plan.Status.SHADOW, Plan.Status.EXPIRED)


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a mode asks for: runs that practice judged, and the share (percent) that it let be."""

    runs: int
    percent: int


# Approve: people still look at every plan, so five runs show whether it plans sensibly.
# Automatic: nobody looks first. Ten runs with at most one override is the least that says more
# than chance.
MINIMUMS: Mapping[str, Minimum] = {
    PlaybookMode.APPROVE: Minimum(5, 80),
    PlaybookMode.AUTOMATIC: Minimum(10, 90),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The practice of `WINDOW` with one version of a playbook, counted in plans.

    A plan that was carried out of a shadow plan, or planned again, is one with what it was before.
    `runs` are those that people judged, and those that ran by themselves and that nobody
    objected to, or whose case came back. `against` are those that were overridden or came back,
    or both; `reopened_lately` are cases that came back within `QUIET`.
    """

    runs: int
    agreed: int
    overridden: int
    reopened: int
    against: int
    reopened_lately: int

    @property
    def percent(self) -> int:
        """Return the share of runs that nothing speaks against, rounded down; 0 without runs."""
        return 100 * (self.runs - self.against) // self.runs if self.runs else 0


NOTHING_YET = Measured(0, 0, 0, 0, 0, 0)


def measure(version_sha256: str) -> Measured:
    """Return what practice said about one version at the scope's tenant."""
    tenant_id = scope.require_tenant_id()
    return measure_all([version_sha256]).get((tenant_id, version_sha256), NOTHING_YET)


def measure_all(versions: Collection[str] = ()) -> dict[tuple[uuid.UUID, str], Measured]:
    """Return what practice said, by tenant and version, of all that the scope reads: one query.

    `versions`: the hashes of those that are wanted; without them, of all. Those of which nothing
    was said yet are left out.
    """
    now = timezone.now()
    by_itself = Q(
        did_something=True,
        mode=PlaybookMode.AUTOMATIC,
        status=Plan.Status.DONE,
        finished_at__gte=now - WINDOW,
        document__reverses__isnull=True,
    )
    judged = Q(said__kind__in=(Agreement.Kind.AGREED, Agreement.Kind.OVERRIDDEN))
    overridden = Q(said__kind=Agreement.Kind.OVERRIDDEN)
    reopened = Q(said__kind=Agreement.Kind.REOPENED)
    plans = Plan.in_scope().filter(playbook__in=versions) if versions else Plan.in_scope()
    counted = (
        plans.alias(
            said=FilteredRelation(
                "agreements", condition=Q(agreements__created_at__gte=now - WINDOW)
            ),
            did_something=Exists(
                Step.in_scope().filter(run__plan=OuterRef("id"), status=Step.Status.VERIFIED)
            ),
            at_first=Coalesce(F("origin"), F("id")),
        )
        .filter(by_itself | Q(said__isnull=False))
        .order_by()
        .values_list("tenant_id", "playbook_id")
        .annotate(
            runs=_plans_with(judged | by_itself | reopened),
            judged=_plans_with(judged),
            overridden=_plans_with(overridden),
            reopened=_plans_with(reopened),
            against=_plans_with(overridden | reopened),
            lately=_plans_with(reopened & Q(said__created_at__gte=now - QUIET)),
        )
    )
    return {
        # A plan that was both agreed with and overridden counts as overridden.
        (tenant_id, sha256): Measured(runs, judged - overridden, overridden, *others)
        for tenant_id, sha256, runs, judged, overridden, *others in counted
    }


def _plans_with(condition: Q) -> Count:
    return Count("at_first", filter=condition, distinct=True)


def why_not(mode: str, measured: Measured) -> str:
    """Say what `mode` asks for beyond what was measured; empty where it is enough. Pure."""
    minimum = MINIMUMS.get(mode)
    if minimum is None:
        return ""
    if measured.runs < minimum.runs:
        are = "is" if measured.runs == 1 else "are"
        return (
            f"{mode} needs {minimum.runs} runs in {WINDOW.days} days; there {are} {measured.runs}."
        )
    if measured.percent < minimum.percent:
        return (
            f"{mode} needs {minimum.percent} % agreement; it is {measured.percent} % "
            f"({measured.runs} runs: {measured.overridden} overridden, {measured.reopened} "
            "reopened)."
        )
    if measured.reopened_lately:
        return (
            f"{mode} needs {QUIET.days} days without a reopened case; "
            f"{measured.reopened_lately} came back."
        )
    return ""


def promote(playbook_id: str, *, actor: str) -> Activation:
    """Let a playbook go one step further for the scope's tenant; PlaybookError says why not."""
    activation.hold()
    held = activation.in_force(playbook_id)
    step = ORDER.index(PlaybookMode(held.mode))
    if step == len(ORDER) - 1:
        raise PlaybookError(["It is automatic already: the rules of engagement decide."])
    measured = measure(held.version_sha256)
    reason = why_not(ORDER[step + 1], measured)
    if reason:
        raise PlaybookError([f"Not promoted: {reason}"])
    return activation.set_mode(
        playbook_id,
        ORDER[step + 1],
        actor=actor,
        reason=f"{measured.percent} % agreement in {measured.runs} runs",
    )


def lower(playbook_id: str, *, actor: str, reason: str) -> Activation:
    """Let a playbook go one step less far; PlaybookError where it is in shadow already."""
    activation.hold()
    held = activation.in_force(playbook_id)
    step = ORDER.index(PlaybookMode(held.mode))
    if step == 0:
        raise PlaybookError(["It is in shadow already."])
    return activation.set_mode(playbook_id, ORDER[step - 1], actor=actor, reason=reason)


def decided(plan: Plan, *, approve: bool, actor: str, comment: str = "") -> None:
    """Count a person's decision on a plan: that they let some of it go on, or rejected it."""
    kind = Agreement.Kind.AGREED if approve else Agreement.Kind.OVERRIDDEN
    words = "The plan was approved." if approve else "The plan was rejected."
    record(plan, kind, actor=actor, detail={"words": f"{words} {comment}".strip()})


def undone(undoing: Plan) -> None:
    """Count against a plan that its undoing was allowed, where a technician had asked for that.

    What a playbook itself tells to be undone when it fails is nobody's judgement of it; nor is it
    one that an account is opened again for its owner when the attack is over.
    """
    if "reverses" not in undoing.document or undoing.requested_by == ENGINE:
        return
    if undoing.document.get("opens"):
        return
    plan = Plan.objects.get(case=undoing.case_id, sha256=undoing.document["reverses"])
    rolled_back(plan, actor=undoing.requested_by)


def rolled_back(plan: Plan, *, actor: str) -> None:
    """Count that a technician had a plan undone."""
    detail = {"words": "The plan was rolled back."}
    record(plan, Agreement.Kind.OVERRIDDEN, actor=actor, detail=detail)


def reopened(plan: Plan, *, words: str) -> None:
    """Count that a case came back, because an effect of its plan did not last."""
    record(plan, Agreement.Kind.REOPENED, actor="engine", detail={"words": words})


def case_closed(case: Case, *, verdict: str, actor: str) -> None:
    """Count what closing a case by hand says about the plans that nobody carried out.

    A real attack says nothing yet: the vendor is asked what the technician did.
    """
    plans = Plan.objects.filter(case=case, status__in=_JUDGED_BY_CLOSING)
    for plan in plans.select_related("playbook"):
        if verdict in HARMLESS:
            words = f"The case was closed as {Verdict(verdict).label.lower()}."
            record(plan, Agreement.Kind.OVERRIDDEN, actor=actor, detail={"words": words})
        elif verdict == Verdict.TRUE_POSITIVE and plan.status == Plan.Status.SHADOW:
            work.schedule("compare", plan.id)


def record(plan: Plan, kind: str, *, actor: str, detail: Mapping[str, Any]) -> None:
    """Keep one thing that practice said about a plan, and lower its playbook where it must be.

    The undoing of a plan is no playbook's judgement, and a plan that may do nothing is none either.
    What is said about a plan that took another's place is said about that one.
    """
    if "reverses" in plan.document or not _may_act(plan):
        return
    plan = plan.root
    activation.hold()
    row, is_new = Agreement.objects.get_or_create(
        tenant_id=plan.tenant_id,
        plan=plan,
        kind=kind,
        defaults={
            "playbook_id": plan.playbook.playbook_id, "actor": actor, "detail": dict(detail)
        },
    )  # fmt: skip
    if not is_new:
        return
    ledger.append(
        f"playbook.{row.kind}",
        actor=actor,
        case_id=plan.case_id,
        subject=str(plan.playbook),
        body={"plan": plan.sha256, "reason": detail.get("words", ""), **detail},
    )
    if kind != Agreement.Kind.AGREED:
        _lower_if_below(plan, row)


def _may_act(plan: Plan) -> bool:
    return any(step["tier"] != Tier.FORBIDDEN for step in plan.document["steps"])


def _lower_if_below(plan: Plan, row: Agreement) -> None:
    try:
        held = activation.in_force(row.playbook_id)
    except PlaybookError:
        # No version of it holds here any more.
        return
    if held.version_sha256 != plan.playbook_id:
        # It is about a version that no longer holds.
        return
    reason = why_not(held.mode, measure(plan.playbook_id))
    if reason:
        words = (
            f"A plan of case #{plan.case.number} was {row.kind}. {reason[0].upper()}{reason[1:]}"
        )
        lower(row.playbook_id, actor="engine", reason=words)
