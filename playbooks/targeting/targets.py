"""Whom or what a step acts on, and the traits that rules of engagement judge it by. Pure.

The case's own account and device are as the facts say. Whatever else a step names is as the
directory knows it: an account that it doesn't know is not known to be free, and a device that it
doesn't know may be a server. A copy of a message is as the owner of its mailbox is.
"""

from collections.abc import Mapping
from typing import Any

from integrations import catalog, registry
from playbooks.errors import ConditionError
from playbooks.expressions.conditions import fill
from playbooks.language import PlaybookStep

Facts = Mapping[str, Any]
# None: nobody knows.
Traits = dict[str, bool | None]
# What belongs to the case's account, and is known at the vendor only together with it.
_OF_THE_ACCOUNT = (
    "mailbox_rule", "auth_method", "oauth_grant", "role_assignment", "group_membership", "licence",
    "mailbox_delegate", "trusted_sender",
)  # fmt: skip
# What may be another's than the case's own, and where the directory says what it is.
_LOOKED_UP = {
    "account": "accounts", "mailbox": "accounts", "device": "devices", "message": "messages",
}  # fmt: skip
_OWN = ("account", "on_premises", "mailbox", "device")


def target_of(step: PlaybookStep, facts: Facts) -> dict[str, Any]:
    """Return what a step acts on or asks about; ConditionError where the facts don't say."""
    kind = catalog.get(step.uses).target
    if isinstance(step.target, str):
        told = facts.get(step.target)
        if not isinstance(told, Mapping) or not told.get("external_id"):
            raise ConditionError(f"the facts lack {step.target!r} with an external_id.")
        told = _where_it_can_be_done(step.uses, told)
        name = told.get("username") or told.get("name") or told["external_id"]
        told = {**told, "name": name}
    else:
        told = _filled_target(step.target, facts)
        known = _known(kind, told, facts) or {}
        told = {name: known[name] for name in ("id", "provider") if name in known} | told
    owner = facts.get("account", {}).get("external_id", "") if kind in _OF_THE_ACCOUNT else ""
    return {
        "kind": kind,
        "id": str(told.get("id", "")),
        "external_id": str(told["external_id"]),
        "name": str(told.get("name") or told["external_id"]),
        "parent_external_id": owner,
        "provider": str(told.get("provider") or _provider(kind, facts)),
        **_traits(kind, told, facts),
    }


def _where_it_can_be_done(action: str, told: Facts) -> Facts:
    """Return a device as the connector knows it that can do or tell this, its own before others."""
    known = [
        told,
        *sorted(_elsewhere(told), key=lambda one: (not one["in_reach"], one["provider"])),
    ]
    return next((one for one in known if registry.offers(one.get("provider", ""), action)), told)


def _elsewhere(told: Facts) -> list[Facts]:
    """Return a device as other connectors know it."""
    return list(told.get("elsewhere", {}).values())


def with_traits(target: Facts, facts: Facts) -> dict[str, Any]:
    """Return a planned target with its traits as the facts say now.

    One that was the case's own when it was planned has no `is_protected`, and is judged as that.
    """
    kind = str(target["kind"])
    is_looked_up = "is_protected" in target
    if is_looked_up or (kind == "message" and _known(kind, target, facts)):
        return {**target, **_traits_looked_up(kind, target, facts)}
    return {**target, **_traits_of_own(kind, target, facts)}


def _provider(kind: str, facts: Facts) -> str:
    """Return the connector that knows a target which doesn't say so itself."""
    first = "device" if kind in catalog.OF_A_DEVICE else "account"
    for name in (first, "account", "device"):
        if facts.get(name, {}).get("provider"):
            return str(facts[name]["provider"])
    return ""


def _filled_target(target: Facts, facts: Facts) -> dict[str, Any]:
    """Fill a target in; one without a usable name is still a target."""
    told = {"external_id": fill(target["external_id"], facts)}
    if "provider" in target:
        told["provider"] = fill(target["provider"], facts)
    if not isinstance(told["external_id"], str) or not told["external_id"]:
        raise ConditionError(f"the target's external_id is {told['external_id']!r}, no id.")
    try:
        told["name"] = fill(target.get("name", ""), facts)
    except ConditionError:
        told["name"] = told["external_id"]
    return told


def _traits(kind: str, told: Facts, facts: Facts) -> Traits:
    if kind in _LOOKED_UP and not _is_own(kind, told, facts):
        return _traits_looked_up(kind, told, facts)
    if kind == "message" and _known(kind, told, facts):
        # The case's own message, and its mailbox is known.
        return _traits_looked_up(kind, told, facts)
    return _traits_of_own(kind, told, facts)


def _is_own(kind: str, told: Facts, facts: Facts) -> bool:
    """Whether a target is the case's own account, mailbox, device or message, at any connector."""
    return any(
        own.get("external_id") == told["external_id"] and _is_of(told, own)
        for name in (("message",) if kind == "message" else _OWN)
        if name in facts
        for own in (facts[name], *_elsewhere(facts[name]))
    )


def _known(kind: str, told: Facts, facts: Facts) -> Facts | None:
    """Return what the directory knows of a target; None for one that it doesn't know."""
    there = facts.get("directory", {}).get(_LOOKED_UP.get(kind, ""))
    found = there.get(told["external_id"]) if isinstance(there, Mapping) else None
    return found if isinstance(found, Mapping) and _is_of(told, found) else None


def _is_of(told: Facts, known: Facts) -> bool:
    """Whether a target may be what is known under its id: not where the connectors differ."""
    return known.get("provider", "") in ("", told.get("provider") or known.get("provider", ""))


def _traits_of_own(kind: str, told: Facts, facts: Facts) -> Traits:
    """Return the traits of the case's own; what belongs to an account is as the account is."""
    account = facts.get("account", {})
    device = facts.get("device", {})
    is_device = kind in catalog.OF_A_DEVICE
    return {
        "is_privileged": not is_device and account.get("is_privileged") is not False
        if account else bool(told.get("is_privileged")),
        "is_vip": not is_device and bool(account.get("is_vip")),
        "is_synced": not is_device and account.get("source_of_authority") == "active_directory",
        "is_shared": not is_device and account.get("kind") == "shared",
        "is_server": is_device and bool(told.get("is_server", device.get("is_server"))),
    }  # fmt: skip


def _traits_looked_up(kind: str, told: Facts, facts: Facts) -> Traits:
    """Return the traits that the directory knows of a target."""
    known = _known(kind, told, facts) or {}
    return _traits_of_device(known) if kind == "device" else _traits_of_account(known)


def _traits_of_account(known: Facts) -> Traits:
    return {
        "is_protected": known.get("is_protected"),
        "is_privileged": known.get("is_privileged") is not False,
        "is_vip": known.get("is_vip") is not False,
        "is_synced": known.get("source_of_authority") != "cloud",
        "is_shared": known.get("kind") == "shared",
        "is_server": False,
    }


def _traits_of_device(known: Facts) -> Traits:
    return {
        "is_protected": known.get("is_protected") is True,
        "is_privileged": False,
        "is_vip": False,
        "is_synced": False,
        "is_shared": False,
        "is_server": known.get("is_server") is not False,
    }
