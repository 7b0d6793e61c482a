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
from integrations.connectors.microsoft365.actions.grants import RestoreGrant, RevokeGrant
from integrations.connectors.microsoft365.actions.groups import SwitchMembership
from integrations.connectors.microsoft365.actions.licences import SwitchLicence
from integrations.connectors.microsoft365.actions.methods import (
    RemoveAuthMethod,
    RestoreAuthMethod,
)
from integrations.connectors.microsoft365.actions.roles import RemoveRole, RestoreRole
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
    RevokeGrant(),
    RestoreGrant(),
    RemoveRole(),
    RestoreRole(),
    SwitchMembership("identity.remove_from_group", is_member=False),
    SwitchMembership("identity.add_to_group", is_member=True),
    SwitchLicence("identity.remove_licence", is_assigned=False),
    SwitchLicence("identity.assign_licence", is_assigned=True),
    SwitchInboxRule("mailbox.disable_inbox_rule", is_enabled=False),
    SwitchInboxRule("mailbox.enable_inbox_rule", is_enabled=True),
    DeleteInboxRule(),
    RestoreInboxRule(),
    RemoveForwarding(),
    RestoreForwarding(),
)
