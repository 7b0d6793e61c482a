"""Microsoft 365 under the conformance suite: the simulated clinic, and a target per action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.microsoft365.manifest import MANIFEST
from integrations.contract import Target
from tests.contracts.published import GRAPH
from tests.integrations.conformance.subject import ActionCase, Recorded, Simulated, Subject
from tests.integrations.simulators.fixtures import running_simulator

ENDPOINTS = ("login_endpoint", "graph_endpoint", "exchange_endpoint")


def _user(vendor: Simulated, name: str = "priya.shah") -> dict[str, Any]:
    users = vendor.records("users").values()
    return next(u for u in users if u["userPrincipalName"].startswith(f"{name}@"))


def _account(vendor: Simulated) -> Target:
    user = _user(vendor)
    return Target("account", "row", user["id"], user["userPrincipalName"])


def _mailbox(vendor: Simulated) -> Target:
    user = _user(vendor)
    return Target("mailbox", "row", user["id"], user["userPrincipalName"])


def _rule(vendor: Simulated) -> Target:
    owner = _user(vendor)["id"]
    rules = vendor.records(f"rules:{owner}").values()
    rule = next(r for r in rules if r["displayName"] == ".")
    return Target("mailbox_rule", "row", f"{owner}/{rule['id']}", ".", owner)


def _phone(vendor: Simulated) -> Target:
    owner = _user(vendor)["id"]
    methods = vendor.records(f"methods:{owner}").values()
    phone = next(m for m in methods if "phoneAuthenticationMethod" in m["@odata.type"])
    return Target("auth_method", "row", f"{owner}/{phone['id']}", phone["phoneNumber"], owner)


def _enabled(vendor: Simulated, target: Target) -> Any:
    return vendor.records("users")[target.external_id]["accountEnabled"]


def _was_changed(kind: str) -> Any:
    """Whether something was ever done that leaves only a later time behind."""

    def observe(vendor: Simulated, target: Target) -> bool:
        return bool(vendor.served.control.effects(kind, target.external_id))

    return observe


def _rules(vendor: Simulated, target: Target) -> Any:
    """The owner's rules without ids and places, which a rule made anew has of its own."""
    rules = vendor.records(f"rules:{target.parent_external_id}").values()
    kept = ("displayName", "isEnabled", "conditions", "actions", "exceptions")
    return sorted(
        ({k: r[k] for k in kept if r.get(k)} for r in rules), key=lambda r: r["displayName"]
    )


def _methods(vendor: Simulated, target: Target) -> Any:
    methods = vendor.records(f"methods:{target.parent_external_id}").values()
    return sorted(str(m.get("phoneNumber") or m["id"]) for m in methods)


def _forwarding(vendor: Simulated, target: Target) -> Any:
    exchange = vendor.records("mailboxes")[target.external_id]["exchange"]
    names = ("ForwardingSmtpAddress", "ForwardingAddress", "DeliverToMailboxAndForward")
    return {name: exchange.get(name) for name in names}


def _grant(vendor: Simulated) -> Target:
    grant = vendor.act("consent_to_app", user="priya.shah")
    return Target("oauth_grant", "row", grant["id"], "Mail Helper", _user(vendor)["id"])


def _grants(vendor: Simulated, target: Target) -> Any:
    """The owner's grants without their ids."""
    grants = vendor.records("oauth2PermissionGrants").values()
    mine = [g for g in grants if g["principalId"] == target.parent_external_id]
    return sorted(({k: g[k] for k in g if k != "id"} for g in mine), key=lambda g: g["clientId"])


def _role(vendor: Simulated) -> Target:
    given = vendor.act("grant_role", user="priya.shah", role="User Administrator", by="sam.adeyemi")
    return Target("role_assignment", "row", given["id"], "User Administrator", given["principalId"])


def _roles(vendor: Simulated, target: Target) -> Any:
    held = vendor.records("roleAssignments").values()
    mine = [a for a in held if a["principalId"] == target.parent_external_id]
    return sorted((a["roleDefinitionId"], a["directoryScopeId"]) for a in mine)


def _membership(vendor: Simulated) -> Target:
    groups = vendor.records("groups").values()
    group = next(g for g in groups if g["displayName"] == "Finance")
    owner = _user(vendor)["id"]
    return Target("group_membership", "row", f"{group['id']}/{owner}", "Finance", owner)


def _members(vendor: Simulated, target: Target) -> Any:
    return sorted(vendor.records(f"members:{target.external_id.partition('/')[0]}"))


def _licence(vendor: Simulated) -> Target:
    user = _user(vendor)
    sku = user["assignedLicenses"][0]["skuId"]
    return Target("licence", "row", f"{user['id']}/{sku}", "SPB", user["id"])


def _licences(vendor: Simulated, target: Target) -> Any:
    return vendor.records("users")[target.parent_external_id]["assignedLicenses"]


def _delegate(kind: str, to: str) -> Any:
    def given(vendor: Simulated) -> Target:
        owner = _user(vendor)["id"]
        vendor.act("give_access", user="priya.shah", to=to, kind=kind)
        return Target("mailbox_delegate", "row", f"{owner}/{kind}:{to}", to, owner)

    return given


_EXCHANGE_KEPT = (
    "Permissions", "SendAs", "GrantSendOnBehalfTo", "TrustedSendersAndDomains",
    "RecipientTypeDetails",
)  # fmt: skip


def _mailbox_state(vendor: Simulated, target: Target) -> Any:
    """What Exchange holds of the mailbox, without what is empty."""
    owner = target.parent_external_id or target.external_id
    exchange = vendor.records("mailboxes")[owner]["exchange"]
    return {name: exchange[name] for name in _EXCHANGE_KEPT if exchange.get(name)}


def _trusted(vendor: Simulated) -> Target:
    owner = _user(vendor)["id"]
    vendor.act("trust_sender", user="priya.shah", sender="contoso-cl1nic.example")
    own = "contoso-cl1nic.example"
    return Target("trusted_sender", "row", f"{owner}/{own}", own, owner)


def _colleague(vendor: Simulated, target: Target) -> dict[str, str]:
    return {"delegate": _user(vendor, "anna.berg")["mail"]}


def _reply_settings(vendor: Simulated, target: Target) -> Any:
    settings = vendor.records("mailboxes")[target.external_id]["settings"]
    return settings["automaticRepliesSetting"]


def _away(vendor: Simulated, target: Target) -> dict[str, str]:
    return {"text": "I no longer work here. Please write to reception@contoso-clinic.example."}


def _sender(vendor: Simulated) -> Target:
    return Target("sender", "", "accounts@bad.example", "accounts@bad.example")


def _listed(vendor: Simulated, target: Target) -> Any:
    return sorted(vendor.records("senderList"))


def _block(vendor: Simulated, target: Target) -> None:
    vendor.act("set_enabled", user="priya.shah", is_enabled=False)


_PATCH_USER = {"method": "PATCH", "path": "^/v1.0/users/[^/]+$"}
_RULES = "/messageRules"
_INVOKE = {"method": "POST", "path": "/InvokeCommand/(Add|Remove|Set|New)-"}
_NO_REPLY = {"externalAudience": "all", "internalReplyMessage": "", "externalReplyMessage": ""}
_ASSIGNMENTS = "/roleAssignments"
_MEMBERS = "/groups/[^/]+/members/"
_LICENSE = "/assignLicense"
_LACKS_GRANT = (
    "The part of the contract that is here lacks the creation of a grant: "
    "https://learn.microsoft.com/graph/api/oauth2permissiongrant-post"
)
_UNPUBLISHED = "Microsoft publishes no contract of Exchange Online's admin endpoint."


_OTHER = "An answer about something that no feed brings."
_ERROR = "The recorded answer is an error, not a record."
_TOKEN = "The recorded answer is of the sign-in service."
RECORDS = (
    Recorded("azure_activity", "microsoft-azure/activity"),
    Recorded("sign_ins", "microsoft-entra/signin-or-audit-diagnostic"),
    Recorded("directory_audit", "microsoft-entra/audit-la-export"),
    Recorded("unified_audit", "microsoft-defender/advanced-hunting-export"),
    Recorded("unified_audit", "microsoft-exchange/office-activity-la-export"),
    Recorded("alerts", "microsoft-defender/m365-defender-alerts-events"),
    Recorded(
        "alerts", "microsoft-graph/security-alerts-and-m365-audit",
        {"other_product": (2, "Events of Windows, which no feed of Microsoft 365 brings.")},
    ),
    Recorded(
        "policies", "microsoft-exchange/soar-action-results",
        {"missing_id": (3, "Results of another product's script, without an id.")},
    ),
    Recorded(
        "users", "microsoft-graph/recorded-http",
        {"other_resource": (65, _OTHER), "error_answer": (37, _ERROR),
         "token_answer": (12, _TOKEN)},
    ),
    Recorded(
        "users", "microsoft-graph-docs",
        {"other_resource": (49, _OTHER),
         "no_content": (46, "The answer of a write, without content."),
         "not_an_object": (3, "A count, or an example that is a number."),
         "missing_id": (8, "The example selects other fields than the id."),
         "bad_time": (2, "The page shows types instead of values."),
         "empty_record": (1, "An object without a field."),
         "missing_owner": (1, "The settings of /me don't say whose they are."),
         "unreadable_json": (1, "The source of a mail message."),
         "untyped_member": (1, "A member of a group that may be a user or a group."),
         "not_recognised": (2, "A query's row without ActionType.")},
    ),
)  # fmt: skip


class Microsoft365Subject(Subject):
    """The clinic whose mailbox was taken over, on small pages."""

    manifest = MANIFEST
    feed = "sign_ins"
    pages = "^/v1.0/auditLogs/signIns"
    endpoints = ENDPOINTS
    contract = GRAPH
    records = RECORDS
    actions = (
        ActionCase("identity.disable_sign_in", _account, _enabled, _PATCH_USER),
        ActionCase("identity.enable_sign_in", _account, _enabled, _PATCH_USER, prepare=_block),
        ActionCase(
            "identity.revoke_sessions", _account, _was_changed("user.revoke_sessions"),
            {"method": "POST", "path": "/revokeSignInSessions"},
        ),
        ActionCase(
            "identity.reset_password", _account, _was_changed("user.reset_password"), _PATCH_USER
        ),
        ActionCase(
            "identity.remove_auth_method", _phone, _methods,
            {"method": "DELETE", "path": "/phoneMethods/"},
        ),
        ActionCase(
            "identity.restore_auth_method", _phone, _methods,
            {"method": "POST", "path": "/phoneMethods"}, undoes="identity.remove_auth_method",
        ),
        ActionCase(
            "identity.revoke_oauth_grant", _grant, _grants,
            {"method": "DELETE", "path": "/oauth2PermissionGrants/"},
        ),
        ActionCase(
            "identity.restore_oauth_grant", _grant, _grants,
            {"method": "POST", "path": "/oauth2PermissionGrants"},
            undoes="identity.revoke_oauth_grant", outside_contract=_LACKS_GRANT,
            no_reversal="The new grant may have another id, so the old target can't name it.",
        ),
        ActionCase(
            "identity.remove_role", _role, _roles, {"method": "DELETE", "path": _ASSIGNMENTS}
        ),
        ActionCase(
            "identity.restore_role", _role, _roles, {"method": "POST", "path": _ASSIGNMENTS},
            undoes="identity.remove_role",
            no_reversal="The new assignment has a new id, so the old target can't name it.",
        ),
        ActionCase(
            "identity.remove_from_group", _membership, _members,
            {"method": "DELETE", "path": _MEMBERS},
        ),
        ActionCase(
            "identity.add_to_group", _membership, _members,
            {"method": "POST", "path": _MEMBERS}, undoes="identity.remove_from_group",
        ),
        ActionCase(
            "identity.remove_licence", _licence, _licences, {"method": "POST", "path": _LICENSE}
        ),
        ActionCase(
            "identity.assign_licence", _licence, _licences, {"method": "POST", "path": _LICENSE},
            undoes="identity.remove_licence",
        ),
        ActionCase(
            "mailbox.disable_inbox_rule", _rule, _rules, {"method": "PATCH", "path": _RULES}
        ),
        ActionCase(
            "mailbox.enable_inbox_rule", _rule, _rules, {"method": "PATCH", "path": _RULES},
            undoes="mailbox.disable_inbox_rule",
        ),
        ActionCase(
            "mailbox.delete_inbox_rule", _rule, _rules, {"method": "DELETE", "path": _RULES}
        ),
        ActionCase(
            "mailbox.restore_inbox_rule", _rule, _rules, {"method": "POST", "path": _RULES},
            undoes="mailbox.delete_inbox_rule",
            no_reversal="The restored rule has a new id, so the old target can't name it.",
        ),
        ActionCase(
            "mailbox.remove_forwarding", _mailbox, _forwarding,
            {"method": "POST", "path": "/InvokeCommand"}, outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.restore_forwarding", _mailbox, _forwarding,
            {"method": "POST", "path": "/InvokeCommand"}, undoes="mailbox.remove_forwarding",
            outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.remove_delegate", _delegate("full_access", "x@collector.example"),
            _mailbox_state, _INVOKE, outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.restore_delegate", _delegate("send_on_behalf", "x@collector.example"),
            _mailbox_state, _INVOKE, undoes="mailbox.remove_delegate",
            outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.grant_access", _mailbox, _mailbox_state, _INVOKE, _colleague,
            outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.revoke_access", _mailbox, _mailbox_state, _INVOKE, _colleague,
            prepare=lambda vendor, target: vendor.act(
                "give_access", user="priya.shah", to=_user(vendor, "anna.berg")["mail"]
            ),
            outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.remove_trusted_sender", _trusted, _mailbox_state, _INVOKE,
            outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.restore_trusted_sender", _trusted, _mailbox_state, _INVOKE,
            undoes="mailbox.remove_trusted_sender", outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.convert_to_shared", _mailbox, _mailbox_state, _INVOKE,
            outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.convert_to_user", _mailbox, _mailbox_state, _INVOKE,
            undoes="mailbox.convert_to_shared", outside_contract=_UNPUBLISHED,
        ),
        ActionCase(
            "mailbox.set_automatic_reply", _mailbox, _reply_settings,
            {"method": "PATCH", "path": "/mailboxSettings"}, _away,
        ),
        ActionCase(
            "mailbox.restore_automatic_reply", _mailbox, _reply_settings,
            {"method": "PATCH", "path": "/mailboxSettings"},
            inputs=lambda vendor, target: {"reply": {**_NO_REPLY, "status": "alwaysEnabled",
                                                     "internalReplyMessage": "Away."}},
            no_reversal="What was there before had no text that could be set.",
        ),
        ActionCase(
            "email.block_sender", _sender, _listed, _INVOKE, outside_contract=_UNPUBLISHED
        ),
        ActionCase(
            "email.unblock_sender", _sender, _listed, _INVOKE, undoes="email.block_sender",
            outside_contract=_UNPUBLISHED,
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        recording = folder / "exchanges.ndjson"
        with running_simulator(
            seed="bec", page_size=5, largest_page=10, record_exchanges=recording
        ) as served:
            app = served.control.tenants()[0]
            yield Simulated(
                MANIFEST,
                served,
                {"tenant_id": app["id"], "client_id": app["apps"][0]["client_id"]}
                | dict.fromkeys(ENDPOINTS, served.base_url),
                {"client_secret": app["apps"][0]["secret"]},
            )


SUBJECT = Microsoft365Subject()
