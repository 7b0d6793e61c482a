"""Licences of an account (https://learn.microsoft.com/graph/api/user-assignlicense)."""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.actions.ids import owner_and_id
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.values import Fields

_WRITE = "LicenseAssignment.ReadWrite.All"
_READ = "User.Read.All"


def _assigned(client: GraphClient, intention: Intention) -> list[str] | None:
    """The plans that are switched off in the licence; None where the account hasn't got it."""
    owner, sku = owner_and_id(intention.target)
    user = Fields(client.get(address("/users/{}", owner, select="id,assignedLicenses"), _READ))
    for licence in user.objects("assignedLicenses"):
        if licence.text("skuId").lower() == sku.lower():
            return sorted(licence.texts("disabledPlans"))
    return None


@dataclass(frozen=True, slots=True)
class SwitchLicence:
    """Take a licence away from an account, or assign it, with the plans that were switched off."""

    name: str
    is_assigned: bool
    permissions: tuple[str, ...] = (_WRITE, _READ)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """The plans that were switched off in it; None where it isn't assigned."""
        return {"disabled_plans": _assigned(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Assign or remove. What is so already is fine."""
        if (_assigned(client, intention) is not None) is self.is_assigned:
            return {"was_so": True}
        owner, sku = owner_and_id(intention.target)
        added: list[dict[str, Any]] = []
        if self.is_assigned:
            plans = list(intention.inputs.get("disabled_plans") or [])
            added = [{"skuId": sku, "disabledPlans": plans}]
        body = {"addLicenses": added, "removeLicenses": [] if self.is_assigned else [sku]}
        client.write("POST", address("/users/{}/assignLicense", owner), _WRITE, body)
        return {"was_so": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask for the licences again."""
        seen = _assigned(client, intention)
        words = "has the licence" if seen is not None else "hasn't got the licence"
        return ReadBack(
            (seen is not None) is self.is_assigned,
            {"disabled_plans": seen},
            f"Microsoft shows that the account {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("disabled_plans")
        if (before is not None) is self.is_assigned:
            return None
        return {} if self.is_assigned else {"disabled_plans": list(before or [])}
