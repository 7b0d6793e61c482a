"""Who counts as a protected person: the one place where it is decided.

A person counts on a day when at least one of their accounts is a member's, is known to be enabled
and is still there at its provider. Licences at the vendor are no criterion: an account without one
can be attacked as well. Whether an account is enabled has to be known: nobody is billed for what
was never seen, so an unknown state doesn't count and is shown as such.
"""

from collections.abc import Mapping
from typing import Final

from tenants.models import Account

# Reason → what an owner reads about the accounts that don't count for it.
NOT_COUNTED: Final[Mapping[str, str]] = {
    "deleted": "deleted at the provider",
    "guest": "guests from other organisations",
    "shared": "shared mailboxes",
    "service": "accounts of programs, not of people",
    "emergency": "emergency accounts, which lie in a safe",
    "disabled": "switched off",
    "state_unknown": "not known whether they are switched on",
    "without_person": "not matched with a person yet",
}

_BY_KIND = {
    Account.Kind.GUEST: "guest",
    Account.Kind.SHARED: "shared",
    Account.Kind.SERVICE: "service",
}


def why_not_counted(account: Account) -> str:
    """Return the reason (a key of `NOT_COUNTED`) why the account gives no seat; empty if it does.

    What can never count (deleted, guest, shared, service) comes before what may change.
    """
    if account.deleted_upstream_at is not None:
        return "deleted"
    by_kind = _BY_KIND.get(Account.Kind(account.kind))
    if by_kind is not None:
        return by_kind
    if account.is_break_glass:
        return "emergency"
    if account.is_enabled is None:
        return "state_unknown"
    if not account.is_enabled:
        return "disabled"
    return "" if account.person_id is not None else "without_person"
