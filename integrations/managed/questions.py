"""What a product for remote management can answer: one class for each question."""

from dataclasses import dataclass
from typing import Any

from integrations.contract import Json, Target
from integrations.errors import Rejected
from integrations.managed.computers import Computer, HasUpdates, Manager

_MOST = 1000


@dataclass(frozen=True, slots=True)
class GetDevice:
    """The computer and its state. Whether it is isolated isn't told: these products can't."""

    permissions: tuple[str, ...]
    name: str = "endpoint.get_device"

    def gather(self, client: Manager, target: Target, inputs: Json) -> Json:
        """Return ``device`` as the catalog states."""
        found = client.computer(target.external_id)
        seen = found.last_seen_at
        return {
            "device": {
                "external_id": found.external_id,
                "hostname": found.name,
                "os": found.operating_system,
                "is_server": found.is_server,
                "is_managed": True,
                "is_online": found.is_online,
                "needs_restart": found.needs_restart,
                "last_seen_at": seen.isoformat().replace("+00:00", "Z") if seen else None,
                "last_user": found.last_user,
                "ring": found.ring,
            }
        }


@dataclass(frozen=True, slots=True)
class ListMissing:
    """Updates that the computer lacks, and what was decided of each."""

    permissions: tuple[str, ...]
    name: str = "patch.list_missing"

    def gather(self, client: HasUpdates, target: Target, inputs: Json) -> Json:
        """Return ``patches``; `external_id` is the name that a plan gives to install it."""
        return {
            "patches": [
                {
                    "external_id": update.name,
                    "name": update.title,
                    "state": update.state,
                    "severity": update.severity,
                    "category": update.category,
                    "cves": [],
                }
                for update in client.updates(target.external_id)
                if update.state != "installed"
            ]
        }


@dataclass(frozen=True, slots=True)
class ListPendingUpdates:
    """Computers of a ring with the approved updates that each lacks."""

    permissions: tuple[str, ...]
    name: str = "patch.list_pending_updates"

    def gather(self, client: Manager, target: Target, inputs: Json) -> Json:
        """Return ``devices`` of `ring`, or all; Rejected where they are too many to ask about."""
        ring = str(inputs.get("ring") or "").strip().lower()
        found = [one for one in client.computers() if not ring or one.ring == ring]
        if len(found) > _MOST:
            raise Rejected(f"The ring holds more than {_MOST} computers: make smaller rings.")
        return {"devices": [_pending(client, computer) for computer in found]}


def _pending(client: Manager, computer: Computer) -> dict[str, Any]:
    lacking = [u.name for u in client.updates(computer.external_id) if u.state == "approved"]
    return {
        "external_id": computer.external_id,
        "name": computer.name,
        "is_server": computer.is_server,
        "ring": computer.ring,
        "patches": list(dict.fromkeys(lacking)),
    }
