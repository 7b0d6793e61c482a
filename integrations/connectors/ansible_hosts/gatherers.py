"""The questions that a host can answer."""

from dataclasses import dataclass

from integrations.connectors.ansible_hosts.client import SSH, AnsibleHostsClient
from integrations.contract import Gatherer, Json, Target
from integrations.managed.questions import ListMissing, ListPendingUpdates


@dataclass(frozen=True, slots=True)
class GetDevice:
    """The host and its state, with whether it is isolated."""

    name: str = "endpoint.get_device"
    permissions: tuple[str, ...] = (SSH,)

    def gather(self, client: AnsibleHostsClient, target: Target, inputs: Json) -> Json:
        """Return ``device`` as the catalog states."""
        found, state = client.computer(target.external_id)
        return {
            "device": {
                "external_id": found.external_id,
                "hostname": found.name,
                "os": found.operating_system,
                "is_server": True,
                "is_managed": True,
                "is_online": True,
                "is_isolated": state.get("isolated") == "yes",
                "needs_restart": found.needs_restart,
                "ring": found.ring,
            }
        }


GATHERERS: tuple[Gatherer, ...] = (GetDevice(), ListMissing((SSH,)), ListPendingUpdates((SSH,)))
