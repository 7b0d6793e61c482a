"""What technicians decide about doubtful matches: one person or two.

Each decision is in the ledger, holds against all later feeds, and can be reverted.
"""

import uuid
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from tenants import ledger, people, scope
from tenants.errors import MatchError
from tenants.models import Account, MatchDecision, MatchDoubt
from tenants.storable import storable

LONGEST_COMMENT = 2000


def decide(
    doubt_id: uuid.UUID, *, is_same: bool, actor: str, comment: str, seen: tuple[str, ...]
) -> MatchDecision:
    """Join the two people of a doubt, or keep them apart.

    `seen` are the ids of the accounts that were shown, on both sides: MatchError where there are
    others by now, the doubt is gone, or another decision says the opposite.
    """
    people.lock()
    doubt = MatchDoubt.objects.select_related("first", "second").filter(id=doubt_id).first()
    if doubt is None:
        raise MatchError("This was settled meanwhile: open the list again.")
    if set(seen) != {str(row.id) for row in [*side(doubt.first), *side(doubt.second)]}:
        raise MatchError("Other accounts belong to these people by now: look at them again.")
    with transaction.atomic():
        decision = MatchDecision.objects.create(
            tenant_id=scope.require_tenant_id(),
            first=doubt.first,
            second=doubt.second,
            is_same=is_same,
            reasons=doubt.reasons,
            comment=storable(comment.strip())[:LONGEST_COMMENT],
            decided_by=actor,
            decided_at=timezone.now(),
        )
        people.weigh([doubt.first_id, doubt.second_id])
        if is_same and not _are_one(decision):
            raise MatchError(
                "Another decision keeps accounts of these two people apart: revert that one first."
            )
        _note("person.joined" if is_same else "person.kept_apart", decision, actor)
    return decision


def part(first_id: uuid.UUID, second_id: uuid.UUID, *, actor: str, comment: str) -> MatchDecision:
    """Part two accounts that were joined wrongly; each other account goes where it belongs.

    MatchError where they are not one person's, or a decision joins them.
    """
    people.lock()
    ids = {first_id, second_id}
    pair = list(Account.objects.filter(id__in=ids).order_by("provider", "external_id"))
    if len(pair) != 2 or pair[0].person_id is None or pair[0].person_id != pair[1].person_id:
        raise MatchError("These accounts are not one person's by now: look at them again.")
    with transaction.atomic():
        decision = MatchDecision.objects.create(
            tenant_id=scope.require_tenant_id(),
            first=pair[0],
            second=pair[1],
            is_same=False,
            comment=storable(comment.strip())[:LONGEST_COMMENT],
            decided_by=actor,
            decided_at=timezone.now(),
        )
        people.weigh(ids)
        if _are_one(decision):
            raise MatchError("Another decision joins these two: take that one back first.")
        _note("person.parted", decision, actor)
    return decision


def weigh_all(*, actor: str) -> int:
    """Find out anew who is who in all of the scope's tenant; return how many accounts moved."""
    people.lock()
    before = dict(Account.objects.values_list("id", "person"))
    people.weigh(before)
    after = dict(Account.objects.values_list("id", "person"))
    moved = sum(person != before.get(one) for one, person in after.items())
    told = {"accounts": len(after), "moved": moved}
    ledger.append("person.all_weighed", actor=actor, subject="all accounts", body=told)
    return moved


def revert(decision_id: uuid.UUID, *, actor: str) -> MatchDecision:
    """Take a decision back: what is known decides again. MatchError where it was already."""
    people.lock()
    decision = MatchDecision.objects.select_related("first", "second").filter(
        id=decision_id, reverted_at=None
    ).first()  # fmt: skip
    if decision is None:
        raise MatchError("This decision was reverted already.")
    # Both ends hang together by the decision until it is gone.
    near = people.hanging_together([decision.first_id, decision.second_id])
    decision.reverted_by, decision.reverted_at = actor, timezone.now()
    decision.save(update_fields=["reverted_by", "reverted_at"])
    people.weigh(near)
    _note("person.match_reverted", decision, actor)
    return decision


def side(account: Account) -> list[Account]:
    """Return the accounts of the person whose account it is, in their row."""
    same = Q(id=account.id) | Q(person=account.person_id, person__isnull=False)
    return list(Account.in_scope().filter(same, tenant=account.tenant_id).order_by(
        "provider", "external_id"
    ))  # fmt: skip


def _are_one(decision: MatchDecision) -> bool:
    pair = Account.objects.filter(id__in=[decision.first_id, decision.second_id])
    return pair.values("person").distinct().count() == 1


def _note(kind: str, decision: MatchDecision, actor: str) -> None:
    told: dict[str, Any] = {
        "decision": decision.id,
        "accounts": [
            {"provider": row.provider, "username": row.username, "id": row.id}
            for row in (decision.first, decision.second)
        ],
        "is_same": decision.is_same,
        "reasons": decision.reasons,
        "comment": decision.comment,
    }
    ledger.append(kind, actor=actor, subject=str(decision), body=told)
