"""Demanding a second proof of identity of one person.

Source: https://learn.microsoft.com/graph/api/authentication-update (per-user multifactor
authentication, which Microsoft documents in beta only). Whoever has no second proof is asked to set
one up at the next sign-in; with it, the state goes from enabled to enforced by itself.
"""

from dataclasses import dataclass

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.values import Fields

_POLICY = "Policy.ReadWrite.AuthenticationMethod"
_DEMANDED = frozenset({"enabled", "enforced"})


def _path(intention: Intention) -> str:
    return address("/users/{}/authentication/requirements", intention.target.external_id)


@dataclass(frozen=True, slots=True)
class RequireMfa:
    """Switch per-user multifactor authentication on."""

    name: str = "identity.require_mfa_registration"
    permissions: tuple[str, ...] = (_POLICY,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """The state now."""
        return {"state": self._state(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Demand it. What is demanded already stays as it is."""
        state = self._state(client, intention)
        if state not in _DEMANDED:
            client.beta.write("PATCH", _path(intention), _POLICY, {"perUserMfaState": "enabled"})
        return {"was": state}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask for the state again."""
        state = self._state(client, intention)
        holds = state in _DEMANDED
        words = "is demanded" if holds else "isn't demanded"
        return ReadBack(holds, {"state": state}, f"Microsoft shows that a second proof {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Once the user has registered a second proof, the demand is met."""
        return None

    def _state(self, client: GraphClient, intention: Intention) -> str:
        return Fields(client.beta.get(_path(intention), _POLICY)).word("perUserMfaState")
