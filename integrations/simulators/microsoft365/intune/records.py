"""Records in the shapes of Graph's deviceManagement.

Sources: https://learn.microsoft.com/graph/api/resources/intune-devices-manageddevice,
…/intune-deviceconfig-devicecompliancepolicystate, …/intune-auditing-auditevent
"""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.store import Record, Tenant, stable_id

_NEVER = "0001-01-01T00:00:00Z"


def managed_device(
    tenant: Tenant, entra: Record, user: Record, number: int, now: datetime
) -> Record:
    """The managed side of one of Entra's devices; each fourth does not keep to the rules."""
    is_mac = entra["operatingSystem"] == "MacMDM"
    device_id = stable_id(tenant.id, "managed", entra["deviceId"])
    return {
        "id": device_id,
        "userId": user["id"],
        "deviceName": entra["displayName"],
        "managedDeviceName": f"{user['mailNickname']}_{entra['displayName']}",
        "managedDeviceOwnerType": "company",
        "deviceActionResults": [],
        "enrolledDateTime": instant(now - timedelta(days=300)),
        "lastSyncDateTime": instant(now - timedelta(hours=2 + number)),
        "operatingSystem": "macOS" if is_mac else "Windows",
        "osVersion": "15.1" if is_mac else "10.0.26100.2033",
        "complianceState": "noncompliant" if number % 4 == 3 else "compliant",
        "jailBroken": "Unknown",
        "managementAgent": "mdm",
        "managementState": "managed",
        "easActivated": False,
        "easDeviceId": None,
        "easActivationDateTime": _NEVER,
        "azureADRegistered": True,
        "azureADDeviceId": entra["deviceId"],
        "deviceEnrollmentType": "userEnrollment" if is_mac else "windowsAzureADJoin",
        "deviceRegistrationState": "registered",
        "deviceCategoryDisplayName": "Unassigned",
        "emailAddress": user["mail"],
        "userPrincipalName": user["userPrincipalName"],
        "userDisplayName": user["displayName"],
        "isSupervised": False,
        "isEncrypted": number % 4 != 3,
        "exchangeAccessState": "none",
        "exchangeAccessStateReason": "none",
        "exchangeLastSuccessfulSyncDateTime": _NEVER,
        "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59Z",
        "managementCertificateExpirationDate": instant(now + timedelta(days=200)),
        "partnerReportedThreatState": "unknown",
        "model": "MacBook Air" if is_mac else "Latitude 5450",
        "manufacturer": "Apple" if is_mac else "Dell Inc.",
        "serialNumber": f"SN{number:06d}",
        "imei": "",
        "meid": "",
        "phoneNumber": "",
        "activationLockBypassCode": None,
        "wiFiMacAddress": f"02005E0053{number:02X}",
        "ethernetMacAddress": None,
        "totalStorageSpaceInBytes": 512_000_000_000,
        "freeStorageSpaceInBytes": 201_000_000_000,
        "physicalMemoryInBytes": 0,
        "subscriberCarrier": "",
        "androidSecurityPatchLevel": "",
        "requireUserEnrollmentApproval": None,
        "notes": None,
    }


def policy(tenant: Tenant, now: datetime) -> Record:
    """A compliance policy for Windows."""
    return {
        "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
        "id": stable_id(tenant.id, "compliance-policy"),
        "displayName": "Windows: encrypted and up to date",
        "description": "Every computer of the clinic.",
        "createdDateTime": instant(now - timedelta(days=400)),
        "lastModifiedDateTime": instant(now - timedelta(days=90)),
        "version": 3,
        "bitLockerEnabled": True,
        "storageRequireEncryption": True,
        "secureBootEnabled": True,
        "passwordRequired": True,
        "passwordMinimumLength": 12,
        "osMinimumVersion": "10.0.22631.0",
    }


def policy_state(of: Record, rules: Record) -> Record:
    """How a device stands to a policy."""
    is_met = of["complianceState"] == "compliant"
    setting = {
        "setting": "Windows10CompliancePolicy.BitLockerEnabled",
        "settingName": "BitLocker",
        "instanceDisplayName": None,
        "state": "compliant" if is_met else "nonCompliant",
        "errorCode": 0 if is_met else 2016281112,
        "errorDescription": None,
        "userId": of["userId"],
        "userName": of["userDisplayName"],
        "userEmail": of["emailAddress"],
        "userPrincipalName": of["userPrincipalName"],
        "sources": [],
        "currentValue": "True" if is_met else "False",
    }
    return {
        "id": rules["id"],
        "displayName": rules["displayName"],
        "platformType": "windows10AndLater",
        "settingCount": 1,
        "state": "compliant" if is_met else "nonCompliant",
        "version": rules["version"],
        "settingStates": [setting],
    }


def device_status(of: Record, rules: Record) -> Record:
    """How a policy's list of devices shows one."""
    return {
        "id": f"{rules['id']}_{of['id']}",
        "deviceDisplayName": of["deviceName"],
        "userName": of["userDisplayName"],
        "userPrincipalName": of["userPrincipalName"],
        "deviceModel": of["model"],
        "complianceGracePeriodExpirationDateTime": of["complianceGracePeriodExpirationDateTime"],
        "status": "compliant" if of["complianceState"] == "compliant" else "nonCompliant",
        "lastReportedDateTime": of["lastSyncDateTime"],
    }


def detected_app(tenant: Tenant, name: str, version: str, publisher: str, count: int) -> Record:
    """A program that was found on devices."""
    return {
        "id": stable_id(tenant.id, "app", name, version).replace("-", ""),
        "displayName": name,
        "version": version,
        "sizeInByte": 0,
        "deviceCount": count,
        "publisher": publisher,
        "platform": "windows",
    }


def audit_event(
    tenant: Tenant, event_id: str, activity: str, kind: str, of: Record, by: Record, when: datetime
) -> Record:
    """An entry of the audit log, about a managed device or a policy."""
    name = of.get("deviceName") or of["displayName"]
    what = "ManagedDevice" if "deviceName" in of else "DeviceCompliancePolicy"
    return {
        "id": event_id,
        "displayName": f"{activity} {what}",
        "componentName": "ManagedDevices" if what == "ManagedDevice" else "DeviceConfiguration",
        "activity": None,
        "activityDateTime": instant(when),
        "activityType": f"{activity} {what}",
        "activityOperationType": kind,
        "activityResult": "Success",
        "correlationId": stable_id(tenant.id, "correlation", event_id),
        "category": "Device" if what == "ManagedDevice" else "DeviceConfiguration",
        "actor": {
            "type": "ItPro" if "userPrincipalName" in by else "Application",
            "auditActorType": None,
            "userPermissions": ["*"],
            "applicationId": by.get("applicationId"),
            "applicationDisplayName": by.get("applicationDisplayName", "Microsoft Intune portal"),
            "userPrincipalName": by.get("userPrincipalName"),
            "servicePrincipalName": None,
            "ipAddress": None,
            "userId": by.get("userId"),
        },
        "resources": [
            {
                "displayName": name,
                "type": what,
                "auditResourceType": what,
                "resourceId": of["id"],
                "modifiedProperties": [
                    {"displayName": "DeviceManagementAPIVersion", "oldValue": None,
                     "newValue": "5025-01-15"},
                ],
            }
        ],
    }  # fmt: skip
