"""Looking into a case: gather evidence, read-only, and let the verdict table decide."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from integrations import catalog
from playbooks import library, response, triage
from playbooks.adoption import activation
from playbooks.adoption.versions import remember
from playbooks.cases import case_accounts, case_devices, looks, needs, scoring, unread
from playbooks.cases.looks import Look
from playbooks.investigating import facts as case_facts
from playbooks.investigating import harmless, open_questions, reaching
from playbooks.investigating.gathering import gather
from playbooks.investigating.reaching import Reached
from playbooks.language import CONFIDENCES, Playbook
from playbooks.models import KnownGood, Plan, Step
from playbooks.patterns import known_good
from playbooks.plans.standing import OPEN_PLANS
from playbooks.questions import user_questions
from playbooks.replanning import replanning
from playbooks.response import NEEDS
from playbooks.verdicts import Result
from tenants import evidence, ledger, scope, work
from tenants.models import HARMLESS, Case, Verdict

# A new client's alerts may come before its directory has been read.
_DIRECTORY_SECONDS = 5.0
_DIRECTORY_PATIENCE = dt.timedelta(minutes=10)
# Whoever has the account may be an intruder until it is known that they are not.
_ACCOUNT_DOUBTED = (Verdict.TRUE_POSITIVE, Verdict.SUSPICIOUS, Verdict.INSUFFICIENT_DATA)
# What people said who were asked, where they could tell.
_SAID = ("yes", "no")
# Until when a verdict waits, under this name of the case's `verdict_detail`.
_LOOKS_AGAIN = "looks_again"


def investigate(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Reach a verdict on a case. Handler of work `investigate`."""
    with scope.tenant(tenant_id):
        case = Case.objects.select_related("account__person", "tenant").get(id=case_id)
        if case.status not in (
            Case.Status.NEW, Case.Status.INVESTIGATING, Case.Status.NEEDS_TECHNICIAN
        ):  # fmt: skip
            return
        if _directory_lags(case):
            waited = (timezone.now() - case.opened_at).total_seconds()
            # Less and less often: many may wait.
            work.schedule("investigate", case_id, delay=max(_DIRECTORY_SECONDS, waited / 4))
            return
        read = unread.reading(timezone.now(), case)
        playbook = _choose(case, case_facts.of_case(case))
        if playbook is None and not reaching.can_look_further(case):
            _nobody_looks(case)
            return
        Case.objects.filter(id=case_id).update(
            status=Case.Status.INVESTIGATING, acknowledged_at=case.acknowledged_at or timezone.now()
        )
    if playbook and not gather(tenant_id, case_id, playbook.steps, retry="investigate"):
        return
    if not reaching.gather_further(tenant_id, case_id):
        return
    with scope.tenant(tenant_id):
        rows = Case.objects.select_related("account__person", "tenant")
        case = rows.select_for_update(of=("self",)).get(id=case_id)
        if case.merged_into_id is not None:
            # The one that it is part of by now is looked into itself.
            return
        _decide(case, playbook, read)
    # What waits for somebody is asked for anew before what follows from the verdict is planned.
    replanning.look_at_case(tenant_id, case_id)


def _choose(case: Case, facts: Mapping[str, Any]) -> Playbook | None:
    """Choose the investigation for what no verdict has read yet, else for all that is known."""
    fresh = unread.news(case)
    told = [finding for finding in facts["case"]["findings"] if finding["uid"] in fresh]
    of_these = {**facts, "case": {**facts["case"], "findings": told}}
    for_these = activation.choose_investigation(of_these) if told else None
    chosen = for_these or activation.choose_investigation(facts)
    is_of_nobody = chosen is not None and chosen.id == library.OF_NOBODY
    # Which computer is meant has to be found out before anything else.
    return None if is_of_nobody and case_devices.doubts(case) else chosen


def _directory_lags(case: Case) -> bool:
    """Look again for the account; True where the directory may only not have been read yet."""
    if case.account is None:
        case.account = case_accounts.find(case)
        case.save(update_fields=["account"])
        if case.account is not None:
            triage.join_again(case)
    waited = timezone.now() - case.opened_at
    return case.account is None and triage.names_an_account(case) and waited < _DIRECTORY_PATIENCE


def _nobody_looks(case: Case) -> None:
    case.acknowledged_at = case.acknowledged_at or timezone.now()
    case.save(update_fields=["acknowledged_at"])
    nobody = "No investigation playbook knows this kind of alert: look into it by hand."
    response.needs_technician(case, " ".join(case_devices.doubts(case)) or nobody)


def _decide(case: Case, playbook: Playbook | None, read: Mapping[str, Any]) -> None:
    reached, not_looked_into = reaching.all_of(case, playbook)
    scoring.score_privilege(case, _roles(reached[0].facts))
    lead = max(reached, key=_gravity_of)
    if not _stands(case, lead.playbook, lead.of_table) and _waits(case, lead.of_table):
        return
    others = [one for one in reached if one is not lead]
    if lead.of_table.verdict not in HARMLESS:
        others = [reaching.not_too_early(case, one) for one in others]
    detail = {
        **_of_lead(case, lead, is_one_of_several=bool(others or not_looked_into)),
        "read": read,
        "left_before": _left_before(case, lead.playbook),
        **_beside([*(one.as_look() for one in others), *not_looked_into]),
    }
    if _stands(case, lead.playbook, lead.result):
        _keep_verdict(case, lead.result, detail)
        return
    for one in (lead, *others):
        if one.pattern is not None:
            known_good.note_use(one.pattern, case, one.reached.verdict)
    _keep_decision(case, lead.result, detail)
    work.schedule("respond", case.id)
    if not lead.about:
        user_questions.ask_by_itself(case, lead.playbook)


def _gravity_of(one: Reached) -> int:
    return reaching.gravity(one.result.verdict)


def _of_lead(case: Case, lead: Reached, *, is_one_of_several: bool) -> dict[str, Any]:
    """Return what of the look that decides on the case is kept."""
    about = {looks.ABOUT: lead.about, "name": lead.name} if is_one_of_several else {}
    return {
        **about,
        "playbook": lead.playbook.id,
        "version": lead.playbook.version,
        "playbook_sha256": remember(lead.playbook).sha256,
        **lead.result.as_json(),
        "questions": [
            *_questions(lead.playbook, lead.facts, lead.result), *_instead(lead.doubt)
        ],
        **_expected(lead.pattern, lead.reached),
        "evidence": [
            {"id": str(row.id), "step": row.answer.get("step"), "sha256": row.sha256}
            for row in evidence.of_case(case).order_by("asked_at")
        ],
    }  # fmt: skip


def _beside(others: Sequence[Look]) -> dict[str, Any]:
    """Return how those are kept that did not decide on the case."""
    return {looks.OTHERS: [one.as_json() for one in others]} if others else {}


def _roles(facts: Mapping[str, Any]) -> list[str]:
    """Return the administrator's roles of the case's account, as far as its vendor told them."""
    account = facts.get("account", {})
    return list(account.get("roles", ())) if account.get("is_privileged") else []


def _told(result: Result) -> str:
    """Return a verdict as a timeline says it: ``insufficient data (low confidence)``."""
    return f"{Verdict(result.verdict).label} ({result.confidence} confidence)"


def _keep_decision(case: Case, result: Result, detail: Mapping[str, Any]) -> None:
    now = timezone.now()
    told = _told(result)
    kind = "case.verdict"
    sure_since = unread.sure_since(case) or now
    if _still_holds(case, result):
        kind, told = "case.verdict_stands", f"it still holds; the later look says {told}"
        case.verdict_detail = _looked_again(case.verdict_detail, detail, now)
    elif result.verdict == Verdict.TRUE_POSITIVE:
        case.verdict_detail = {**detail, "sure_since": sure_since.isoformat()}
    else:
        case.verdict_detail = detail
    case.verdict, case.decided_at = result.verdict, now
    case.save(update_fields=["verdict", "decided_at", "verdict_detail"])
    ledger.append(kind, actor="engine", case_id=case.id, subject=told, body=detail)


def _waits(case: Case, result: Result) -> bool:
    """Whether it is too early to call the case harmless; it is looked into again then."""
    told = case.verdict_detail.pop(_LOOKS_AGAIN, None)
    since = dt.datetime.fromisoformat(told["since"]) if told else None
    until = harmless.settles_at(case, result, since)
    if until is None:
        return False
    now = timezone.now()
    case.verdict_detail[_LOOKS_AGAIN] = {
        "since": (since or now).isoformat(), "at": until.isoformat(), "because": result.because,
    }  # fmt: skip
    case.save(update_fields=["verdict_detail"])
    work.schedule("investigate", case.id, delay=(until - now).total_seconds())
    return True


def _instead(doubt: harmless.Doubt | None) -> list[dict[str, str]]:
    """Return what to ask where a harmless verdict was held back."""
    return [{"step": "", "question": doubt.question, "whom": doubt.whom}] if doubt else []


def _expected(pattern: KnownGood | None, of_table: Result) -> dict[str, Any]:
    """Return which pattern made a case benign, and what the table had said."""
    if pattern is None:
        return {}
    told = {"pattern": str(pattern.pattern), "version": pattern.version, "title": pattern.title}
    return {
        "known_good": {
            **told, "instead_of": of_table.verdict, "rule": of_table.rule,
            "because": of_table.because,
        }
    }  # fmt: skip


def _questions(
    playbook: Playbook, facts: Mapping[str, Any], result: Result
) -> list[dict[str, str]]:
    """Return what to ask in place of the missing evidence that the table would have read.

    Of a suspicion also whether it was them, and of what made it suspicious whether it was meant.
    """
    needed = {step for row in result.untested for step in row["needs"]}
    missing = [item for item in result.missing if item["step"] in needed]
    asked = open_questions.of_missing(missing, is_suspect=result.verdict in _ACCOUNT_DOUBTED)
    if result.verdict != Verdict.SUSPICIOUS:
        return asked
    read = {path.split(".")[1] for path in result.facts if path.startswith("evidence.")}
    said = facts["evidence"].get(user_questions.STEP, {}).get("answer")
    asks_word = any(step.uses == user_questions.ASKS for step in playbook.steps)
    about = [(user_questions.STEP, user_questions.ASKS)] if asks_word and said not in _SAID else []
    about += [
        (step.id, step.uses)
        for step in playbook.steps
        if step.id in read and step.uses != user_questions.ASKS
    ]
    more = [one for one in open_questions.of_suspicion(about) if one not in asked]
    return [*more, *asked]


def _left_before(case: Case, playbook: Playbook) -> list[str]:
    """Return what another investigation's verdict had left for a technician."""
    before = case.verdict_detail
    if before.get("playbook") == playbook.id:
        return list(before.get("left_before", []))
    return [*before.get("left_before", []), *before.get("not_planned", [])]


def _stands(case: Case, playbook: Playbook, result: Result) -> bool:
    """Whether the case's verdict stands, whatever a later look says.

    What was contained is to be seen no more, and an attack stays one; and another investigation
    knows nothing of what the first one suspected. That nothing is to be seen where Holdfast has
    cleaned up contradicts no suspicion; that it was expected does. What was suspected only because
    nobody was named gives way to a look at whom the case is about, where that calls a person too.
    """
    if not case.verdict or reaching.gravity(result.verdict) >= reaching.gravity(case.verdict):
        return False
    is_another = playbook.id != case.verdict_detail.get("playbook")
    if is_another and _names_nobody(case) and result.verdict not in HARMLESS:
        return False
    is_cleaned = result.verdict != Verdict.BENIGN and _was_changed(case)
    return case.verdict == Verdict.TRUE_POSITIVE or is_another or is_cleaned


def _names_nobody(case: Case) -> bool:
    """Whether the case's verdict is that of alerts which name nobody, on nothing known of them."""
    look = looks.leading(case)
    is_unsure = look.verdict != Verdict.TRUE_POSITIVE and look.confidence == CONFIDENCES[-1]
    return look.playbook == library.OF_NOBODY and is_unsure


def _still_holds(case: Case, result: Result) -> bool:
    """Whether a later look says the same again, and on nothing stronger than was seen before.

    For an attack, and where Holdfast has changed since what the first look saw.
    """
    before = case.verdict_detail.get("confidence")
    if case.verdict != result.verdict or before not in CONFIDENCES:
        return False
    if case.verdict != Verdict.TRUE_POSITIVE and not _was_changed(case):
        return False
    # The surest stands first.
    return CONFIDENCES.index(result.confidence) >= CONFIDENCES.index(before)


def _was_changed(case: Case) -> bool:
    """Whether Holdfast has contained something of the case."""
    done = Step.objects.filter(run__plan__case=case, status=Step.Status.VERIFIED)
    return any(
        catalog.get(one).is_containment for one in set(done.values_list("action", flat=True))
    )


def _looked_again(
    before: Mapping[str, Any], detail: Mapping[str, Any], at: dt.datetime
) -> dict[str, Any]:
    """Return a verdict's detail with a later look that confirms it: what decided first stays.

    What follows from it is planned anew, and from the other investigation's as well.
    """
    look = {
        name: detail[name] for name in ("playbook", "rule", "confidence", "because", "evidence")
    }
    kept = {key: value for key, value in before.items() if key not in ("not_planned", looks.OTHERS)}
    also = {*before.get("also", []), detail["playbook"]} - {before.get("playbook")}
    return {
        **kept,
        **_besides_first_look(before, detail),
        "read": detail["read"],
        "also": sorted(also),
        "looked_again": [*before.get("looked_again", []), {**look, "at": at.isoformat()}],
    }


def _besides_first_look(
    before: Mapping[str, Any], detail: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """Return what a later look says of others than the one that decided first, which stays."""
    told = list(detail.get(looks.OTHERS, []))
    if looks.ABOUT in detail:
        told.append(looks.of_detail(detail).as_json())
    others = [one for one in told if one[looks.ABOUT] != before.get(looks.ABOUT, "")]
    return {looks.OTHERS: others} if others else {}


def _keep_verdict(case: Case, result: Result, detail: Mapping[str, Any]) -> None:
    others = _besides_first_look(case.verdict_detail, detail)
    case.verdict_detail = {**case.verdict_detail, **others, "read": detail["read"]}
    case.save(update_fields=["verdict_detail"])
    ledger.append(
        "case.verdict_stands",
        actor="engine",
        case_id=case.id,
        subject=f"the later look says {_told(result)}",
        body=detail,
    )
    if others:
        # What came of them is planned beside what was done for the first.
        case.verdict_detail.pop("not_planned", None)
        case.save(update_fields=["verdict_detail"])
        work.schedule("respond", case.id)
        return
    later = NEEDS.get(Verdict(result.verdict), "")
    if Plan.objects.filter(case=case, status__in=OPEN_PLANS).exists():
        # People are asked already; what the later look says is said when that is over.
        if later:
            told = [*case.verdict_detail.get("left_before", []), f"An alert came later. {later}"]
            case.verdict_detail = {**case.verdict_detail, "left_before": told}
            case.save(update_fields=["verdict_detail"])
        response.set_status(case)
        return
    left = needs.without_call(case.needs) or NEEDS.get(Verdict(case.verdict), "")
    if later and later not in left:
        left = f"{left} An alert came later. {later}".strip()
    if left:
        response.needs_technician(case, left)
    else:
        response.set_status(case)
        work.schedule("close", case.id)
