"""What the directory was told of somebody's employment.

Source: https://learn.microsoft.com/graph/api/resources/user (employeeLeaveDateTime). Only where HR,
or an administrator, entered the last day: Entra ID knows of no other state.
"""

from dataclasses import dataclass

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.gatherers.words import now
from integrations.contract import Json, Target
from integrations.values import Fields

# Entra ID knows of no leave.
_SOURCE = {"until": "", "source": "Entra ID"}


@dataclass(frozen=True, slots=True)
class GetEmployment:
    """Whether the person has left, by the last day that was entered."""

    name: str = "hr.get_employment"
    permissions: tuple[str, ...] = ("User.Read.All", "User-LifeCycleInfo.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``status`` (leaver, active, unknown); ``last_day`` is "" where none is told."""
        path = address("/users/{}", target.external_id, select="id,employeeLeaveDateTime")
        last = Fields(client.get(path, self.permissions[1])).time("employeeLeaveDateTime")
        if last is None:
            return {"status": "unknown", "last_day": "", **_SOURCE}
        return {
            "status": "leaver" if last <= now() else "active",
            "last_day": last.date().isoformat(),
            **_SOURCE,
        }
