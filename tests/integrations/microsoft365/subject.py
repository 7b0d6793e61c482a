"""Microsoft 365 under the conformance suite: the simulated clinic, and a target per action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.connectors.microsoft365.manifest import MANIFEST
from tests.contracts.published import MICROSOFT365
from tests.integrations.conformance.subject import (
    ActionCase,
    Recorded,
    Simulated,
    Subject,
    deleting,
)
from tests.integrations.microsoft365 import targets
from tests.integrations.microsoft365.doors import DOORS
from tests.integrations.simulators.fixtures import running_simulator

ENDPOINTS = ("login_endpoint", "graph_endpoint", "exchange_endpoint", "activity_endpoint")


_PATCH_USER = {"method": "PATCH", "path": "^/v1.0/users/[^/]+$"}
_PATCH_POLICY = {"method": "PATCH", "path": "/conditionalAccess/policies/"}
_RULES = "/messageRules"
_INVOKE = {"method": "POST", "path": "/InvokeCommand/(Add|Remove|Set|New)-"}
_NO_REPLY = {"externalAudience": "all", "internalReplyMessage": "", "externalReplyMessage": ""}
_ASSIGNMENTS = "/roleAssignments"
_MEMBERS = "/groups/[^/]+/members/"
_LICENSE = "/assignLicense"


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


def _below(prefix: str) -> Callable[[Simulated], None]:
    """Delete one of what the user with the most of it has."""

    def delete(vendor: Simulated) -> None:
        users = vendor.records("users")
        of_user = {f"{prefix}:{user}": len(vendor.records(f"{prefix}:{user}")) for user in users}
        deleting(max(of_user, key=lambda name: of_user[name]))(vendor)

    return delete


class Microsoft365Subject(Subject):
    """The clinic whose mailbox was taken over, on small pages."""

    manifest = MANIFEST
    feed = "sign_ins"
    pages = "^/v1.0/auditLogs/signIns"
    other_doors = DOORS
    deletions = {
        "roles": deleting("roleAssignments"),
        "groups": deleting("groups"),
        "oauth_grants": deleting("oauth2PermissionGrants"),
        "service_principals": deleting("servicePrincipals"),
        "policies": deleting("conditionalAccessPolicies"),
        "auth_methods": _below("methods"),
        "inbox_rules": _below("rules"),
        "mailbox_settings": deleting("mailboxes"),
        "users": deleting("users"),
    }
    told_in_passing = {"risky_users": ("account",)}
    endpoints = ENDPOINTS
    contract = MICROSOFT365
    records = RECORDS
    other_writes = ("email.block_sender", "email.quarantine_message", "mailbox.delete_inbox_rule")
    actions = (
        ActionCase("identity.disable_sign_in", targets.account, targets.enabled, _PATCH_USER),
        ActionCase(
            "identity.enable_sign_in",
            targets.account,
            targets.enabled,
            _PATCH_USER,
            prepare=targets.block,
        ),
        ActionCase(
            "identity.revoke_sessions",
            targets.account,
            targets.was_changed("user.revoke_sessions"),
            {"method": "POST", "path": "/revokeSignInSessions"},
        ),
        ActionCase(
            "identity.reset_password",
            targets.account,
            targets.was_changed("user.reset_password"),
            _PATCH_USER,
        ),
        ActionCase(
            "identity.remove_auth_method",
            targets.phone,
            targets.methods,
            {"method": "DELETE", "path": "/phoneMethods/"},
        ),
        ActionCase(
            "identity.restore_auth_method",
            targets.phone,
            targets.methods,
            {"method": "POST", "path": "/phoneMethods"},
            undoes="identity.remove_auth_method",
        ),
        ActionCase(
            "identity.require_mfa_registration",
            targets.account,
            targets.demanded,
            {"method": "PATCH", "path": "^/beta/users/[^/]+/authentication/requirements$"},
        ),
        ActionCase(
            "identity.revoke_oauth_grant",
            targets.grant,
            targets.grants,
            {"method": "DELETE", "path": "/oauth2PermissionGrants/"},
        ),
        ActionCase(
            "identity.restore_oauth_grant",
            targets.grant,
            targets.grants,
            {"method": "POST", "path": "/oauth2PermissionGrants"},
            undoes="identity.revoke_oauth_grant",
            no_reversal="The new grant may have another id, so the old target can't name it.",
        ),
        ActionCase(
            "identity.remove_role",
            targets.role,
            targets.roles,
            {"method": "DELETE", "path": _ASSIGNMENTS},
        ),
        ActionCase(
            "identity.restore_role",
            targets.role,
            targets.roles,
            {"method": "POST", "path": _ASSIGNMENTS},
            undoes="identity.remove_role",
            no_reversal="The new assignment has a new id, so the old target can't name it.",
        ),
        ActionCase(
            "identity.remove_from_group",
            targets.membership,
            targets.members,
            {"method": "DELETE", "path": _MEMBERS},
        ),
        ActionCase(
            "identity.add_to_group",
            targets.membership,
            targets.members,
            {"method": "POST", "path": _MEMBERS},
            undoes="identity.remove_from_group",
        ),
        ActionCase(
            "identity.remove_licence",
            targets.licence,
            targets.licences,
            {"method": "POST", "path": _LICENSE},
        ),
        ActionCase(
            "identity.assign_licence",
            targets.licence,
            targets.licences,
            {"method": "POST", "path": _LICENSE},
            undoes="identity.remove_licence",
        ),
        ActionCase(
            "mailbox.disable_inbox_rule",
            targets.rule,
            targets.rules,
            {"method": "PATCH", "path": _RULES},
        ),
        ActionCase(
            "mailbox.enable_inbox_rule",
            targets.rule,
            targets.rules,
            {"method": "PATCH", "path": _RULES},
            undoes="mailbox.disable_inbox_rule",
        ),
        ActionCase(
            "mailbox.delete_inbox_rule",
            targets.rule,
            targets.rules,
            {"method": "DELETE", "path": _RULES},
        ),
        ActionCase(
            "mailbox.restore_inbox_rule",
            targets.rule,
            targets.rules,
            {"method": "POST", "path": _RULES},
            undoes="mailbox.delete_inbox_rule",
            no_reversal="The restored rule has a new id, so the old target can't name it.",
        ),
        ActionCase(
            "mailbox.remove_forwarding",
            targets.mailbox,
            targets.forwarding,
            {"method": "POST", "path": "/InvokeCommand"},
        ),
        ActionCase(
            "mailbox.restore_forwarding",
            targets.mailbox,
            targets.forwarding,
            {"method": "POST", "path": "/InvokeCommand"},
            undoes="mailbox.remove_forwarding",
        ),
        ActionCase(
            "mailbox.remove_delegate",
            targets.delegate("full_access", "x@collector.example"),
            targets.mailbox_state,
            _INVOKE,
        ),
        ActionCase(
            "mailbox.restore_delegate",
            targets.delegate("send_on_behalf", "x@collector.example"),
            targets.mailbox_state,
            _INVOKE,
            undoes="mailbox.remove_delegate",
        ),
        ActionCase(
            "mailbox.grant_access",
            targets.mailbox,
            targets.mailbox_state,
            _INVOKE,
            targets.colleague,
        ),
        ActionCase(
            "mailbox.revoke_access",
            targets.mailbox,
            targets.mailbox_state,
            _INVOKE,
            targets.colleague,
            prepare=lambda vendor, target: vendor.act(
                "give_access", user="priya.shah", to=targets.user_of(vendor, "anna.berg")["mail"]
            ),
        ),
        ActionCase(
            "mailbox.remove_trusted_sender",
            targets.trusted,
            targets.mailbox_state,
            _INVOKE,
        ),
        ActionCase(
            "mailbox.restore_trusted_sender",
            targets.trusted,
            targets.mailbox_state,
            _INVOKE,
            undoes="mailbox.remove_trusted_sender",
        ),
        ActionCase(
            "mailbox.convert_to_shared",
            targets.mailbox,
            targets.mailbox_state,
            _INVOKE,
        ),
        ActionCase(
            "mailbox.convert_to_user",
            targets.mailbox,
            targets.mailbox_state,
            _INVOKE,
            undoes="mailbox.convert_to_shared",
        ),
        ActionCase(
            "mailbox.set_automatic_reply",
            targets.mailbox,
            targets.reply_settings,
            {"method": "PATCH", "path": "/mailboxSettings"},
            targets.away,
        ),
        ActionCase(
            "mailbox.restore_automatic_reply",
            targets.mailbox,
            targets.reply_settings,
            {"method": "PATCH", "path": "/mailboxSettings"},
            inputs=lambda vendor, target: {
                "reply": {**_NO_REPLY, "status": "alwaysEnabled", "internalReplyMessage": "Away."}
            },
            no_reversal="What was there before had no text that could be set.",
        ),
        ActionCase(
            "email.quarantine_message",
            targets.message,
            targets.folders,
            {"method": "POST", "path": "/move$"},
        ),
        ActionCase(
            "email.restore_message",
            targets.message,
            targets.folders,
            {"method": "POST", "path": "/move$"},
            undoes="email.quarantine_message",
        ),
        ActionCase(
            "posture.correct_setting",
            targets.weakened,
            targets.policies,
            _PATCH_POLICY,
            inputs=lambda vendor, target: {"wanted": {"state": "enabled"}},
        ),
        ActionCase(
            "posture.restore_setting",
            targets.weakened,
            targets.policies,
            _PATCH_POLICY,
            inputs=lambda vendor, target: {
                "setting": {"state": "enabledForReportingButNotEnforced"}
            },
        ),
        ActionCase(
            "email.block_sender",
            targets.sender,
            targets.listed,
            _INVOKE,
        ),
        ActionCase(
            "email.unblock_sender",
            targets.sender,
            targets.listed,
            _INVOKE,
            undoes="email.block_sender",
        ),
    )

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
