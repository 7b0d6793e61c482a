"""What the connector can do: one class for each changing action of the catalog."""

from integrations.connectors.active_directory.actions.accounts import (
    ExpireAccount,
    RestoreExpiry,
    SwitchSignIn,
)
from integrations.connectors.active_directory.actions.memberships import SwitchMembership
from integrations.connectors.active_directory.actions.passwords import (
    ExpirePassword,
    ResetPassword,
)
from integrations.connectors.active_directory.actions.places import MoveBack, MoveToQuarantine
from integrations.contract import Action

ACTIONS: tuple[Action, ...] = (
    SwitchSignIn("identity.disable_sign_in", is_enabled=False),
    SwitchSignIn("identity.enable_sign_in", is_enabled=True),
    ResetPassword(),
    ExpirePassword(),
    ExpireAccount(),
    RestoreExpiry(),
    SwitchMembership("identity.remove_from_group", is_member=False),
    SwitchMembership("identity.add_to_group", is_member=True),
    MoveToQuarantine(),
    MoveBack(),
)
