"""The actions that exist. Connectors implement them; playbooks name them, never vendors.

D3FEND ids are MITRE's (https://d3fend.mitre.org). `settle_seconds` is how long a vendor may show
the old state after a change, `verify_within_seconds` when an unseen effect counts as failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from integrations.errors import UnknownAction

TargetKind = Literal["account", "mailbox_rule", "mailbox", "auth_method"]
InputType = Literal["string", "boolean", "integer", "object", "list"]


@dataclass(frozen=True, slots=True)
class CatalogAction:
    """A verb on one kind of target.

    `reversal` names the action that undoes it; where there is none, `no_reversal` says why.
    `owner_words` is the past-tense sentence that the client's owner reads, with ``{target}``.
    `hourly_limit` is the default blast-radius budget: targets per tenant and hour.
    """

    name: str
    title: str
    target: TargetKind
    owner_words: str
    is_read_only: bool = False
    is_containment: bool = False
    inputs: Mapping[str, InputType] = field(default_factory=dict)
    optional_inputs: Mapping[str, InputType] = field(default_factory=dict)
    reversal: str | None = None
    no_reversal: str = ""
    d3fend: str = ""
    hourly_limit: int = 10
    settle_seconds: int = 30
    verify_within_seconds: int = 900


def _gatherer(name: str, title: str, target: TargetKind, **kwargs: InputType) -> CatalogAction:
    return CatalogAction(
        name=name,
        title=title,
        target=target,
        owner_words=title,
        is_read_only=True,
        optional_inputs=kwargs,
        hourly_limit=0,
    )


ACTIONS: tuple[CatalogAction, ...] = (
    _gatherer("identity.get_account", "Account, its roles and state", "account"),
    _gatherer("identity.list_sign_ins", "Sign-ins of the last days", "account", days="integer"),
    _gatherer("identity.list_auth_methods", "Registered sign-in methods", "account"),
    _gatherer(
        "identity.list_risk_detections",
        "Risk detections of the provider",
        "account",
        days="integer",
    ),
    _gatherer(
        "identity.list_directory_changes",
        "Changes made to or by the account",
        "account",
        days="integer",
    ),
    _gatherer("mailbox.list_inbox_rules", "Inbox rules", "account"),
    _gatherer("mailbox.get_forwarding", "Mailbox forwarding", "account"),
    CatalogAction(
        name="identity.revoke_sessions",
        title="Revoke all sign-in sessions",
        target="account",
        owner_words="We signed {target} out everywhere.",
        is_containment=True,
        no_reversal="The user signs in again; a revoked session can't be restored.",
        d3fend="D3-ANCI",
    ),
    CatalogAction(
        name="identity.disable_sign_in",
        title="Disable sign-in",
        target="account",
        owner_words="We blocked sign-in for {target}.",
        is_containment=True,
        reversal="identity.enable_sign_in",
        d3fend="D3-AL",
    ),
    CatalogAction(
        name="identity.enable_sign_in",
        title="Enable sign-in",
        target="account",
        owner_words="We allowed sign-in for {target} again.",
        reversal="identity.disable_sign_in",
        d3fend="D3-ULA",
    ),
    CatalogAction(
        name="identity.reset_password",
        title="Reset the password",
        target="account",
        owner_words="We set a new password for {target}.",
        is_containment=True,
        no_reversal="The old password is no longer known to anyone who should use it.",
        d3fend="D3-CRO",
    ),
    CatalogAction(
        name="identity.remove_auth_method",
        title="Remove a registered sign-in method",
        target="auth_method",
        owner_words="We removed the sign-in method {target}.",
        is_containment=True,
        reversal="identity.restore_auth_method",
        d3fend="D3-CR",
    ),
    CatalogAction(
        name="identity.restore_auth_method",
        title="Register a removed sign-in method again",
        target="auth_method",
        owner_words="We registered the sign-in method {target} again.",
        inputs={"method": "object"},
        reversal="identity.remove_auth_method",
        d3fend="D3-RA",
    ),
    CatalogAction(
        name="mailbox.disable_inbox_rule",
        title="Switch off an inbox rule",
        target="mailbox_rule",
        owner_words="We switched off the mail rule {target}.",
        is_containment=True,
        reversal="mailbox.enable_inbox_rule",
        d3fend="D3-ER",
    ),
    CatalogAction(
        name="mailbox.enable_inbox_rule",
        title="Switch on an inbox rule",
        target="mailbox_rule",
        owner_words="We switched the mail rule {target} on again.",
        reversal="mailbox.disable_inbox_rule",
        d3fend="D3-RE",
    ),
    CatalogAction(
        name="mailbox.delete_inbox_rule",
        title="Delete an inbox rule",
        target="mailbox_rule",
        owner_words="We removed the mail rule {target}.",
        is_containment=True,
        reversal="mailbox.restore_inbox_rule",
        d3fend="D3-ER",
        hourly_limit=30,
    ),
    CatalogAction(
        name="mailbox.restore_inbox_rule",
        title="Create a deleted inbox rule again",
        target="mailbox_rule",
        owner_words="We restored the mail rule {target}.",
        inputs={"rule": "object"},
        reversal="mailbox.delete_inbox_rule",
        d3fend="D3-RE",
    ),
    CatalogAction(
        name="mailbox.remove_forwarding",
        title="Remove mailbox forwarding",
        target="mailbox",
        owner_words="We stopped the forwarding of mail from {target}.",
        is_containment=True,
        reversal="mailbox.restore_forwarding",
        d3fend="D3-ER",
    ),
    CatalogAction(
        name="mailbox.restore_forwarding",
        title="Restore mailbox forwarding",
        target="mailbox",
        owner_words="We restored the forwarding of mail from {target}.",
        inputs={"forwarding": "object"},
        reversal="mailbox.remove_forwarding",
        d3fend="D3-RE",
    ),
)

_BY_NAME = {action.name: action for action in ACTIONS}


def get(name: str) -> CatalogAction:
    """Return the action of that name; UnknownAction lists the nearest names."""
    try:
        return _BY_NAME[name]
    except KeyError:
        room = name.split(".")[0]
        near = ", ".join(sorted(n for n in _BY_NAME if n.startswith(room + "."))) or ", ".join(
            sorted(_BY_NAME)
        )
        raise UnknownAction(f"The catalog has no action {name!r}. Near it: {near}.") from None
