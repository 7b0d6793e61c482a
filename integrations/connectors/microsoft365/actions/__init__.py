"""What the connector can do: one class for each changing action of the catalog."""

from integrations.connectors.microsoft365.actions.accounts import (
    ResetPassword,
    RevokeSessions,
    SwitchSignIn,
)
from integrations.connectors.microsoft365.actions.delegates import SwitchDelegate
from integrations.connectors.microsoft365.actions.forwarding import (
    RemoveForwarding,
    RestoreForwarding,
)
from integrations.connectors.microsoft365.actions.grants import RestoreGrant, RevokeGrant
from integrations.connectors.microsoft365.actions.groups import SwitchMembership
from integrations.connectors.microsoft365.actions.licences import SwitchLicence
from integrations.connectors.microsoft365.actions.mailbox import Convert, SetReply
from integrations.connectors.microsoft365.actions.messages import (
    QuarantineMessage,
    RestoreMessage,
)
from integrations.connectors.microsoft365.actions.methods import (
    RemoveAuthMethod,
    RestoreAuthMethod,
)
from integrations.connectors.microsoft365.actions.mfa import RequireMfa
from integrations.connectors.microsoft365.actions.roles import RemoveRole, RestoreRole
from integrations.connectors.microsoft365.actions.rules import (
    DeleteInboxRule,
    RestoreInboxRule,
    SwitchInboxRule,
)
from integrations.connectors.microsoft365.actions.senders import SwitchBlock, SwitchTrust
from integrations.connectors.microsoft365.actions.settings import SetSetting
from integrations.contract import Action

ACTIONS: tuple[Action, ...] = (
    RevokeSessions(),
    SwitchSignIn("identity.disable_sign_in", is_enabled=False),
    SwitchSignIn("identity.enable_sign_in", is_enabled=True),
    ResetPassword(),
    RemoveAuthMethod(),
    RestoreAuthMethod(),
    RequireMfa(),
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
    SwitchDelegate("mailbox.remove_delegate", is_given=False),
    SwitchDelegate("mailbox.restore_delegate", is_given=True),
    SwitchDelegate("mailbox.grant_access", is_given=True),
    SwitchDelegate("mailbox.revoke_access", is_given=False),
    SwitchTrust("mailbox.remove_trusted_sender", is_trusted=False),
    SwitchTrust("mailbox.restore_trusted_sender", is_trusted=True),
    Convert("mailbox.convert_to_shared", is_shared=True),
    Convert("mailbox.convert_to_user", is_shared=False),
    SetReply("mailbox.set_automatic_reply"),
    SetReply("mailbox.restore_automatic_reply"),
    QuarantineMessage(),
    RestoreMessage(),
    SwitchBlock("email.block_sender", is_blocked=True),
    SwitchBlock("email.unblock_sender", is_blocked=False),
    SetSetting("posture.correct_setting", given="wanted", undone_by="setting"),
    SetSetting("posture.restore_setting", given="setting", undone_by="wanted"),
)
