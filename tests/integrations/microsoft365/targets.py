"""Whom and what the actions of Microsoft 365 are tried on, and what is really held of it."""

from __future__ import annotations

from typing import Any

from integrations.contract import Target
from tests.integrations.conformance.subject import Simulated


def user_of(vendor: Simulated, name: str = "priya.shah") -> dict[str, Any]:
    """A user as the directory holds it, by the part before the @."""
    users = vendor.records("users").values()
    return next(u for u in users if u["userPrincipalName"].startswith(f"{name}@"))


def account(vendor: Simulated) -> Target:
    """The account that was taken over."""
    user = user_of(vendor)
    return Target("account", "row", user["id"], user["userPrincipalName"])


def mailbox(vendor: Simulated) -> Target:
    """Its mailbox."""
    user = user_of(vendor)
    return Target("mailbox", "row", user["id"], user["userPrincipalName"])


def rule(vendor: Simulated) -> Target:
    """The rule that the intruder made."""
    owner = user_of(vendor)["id"]
    rules = vendor.records(f"rules:{owner}").values()
    rule = next(r for r in rules if r["displayName"] == ".")
    return Target("mailbox_rule", "row", f"{owner}/{rule['id']}", ".", owner)


def phone(vendor: Simulated) -> Target:
    """A phone of the account."""
    owner = user_of(vendor)["id"]
    methods = vendor.records(f"methods:{owner}").values()
    phone = next(m for m in methods if "phoneAuthenticationMethod" in m["@odata.type"])
    return Target("auth_method", "row", f"{owner}/{phone['id']}", phone["phoneNumber"], owner)


def enabled(vendor: Simulated, target: Target) -> Any:
    """Whether sign-in is allowed."""
    return vendor.records("users")[target.external_id]["accountEnabled"]


def was_changed(kind: str) -> Any:
    """Whether something was ever done that leaves only a later time behind."""

    def observe(vendor: Simulated, target: Target) -> bool:
        return bool(vendor.served.control.effects(kind, target.external_id))

    return observe


def rules(vendor: Simulated, target: Target) -> Any:
    """The owner's rules without ids and places, which a rule made anew has of its own."""
    rules = vendor.records(f"rules:{target.parent_external_id}").values()
    kept = ("displayName", "isEnabled", "conditions", "actions", "exceptions")
    return sorted(
        ({k: r[k] for k in kept if r.get(k)} for r in rules), key=lambda r: r["displayName"]
    )


def methods(vendor: Simulated, target: Target) -> Any:
    """The registered methods, by number or id."""
    methods = vendor.records(f"methods:{target.parent_external_id}").values()
    return sorted(str(m.get("phoneNumber") or m["id"]) for m in methods)


def forwarding(vendor: Simulated, target: Target) -> Any:
    """Where the mailbox forwards to."""
    exchange = vendor.records("mailboxes")[target.external_id]["exchange"]
    names = ("ForwardingSmtpAddress", "ForwardingAddress", "DeliverToMailboxAndForward")
    return {name: exchange.get(name) for name in names}


def grant(vendor: Simulated) -> Target:
    """An app that was allowed to read the mail."""
    grant = vendor.act("consent_to_app", user="priya.shah")
    return Target("oauth_grant", "row", grant["id"], "Mail Helper", user_of(vendor)["id"])


def grants(vendor: Simulated, target: Target) -> Any:
    """The owner's grants without their ids."""
    grants = vendor.records("oauth2PermissionGrants").values()
    mine = [g for g in grants if g["principalId"] == target.parent_external_id]
    return sorted(({k: g[k] for k in g if k != "id"} for g in mine), key=lambda g: g["clientId"])


def role(vendor: Simulated) -> Target:
    """A role that was given lately."""
    given = vendor.act("grant_role", user="priya.shah", role="User Administrator", by="sam.adeyemi")
    return Target("role_assignment", "row", given["id"], "User Administrator", given["principalId"])


def roles(vendor: Simulated, target: Target) -> Any:
    """The roles of the account."""
    held = vendor.records("roleAssignments").values()
    mine = [a for a in held if a["principalId"] == target.parent_external_id]
    return sorted((a["roleDefinitionId"], a["directoryScopeId"]) for a in mine)


def membership(vendor: Simulated) -> Target:
    """The membership of a group."""
    groups = vendor.records("groups").values()
    group = next(g for g in groups if g["displayName"] == "Finance")
    owner = user_of(vendor)["id"]
    return Target("group_membership", "row", f"{group['id']}/{owner}", "Finance", owner)


def members(vendor: Simulated, target: Target) -> Any:
    """The members of the group."""
    return sorted(vendor.records(f"members:{target.external_id.partition('/')[0]}"))


def licence(vendor: Simulated) -> Target:
    """A licence of the account."""
    user = user_of(vendor)
    sku = user["assignedLicenses"][0]["skuId"]
    return Target("licence", "row", f"{user['id']}/{sku}", "SPB", user["id"])


def licences(vendor: Simulated, target: Target) -> Any:
    """The licences of the account."""
    return vendor.records("users")[target.parent_external_id]["assignedLicenses"]


def delegate(kind: str, to: str) -> Any:
    """Somebody who was given access of this kind."""

    def given(vendor: Simulated) -> Target:
        owner = user_of(vendor)["id"]
        vendor.act("give_access", user="priya.shah", to=to, kind=kind)
        return Target("mailbox_delegate", "row", f"{owner}/{kind}:{to}", to, owner)

    return given


_EXCHANGE_KEPT = (
    "Permissions", "SendAs", "GrantSendOnBehalfTo", "TrustedSendersAndDomains",
    "RecipientTypeDetails",
)  # fmt: skip


def mailbox_state(vendor: Simulated, target: Target) -> Any:
    """What Exchange holds of the mailbox, without what is empty."""
    owner = target.parent_external_id or target.external_id
    exchange = vendor.records("mailboxes")[owner]["exchange"]
    return {name: exchange[name] for name in _EXCHANGE_KEPT if exchange.get(name)}


def trusted(vendor: Simulated) -> Target:
    """A sender that the mailbox trusts."""
    owner = user_of(vendor)["id"]
    vendor.act("trust_sender", user="priya.shah", sender="contoso-cl1nic.example")
    own = "contoso-cl1nic.example"
    return Target("trusted_sender", "row", f"{owner}/{own}", own, owner)


def colleague(vendor: Simulated, target: Target) -> dict[str, str]:
    """Who is to get access."""
    return {"delegate": user_of(vendor, "anna.berg")["mail"]}


def reply_settings(vendor: Simulated, target: Target) -> Any:
    """The automatic reply."""
    settings = vendor.records("mailboxes")[target.external_id]["settings"]
    return settings["automaticRepliesSetting"]


def away(vendor: Simulated, target: Target) -> dict[str, str]:
    """What is to be answered."""
    return {"text": "I no longer work here. Please write to reception@contoso-clinic.example."}


def sender(vendor: Simulated) -> Target:
    """A sender to block."""
    return Target("sender", "", "accounts@bad.example", "accounts@bad.example")


def listed(vendor: Simulated, target: Target) -> Any:
    """The organisation's list of senders."""
    return sorted(vendor.records("senderList"))


def message(vendor: Simulated) -> Target:
    """A message that reached the mailbox."""
    owner = user_of(vendor)["id"]
    for found in vendor.records(f"messages:{owner}").values():
        return Target("message", "", f"{owner}/{found['internetMessageId']}", "Unpaid invoice")
    wanted = vendor.act("deliver", users=["priya.shah", "anna.berg"])
    return Target("message", "", f"{owner}/{wanted['internetMessageId']}", "Unpaid invoice")


def folders(vendor: Simulated, target: Target) -> Any:
    """The folders in which the mailbox holds the message."""
    owner = target.external_id.partition("/")[0]
    return sorted(m["parentFolderId"] for m in vendor.records(f"messages:{owner}").values())


def weakened(vendor: Simulated) -> Target:
    """A policy that somebody switched off."""
    policies = vendor.records("conditionalAccessPolicies").values()
    policy = next(p for p in policies if p["displayName"] == "Block legacy authentication")
    vendor.act("put", collection="conditionalAccessPolicies", record=policy | {"state": "disabled"})
    return Target("policy_setting", "", f"MS.AAD.1.1v1:{policy['id']}", "Legacy sign-in is blocked")


def policies(vendor: Simulated, target: Target) -> Any:
    """The state of every policy."""
    found = vendor.records("conditionalAccessPolicies").values()
    return sorted((p["displayName"], p["state"]) for p in found)


def demanded(vendor: Simulated, target: Target) -> Any:
    """Whether a second proof is demanded."""
    return vendor.records("mfaRequirements").get(target.external_id)


def block(vendor: Simulated, target: Target) -> None:
    """Somebody blocks the account."""
    vendor.act("set_enabled", user="priya.shah", is_enabled=False)
