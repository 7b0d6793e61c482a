"""What the connector can do: one class for each changing action of the catalog, or pair of them."""

from integrations.connectors.google_workspace.actions.accounts import (
    ResetPassword,
    RevokeSessions,
    SwitchSignIn,
)
from integrations.connectors.google_workspace.actions.delegates import SwitchDelegate
from integrations.connectors.google_workspace.actions.filters import RemoveFilter, RestoreFilter
from integrations.connectors.google_workspace.actions.forwarding import (
    RemoveForwarding,
    RestoreForwarding,
)
from integrations.connectors.google_workspace.actions.grants import RevokeGrant
from integrations.connectors.google_workspace.actions.memberships import (
    RemoveRole,
    RestoreRole,
    SwitchMembership,
)
from integrations.connectors.google_workspace.actions.messages import MoveMessage
from integrations.connectors.google_workspace.actions.replies import SetReply
from integrations.contract import Action

ACTIONS: tuple[Action, ...] = (
    SwitchSignIn("identity.disable_sign_in", is_enabled=False),
    SwitchSignIn("identity.enable_sign_in", is_enabled=True),
    RevokeSessions(),
    ResetPassword(),
    RevokeGrant(),
    RemoveRole(),
    RestoreRole(),
    SwitchMembership("identity.remove_from_group", is_member=False),
    SwitchMembership("identity.add_to_group", is_member=True),
    RemoveFilter("mailbox.disable_inbox_rule"),
    RestoreFilter("mailbox.enable_inbox_rule"),
    RemoveFilter("mailbox.delete_inbox_rule"),
    RestoreFilter("mailbox.restore_inbox_rule"),
    RemoveForwarding(),
    RestoreForwarding(),
    SwitchDelegate("mailbox.remove_delegate", is_given=False),
    SwitchDelegate("mailbox.restore_delegate", is_given=True),
    SwitchDelegate("mailbox.grant_access", is_given=True),
    SwitchDelegate("mailbox.revoke_access", is_given=False),
    SetReply("mailbox.set_automatic_reply"),
    SetReply("mailbox.restore_automatic_reply"),
    MoveMessage("email.quarantine_message", is_trashed=True),
    MoveMessage("email.restore_message", is_trashed=False),
)
