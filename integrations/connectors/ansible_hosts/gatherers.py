"""The questions that a host can answer."""

from dataclasses import dataclass

from integrations.connectors.ansible_hosts.asking import Outcome
from integrations.connectors.ansible_hosts.client import SSH, AnsibleHostsClient
from integrations.connectors.ansible_hosts.normalise.updates import pending_of
from integrations.contract import Gatherer, Json, Target
from integrations.managed.questions import ListMissing
from integrations.values import Fields


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


@dataclass(frozen=True, slots=True)
class ListPendingUpdates:
    """Hosts of a ring with the updates that each lacks; all are asked at once."""

    name: str = "patch.list_pending_updates"
    permissions: tuple[str, ...] = (SSH,)

    def gather(self, client: AnsibleHostsClient, target: Target, inputs: Json) -> Json:
        """Return ``devices`` of `ring`, or all; one that doesn't answer is told to lack nothing."""
        ring = str(inputs.get("ring") or "").strip().lower()
        hosts = [host for host in client.hosts if not ring or host.ring == ring]
        told = client.look(hosts, updates=True)
        if hosts and not told.reports:
            raise next(iter(told.failures.values()))
        return {
            "devices": [
                {
                    "external_id": host.name,
                    "name": host.name,
                    "is_server": True,
                    "is_online": host.name in told.reports,
                    "ring": host.ring,
                    "patches": _lacking(told, host.name),
                }
                for host in hosts
            ]
        }


def _lacking(told: Outcome, name: str) -> list[str]:
    return [row.text("package") for row in pending_of(Fields(told.reports.get(name, {})))]


GATHERERS: tuple[Gatherer, ...] = (GetDevice(), ListMissing((SSH,)), ListPendingUpdates())
