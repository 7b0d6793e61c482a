"""Memberships of groups: the attribute member of the group.

Only what stands in a group's own list can be taken out: the primary group and memberships through
other groups are not. Source: [MS-ADTS] 3.1.1.3.1.5, https://learn.microsoft.com/windows/win32/
adschema/a-member.
"""

from dataclasses import dataclass

from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory.actions.targets import account_and_group
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.entries import text
from integrations.connectors.active_directory.permissions import READ, WRITE_MEMBERS
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected


@dataclass(frozen=True, slots=True)
class SwitchMembership:
    """Take an account out of a group, or put it back."""

    name: str
    is_member: bool
    permissions: tuple[str, ...] = (WRITE_MEMBERS, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """Whether the account stands in the group's list now."""
        return {"is_member": _is_member(client, intention)}

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Add or delete the one value; a server may refuse what is so already."""
        account, group = account_and_group(intention.target)
        kind = "MODIFY_ADD" if self.is_member else "MODIFY_DELETE"
        try:
            client.change(group, {"member": [(kind, [account.encode()])]}, WRITE_MEMBERS)
        except Rejected:
            if _is_member(client, intention) is not self.is_member:
                raise
        return {"is_member": self.is_member}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """Ask the group again."""
        seen = _is_member(client, intention)
        word = "in" if seen else "not in"
        return ReadBack(
            holds=seen is self.is_member,
            observed={"is_member": seen},
            explanation=f"Active Directory shows the account {word} the group.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("is_member")
        return None if before is None or before is self.is_member else {}


def _is_member(client: DirectoryClient, intention: Intention) -> bool:
    account, group = account_and_group(intention.target)
    # Who may not read a group's attributes would see it without members.
    client.read(group, "groupType", permission=READ)
    name = text(client.read(account, "distinguishedName", permission=READ), "distinguishedName")
    return client.holds(group, ids.is_equal("member", name), READ)
