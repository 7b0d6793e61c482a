"""Who manages the person that a case is about, as the directories tell.

Whoever has an administrator's account may have changed the directory: then nobody's word counts
for it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from tenants import evidence
from tenants.models import Account, Case

_TOLD_IN = "identity.get_account"


def of_case(case: Case) -> Account | None:
    """Return the manager's account of the case's person; None where nobody knows, or says so."""
    account = case.account
    if account is None or account.is_privileged:
        return None
    own = [account]
    if account.person_id is not None:
        own += Account.objects.filter(person=account.person_id).exclude(id=account.id)
    for told in [*_told_now(case), *(one.attributes.get("manager") for one in own)]:
        found = _account(str(told or ""), own)
        if found is not None:
            return found
    return None


def _told_now(case: Case) -> Iterable[Any]:
    """Return what vendors said when the case was looked into, the newest first."""
    rows = evidence.of_case(case).filter(gatherer=_TOLD_IN).order_by("-answered_at")
    for answer in rows.values_list("answer", flat=True):
        told = answer.get("facts", {}).get("account")
        yield told.get("manager") if isinstance(told, Mapping) else None


def _account(told: str, own: list[Account]) -> Account | None:
    """Return whom an id, address or distinguished name means: somebody else, who can be asked."""
    if not told:
        return None
    rows = Account.objects.filter(
        Q(external_id__iexact=told)
        | Q(username__iexact=told)
        | Q(email__iexact=told)
        | Q(attributes__distinguished_name__iexact=told),
        deleted_upstream_at=None,
    ).exclude(Q(is_enabled=False) | Q(id__in=[one.id for one in own]))
    people = {one.person_id for one in own} - {None}
    found = rows.exclude(person__in=people).select_related("person").order_by("provider", "id")
    return next((one for one in found if _address(one)), None)


def _address(account: Account) -> str:
    person = account.person
    return (person.primary_email if person else "") or account.email


def name_and_address(account: Account) -> tuple[str, str]:
    """Return by what name, and at which address, a manager is asked."""
    person = account.person
    name = (person.display_name if person else "") or account.display_name or account.username
    return name, _address(account)
