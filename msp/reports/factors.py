"""Who has a second sign-in factor, from what the directory knows."""

import uuid
from collections import defaultdict
from collections.abc import Mapping

from tenants.models import Account, DirectoryObject

# Registered methods that are no second factor: a password is the first one, an e-mail address only
# serves to reset it, and a temporary pass ends by itself
# (https://learn.microsoft.com/entra/identity/authentication/concept-authentication-methods).
_NO_FACTOR = frozenset({"password", "email", "temporary_access_pass", "unknown"})


def second_factors() -> Mapping[uuid.UUID, tuple[Account, bool | None]]:
    """Return each enabled member's account with whether it has a second factor; None: not known.

    What the provider says outright counts; else the methods registered, where at least one (the
    password is one) has been read. Emergency accounts are kept out: their factor lies in a safe.
    """
    kinds = defaultdict(set)
    methods = DirectoryObject.objects.filter(kind="auth_method", deleted_upstream_at=None)
    for provider, owner, attributes in methods.values_list("provider", "parent", "attributes"):
        kinds[provider, owner].add(str(attributes.get("kind", "unknown")))
    accounts = Account.objects.filter(
        kind=Account.Kind.MEMBER,
        is_enabled=True,
        is_break_glass=False,
        deleted_upstream_at=None,
    ).select_related("person")
    return {
        account.id: (account, _has_one(account, kinds[account.provider, account.external_id]))
        for account in accounts.order_by("id")
    }


def _has_one(account: Account, kinds: set[str]) -> bool | None:
    if account.is_mfa_registered is not None:
        return account.is_mfa_registered
    return bool(kinds - _NO_FACTOR) if kinds else None
