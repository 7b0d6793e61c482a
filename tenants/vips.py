"""Important people (VIPs) by hand: no feed says otherwise, and rules of engagement see it."""

from django.db.models import Q

from tenants import ledger, people, protection, work
from tenants.errors import VipError
from tenants.models import Account

_LONGEST_REASON = 1000
_KINDS = {True: "account.vip", False: "account.no_vip", None: "account.vip_as_told"}


def of_client() -> list[Account]:
    """Return the accounts of the scope's tenant that are important, or not, by anybody's word."""
    rows = Account.in_scope().filter(Q(person__is_vip=True) | ~Q(vip_by_hand=None))
    return list(rows.select_related("person").order_by("username", "provider"))


def mark(name: str, *, is_vip: bool | None, actor: str, reason: str) -> list[Account]:
    """Say whether the person with this username, e-mail address or id is a VIP, and why.

    None takes the word back: then it is as the feeds say. VipError where no reason is given,
    ProtectionError where the directory knows no such account. Runs inside the tenant's scope.
    """
    reason = reason.strip()[:_LONGEST_REASON]
    if not reason:
        raise VipError("Say why: it is kept in the client's ledger.")
    people.lock()
    found = protection.find(name)
    before = {row.id: row.vip_by_hand for row in found}
    changed = people.mark_vip(found, is_vip)
    for row in changed:
        ledger.append(
            _KINDS[is_vip],
            actor=actor,
            subject=row.username,
            body={"provider": row.provider, "before": before.get(row.id), "reason": reason},
        )
    if changed:
        work.schedule("replan", changed[0].tenant_id)
        work.schedule("rescore", changed[0].tenant_id)
    ids = [row.id for row in found]
    return list(Account.objects.filter(id__in=ids).select_related("person").order_by("provider"))
