"""Questions about the organisation: its emergency accounts, and what of its settings drifted."""

import re
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365 import posture, roles
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.gatherers.everybody import (
    USERS,
    days_since,
    everybody,
    last_used,
)
from integrations.connectors.microsoft365.gatherers.sign_ins import sign_in, sign_ins
from integrations.connectors.microsoft365.gatherers.words import (
    AUDIT,
    ago,
)
from integrations.contract import Json, Target
from integrations.errors import NotFound
from integrations.microsoft.odata import quoted
from integrations.values import Fields

_POLICIES = "Policy.Read.All"
_MEMBERS = "GroupMember.Read.All"
_GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
# By these words people name accounts that are kept for emergencies.
_EMERGENCY = re.compile(r"break.?glass|emergency|notfall|bris.?de.?glace|emergencia", re.IGNORECASE)
_ADDRESSES = 20


@dataclass(frozen=True, slots=True)
class GetBreakGlassState:
    """The accounts that are kept for emergencies, and whether they would serve."""

    name: str = "identity.get_break_glass_state"
    permissions: tuple[str, ...] = (AUDIT, USERS, roles.READ, _MEMBERS, _POLICIES)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``accounts``: those that the connection names, else by their name or title.

        Unexpected: a sign-in of the last 30 days that is suspicious, or comes from an address from
        which nobody else of the organisation signed in.
        """
        held = roles.held(client)
        found = [
            user
            for user in everybody(client, ",displayName,jobTitle")
            if _is_for_emergencies(client, user, held.get(user.text("id"), []))
        ]
        if not found:
            return {"accounts": []}
        policies = [Fields(p) for p in client.all(address(posture.CONDITIONAL), _POLICIES)]
        has_defaults = _has_security_defaults(client)
        return {
            "accounts": [
                {
                    "external_id": user.text("id"),
                    "name": user.text("userPrincipalName"),
                    "is_enabled": user.truth("accountEnabled") is True,
                    "is_excluded_from_policies": not has_defaults
                    and self._is_excluded(client, user.text("id"), policies),
                    "last_tested_days": days_since(used)
                    if (used := last_used(user)) is not None
                    else None,
                    "unexpected_sign_ins": _unexpected(client, user.text("id")),
                }
                for user in found
            ]
        }

    def _is_excluded(self, client: GraphClient, user_id: str, policies: list[Fields]) -> bool:
        """Whether no policy in force binds the account, save those that are made for it."""
        groups: set[str] | None = None
        for policy in policies:
            users = policy.nested("conditions").nested("users")
            is_bound = "all" in {u.lower() for u in users.texts("includeUsers")} or (
                _GLOBAL_ADMINISTRATOR in users.texts("includeRoles")
            )
            if policy.word("state") != "enabled" or not is_bound:
                continue
            if user_id in users.texts("excludeUsers"):
                continue
            if groups is None:
                path = address("/users/{}/transitiveMemberOf", user_id, select="id", top=100)
                groups = {str(g.get("id")) for g in client.all(path, _MEMBERS)}
            if not groups & set(users.texts("excludeGroups")):
                return False
        return True


def _is_for_emergencies(client: GraphClient, user: Fields, held: list[roles.Role]) -> bool:
    if client.emergency_accounts:
        return user.word("userPrincipalName") in client.emergency_accounts
    names = " ".join(user.text(n) for n in ("displayName", "userPrincipalName", "jobTitle"))
    is_administrator = any(role.template_id == _GLOBAL_ADMINISTRATOR for role in held)
    return is_administrator and _EMERGENCY.search(names) is not None


def _unexpected(client: GraphClient, user_id: str) -> int:
    since = ago({}, "days", 30, most=30)
    succeeded = "status/errorCode eq 0"
    own = sign_ins(client, f"userId eq '{quoted(user_id)}' and {succeeded}", since)
    strange = [one for one in own if sign_in(one)["is_suspicious"]]
    usual = [one for one in own if one not in strange]
    addresses = list(dict.fromkeys(one.text("ipAddress") for one in usual))[:_ADDRESSES]
    known = {
        ip
        for ip in addresses
        if any(
            one.text("userId") != user_id
            for one in sign_ins(client, f"ipAddress eq '{quoted(ip)}' and {succeeded}", since)
        )
    }
    return len(strange) + sum(1 for one in usual if one.text("ipAddress") not in known)


def _has_security_defaults(client: GraphClient) -> bool:
    path = "/policies/identitySecurityDefaultsEnforcementPolicy"
    try:
        return Fields(client.get(path, _POLICIES)).truth("isEnabled") is True
    except NotFound:
        return False


@dataclass(frozen=True, slots=True)
class ListDrift:
    """Security settings that aren't as CISA's baseline asks."""

    name: str = "posture.list_drift"
    permissions: tuple[str, ...] = (_POLICIES,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``settings`` that differ, with what would make them as agreed."""
        found = posture.drift(
            client.get(posture.AUTHORIZATION, _POLICIES),
            client.all(posture.CONDITIONAL, _POLICIES),
            has_security_defaults=_has_security_defaults(client),
        )
        settings: list[dict[str, Any]] = [
            {
                "external_id": one.id,
                "name": one.name,
                "is_weaker": one.is_weaker,
                "wanted": dict(one.wanted),
            }
            for one in found
        ]
        return {"settings": settings}
