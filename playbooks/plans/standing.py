"""What stands of a case's plans, so that it is neither asked for nor done again."""

from collections.abc import Mapping
from typing import Any

from playbooks import planner
from playbooks.cases import case_alerts, subjects
from playbooks.engagement import TIERS
from playbooks.models import Plan, Step
from playbooks.plans.steps import NEVER, NOT_BEGUN
from tenants.canonical import canonical_json
from tenants.models import Case

OPEN_PLANS = (Plan.Status.PROPOSED, Plan.Status.AWAITING_APPROVAL, Plan.Status.RUNNING)
# What tells a plan from another try of the same.
_OF_ONE_TRY = ("attempt", "asks_again", "carries_out")
# A plan that was made for a case which was merged names that one.
_OF_ONE_CASE = "case"
_ABOUT = "about"

What = tuple[str, str, str, bytes]


def what(step: Mapping[str, Any]) -> What:
    """Return what a step of a plan does to whom, by which two steps are the same."""
    target = step["target"]["external_id"]
    return step["id"], step["action"], target, canonical_json(step["inputs"])


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what `now` would do that `before` did not say, or only under a stricter tier. Pure."""
    old = {what(step): step for step in before["steps"]}
    new = {what(step): step for step in now["steps"]}
    found = [f"no longer: {_words(old[key])}" for key in old if key not in new]
    found += [f"new: {_words(new[key])}" for key in new if key not in old]
    found += [
        f"{_words(new[key])} needs {new[key]['tier']} instead of {old[key]['tier']}"
        for key in new
        if key in old and TIERS.index(new[key]["tier"]) > TIERS.index(old[key]["tier"])
    ]
    return found


def _words(step: Mapping[str, Any]) -> str:
    return f"{step['title']} ({step['target']['name']})"


def waiting(case: Case, document: Mapping[str, Any], playbook_sha256: str) -> Plan | None:
    """Return the playbook's plan that waits for somebody and would do the same; it goes on to."""
    rows = Plan.objects.filter(
        case=case, playbook_id=playbook_sha256, status=Plan.Status.AWAITING_APPROVAL
    )
    alike = [plan for plan in rows if not differences(plan.document, document)]
    return alike[-1] if alike else None


def has_begun_nothing(case: Case) -> bool:
    """Whether all plans of the case that are open wait for somebody, whole."""
    of_open = Step.objects.filter(run__plan__case=case, run__finished_at=None)
    return not of_open.exclude(status__in=NOT_BEGUN + NEVER).exists()


def beside(case: Case, document: Mapping[str, Any]) -> set[str]:
    """Return the steps of a plan that open plans for others of the case's do already."""
    about = document.get(_ABOUT, "")
    if not about:
        return set()
    rows = Plan.objects.filter(case=case, status__in=OPEN_PLANS)
    taken = {
        what(step)
        for plan in rows
        if "reverses" not in plan.document and subjects.key_of(case, plan.facts) != about
        for step in plan.document["steps"]
    }
    return {step["id"] for step in document["steps"] if what(step) in taken}


def rejected(case: Case, document: Mapping[str, Any], playbook_sha256: str) -> Plan | None:
    """Return the playbook's last plan where somebody rejected the very same: the answer stands."""
    about = document.get(_ABOUT, "")
    rows = Plan.objects.filter(case=case, playbook_id=playbook_sha256).reverse()
    last = next((one for one in rows if subjects.key_of(case, one.facts) == about), None)
    if last is None or last.status != Plan.Status.REJECTED:
        return None
    told = {key: value for key, value in last.document.items() if key not in _OF_ONE_TRY}
    told |= {name: document[name] for name in (_OF_ONE_CASE, _ABOUT) if name in document}
    return last if planner.plan_sha256(told) == planner.plan_sha256(document) else None


def done(case: Case, document: Mapping[str, Any]) -> Plan | None:
    """Return the plan that has done all that `document` would do, where all of it still holds.

    What was done before the last that the alerts tell of may have to be done again.
    """
    holding = _holding(case)
    wanted = [what(step) for step in document["steps"]]
    if not all(step in holding for step in wanted):
        return None
    return max((holding[step] for step in wanted), key=lambda plan: plan.created_at)


def is_covered(plan: Plan) -> bool:
    """Whether its case's other plans ask for, or have done, all that an open plan would do.

    What was done counts as `done` says.
    """
    case = plan.case
    rows = Plan.objects.filter(case=case, status__in=OPEN_PLANS).exclude(id=plan.id)
    beside_it = Step.objects.filter(run__plan__in=rows).exclude(status__in=NEVER)
    asked = {_what_of(step) for step in beside_it.select_related("run__plan")}
    covered = asked.union(_holding(case))
    return all(what(step) in covered for step in plan.document["steps"])


def _holding(case: Case) -> dict[What, Plan]:
    """Return what was done since the last that the alerts tell of and still holds."""
    happened = case_alerts.happened_until(case)
    steps = Step.objects.filter(run__plan__case=case, status=Step.Status.VERIFIED)
    if happened:
        steps = steps.filter(intended_at__gt=happened)
    rows = steps.select_related("run__plan").order_by("intended_at")
    return {_what_of(step): step.run.plan for step in rows if step.holds}


def _what_of(step: Step) -> What:
    told = {one["id"]: one for one in step.run.plan.document["steps"]}
    return what(told[step.key])
