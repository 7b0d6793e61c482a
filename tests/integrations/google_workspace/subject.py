"""Google Workspace under the conformance suite: the simulated clinic, and a target per action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.google_workspace.client import ENDPOINTS
from integrations.connectors.google_workspace.manifest import MANIFEST
from integrations.contract import Json, Target
from integrations.simulators.base.simulator import Options
from integrations.simulators.google_workspace.simulator import GoogleWorkspace
from tests.contracts.published import GOOGLE
from tests.integrations.conformance.subject import (
    ActionCase,
    Door,
    Recorded,
    Simulated,
    Subject,
    deleting,
)
from tests.integrations.simulators.serving import Served, serving


def user(vendor: Simulated, name: str = "priya.shah") -> dict[str, Any]:
    """A user by the part before the @."""
    users = vendor.records("users").values()
    return next(u for u in users if u["primaryEmail"].startswith(f"{name}@"))


def account(vendor: Simulated, name: str = "priya.shah") -> Target:
    """A user as the target of an action."""
    found = user(vendor, name)
    return Target("account", "row", found["id"], found["primaryEmail"])


def mailbox(vendor: Simulated) -> Target:
    """The mailbox that was taken over."""
    found = user(vendor)
    return Target("mailbox", "row", found["id"], found["primaryEmail"])


def _of(kind: str, vendor: Simulated, own: str, name: str) -> Target:
    owner = user(vendor)["id"]
    return Target(kind, "row", f"{owner}/{own}", name, owner)  # type: ignore[arg-type]


def _filter(vendor: Simulated) -> Target:
    return _of("mailbox_rule", vendor, "ANe1BmgEvil", "invoices")


def _hiding(vendor: Simulated) -> Target:
    return _of("mailbox_rule", vendor, "ANe1BmgHide", "security")


def _grant(vendor: Simulated) -> Target:
    app = next(t for t in vendor.records(f"tokens:{user(vendor)['id']}").values() if t["anonymous"])
    return _of("oauth_grant", vendor, app["clientId"], app["displayText"])


def _delegate(vendor: Simulated) -> Target:
    mail = next(iter(vendor.records(f"delegates:{user(vendor)['id']}")))
    return _of("mailbox_delegate", vendor, mail, mail)


def _message(vendor: Simulated) -> Target:
    message = next(iter(vendor.records(f"messages:{user(vendor)['id']}")))
    return _of("message", vendor, message, "Unpaid invoice 4711")


def _role(vendor: Simulated) -> Target:
    owner = user(vendor, "ben.cole")["id"]
    found = vendor.records("role_assignments").values()
    assignment = next(a for a in found if a["assignedTo"] == owner)
    return Target("role_assignment", "row", assignment["roleAssignmentId"], "Groups", owner)


def _membership(vendor: Simulated) -> Target:
    owner = user(vendor)["id"]
    finance = next(g for g in vendor.records("groups").values() if g["name"] == "Finance")
    return Target("group_membership", "row", f"{finance['id']}/{owner}", "Finance", owner)


def _suspended(vendor: Simulated, target: Target) -> Any:
    return vendor.records("users")[target.external_id]["suspended"]


def _was_changed(kind: str) -> Any:
    """Whether something was ever done that leaves only a line in the log behind."""

    def observe(vendor: Simulated, target: Target) -> bool:
        return bool(vendor.served.control.effects(kind, target.external_id))

    return observe


def _held(collection: str, *kept: str) -> Any:
    """The owner's records of a collection, without the ids that Google gives them."""

    def observe(vendor: Simulated, target: Target) -> Any:
        owner = target.parent_external_id or target.external_id
        found = vendor.records(f"{collection}:{owner}").values()
        return sorted(([record.get(k) for k in kept] for record in found), key=str)

    return observe


def _forwarding(vendor: Simulated, target: Target) -> Any:
    return vendor.records("forwarding").get(target.external_id)


def _reply(vendor: Simulated, target: Target) -> Any:
    found = vendor.records("vacation").get(target.external_id) or {}
    return {k: v for k, v in found.items() if v}


def _roles(vendor: Simulated, target: Target) -> Any:
    found = vendor.records("role_assignments").values()
    return sorted((a["assignedTo"], a["roleId"]) for a in found)


def _members(vendor: Simulated, target: Target) -> Any:
    group, _, member = target.external_id.partition("/")
    return vendor.records(f"members:{group}").get(member)


def _suspend(vendor: Simulated, target: Target) -> None:
    vendor.act("update_user", user="priya.shah", suspended=True)


def _colleague(vendor: Simulated, target: Target) -> Json:
    return {"delegate": user(vendor, "sofia.rossi")["primaryEmail"]}


def _text(vendor: Simulated, target: Target) -> Json:
    return {"text": "I no longer work here; please write to the office."}


_USER = {"method": "PATCH", "path": "^/admin/directory/v1/users/[^/]+$"}
_NEW_ID = "Gmail gives the filter a new id, so the old target can't name it."
_UNTIMED = "The example of a rule's test leaves out when it happened."
RECORDS = (
    Recorded("activities", "google-workspace/reports-activities", {"missing_time": (12, _UNTIMED)}),
    Recorded("activities", "google-workspace/activity-events", {"missing_time": (17, _UNTIMED)}),
    Recorded(
        "users", "google-workspace/recorded-http",
        {"empty_record": (2, "The answer's list is empty: there was no device, or no more.")},
    ),
)  # fmt: skip


def running(folder: Path | None = None, **options: Any) -> Any:
    """The simulated clinic, on small pages."""
    recording = folder / "exchanges.ndjson" if folder else None
    given = Options(largest_page=10, record_exchanges=recording, **options)
    return serving(GoogleWorkspace(given), seed="demo")


def simulated(served: Served) -> Simulated:
    """A connection's settings for a running simulator."""
    tenant = served.control.tenants()[0]
    endpoints = dict.fromkeys(ENDPOINTS, served.base_url)
    endpoints["token_endpoint"] = f"{served.base_url}/token"
    return Simulated(
        MANIFEST,
        served,
        {"admin": f"ada.admin@{tenant['domain']}", **endpoints},
        {"service_account_key": tenant["apps"][0]["secret"]},
    )


class GoogleWorkspaceSubject(Subject):
    """The clinic whose mailbox was taken over, on small pages."""

    manifest = MANIFEST
    feed = "alerts"
    pages = "^/v1beta1/alerts$"
    other_doors = (
        Door("activities", "^/admin/reports/v1/activity/"),
        Door("mail_settings", "^/gmail/v1/users/me/settings/filters$", tries=2),
    )
    deletions = {
        "tokens": deleting("tokens:100000000002559400954"),
        "mail_settings": deleting("filters:100000000002559400954"),
        "users": lambda vendor: vendor.act("remove", collection="users", id=user(vendor)["id"]),
    }
    endpoints = tuple(ENDPOINTS)
    contract = GOOGLE
    records = RECORDS
    other_writes = ("identity.restore_role", "mailbox.remove_forwarding", "mailbox.remove_delegate")
    actions = (
        ActionCase("identity.disable_sign_in", account, _suspended, _USER),
        ActionCase("identity.enable_sign_in", account, _suspended, _USER, prepare=_suspend),
        ActionCase(
            "identity.revoke_sessions", account, _was_changed("user.sign_out"),
            {"method": "POST", "path": "/signOut$"},
        ),
        ActionCase(
            "identity.reset_password", account, _was_changed("user.reset_password"), _USER
        ),
        ActionCase(
            "identity.revoke_oauth_grant", _grant, _held("tokens", "clientId", "scopes"),
            {"method": "DELETE", "path": "/tokens/"},
            no_reversal="Only the person can allow an app again: Google has no call for it.",
        ),
        ActionCase(
            "identity.remove_role", _role, _roles,
            {"method": "DELETE", "path": "/roleassignments/"},
        ),
        ActionCase(
            "identity.restore_role", _role, _roles,
            {"method": "POST", "path": "/roleassignments$"}, undoes="identity.remove_role",
            no_reversal="Google gives the assignment a new id, so the old target can't name it.",
        ),
        ActionCase(
            "identity.remove_from_group", _membership, _members,
            {"method": "DELETE", "path": "/members/"},
        ),
        ActionCase(
            "identity.add_to_group", _membership, _members,
            {"method": "POST", "path": "/members$"}, undoes="identity.remove_from_group",
        ),
        ActionCase(
            "mailbox.disable_inbox_rule", _filter, _held("filters", "criteria", "action"),
            {"method": "DELETE", "path": "/filters/"},
        ),
        ActionCase(
            "mailbox.enable_inbox_rule", _filter, _held("filters", "criteria", "action"),
            {"method": "POST", "path": "/filters$"}, undoes="mailbox.disable_inbox_rule",
            no_reversal=_NEW_ID,
        ),
        ActionCase(
            "mailbox.delete_inbox_rule", _hiding, _held("filters", "criteria", "action"),
            {"method": "DELETE", "path": "/filters/"},
        ),
        ActionCase(
            "mailbox.restore_inbox_rule", _hiding, _held("filters", "criteria", "action"),
            {"method": "POST", "path": "/filters$"}, undoes="mailbox.delete_inbox_rule",
            no_reversal=_NEW_ID,
        ),
        ActionCase(
            "mailbox.remove_forwarding", mailbox, _forwarding,
            {"method": "PUT", "path": "/autoForwarding$"},
        ),
        ActionCase(
            "mailbox.restore_forwarding", mailbox, _forwarding,
            {"method": "PUT", "path": "/autoForwarding$"}, undoes="mailbox.remove_forwarding",
        ),
        ActionCase(
            "mailbox.remove_delegate", _delegate, _held("delegates", "delegateEmail"),
            {"method": "DELETE", "path": "/delegates/"},
        ),
        ActionCase(
            "mailbox.grant_access", mailbox, _held("delegates", "delegateEmail"),
            {"method": "POST", "path": "/delegates$"}, inputs=_colleague,
        ),
        ActionCase(
            "mailbox.revoke_access", mailbox, _held("delegates", "delegateEmail"),
            {"method": "DELETE", "path": "/delegates/"},
            inputs=lambda vendor, target: {"delegate": _delegate(vendor).name},
        ),
        ActionCase(
            "mailbox.restore_delegate", _delegate, _held("delegates", "delegateEmail"),
            {"method": "POST", "path": "/delegates$"}, undoes="mailbox.remove_delegate",
        ),
        ActionCase(
            "mailbox.set_automatic_reply", mailbox, _reply,
            {"method": "PUT", "path": "/vacation$"}, inputs=_text,
        ),
        ActionCase(
            "mailbox.restore_automatic_reply", mailbox, _reply,
            {"method": "PUT", "path": "/vacation$"},
            inputs=lambda vendor, target: {"reply": {"enableAutoReply": False}},
            prepare=lambda vendor, target: vendor.act("reply", user="priya.shah", text="Away"),
        ),
        ActionCase(
            "email.quarantine_message", _message, _held("messages", "labelIds"),
            {"method": "POST", "path": "/trash$"},
        ),
        ActionCase(
            "email.restore_message", _message, _held("messages", "labelIds"),
            {"method": "POST", "path": "/untrash$"}, undoes="email.quarantine_message",
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        with running(folder) as served:
            yield simulated(served)


SUBJECT = GoogleWorkspaceSubject()
