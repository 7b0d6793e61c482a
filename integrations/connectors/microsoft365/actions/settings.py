"""Security settings: corrected, and put back.

Sources: https://learn.microsoft.com/graph/api/authorizationpolicy-update,
/graph/api/conditionalaccesspolicy-update.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient
from integrations.connectors.microsoft365.posture import AUTHORIZATION, path_of
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected

_READ = "Policy.Read.All"
_AUTHORIZATION = "Policy.ReadWrite.Authorization"
_CONDITIONAL = "Policy.ReadWrite.ConditionalAccess"


@dataclass(frozen=True, slots=True)
class SetSetting:
    """Give a setting the values of one input: `wanted`, or those that it had (`setting`)."""

    name: str
    given: str
    undone_by: str
    permissions: tuple[str, ...] = (_READ, _AUTHORIZATION, _CONDITIONAL, "Application.Read.All")

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """What the values are now."""
        return {"setting": self._now(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Write them. Writing them again changes nothing."""
        path = path_of(intention.target.external_id)
        permission = _AUTHORIZATION if path == AUTHORIZATION else _CONDITIONAL
        client.write("PATCH", path, permission, dict(self._values(intention)))
        return {"is_set": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """The values must be those."""
        seen, wanted = self._now(client, intention), self._values(intention)
        holds = _plain(seen) == _plain(wanted)
        words = "as it should be" if holds else "different"
        return ReadBack(holds, {"setting": seen}, f"Microsoft shows the setting {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """What the values were; None where they were so before."""
        before = intention.snapshot.get("setting") or {}
        if _plain(before) == _plain(self._values(intention)):
            return None
        return {self.undone_by: before}

    def _values(self, intention: Intention) -> Mapping[str, Any]:
        told = intention.inputs.get(self.given)
        if not isinstance(told, Mapping) or not told:
            raise Rejected(f"{self.given} must say which values the setting is to have.")
        return told

    def _now(self, client: GraphClient, intention: Intention) -> dict[str, Any]:
        """Of the setting as it is, what is to be written."""
        found = client.get(path_of(intention.target.external_id), _READ)
        return _part(found, self._values(intention))


def _part(found: Any, like: Mapping[str, Any]) -> dict[str, Any]:
    told = found if isinstance(found, Mapping) else {}
    return {
        name: _part(told.get(name), value) if isinstance(value, Mapping) else told.get(name)
        for name, value in like.items()
    }


def _plain(value: Any) -> Any:
    """Comparable: Graph's order of lists and case of enumerations mean nothing."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted(str(inner).lower() for inner in value)
    return value.lower() if isinstance(value, str) else value
