"""Closing a case with proof, or saying what still needs a person."""

import datetime as dt
import uuid
from collections.abc import Collection

from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from integrations import catalog
from playbooks.cases import case_accounts, case_devices, looks, needs, subjects, unread
from playbooks.investigating.directory_facts import ACTIVE_DIRECTORY, on_premises_twin
from playbooks.models import Plan, Step
from playbooks.plans import proof, witness
from playbooks.plans.standing import OPEN_PLANS
from playbooks.plans.steps import spoken
from playbooks.response import left_for_technician, needs_technician
from tenants import evidence, ledger, scope, work
from tenants.models import Account, Case, Verdict

_MOST_TOLD = 10
_CONTAINED = ("account", "device")


def close(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Close the case if everything planned for it is over and proven. Handler of work `close`."""
    with scope.tenant(tenant_id):
        case = Case.objects.select_for_update().get(id=case_id)
        if not _may_close(case):
            return
        steps = proof.newest_steps(case)
        _note_containment(case, steps)
        if Plan.objects.filter(case=case, status__in=OPEN_PLANS).exists():
            return
        left = (
            _unproven(steps),
            _containment_undone(case, steps),
            left_for_technician(case),
            _others_named(case),
            _governed_elsewhere(steps),
            *(said for said in proof.only_said_once(steps) if said in case.needs),
        )
        unproven = " ".join(filter(None, left))
        news = unread.news(case)
        if unproven:
            needs_technician(case, unproven)
        if news:
            unread.look_again(case, *news.values())
        if not unproven and not news:
            _close(case)


def _may_close(case: Case) -> bool:
    """Whether the case is neither closed, nor looked into, nor for a person to decide on."""
    if case.status == Case.Status.NEEDS_TECHNICIAN:
        return needs.closes_by_itself(case.needs)
    return case.status in (Case.Status.AWAITING_APPROVAL, Case.Status.RESPONDING)


def _note_containment(case: Case, steps: list[Step]) -> None:
    """Note when the account or device was contained; where there is none, all that was to be.

    What was cleaned up besides, such as its mailbox, is waited for by closing. Of what was done
    twice the first time counts, while it holds.
    """
    containing = [step for step in steps if catalog.get(step.action).is_containment]
    decisive = [step for step in containing if step.target_kind in _CONTAINED] or containing
    if not decisive or not all(step.holds for step in decisive):
        return
    tries = Step.objects.filter(run__plan__case=case, status=Step.Status.VERIFIED)
    first: dict[tuple[str, str], dt.datetime] = {}
    for step in tries.exclude(verified_at=None).order_by("verified_at"):
        if step.holds and step.verified_at:
            first.setdefault((step.action, step.target_external_id), step.verified_at)
    case.contained_at = max(first[step.action, step.target_external_id] for step in decisive)
    case.save(update_fields=["contained_at"])


def _unproven(steps: list[Step]) -> str:
    """Return what stands between the case and its proof, step by step; empty if nothing."""
    found = [words for step in steps if (words := proof.without_proof(step))]
    told = found[:_MOST_TOLD]
    if len(found) > _MOST_TOLD:
        told.append(needs.others(len(found) - _MOST_TOLD))
    return " ".join(told)


def _containment_undone(case: Case, steps: list[Step]) -> str:
    """Return which containment of an attack was undone: a person has to say whether it is over."""
    if case.verdict != Verdict.TRUE_POSITIVE:
        return ""
    undone = [
        step
        for step in steps
        if step.status == Step.Status.ROLLED_BACK and catalog.get(step.action).is_containment
    ]
    if not undone:
        return ""
    opened = [step for step in undone if _was_opened(step)]
    if opened == undone:
        names = ", ".join(dict.fromkeys(step.spoken_target for step in opened))
        return f"Sign-in was opened again for {names}: close the case when the attack is over."
    was = "were" if len(undone) > 1 else "was"
    told = ", ".join(spoken(step) for step in undone)
    return (
        f"{told} {was} undone. If the attack is over, close the case; if there was none, close it "
        "with another verdict; else contain it again."
    )


def _was_opened(step: Step) -> bool:
    """Whether a step was undone for the account's owner, after an attack."""
    return step.reversals.filter(run__plan__document__opens=True).exists()


def _others_named(case: Case) -> str:
    """Return what else the alerts name of what may be an attack, that nothing was done about."""
    if case.verdict not in (Verdict.TRUE_POSITIVE, Verdict.SUSPICIOUS):
        return ""
    seen = {one.about for one in looks.others(case)} | {looks.leading(case).about}
    done = set(
        Step.objects.filter(run__plan__case=case, status=Step.Status.VERIFIED).values_list(
            "target_external_id", flat=True
        )
    )
    named = [
        *_other_accounts(case, seen, done), *_other_devices(case, seen, done),
        *(
            f"the mail {one}"
            for one in subjects.other_messages(case)
            if one not in done and subjects.message_key(one) not in seen
        ),
    ]  # fmt: skip
    return f"The alerts also name {', '.join(named[:5])}: look into it by hand." if named else ""


def _other_accounts(case: Case, seen: Collection[str], done: Collection[str]) -> list[str]:
    """Return the accounts of other people than those that were looked into or dealt with."""
    if case.account is None:
        return []
    ids = [e.removeprefix("account_id:") for e in case.entities if e.startswith("account_id:")]
    names = [e.removeprefix("account:") for e in case.entities if e.startswith("account:")]
    rows = Account.objects.alias(own_id=Lower("external_id"), login=Lower("username")).filter(
        Q(own_id__in=ids) | Q(login__in=names), deleted_upstream_at=None
    )
    found = list(rows.order_by("username"))
    known = [case.account, *(one for one in found if _is_seen(one, seen, done))]
    return [
        one.username
        for one in found
        if not any(case_accounts.is_same(one, other) for other in known)
    ]


def _is_seen(account: Account, seen: Collection[str], done: Collection[str]) -> bool:
    return subjects.account_key(account) in seen or account.external_id in done


def _other_devices(case: Case, seen: Collection[str], done: Collection[str]) -> list[str]:
    """Return the devices besides those looked into; one known to several connectors is one."""
    named = case_devices.of_case(case)
    first = next((device for device in named if device.rows), None)
    return sorted(
        str(device)
        for device in named
        if device is not first
        and not any(
            subjects.device_key(device) in seen or row.external_id in done for row in device.rows
        )
    )


def _governed_elsewhere(steps: list[Step]) -> str:
    """Say whom Active Directory would let in again at its next sync: blocked in the cloud only."""
    blocked = {
        step.target_external_id
        for step in steps
        if step.action == "identity.disable_sign_in" and step.holds
    }
    governed = Account.objects.filter(
        external_id__in=blocked, source_of_authority=Account.Authority.ACTIVE_DIRECTORY
    ).exclude(provider=ACTIVE_DIRECTORY)
    left = []
    for account in governed.order_by("username"):
        twin = on_premises_twin(account)
        if twin is None or twin.external_id not in blocked:
            left.append(account.username)
    if not left:
        return ""
    return (
        f"{', '.join(left)}: governed by Active Directory. Block it there too, or the next sync "
        "lets it in again."
    )


def _close(case: Case) -> None:
    now = timezone.now()
    steps = Step.objects.filter(run__plan__case=case)
    done = steps.filter(status=Step.Status.VERIFIED).count()
    told = [step for step in steps.exclude(told={}) if witness.was_told_done(step)]
    case.status = Case.Status.CLOSED
    case.needs = ""
    case.closed_at = now
    case.closed_with_proof = not told and evidence.of_case(case).filter(is_available=True).exists()
    by_word = [f"“{catalog.get(step.action).title}”: {witness.words(step)}" for step in told]
    read_back = [f"{done} actions done and read back."] if done else []
    nothing = [] if done or told else [_why_nothing(case)]
    case.closing_note = " ".join([*_found(case), *read_back, *by_word, *nothing])
    case.save()
    ledger.append(
        "case.closed",
        actor="engine",
        case_id=case.id,
        subject=str(case),
        body={"with_proof": case.closed_with_proof, "note": case.closing_note},
    )
    work.schedule("quality", case.id)


def _found(case: Case) -> list[str]:
    """Return what a routine found, in words."""
    return [str(line["says"]) for line in case.verdict_detail.get("results", [])]


def _why_nothing(case: Case) -> str:
    if case.kind == Case.Kind.ROUTINE:
        return "Nothing had to be done."
    return f"No action needed: {Verdict(case.verdict).label}."
