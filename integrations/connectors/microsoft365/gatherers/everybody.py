"""Questions about all accounts of the organisation: administrators, and those nobody uses."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365 import roles
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.gatherers.words import AUDIT, now
from integrations.contract import Json, Target
from integrations.values import Fields

USERS = "User.Read.All"
_PROPERTIES = "id,userPrincipalName,accountEnabled,createdDateTime,signInActivity"
_NEVER = 36_500


def everybody(client: GraphClient, more: str = "") -> list[Fields]:
    """Every account with when it was last used; the tenant needs Entra ID P1 for that."""
    path = address("/users", select=_PROPERTIES + more, top=500)
    return [Fields(user) for user in client.all(path, AUDIT, 100_000)]


def last_used(user: Fields) -> dt.datetime | None:
    """When somebody last got in; where Microsoft doesn't say, when somebody last tried."""
    activity = user.nested("signInActivity")
    successful = activity.time("lastSuccessfulSignInDateTime")
    tried = (activity.time("lastSignInDateTime"), activity.time("lastNonInteractiveSignInDateTime"))
    return successful or max((time for time in tried if time is not None), default=None)


def days_since(moment: dt.datetime | None) -> int:
    """Whole days since a time; for who never signed in, as long as can be."""
    return (now() - moment).days if moment else _NEVER


def _line(user: Fields) -> dict[str, Any]:
    return {
        "external_id": user.text("id"),
        "name": user.text("userPrincipalName"),
        "is_enabled": user.truth("accountEnabled"),
        "last_sign_in_days": days_since(last_used(user)),
    }


@dataclass(frozen=True, slots=True)
class ListPrivilegedAccounts:
    """Accounts that hold a directory role."""

    name: str = "identity.list_privileged_accounts"
    permissions: tuple[str, ...] = (AUDIT, USERS, roles.READ, "GroupMember.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``accounts`` with their roles, of all that may sign in."""
        held = roles.held(client)
        path = address("/reports/authenticationMethods/userRegistrationDetails", top=500)
        registered = {
            str(one.get("id")): one.get("isMfaRegistered") is True
            for one in client.all(path, AUDIT, 100_000)
        }
        return {
            "accounts": [
                {
                    **_line(user),
                    "roles": sorted({role.name for role in held[user.text("id")]}),
                    "is_mfa_registered": registered.get(user.text("id"), False),
                }
                for user in everybody(client)
                if user.text("id") in held and user.truth("accountEnabled")
            ]
        }


@dataclass(frozen=True, slots=True)
class ListInactiveAccounts:
    """Accounts that nobody has used for long."""

    name: str = "identity.list_inactive_accounts"
    permissions: tuple[str, ...] = (AUDIT, USERS)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``accounts`` unused for `days` (90), of all that may sign in.

        One that was made within that time and never used isn't counted.
        """
        told = inputs.get("days")
        days = told if isinstance(told, int) and told > 0 else 90
        old = [u for u in everybody(client) if days_since(u.time("createdDateTime")) >= days]
        lines = map(_line, old)
        return {
            "accounts": [
                line for line in lines if line["is_enabled"] and line["last_sign_in_days"] >= days
            ]
        }
