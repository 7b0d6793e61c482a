"""From a verdict to plans: which responses follow, at which tiers, and who is asked."""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.utils import timezone

from playbooks import approvals, availability, planner
from playbooks.adoption import activation
from playbooks.adoption.versions import remember
from playbooks.cases import case_devices, looking, looks, subjects, unread
from playbooks.cases.looks import Look
from playbooks.cases.needs import besides_deciding, to_decide, without, without_call
from playbooks.errors import ConditionError, PlaybookError
from playbooks.investigating import directory_facts
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan, Run
from playbooks.people import ENGINE
from playbooks.plans import giving_way, making, proof, standing
from playbooks.plans.standing import OPEN_PLANS
from playbooks.policy import rules
from tenants import ledger, scope, work
from tenants.models import HARMLESS, Case, PlaybookMode, Verdict

# A new client's alerts may come before its server's directory has been read.
_DIRECTORY_SECONDS = 5.0
_DIRECTORY_PATIENCE = dt.timedelta(minutes=5)
_DONE_BESIDE = "another plan of the case does it"
NEEDS = {
    Verdict.SUSPICIOUS: "Suspicious, but not proven: find out whether it is an attack.",
    Verdict.INSUFFICIENT_DATA: "The evidence was not enough to decide: see what was missing.",
}


def respond(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Plan what follows from a case's verdict. Handler of work `respond`."""
    with scope.tenant(tenant_id):
        giving_way.lock_open(case_id)
        case = (
            Case.objects.select_for_update(of=("self",))
            .select_related("account__person", "tenant")
            .get(id=case_id)
        )
        if not _is_due(case):
            return
        facts = case_facts.of_case(case)
        if _directory_lags(case, facts):
            work.schedule("respond", case.id, delay=_DIRECTORY_SECONDS)
            return
        if case.verdict in HARMLESS and standing.has_begun_nothing(case):
            _withdraw_suspected(case)
        left = case_devices.doubts(case) if case.verdict == Verdict.TRUE_POSITIVE else []
        planned = [
            plan
            for look in (looks.leading(case), *looks.others(case))
            for plan in _plans_of(case, look, left)
        ]
        case.verdict_detail = {**case.verdict_detail, "not_planned": left}
        case.needs = _still_said_of_steps(case)
        case.save(update_fields=["verdict_detail"])
        _go_on(case, planned)
        if case.status == Case.Status.NEEDS_TECHNICIAN and unread.news(case):
            # It joined while the case was looked into, and nothing else would look at it now.
            looking.soon(case)


def _withdraw_suspected(case: Case) -> None:
    """Ask nobody any more about what was planned while the case looked like an attack.

    What a person asked for, and the undoing of what was done, is still theirs to decide.
    """
    rows = Plan.objects.filter(case=case, status__in=OPEN_PLANS, requested_by=ENGINE)
    for plan in rows.filter(document__reverses__isnull=True).order_by("created_at"):
        giving_way.give_way(
            plan, why=f"the verdict is {case.get_verdict_display().lower()} now",
            reason="The case turned out to be harmless: nothing of the plan is needed.",
        )  # fmt: skip


def _plans_of(case: Case, look: Look, left: list[str]) -> list[Plan]:
    """Plan what follows from one look of a case; what of it is for a person is added to `left`."""
    if not look.playbook:
        left.append(f"The case is also about {look.name}: look into it by hand.")
        return []
    about = next((one for one in subjects.further(case) if one.key == look.about), None)
    facts = case_facts.of_case(case, about)
    known = len(left)
    try:
        planned = [_plan(case, one, facts, left) for one in _responses(case, look, facts)]
    except (PlaybookError, ConditionError) as error:
        of = f" for {look.name}" if looks.others(case) else ""
        left.append(f"The response{of} could not be planned: {error}")
        return []
    plans = [plan for plan in planned if plan is not None]
    if not plans and len(left) == known and looks.others(case) and look.verdict not in HARMLESS:
        nothing = "Nothing was planned: look into it."
        left.append(f"About {look.name}: {NEEDS.get(Verdict(look.verdict), nothing)}")
    return plans


def _responses(case: Case, look: Look, facts: Mapping[str, Any]) -> list[str]:
    """Return what follows from a verdict, and from that of a later look which confirmed it."""
    detail = case.verdict_detail
    also = detail.get("also", []) if look == looks.leading(case) else []
    found = [
        response
        for playbook in (look.playbook, *also)
        for response in activation.responses_for(playbook, facts)
    ]
    return list(dict.fromkeys(found))


def _still_said_of_steps(case: Case) -> str:
    """Return what of a case's needs a new verdict leaves: what was said of its steps."""
    if not case.needs:
        return ""
    said = proof.said_of(proof.newest_steps(case))
    return " ".join(one for one in said if one in case.needs)


def _directory_lags(case: Case, facts: Mapping[str, Any]) -> bool:
    """Whether the account may stand in Active Directory, which has not been read since it came.

    Blocked in the cloud only, it would be let in again. So the server is read now, and waited for:
    not for long, since the cloud is open meanwhile.
    """
    waited = timezone.now() - (case.decided_at or case.opened_at)
    if case.account is None or waited > _DIRECTORY_PATIENCE:
        return False
    authority = str(facts["account"]["source_of_authority"])
    unread_feed = directory_facts.unread_for_twin(case.account, authority)
    if unread_feed is None:
        return False
    connection = unread_feed.connection
    work.schedule("poll", unread_feed.id, lane=connection.connector, holder=connection.id)
    return True


def _is_due(case: Case) -> bool:
    """Whether the case's verdict has had no response yet, whatever else has been said since."""
    if case.status == Case.Status.CLOSED:
        return False
    return case.status == Case.Status.INVESTIGATING or "not_planned" not in case.verdict_detail


def _go_on(case: Case, plans: list[Plan]) -> None:
    """Say on the case what happens next: its plans, closing, or a technician."""
    still_open = Plan.objects.filter(case=case, status__in=OPEN_PLANS)
    adopted = [plan for plan in plans if plan.status != Plan.Status.SHADOW] or list(still_open)
    left = left_for_technician(case)
    if adopted:
        set_status(case)
        if not any(plan.status in OPEN_PLANS for plan in adopted):
            # The same plans have ended before: closing says how, and what is left to do.
            work.schedule("close", case.id)
    elif left:
        needs_technician(case, left)
    elif case.verdict in HARMLESS:
        set_status(case)
        work.schedule("close", case.id)
    else:
        needs_technician(
            case, NEEDS.get(Verdict(case.verdict), "Nothing was planned: look into it.")
        )


def left_for_technician(case: Case) -> str:
    """Say what the engine planned but may or can not do here; empty if nothing of it is left."""
    shadows = Plan.objects.filter(case=case, status=Plan.Status.SHADOW).order_by("created_at")
    words = [in_shadow(plan) for plan in shadows]
    detail = case.verdict_detail
    return " ".join([*words, *detail.get("left_before", []), *detail.get("not_planned", [])])


def in_shadow(plan: Plan) -> str:
    """Say on a case that a plan of it was made in shadow only."""
    return (
        f"{plan.document['playbook']['title']} is in shadow: nothing of its plan was done. Carry "
        "it out, or deal with it by hand and close the case."
    )


def needs_technician(case: Case, needs: str) -> None:
    """Put the case before a technician, with what is needed in one sentence."""
    case.status = Case.Status.NEEDS_TECHNICIAN
    case.needs = needs
    case.save(update_fields=["status", "needs"])
    ledger.append("case.needs_technician", actor="engine", case_id=case.id, subject=needs)


def _plan(case: Case, playbook_id: str, facts: dict[str, Any], left: list[str]) -> Plan | None:
    """Plan one response; what this client can't be helped with here is added to `left`."""
    held = activation.in_force(playbook_id)
    in_force = rules.in_force()
    at_least = least_tier(held.mode, facts["verdict"]["value"])
    document = planner.plan(held.playbook, facts, in_force, at_least)
    document = planner.without(document, standing.beside(case, document), _DONE_BESIDE)
    if held.mode != PlaybookMode.SHADOW:
        left.extend(planner.left_by_hand(document))
    if not document["steps"]:
        ledger.append(
            "plan.empty", actor="engine", case_id=case.id, subject=held.playbook.title,
            body={"playbook": held.playbook.id, "skipped": document["skipped"]},
        )  # fmt: skip
        return None
    needs = availability.of_plan(document, case.account.provider if case.account else "")
    if needs:
        about = case_devices.about(case)
        doubt = f" {about.doubt}" if about is not None and about.doubt else ""
        left.append(f"{held.playbook.title} {needs}. Do it by hand, or connect it.{doubt}")
        ledger.append(
            "plan.not_available", actor="engine", case_id=case.id, subject=held.playbook.title,
            body={"playbook": document["playbook"], "needs": needs},
        )  # fmt: skip
        return None
    version = remember(held.playbook)
    if held.mode == PlaybookMode.SHADOW:
        return _keep_shadow(case, document, facts, version.sha256, in_force.version)
    stands = (
        standing.waiting(case, document, version.sha256)
        or standing.rejected(case, document, version.sha256)
        or standing.done(case, document)
    )
    if stands is not None:
        return stands
    return adopt(case, document, facts, version.sha256, in_force.version, mode=held.mode)


def least_tier(mode: str, verdict: str, *, is_routine: bool = False) -> str:
    """Return the tier below which no step of a plan may go, whatever the rules say.

    Without proof nothing happens by itself; a routine needs none, since a person asks for it. A
    response in shadow is planned as it would be if it acted by itself.
    """
    is_sure = is_routine or verdict == Verdict.TRUE_POSITIVE
    is_free = mode == PlaybookMode.AUTOMATIC or (mode == PlaybookMode.SHADOW and not is_routine)
    return "automatic" if is_sure and is_free else "technician"


def _keep_shadow(
    case: Case,
    document: dict[str, Any],
    facts: dict[str, Any],
    playbook_sha256: str,
    engagement_version: int,
) -> Plan:
    """Keep what would have been done, and do nothing of it: no run, no step, nobody is asked."""
    existing = Plan.objects.filter(case=case, sha256=planner.plan_sha256(document)).first()
    if existing is not None and existing.status == Plan.Status.SHADOW:
        return existing
    if existing is not None:
        document = _another_try(case, document, playbook_sha256)
    # What was planned before on less knowledge is no longer what would be done.
    shadows = Plan.objects.filter(
        case=case,
        status=Plan.Status.SHADOW,
        playbook__playbook_id=document["playbook"]["id"],
    )
    about = document.get("about", "")
    before = [one.id for one in shadows if subjects.key_of(case, one.facts) == about]
    shadows.filter(id__in=before).update(status=Plan.Status.SUPERSEDED, finished_at=timezone.now())
    plan = Plan.objects.create(
        tenant_id=scope.require_tenant_id(),
        case=case,
        playbook_id=playbook_sha256,
        engagement_version=engagement_version,
        facts=facts,
        document=document,
        sha256=planner.plan_sha256(document),
        tier=document["tier"],
        status=Plan.Status.SHADOW,
        mode=PlaybookMode.SHADOW,
    )
    ledger.append(
        "plan.shadow", actor="engine", case_id=case.id, subject=f"plan {plan.sha256[:12]}",
        body={"plan": plan.sha256, "playbook": document["playbook"], "tier": document["tier"]},
    )  # fmt: skip
    return plan


def _another_try(case: Case, document: dict[str, Any], playbook_sha256: str) -> dict[str, Any]:
    tries = Plan.objects.filter(case=case, playbook_id=playbook_sha256).count()
    return {**document, "attempt": tries + 1}


def adopt(
    case: Case,
    document: dict[str, Any],
    facts: dict[str, Any],
    playbook_sha256: str,
    engagement_version: int,
    requested_by: str = "engine",
    mode: str = PlaybookMode.AUTOMATIC,
    replaces: Plan | None = None,
) -> Plan:
    """Make a plan a row with its run and steps, ask for its approvals, and start what may start.

    `mode` is how far its playbook may go, `replaces` the plan that it is made instead of; older
    open plans of the playbook give way. While the same plan for the same case is open, it is not
    made twice.
    """
    sha256 = planner.plan_sha256(document)
    existing = Plan.objects.filter(case=case, sha256=sha256).first()
    is_open = existing is not None and existing.status in OPEN_PLANS
    if existing is not None and is_open and not existing.replaced_by.exists():
        return existing
    if existing is not None:
        # However it ended, it is needed again: another try, asked for anew.
        document = _another_try(case, document, playbook_sha256)
        sha256 = planner.plan_sha256(document)
    is_undoing = "reverses" in document
    about = "" if is_undoing else subjects.key_of(case, facts)
    given_way = [] if is_undoing else _given_way(case, playbook_sha256, sha256, about)
    plan = Plan.objects.create(
        tenant_id=scope.require_tenant_id(),
        case=case,
        playbook_id=playbook_sha256,
        engagement_version=engagement_version,
        facts=facts,
        document=document,
        sha256=sha256,
        tier=document["tier"],
        requested_by=requested_by,
        mode=mode,
        replaces=replaces or next(iter(given_way), None),
    )
    ledger.append(
        "plan.proposed", actor=requested_by, case_id=case.id, subject=f"plan {sha256[:12]}",
        body={"plan": sha256, "playbook": document["playbook"], "tier": document["tier"]},
    )  # fmt: skip
    run = Run.objects.create(tenant_id=plan.tenant_id, plan=plan, started_at=timezone.now())
    making.steps(run, document)
    waiting = approvals.request(plan)
    plan.status = Plan.Status.AWAITING_APPROVAL if waiting else Plan.Status.RUNNING
    plan.save(update_fields=["status"])
    work.schedule("run", run.id)
    return plan


def _given_way(case: Case, playbook_sha256: str, by: str, about: str) -> list[Plan]:
    """Let the older open plans of a playbook give way; return those that had to, newest first."""
    older = reversed(giving_way.older(case, playbook_sha256, about))
    return [
        plan for plan in older if giving_way.give_way(plan, why=f"plan {by[:12]} takes its place")
    ]


def set_status(case: Case, *, settled: Collection[str] = ()) -> None:
    """Say on the case whether its plans wait for somebody or are being carried out.

    What else a person has to do stays, without what is `settled`, and what is tried again. Called
    where Holdfast goes on, so that a call to a technician until then ends.
    """
    waiting = [
        plan
        for plan in Plan.objects.filter(case=case)
        if plan.approvals.filter(decision="pending").exists()
    ]
    left = besides_deciding(without_call(case.needs))
    if left:
        left = without(left, [*settled, *proof.outdated(case)])
    case.status = Case.Status.AWAITING_APPROVAL if waiting else Case.Status.RESPONDING
    case.needs = f"{to_decide(len(waiting)) if waiting else ''} {left}".strip()
    case.save(update_fields=["status", "needs"])
