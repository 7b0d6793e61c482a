"""Administrator roles that somebody holds, or may switch on.

Sources: https://learn.microsoft.com/graph/api/unifiedroleassignment-delete,
/graph/api/rbacapplication-post-roleassignments,
/graph/api/rbacapplication-post-roleeligibilityschedulerequests.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365 import roles
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.values import Fields

_WRITE = "RoleManagement.ReadWrite.Directory"
_ASSIGNED = ("principalId", "roleDefinitionId", "directoryScopeId")
_REQUESTS = "/roleManagement/directory/roleEligibilityScheduleRequests"
_WHY = "Carried out by an approved plan of Holdfast."


def _found(client: GraphClient, wanted: Json, *, is_eligible: bool) -> dict[str, Any] | None:
    """An assignment, or eligibility, of this role in this scope to this holder."""
    read = roles.eligible if is_eligible else roles.assigned
    for one in read(client, str(wanted["principalId"]), _WRITE):
        if all((one.get(n) or "/") == (wanted.get(n) or "/") for n in _ASSIGNED):
            return one
    return None


def _current(client: GraphClient, assignment_id: str) -> dict[str, Any] | None:
    eligible = roles.read_eligible_id(assignment_id)
    if eligible is not None:
        return _found(client, eligible, is_eligible=True)
    path = address("/roleManagement/directory/roleAssignments/{}", assignment_id)
    try:
        return dict(client.get(path, _WRITE))
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class RemoveRole:
    """Take an administrator role away, or the right to switch it on."""

    name: str = "identity.remove_role"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """The assignment; None where it is gone."""
        found = _current(client, intention.target.external_id)
        if found is None:
            return {"assignment": None}
        kept = {name: found[name] for name in _ASSIGNED if found.get(name)}
        if roles.read_eligible_id(intention.target.external_id) is not None:
            kept["eligible_until"] = found.get("endDateTime") or ""
        return {"assignment": kept}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Take it away. One that is gone already is fine."""
        eligible = roles.read_eligible_id(intention.target.external_id)
        if eligible is not None:
            if _current(client, intention.target.external_id) is None:
                return {"was_gone": True}
            body = {"action": "adminRemove", "justification": _WHY, **eligible}
            client.write("POST", _REQUESTS, _WRITE, body)
            return {"was_gone": False}
        path = "/roleManagement/directory/roleAssignments/{}"
        try:
            client.write("DELETE", address(path, intention.target.external_id), _WRITE)
        except NotFound:
            return {"was_gone": True}
        return {"was_gone": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """It must no longer be found."""
        is_gone = _current(client, intention.target.external_id) is None
        words = "no longer has it" if is_gone else "still has it"
        return ReadBack(
            is_gone, {"exists": not is_gone}, f"Microsoft shows that the account {words}."
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The assignment as it was; None where there was none."""
        found = intention.snapshot.get("assignment")
        return {"assignment": dict(found)} if found else None


@dataclass(frozen=True, slots=True)
class RestoreRole:
    """Give an administrator role back, or the right to switch it on."""

    name: str = "identity.restore_role"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether it is there already."""
        return {"existing_id": self._equal(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Assign it, unless it is there."""
        existing = self._equal(client, intention)
        if existing:
            return {"assignment_id": existing, "was_there": True}
        wanted = _wanted(intention)
        body = {name: wanted[name] for name in _ASSIGNED}
        if not _is_eligible(wanted):
            created = client.write(
                "POST", "/roleManagement/directory/roleAssignments", _WRITE, body
            )
        else:
            created = client.write("POST", _REQUESTS, _WRITE, _eligibility(wanted, body))
        return {"assignment_id": created.get("id") if isinstance(created, dict) else None}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """An equal one must be there."""
        found = self._equal(client, intention)
        words = "has it again" if found else "doesn't have it"
        return ReadBack(bool(found), {"id": found}, f"Microsoft shows that the account {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """None: an assignment has a new id, so the old target can't name it."""
        return None

    def _equal(self, client: GraphClient, intention: Intention) -> str | None:
        wanted = _wanted(intention)
        found = _found(client, wanted, is_eligible=_is_eligible(wanted))
        return str(found.get("id")) if found else None


def _is_eligible(wanted: Json) -> bool:
    return "eligible_until" in wanted


def _eligibility(wanted: Json, body: dict[str, Any]) -> dict[str, Any]:
    until = Fields(wanted).text("eligible_until")
    expiration = (
        {"type": "afterDateTime", "endDateTime": until} if until else {"type": "noExpiration"}
    )
    return {
        **body,
        "action": "adminAssign",
        "justification": _WHY,
        "scheduleInfo": {"expiration": expiration},
    }


def _wanted(intention: Intention) -> dict[str, Any]:
    told = intention.inputs.get("assignment")
    if not isinstance(told, dict) or not all(
        told.get(name) for name in ("principalId", "roleDefinitionId")
    ):
        raise Rejected("The role to give back is missing, or names no role or no account.")
    return {"directoryScopeId": "/", **told}
