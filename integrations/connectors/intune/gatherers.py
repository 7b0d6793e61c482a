"""The questions that Intune can answer: what a device is, and which devices a person has.

Source: https://learn.microsoft.com/graph/api/intune-devices-manageddevice-list
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.intune.client import MANAGED_DEVICES, READ_DEVICES, IntuneClient
from integrations.contract import Gatherer, Json, Target
from integrations.microsoft.odata import address, quoted
from integrations.values import Fields

_PROPERTIES = (
    "id", "deviceName", "operatingSystem", "osVersion", "complianceState", "managementState",
    "managedDeviceOwnerType", "isEncrypted", "jailBroken", "userPrincipalName",
    "partnerReportedThreatState", "lastSyncDateTime", "azureADDeviceId", "userId",
)  # fmt: skip
_SELECT = ",".join(_PROPERTIES)
# What a threat-detection partner reports, in the words of a device's risk.
_RISKS = {"lowseverity": "low", "mediumseverity": "medium", "highseverity": "high",
          "compromised": "high", "secured": "none", "deactivated": "unknown"}  # fmt: skip


def _shown(told: Fields) -> dict[str, Any]:
    seen = told.time("lastSyncDateTime")
    system = told.text("operatingSystem")
    return {
        "external_id": told.text("id"),
        "name": told.text("deviceName") or told.text("id"),
        "hostname": told.text("deviceName"),
        "os": " ".join(part for part in (system, told.text("osVersion")) if part),
        "is_server": "server" in system.lower(),
        "is_managed": told.word("managementState") in ("managed", ""),
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
    """The devices that an account enrolled."""

    name: str = "identity.list_devices"
    permissions: tuple[str, ...] = (READ_DEVICES,)

    def gather(self, client: IntuneClient, target: Target, inputs: Json) -> Json:
        """Return ``devices`` of the Entra user whose id the target has, last seen first."""
        path = address(
            MANAGED_DEVICES,
            filter=f"userId eq '{quoted(target.external_id)}'",
            select=_SELECT,
            top=100,
        )
        found = [_shown(Fields(device)) for device in client.all(path, READ_DEVICES, 500)]
        return {"devices": sorted(found, key=lambda d: d["last_seen_at"] or "", reverse=True)}


GATHERERS: tuple[Gatherer, ...] = (ListDevices(),)
