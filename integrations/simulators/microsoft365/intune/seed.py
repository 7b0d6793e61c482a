"""Puts an organisation's devices under Intune."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.simulators.base.store import Tenant, stable_id

from . import records

PERMISSIONS = (
    "DeviceManagementApps.Read.All", "DeviceManagementConfiguration.Read.All",
    "DeviceManagementManagedDevices.PrivilegedOperations.All",
    "DeviceManagementManagedDevices.Read.All",
)  # fmt: skip
_APPS = (
    ("Google Chrome", "129.0.6668.58", "Google LLC"),
    ("7-Zip 23.01 (x64)", "23.01", "Igor Pavlov"),
    ("Microsoft Edge", "129.0.2792.52", "Microsoft Corporation"),
    ("AnyDesk", "8.1.0", "AnyDesk Software GmbH"),
)


def enrol(tenant: Tenant, now: datetime) -> None:
    """Have Intune manage each of the tenant's Entra devices, with a policy and a week's audit."""
    for app in tenant.apps.values():
        app.permissions += [name for name in PERMISSIONS if name not in app.permissions]
    people = [u for u in tenant.true_all("users") if u["accountEnabled"] and u["assignedLicenses"]]
    by_first_name = {str(user["givenName"]).upper(): user for user in people}
    rules = tenant.put("compliancePolicies", records.policy(tenant, now))
    for number, entra in enumerate(tenant.true_all("devices")):
        owner = by_first_name.get(str(entra["displayName"]).removesuffix("-PC"), people[0])
        tenant.put("managedDevices", records.managed_device(tenant, entra, owner, number, now))
    devices = tenant.true_all("managedDevices")
    for name, version, publisher in _APPS:
        found = records.detected_app(tenant, name, version, publisher, len(devices))
        tenant.put("detectedApps", found)
    admin = {"userPrincipalName": f"sam.adeyemi@{tenant.domain}", "userId": people[0]["id"]}
    for number, of in enumerate([rules, *devices[:6]]):
        event_id = stable_id(tenant.id, "intune-audit", number)
        when = now - timedelta(hours=9 * number + 1)
        activity, kind = ("Patch", "Patch") if of is rules else ("syncDevice", "Action")
        tenant.put(
            "intuneAudit",
            records.audit_event(tenant, event_id, activity, kind, of, admin, when),
        )
