"""What Holdfast can do in Microsoft 365, each action with its snapshot, read-back and reversal."""

from integrations.connectors.microsoft365.actions.identity import (
    DisableSignIn,
    EnableSignIn,
    ResetPassword,
    RevokeSessions,
)
from integrations.connectors.microsoft365.actions.mailbox import (
    RemoveForwarding,
    RestoreForwarding,
)
from integrations.connectors.microsoft365.actions.methods import (
    RemoveAuthMethod,
    RestoreAuthMethod,
)
from integrations.connectors.microsoft365.actions.rules import (
    DeleteInboxRule,
    DisableInboxRule,
    EnableInboxRule,
    RestoreInboxRule,
)

ACTIONS = (
    RevokeSessions(),
    DisableSignIn(),
    EnableSignIn(),
    ResetPassword(),
    RemoveAuthMethod(),
    RestoreAuthMethod(),
    DisableInboxRule(),
    EnableInboxRule(),
    DeleteInboxRule(),
    RestoreInboxRule(),
    RemoveForwarding(),
    RestoreForwarding(),
)
