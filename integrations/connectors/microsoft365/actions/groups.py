"""Group memberships, through Graph or, for distribution lists, Exchange Online.

Sources: https://learn.microsoft.com/graph/api/group-post-members, …/group-delete-members,
https://learn.microsoft.com/powershell/module/exchange/remove-distributiongroupmember.
"""

from dataclasses import dataclass

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack, Target
from integrations.errors import Rejected
from integrations.values import Fields

_MEMBERS = "GroupMember.ReadWrite.All"
_PROPERTIES = "id,displayName,groupTypes,mailEnabled,onPremisesSyncEnabled,membershipRule"


def can_be_left(group: Fields) -> bool:
    """Whether somebody can be taken out: not of a group that a rule or Active Directory fills."""
    is_dynamic = "dynamicmembership" in {t.lower() for t in group.texts("groupTypes")}
    return not is_dynamic and group.truth("onPremisesSyncEnabled") is not True


def _is_distribution_list(group: Fields) -> bool:
    """Whether only Exchange can change its members."""
    kinds = {t.lower() for t in group.texts("groupTypes")}
    return group.truth("mailEnabled") is True and "unified" not in kinds


@dataclass(frozen=True, slots=True)
class SwitchMembership:
    """Take somebody out of a group, or add them again."""

    name: str
    is_member: bool
    permissions: tuple[str, ...] = (_MEMBERS, "Exchange.ManageAsApp")

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether there is a membership."""
        return {"was_member": _is_member(client, intention.target)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Add or remove. What is so already is fine."""
        if _is_member(client, intention.target) is self.is_member:
            return {"was_so": True}
        group_id, user_id = _ids(intention.target)
        path = address("/groups/{}", group_id, select=_PROPERTIES)
        group = Fields(client.get(path, _MEMBERS))
        if not can_be_left(group):
            raise Rejected(
                f"The members of {group.text('displayName')!r} follow from a rule or from Active "
                "Directory: change them there."
            )
        if _is_distribution_list(group):
            self._by_exchange(client, group_id, user_id)
        else:
            self._by_graph(client, group_id, user_id)
        return {"was_so": False}

    def _by_graph(self, client: GraphClient, group_id: str, user_id: str) -> None:
        if self.is_member:
            path = address("/groups/{}/members/$ref", group_id)
            reference = f"https://graph.microsoft.com/v1.0/directoryObjects/{user_id}"
            client.write("POST", path, _MEMBERS, {"@odata.id": reference})
            return
        path = address("/groups/{}/members/{}/$ref", group_id, user_id)
        client.write("DELETE", path, _MEMBERS)

    def _by_exchange(self, client: GraphClient, group_id: str, user_id: str) -> None:
        verb = "Add" if self.is_member else "Remove"
        client.exchange(
            f"{verb}-DistributionGroupMember",
            {
                "Identity": group_id,
                "Member": user_id,
                "BypassSecurityGroupManagerCheck": True,
                "Confirm": False,
            },
            is_read=False,
        )

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask for the membership again."""
        seen = _is_member(client, intention.target)
        words = "a member of the group" if seen else "no member of the group"
        return ReadBack(
            seen is self.is_member,
            {"is_member": seen},
            f"Microsoft shows that the account is {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        return None if intention.snapshot.get("was_member") is self.is_member else {}


def _is_member(client: GraphClient, target: Target) -> bool:
    """Whether the account is a direct member; NotFound where there is no such account."""
    group_id, user_id = _ids(target)
    path = address("/users/{}/memberOf", user_id, select="id", top=100)
    return any(found.get("id") == group_id for found in client.all(path, _MEMBERS))


def _ids(target: Target) -> tuple[str, str]:
    group, _, user = target.external_id.partition("/")
    user = user or target.parent_external_id
    if not user:
        raise Rejected(f"The target {target.name or group!r} doesn't say whose membership it is.")
    return group, user
