"""How each feed is read from Intune: a page at a time, from a durable cursor.

Sources: https://learn.microsoft.com/graph/api/intune-devices-manageddevice-list,
…/intune-devices-detectedapp-list, …/intune-deviceconfig-devicecompliancepolicy-list,
…/intune-deviceconfig-devicecompliancepolicystate-list, …/intune-auditing-auditevent-list.
"""

import datetime as dt
from typing import Any

from integrations.connectors.intune.client import MANAGED_DEVICES, READ_DEVICES, IntuneClient
from integrations.errors import NotFound
from integrations.microsoft.odata import address, literal
from integrations.refusals import Refused
from integrations.sweeps import Fetch, Slice, listed, swept
from integrations.values import Fields
from tenants.records import SourceRecord

READ_CONFIGURATION = "DeviceManagementConfiguration.Read.All"
READ_APPS = "DeviceManagementApps.Read.All"
_POLICIES = "/deviceManagement/deviceCompliancePolicies"
_APPS = "/deviceManagement/detectedApps"
_AUDIT = "/deviceManagement/auditEvents"
_PAGE, _PAGE_WITH_STATES = 100, 50
# Not the code that unlocks a lost phone, nor other secrets that a device's record holds.
_PROPERTIES = (
    "id", "deviceName", "userId", "userPrincipalName", "operatingSystem", "osVersion",
    "complianceState", "managementState", "managedDeviceOwnerType", "managementAgent",
    "deviceEnrollmentType", "enrolledDateTime", "lastSyncDateTime", "azureADDeviceId",
    "isEncrypted", "isSupervised", "jailBroken", "model", "manufacturer", "serialNumber",
    "partnerReportedThreatState", "complianceGracePeriodExpirationDateTime",
    "deviceCategoryDisplayName", "wiFiMacAddress", "ethernetMacAddress",
)  # fmt: skip
_OF_COMPLIANCE = (
    "id", "deviceName", "userId", "userPrincipalName", "operatingSystem", "complianceState",
    "lastSyncDateTime", "complianceGracePeriodExpirationDateTime",
)  # fmt: skip
# States in which a device's policies have nothing more to tell.
_SETTLED = frozenset({"compliant", "unknown", "configmanager"})


def _devices(client: IntuneClient, token: str) -> Slice:
    start = address(MANAGED_DEVICES, select=",".join(_PROPERTIES), top=_PAGE)
    return _page(client, token or start, MANAGED_DEVICES, READ_DEVICES)


def _apps(client: IntuneClient, token: str) -> Slice:
    return _page(client, token or address(_APPS, top=_PAGE), _APPS, READ_DEVICES)


def _audit(client: IntuneClient, since: dt.datetime | None, token: str) -> Slice:
    condition = {"filter": f"activityDateTime ge {literal(since)}"} if since is not None else {}
    start = address(_AUDIT, **condition, top=_PAGE)
    return _page(client, token or start, _AUDIT, READ_APPS)


def _page(client: IntuneClient, link: str, path: str, permission: str) -> Slice:
    bodies, following, _ = client.page(link, permission)
    return Slice(tuple(_record(body, path) for body in bodies), following)


def _compliance(client: IntuneClient, token: str) -> Slice:
    """The policies first, then each device's compliance with what it fails."""
    link = token or address(_POLICIES, top=_PAGE)
    if _POLICIES in link:
        page = _page(client, link, _POLICIES, READ_CONFIGURATION)
        devices = address(MANAGED_DEVICES, select=",".join(_OF_COMPLIANCE), top=_PAGE_WITH_STATES)
        return Slice(page.records, page.following or devices)
    bodies, following, _ = client.page(link, READ_DEVICES)
    records, refused = [], Refused()
    for body in bodies:
        with refused.kept(str(body.get("id"))):
            records.append(_record(_with_states(client, body), MANAGED_DEVICES))
    return Slice(tuple(records), following, refused.first)


def _with_states(client: IntuneClient, device: dict[str, Any]) -> dict[str, Any]:
    told = Fields(device)
    if not told.text("id") or told.word("complianceState") in _SETTLED:
        return device
    path = address(f"{MANAGED_DEVICES}/{{}}/deviceCompliancePolicyStates", told.text("id"))
    try:
        states = client.all(path, READ_CONFIGURATION, 500)
    except NotFound:
        # The device has left Intune since the page was read.
        states = []
    return {**device, "deviceCompliancePolicyStates": states}


def _record(body: dict[str, Any], path: str) -> SourceRecord:
    return SourceRecord(body, {"url": path})


def _happened(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("activityDateTime")


devices: Fetch = listed(_devices)
compliance: Fetch = listed(_compliance)
apps: Fetch = listed(_apps)
audit: Fetch = swept(_audit, _happened, first_days=7, overlap=dt.timedelta(hours=1))
