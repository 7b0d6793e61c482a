"""What the connector can do: one class for each changing action of the catalog."""

from integrations.connectors.microsoft365.actions.accounts import (
    ResetPassword,
    RevokeSessions,
    SwitchSignIn,
)
from integrations.connectors.microsoft365.actions.forwarding import (
    RemoveForwarding,
    RestoreForwarding,
)
from integrations.connectors.microsoft365.actions.methods import (
    RemoveAuthMethod,
    RestoreAuthMethod,
)
from integrations.connectors.microsoft365.actions.rules import (
    DeleteInboxRule,
    RestoreInboxRule,
    SwitchInboxRule,
)
from integrations.contract import Action

ACTIONS: tuple[Action, ...] = (
    RevokeSessions(),
    SwitchSignIn("identity.disable_sign_in", is_enabled=False),
    SwitchSignIn("identity.enable_sign_in", is_enabled=True),
    ResetPassword(),
    RemoveAuthMethod(),
    RestoreAuthMethod(),
    SwitchInboxRule("mailbox.disable_inbox_rule", is_enabled=False),
    SwitchInboxRule("mailbox.enable_inbox_rule", is_enabled=True),
    DeleteInboxRule(),
    RestoreInboxRule(),
    RemoveForwarding(),
    RestoreForwarding(),
)
