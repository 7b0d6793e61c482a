"""What no action may ever touch: named by people, kept in the ledger.

Emergency ("break-glass") accounts and excluded ones are a client's; the MSP's own identities are
of the whole installation.
"""

from collections.abc import Iterable, Sequence

from django.db.models import Q

from tenants import ledger, scope, work
from tenants.errors import ProtectionError
from tenants.models import Account, Installation, Tenant

_LONGEST_REASON = 1000
_MOST_IDENTITIES = 500
_LONGEST_IDENTITY = 320


def of_client() -> list[Account]:
    """Return the accounts of the scope's tenant that no action may touch."""
    rows = Account.in_scope().filter(Q(is_break_glass=True) | Q(is_excluded=True))
    return list(rows.order_by("username", "provider"))


def find(name: str) -> list[Account]:
    """Return the accounts with this username, e-mail address or id, at every provider.

    ProtectionError where the directory knows none. Runs inside the tenant's scope.
    """
    name = name.strip()
    rows = Account.in_scope().filter(
        Q(username__iexact=name) | Q(email__iexact=name) | Q(external_id=name)
    )
    found = list(rows.order_by("provider", "external_id")) if name else []
    if not found:
        raise ProtectionError(
            f"The directory knows no account {name!r}: give its whole username, e-mail address or "
            "id. A new account is known after the next reading of the users."
        )
    return found


def change(
    account: Account, *, is_break_glass: bool, is_excluded: bool, actor: str, reason: str
) -> Account:
    """Say whether an account is an emergency account, or excluded from all actions, and why.

    ProtectionError where no reason is given. Runs inside the tenant's scope.
    """
    reason = reason.strip()[:_LONGEST_REASON]
    if not reason:
        raise ProtectionError("Say why: it is kept in the client's ledger.")
    row = Account.objects.select_for_update().get(id=account.id)
    before, now = _told(row.is_break_glass, row.is_excluded), _told(is_break_glass, is_excluded)
    if before == now:
        return row
    row.is_break_glass, row.is_excluded = is_break_glass, is_excluded
    row.save(update_fields=["is_break_glass", "is_excluded"])
    ledger.append(
        f"account.{'protected' if row.is_protected else 'unprotected'}",
        actor=actor,
        subject=row.username,
        body={"provider": row.provider, "before": before, "now": now, "reason": reason},
    )
    work.schedule("replan", row.tenant_id)
    return row


def _told(is_break_glass: bool, is_excluded: bool) -> dict[str, bool]:
    return {"is_break_glass": is_break_glass, "is_excluded": is_excluded}


def own_identities() -> list[str]:
    """Return the MSP's own identities: usernames, ids, and e-mail domains beginning with @."""
    row = Installation.objects.first()
    return sorted(map(str, row.own_identities)) if row else []


def set_own_identities(names: Sequence[str], *, actor: str) -> list[str]:
    """Say which identities are the MSP's own; it stands in every client's ledger.

    ProtectionError names what can't be one. Runs outside of any tenant's scope.
    """
    wanted = sorted({name.strip().lower() for name in names if name.strip()})
    _check(wanted)
    row, _ = Installation.objects.get_or_create(id=1)
    row = Installation.objects.select_for_update().get(id=row.id)
    before = sorted(map(str, row.own_identities))
    if before == wanted:
        return wanted
    row.own_identities = wanted
    row.save(update_fields=["own_identities"])
    for tenant_id in list(Tenant.objects.values_list("id", flat=True)):
        with scope.tenant(tenant_id):
            ledger.append(
                "installation.own_identities",
                actor=actor,
                subject=row.msp_name,
                body={"before": before, "now": wanted},
            )
            work.schedule("replan", tenant_id)
    return wanted


def unknown_identities() -> list[str]:
    """Return which of the MSP's own identities no client's directory knows: perhaps misspelt.

    Runs outside of any tenant's scope.
    """
    with scope.reading(scope.ALL):
        return [name for name in own_identities() if not _is_known(name)]


def _is_known(name: str) -> bool:
    if name.startswith("@"):
        return Account.objects.filter(
            Q(username__iendswith=name) | Q(email__iendswith=name)
        ).exists()
    return Account.objects.filter(
        Q(username__iexact=name) | Q(email__iexact=name) | Q(external_id__iexact=name)
    ).exists()


def _check(wanted: Iterable[str]) -> None:
    names = list(wanted)
    if len(names) > _MOST_IDENTITIES:
        raise ProtectionError(f"More than {_MOST_IDENTITIES} identities: name a domain (@…).")
    for name in names:
        if len(name) > _LONGEST_IDENTITY or any(part.isspace() for part in name):
            raise ProtectionError(f"{name[:60]!r} is no username, id or @domain: one on each line.")
        if name == "@":
            raise ProtectionError("“@” alone names no domain: write @your-msp.example.")
