"""The question that Intune can answer: which devices a person has.

Sources: https://learn.microsoft.com/graph/api/resources/user (managedDevices),
…/intune-devices-manageddevice.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.intune.client import READ_DEVICES, IntuneClient
from integrations.connectors.intune.normalise.devices import is_managed
from integrations.contract import Gatherer, Json, Target
from integrations.errors import NotFound
from integrations.microsoft.odata import address
from integrations.values import Fields

_PROPERTIES = (
    "id", "deviceName", "operatingSystem", "osVersion", "complianceState", "managementState",
    "managedDeviceOwnerType", "isEncrypted", "jailBroken", "userPrincipalName",
    "lastSyncDateTime", "azureADDeviceId",
)  # fmt: skip
_SELECT = ",".join(_PROPERTIES)


def _shown(told: Fields) -> dict[str, Any]:
    seen = told.time("lastSyncDateTime")
    system = told.text("operatingSystem")
    return {
        "external_id": told.text("id"),
        "name": told.text("deviceName") or told.text("id"),
        "hostname": told.text("deviceName"),
        "os": " ".join(part for part in (system, told.text("osVersion")) if part),
        "is_server": "server" in system.lower(),
        "is_managed": is_managed(told),
        "is_company_owned": told.word("managedDeviceOwnerType") == "company",
        "is_compliant": told.word("complianceState") == "compliant",
        "compliance": told.text("complianceState"),
        "is_encrypted": told.truth("isEncrypted"),
        "is_jail_broken": told.truth("jailBroken"),
        "entra_device_id": told.text("azureADDeviceId"),
        "last_seen_at": seen.isoformat().replace("+00:00", "Z") if seen else None,
    }


@dataclass(frozen=True, slots=True)
class ListDevices:
    """The devices of an account."""

    name: str = "identity.list_devices"
    permissions: tuple[str, ...] = (READ_DEVICES,)

    def gather(self, client: IntuneClient, target: Target, inputs: Json) -> Json:
        """Return ``devices`` of the Entra user whose id the target has, last seen first."""
        path = address("/users/{}/managedDevices", target.external_id, select=_SELECT, top=100)
        try:
            listed = client.all(path, READ_DEVICES, 500)
        except NotFound:
            # Entra knows no such user, or no more.
            listed = []
        found = [_shown(Fields(device)) for device in listed]
        return {"devices": sorted(found, key=lambda d: d["last_seen_at"] or "", reverse=True)}


GATHERERS: tuple[Gatherer, ...] = (ListDevices(),)
