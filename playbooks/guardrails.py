"""What no rule of engagement can lift, checked at the moment a step is about to begin."""

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from integrations import catalog
from integrations.models import Connection
from playbooks.adoption import autonomy
from playbooks.approval_policy import LONGEST_PLAN
from playbooks.cases import case_devices
from playbooks.engagement import TIERS, Engagement, judge
from playbooks.investigating.known_facts import KnownFacts
from playbooks.models import Approval, Plan, Step, Tier
from playbooks.planner import plan_sha256
from playbooks.plans.steps import UNDER_WAY
from playbooks.policy.rules import in_force
from playbooks.targeting import mailboxes, replaced, targets
from tenants import excluded_devices
from tenants.models import Account, Case, Device, Installation, PlaybookMode

# Which decisions free a step of a tier.
REQUIRED_APPROVALS: dict[str, tuple[str, ...]] = {
    Tier.AUTOMATIC: (),
    Tier.TECHNICIAN: (Tier.TECHNICIAN,),
    Tier.SECOND_TECHNICIAN: (Tier.TECHNICIAN, Tier.SECOND_TECHNICIAN),
    Tier.CLIENT: (Tier.CLIENT,),
}
_HOUR = dt.timedelta(hours=1)
# The setting that names whose mailboxes a mail server is asked for, and not who asks.
_SERVED = "mailboxes"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a step may not begin now. `is_final`: it never may; else asked again in `seconds`.

    `is_for_long`: it may last for longer than anybody should wait without knowing of it.
    """

    reason: str
    is_final: bool
    seconds: float = 60
    is_for_long: bool = False


def obstacle(step: Step, known: KnownFacts | None = None) -> Obstacle | None:
    """Return what stands in the way of `step`, or None where nothing does.

    `known` lends the facts of the case where they were read a moment ago.
    """
    return standing_obstacle(step, known or KnownFacts()) or last_obstacle(step)


def standing_obstacle(step: Step, known: KnownFacts) -> Obstacle | None:
    """Return what stands in the way of `step` before anything is asked of the vendor."""
    rules = in_force()
    touched = _touched(step)
    return (
        _stopped(step)
        or _out_of_date(step)
        or _changed(step)
        or _protected(touched)
        or _excluded(step)
        or _own(step, touched)
        or _stricter_now(step, rules, known)
        or _lowered(step)
        or _frozen(step, rules)
    )


def last_obstacle(step: Step) -> Obstacle | None:
    """Return what stands in the way of `step` at the moment of writing its intention.

    Asked with the step's row locked: the kill switch, a case that was closed, an approval, a new
    protection and the budget count up to the last moment.
    """
    return (
        _stopped(step)
        or _out_of_date(step)
        or _left_behind(step)
        or _not_allowed(step, step.tier)
        or _protected(_touched(step))
        or _excluded(step)
        or _busy(step)
        or _over_budget(step, in_force())
    )


def _stopped(step: Step) -> Obstacle | None:
    if Installation.objects.filter(actions_stopped=True).exists():
        return Obstacle("All actions are stopped for every client (kill switch).", is_final=False)
    if step.run.plan.case.tenant.actions_stopped:
        return Obstacle("All actions are stopped for this client (kill switch).", is_final=False)
    return None


def _changed(step: Step) -> Obstacle | None:
    """Compare the step with the plan, and the plan with the hash that people approved it by."""
    plan = step.run.plan
    told = next((told for told in plan.document["steps"] if told["id"] == step.key), None)
    is_same = (
        plan_sha256(plan.document) == plan.sha256
        and told is not None
        and told["action"] == step.action
        and told["tier"] == step.tier
        and told["target"]["external_id"] == step.target_external_id
    )
    if is_same:
        return None
    return Obstacle(
        "The plan or the step was changed after it was made. Look into who did, and plan again.",
        is_final=True,
    )


def _out_of_date(step: Step) -> Obstacle | None:
    plan = step.run.plan
    if plan.case.status == Case.Status.CLOSED:
        return Obstacle("The case was closed before this step began.", is_final=True)
    if timezone.now() - plan.created_at > LONGEST_PLAN:
        return Obstacle(
            "The plan is more than three days old: look at the case again.", is_final=True
        )
    return None


def _left_behind(step: Step) -> Obstacle | None:
    """Look whether the vendor that is asked is still the one that the step was meant for."""
    reason = replaced.why_not(step)
    return Obstacle(reason, is_final=True) if reason else None


def _not_allowed(step: Step, tier: str) -> Obstacle | None:
    plan = step.run.plan
    if tier not in REQUIRED_APPROVALS:
        return Obstacle("The rules of engagement forbid this step.", is_final=True)
    required = REQUIRED_APPROVALS[tier]
    if required and not tiers_granted(plan).issuperset(required):
        return Obstacle("This step is not approved.", is_final=False)
    return None


def tiers_granted(plan: Plan) -> set[str]:
    """Return the tiers that have allowed exactly this plan, or whom another stood in for.

    Who stands in for a tier answers for that one only. A second technician counts beside a first
    one: the rules, which may answer for a silent technician, are no person.
    """
    decided = Approval.objects.filter(
        plan=plan, decision=Approval.Decision.APPROVED, decided_sha256=plan.sha256
    ).values_list("tier", "stands_in_for")
    granted = {stands_in_for or tier for tier, stands_in_for in decided}
    if (Tier.TECHNICIAN, "") not in decided:
        granted.discard(Tier.SECOND_TECHNICIAN)
    return granted


def _stricter_now(step: Step, rules: Engagement, known: KnownFacts) -> Obstacle | None:
    """Judge the step again by what is known now: the rules or the account may have changed."""
    plan = step.run.plan
    told = next(told for told in plan.document["steps"] if told["id"] == step.key)
    same = [one for one in plan.document["steps"] if one["action"] == step.action]
    facts = known.of_plan(plan)
    judgement = judge(
        rules,
        action=step.action,
        target=targets.with_traits(told["target"], facts),
        objects=len(same),
        facts=facts,
    )
    if TIERS.index(judgement.tier) <= TIERS.index(step.tier):
        return None
    if _not_allowed(step, judgement.tier) is None:
        return None
    return Obstacle(
        f"It was planned for the tier “{step.tier}”, but now the rule “{judgement.title}” demands "
        f"“{judgement.tier}”. Plan it again.",
        is_final=True,
    )


def _lowered(step: Step) -> Obstacle | None:
    """Look whether the playbook may still act by itself: it may have been lowered since.

    The run is planned again, for a person to approve, when it is looked at next (`replanning`).
    """
    plan = step.run.plan
    acts_by_itself = plan.mode == PlaybookMode.AUTOMATIC and step.tier == Tier.AUTOMATIC
    if not acts_by_itself or "reverses" in plan.document or autonomy.may_act(plan):
        return None
    return Obstacle(
        "The playbook may no longer act by itself for this client: what has not begun is planned "
        "again, for a technician to approve.",
        is_final=False,
        seconds=1,
    )


def _own(step: Step, touched: list[Account]) -> Obstacle | None:
    """Never touch the MSP's own identities, nor the one that Holdfast itself signs in with."""
    names = {step.target_external_id, step.target_name}
    if step.target_kind == "message":
        # Whose it is: its own id ends with the sender's domain, and its name may be anything.
        names = {mailboxes.named(step.target_external_id)}
    for account in touched:
        names |= {account.external_id, account.username, account.email}
    known = {name.lower() for name in names if name}
    domains = {"@" + name.partition("@")[2] for name in known if "@" in name}
    installation = Installation.objects.first()
    own = {str(one).lower() for one in installation.own_identities} if installation else set()
    if own & (known | domains):
        return Obstacle("This is one of the MSP's own identities: never touched.", is_final=True)
    appliance = {
        str(value).lower()
        for settings in Connection.objects.values_list("settings", flat=True)
        for name, value in settings.items()
        if value and name != _SERVED
    }
    if appliance & known:
        return Obstacle("Holdfast itself signs in with this identity.", is_final=True)
    return None


def _frozen(step: Step, rules: Engagement) -> Obstacle | None:
    zone = step.run.plan.case.tenant.time_zone
    freeze = rules.frozen(step.action, timezone.now(), zone)
    if not freeze:
        return None
    return Obstacle(
        f"A change freeze holds: “{freeze}”. It goes on when the freeze ends.",
        is_final=False,
        is_for_long=True,
    )


def _touched(step: Step) -> list[Account]:
    """Return the accounts that a step touches: its target or its owner, and the case's own."""
    owner = step.run.plan.case.account
    external_ids = {step.target_external_id, owner.external_id if owner else ""} - {""}
    found = list(Account.objects.filter(external_id__in=external_ids))
    if step.target_kind == "message":
        found += mailboxes.accounts([step.target_external_id])[step.target_external_id]
    return found


def _protected(touched: list[Account]) -> Obstacle | None:
    """Look at the directory again: the account may have been protected since the plan."""
    protected = [account.username for account in touched if account.is_protected]
    if protected:
        return Obstacle(
            f"{protected[0]} is protected (break-glass or excluded): no action may touch it.",
            is_final=True,
        )
    return None


def _excluded(step: Step) -> Obstacle | None:
    """Look whether the device was excluded: as its connector knows it, or as any other does."""
    if step.target_kind not in catalog.OF_A_DEVICE:
        return None
    excluded = excluded_devices.of_client()
    if not excluded:
        return None
    if step.target_kind == "device":
        touched = list(Device.objects.filter(external_id=step.target_external_id))
    else:
        about = case_devices.about(step.run.plan.case)
        touched = list(about.rows) if about else []
    if not any(
        one.id == row.id or case_devices.may_be_one(one, row) for one in excluded for row in touched
    ):
        return None
    return Obstacle(f"{touched[0]} is excluded: no action may touch this device.", is_final=True)


def _busy(step: Step) -> Obstacle | None:
    """Look whether another plan of the case does, or undoes, the same to the target just now.

    A step that was called already, and may have to be once more, waits for nobody.
    """
    if step.status != Step.Status.PENDING:
        return None
    case_id = step.run.plan.case_id
    _one_at_a_time(f"target {case_id} {step.target_external_id}", 12)
    others = Step.objects.filter(
        run__plan__case=case_id,
        action__in=(step.action, catalog.get(step.action).reversal),
        target_external_id=step.target_external_id,
        status__in=UNDER_WAY,
    ).exclude(run=step.run_id)
    if not others.exists():
        return None
    return Obstacle(
        "Another plan of this case is at the same with it: it goes on when that is settled.",
        is_final=False,
        seconds=5,
    )


def _one_at_a_time(name: str, kind: int) -> None:
    """Wait until no other transaction holds `name`: who begins at one moment must see the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [name, kind])


def _over_budget(step: Step, rules: Engagement) -> Obstacle | None:
    action = catalog.get(step.action)
    limit = rules.budget(step.action)
    _one_at_a_time(f"budget {step.tenant_id} {step.action}", 5)
    used = (
        Step.objects.filter(action=step.action, intended_at__gte=timezone.now() - _HOUR)
        .exclude(id=step.id)
        .exclude(status=Step.Status.PENDING)
        .count()
    )
    if used >= limit:
        return Obstacle(
            f"The limit of {limit} times “{action.title}” an hour for this client "
            "is used up. It goes on when the hour has passed.",
            is_final=False,
            is_for_long=True,
        )
    return None
