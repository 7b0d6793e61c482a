"""Network containment of a host: cut it off, or let it back.

Falcon notes the wish at once (``containment_pending``) and tells ``contained`` when the host has
obeyed, which a host that is switched off does only when it comes back.
Source: https://www.falconpy.io/Service-Collections/Hosts.html (devices-actions)
"""

from dataclasses import dataclass

from integrations.connectors.crowdstrike.client import FalconClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound
from integrations.values import Fields

READ, WRITE = "Hosts: Read", "Hosts: Write"
_SETTLED = {True: "contained", False: "normal"}
_PENDING = {True: "containment_pending", False: "lift_containment_pending"}


def read_host(client: FalconClient, device_id: str) -> Fields:
    """The host's record; NotFound where there is none."""
    found = client.entities("/devices/entities/devices/v2", READ, [device_id])
    if not found:
        raise NotFound(f"CrowdStrike Falcon has no host {device_id}.")
    return Fields(found[0])


@dataclass(frozen=True, slots=True)
class SwitchContainment:
    """Contain a host, or lift its containment."""

    name: str
    to_isolated: bool
    permissions: tuple[str, ...] = (WRITE, READ)

    def snapshot(self, client: FalconClient, intention: Intention) -> Json:
        """Its state now."""
        return {"status": self._status(client, intention)}

    def call(self, client: FalconClient, intention: Intention) -> Json:
        """Ask for it, unless it is so already or asked for."""
        status = self._status(client, intention)
        if status in (_SETTLED[self.to_isolated], _PENDING[self.to_isolated]):
            return {"status": status}
        client.write(
            "POST", "/devices/entities/devices-actions/v2", WRITE,
            {"ids": [intention.target.external_id]},
            action_name="contain" if self.to_isolated else "lift_containment",
        )  # fmt: skip
        return {"asked": True}

    def read_back(self, client: FalconClient, intention: Intention) -> ReadBack:
        """Ask for the host again: only the settled state counts."""
        status = self._status(client, intention)
        return ReadBack(
            holds=status == _SETTLED[self.to_isolated],
            observed={"status": status},
            explanation=f"CrowdStrike Falcon shows the computer as {status or 'unknown'}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("status")
        wanted = (_SETTLED[self.to_isolated], _PENDING[self.to_isolated])
        return None if not before or before in wanted else {}

    def _status(self, client: FalconClient, intention: Intention) -> str:
        return read_host(client, intention.target.external_id).word("status")
