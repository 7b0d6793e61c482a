"""Security settings of a tenant that differ from what CISA's SCuBA baseline asks. Pure.

Source: https://www.cisa.gov/resources-tools/services/secure-cloud-business-applications-scuba-project
(Microsoft Entra ID). Only settings that Graph v1.0 tells and can correct, and of Conditional Access
only policies that exist: one that nobody ever made has not been weakened.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.values import Fields

AUTHORIZATION = "/policies/authorizationPolicy"
CONDITIONAL = "/identity/conditionalAccess/policies"
_ROLE = "defaultUserRolePermissions"
_GRANTS = "permissionGrantPoliciesAssigned"
_LIMITED_GUEST = "10dae51f-b6af-4016-8d66-8c2a99b929b3"
_RESTRICTED_GUEST = "2af84b1e-32c8-42b7-82bc-daa82404023b"
_ADMINS_INVITE = "adminsAndGuestInviters"
_LEGACY = frozenset({"exchangeactivesync", "other"})


@dataclass(frozen=True, slots=True)
class Drift:
    """One setting that isn't as agreed; `wanted` is what would make it so."""

    id: str
    name: str
    is_weaker: bool
    wanted: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where Graph keeps it."""
        return path_of(self.id)


def path_of(setting_id: str) -> str:
    """Where Graph keeps a setting, by the id under which it is told: policy, and object if any."""
    _, _, object_id = setting_id.partition(":")
    return f"{CONDITIONAL}/{object_id}" if object_id else AUTHORIZATION


def drift(
    authorization: Mapping[str, Any],
    policies: Iterable[Mapping[str, Any]],
    *,
    has_security_defaults: bool,
) -> list[Drift]:
    """Return every setting that differs.

    Where security defaults are on, Conditional Access can't be, and is left out.
    """
    found = _of_authorization(Fields(authorization))
    if has_security_defaults:
        return found
    return found + _of_conditional_access([Fields(one) for one in policies])


def _of_authorization(told: Fields) -> list[Drift]:
    role = told.nested(_ROLE)
    own_grants = [g for g in role.texts(_GRANTS) if _is_for_oneself(g)]
    others = [g for g in role.texts(_GRANTS) if not _is_for_oneself(g)]
    guests, invites = told.word("guestUserRoleId"), told.word("allowInvitesFrom")
    found = []
    if role.truth("allowedToCreateApps"):
        found.append(
            Drift("MS.AAD.5.1v1", "Only administrators register apps", is_weaker=True,
                  wanted={_ROLE: {"allowedToCreateApps": False}})
        )  # fmt: skip
    if own_grants:
        found.append(
            Drift("MS.AAD.5.2v1", "Only administrators allow apps access", is_weaker=True,
                  wanted={_ROLE: {_GRANTS: others}})
        )  # fmt: skip
    if guests and guests != _LIMITED_GUEST:
        found.append(
            Drift("MS.AAD.8.1v1", "Guests see little of the directory",
                  is_weaker=guests != _RESTRICTED_GUEST,
                  wanted={"guestUserRoleId": _LIMITED_GUEST})
        )  # fmt: skip
    if invites and invites != _ADMINS_INVITE.lower():
        found.append(
            Drift("MS.AAD.8.2v1", "Only administrators and guest inviters invite guests",
                  is_weaker=invites != "none", wanted={"allowInvitesFrom": _ADMINS_INVITE})
        )  # fmt: skip
    return found


def _is_for_oneself(grant: str) -> bool:
    return grant.lower().startswith("managepermissiongrantsforself.")


def _of_conditional_access(policies: list[Fields]) -> list[Drift]:
    found = []
    for policy_id, name, meets in _REQUIREMENTS:
        fitting = [one for one in policies if meets(one)]
        if any(one.word("state") == "enabled" for one in fitting):
            continue
        found += [
            Drift(f"{policy_id}:{one.text('id')}", f"{name} ({one.text('displayName')})",
                  is_weaker=True, wanted={"state": "enabled"})
            for one in fitting
        ]  # fmt: skip
    return found


def _covers_all(policy: Fields) -> bool:
    conditions = policy.nested("conditions")
    users = {u.lower() for u in conditions.nested("users").texts("includeUsers")}
    apps = {a.lower() for a in conditions.nested("applications").texts("includeApplications")}
    return "all" in users and "all" in apps


def _words(policy: Fields, *names: str) -> set[str]:
    """The values of a condition, in lower case."""
    conditions = policy.nested("conditions")
    return {value.lower() for name in names for value in conditions.texts(name)}


def _blocks(policy: Fields) -> bool:
    controls = policy.nested("grantControls").texts("builtInControls")
    return "block" in {control.lower() for control in controls}


def _blocks_legacy(policy: Fields) -> bool:
    return (
        _covers_all(policy)
        and _blocks(policy)
        and _words(policy, "clientAppTypes") >= _LEGACY
        and not _words(policy, "userRiskLevels", "signInRiskLevels")
    )


def _blocks_risk(name: str) -> Callable[[Fields], bool]:
    return lambda policy: _covers_all(policy) and _blocks(policy) and "high" in _words(policy, name)


def _asks_mfa(policy: Fields) -> bool:
    controls = policy.nested("grantControls")
    asks = "mfa" in {c.lower() for c in controls.texts("builtInControls")}
    has_strength = bool(controls.nested("authenticationStrength").text("id"))
    clients = _words(policy, "clientAppTypes")
    return (
        _covers_all(policy)
        and (asks or has_strength)
        and (not clients or "all" in clients)
        and not _words(policy, "userRiskLevels", "signInRiskLevels")
    )


_REQUIREMENTS: tuple[tuple[str, str, Callable[[Fields], bool]], ...] = (
    ("MS.AAD.1.1v1", "Old ways of signing in are blocked", _blocks_legacy),
    ("MS.AAD.2.1v1", "Users at high risk are blocked", _blocks_risk("userRiskLevels")),
    ("MS.AAD.2.3v1", "Sign-ins at high risk are blocked", _blocks_risk("signInRiskLevels")),
    ("MS.AAD.3.2v2", "Everybody proves who they are in two ways", _asks_mfa),
)
