"""What the products that manage the case's device said of it when they last listed it."""

from typing import Any

from django.db.models import Q

from integrations.contract import Json
from playbooks.cases import case_devices
from playbooks.investigating.own_answers.asked import NotTold
from tenants.models import Account, Case, Device


def compliance(case: Case, _inputs: Json) -> Json:
    """Return whether the device keeps to the client's policies, as each product last said.

    NotTold where the case names no clear device, or no product says anything of compliance.
    """
    about = case_devices.about(case)
    if about is None:
        raise NotTold("the case names no device that the directory knows")
    told = [_told(row) for row in about.rows if row.attributes.get("compliance")]
    if not told:
        raise NotTold("no connected product says whether the device keeps to the policies")
    return {
        "products": told,
        "is_compliant": all(one["compliance"].lower() == "compliant" for one in told),
        "is_encrypted": all(one["is_encrypted"] is True for one in told),
        "owner": next((row.owner.display_name for row in about.rows if row.owner), ""),
    }


def logged_on_users(case: Case, _inputs: Json) -> Json:
    """Return who was signed in on the device, or was last, as each product last said.

    Privileged are those whom the directory knows as such, by any account of theirs. NotTold where
    the case names no clear device, or no product names anybody.
    """
    about = case_devices.about(case)
    if about is None:
        raise NotTold("the case names no device that the directory knows")
    named = [(row, str(row.attributes.get("last_user") or "").strip()) for row in about.rows]
    users = {name.lower(): _user(row, name) for row, name in named if name}
    if not users:
        raise NotTold("no connected product says who was signed in on the device")
    return {"users": list(users.values())}


def _user(row: Device, name: str) -> dict[str, Any]:
    domain, _, own = name.rpartition("\\")
    is_same = Q(username__iexact=name) | Q(email__iexact=name)
    if own and not domain:
        # Without a domain it may be any of that name: one who is privileged counts.
        is_same |= Q(username__iendswith=f"\\{own}") | Q(username__istartswith=f"{own}@")
    accounts = list(Account.in_scope().filter(is_same, deleted_upstream_at=None))
    people = {one.person_id for one in accounts if one.person_id}
    all_of_them = Account.in_scope().filter(person__in=people, deleted_upstream_at=None)
    return {
        "external_id": accounts[0].external_id if len(accounts) == 1 else name,
        "name": name,
        "provider": row.provider,
        "is_known": bool(accounts),
        "is_privileged": any(one.is_privileged for one in (*accounts, *all_of_them)),
        "last_seen_at": row.last_seen_at,
    }


def _told(row: Device) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "name": str(row),
        "compliance": str(row.attributes["compliance"]),
        "is_encrypted": row.attributes.get("is_encrypted"),
        "last_seen_at": row.last_seen_at,
    }
