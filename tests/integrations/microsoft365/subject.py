"""Microsoft 365 under the conformance suite: the simulated clinic, and a target per action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.microsoft365.manifest import MANIFEST
from integrations.contract import Target
from tests.contracts.published import GRAPH
from tests.integrations.conformance.subject import ActionCase, Simulated, Subject
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


def _block(vendor: Simulated, target: Target) -> None:
    vendor.act("set_enabled", user="priya.shah", is_enabled=False)


_PATCH_USER = {"method": "PATCH", "path": "^/v1.0/users/[^/]+$"}
_RULES = "/messageRules"
_UNPUBLISHED = "Microsoft publishes no contract of Exchange Online's admin endpoint."


class Microsoft365Subject(Subject):
    """The clinic whose mailbox was taken over, on small pages."""

    manifest = MANIFEST
    feed = "sign_ins"
    pages = "^/v1.0/auditLogs/signIns"
    endpoints = ENDPOINTS
    contract = GRAPH
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
