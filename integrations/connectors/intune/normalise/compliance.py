"""Whether devices keep to the company's rules, as Compliance Findings (OCSF 2003), and the rules.

The first are kept as events: a device that does not comply is no attack, and as a finding each
would open a case.
Sources: https://learn.microsoft.com/graph/api/resources/intune-deviceconfig-devicecompliancepolicy,
…/intune-deviceconfig-devicecompliancepolicystate,
…/intune-deviceconfig-devicecompliancedevicestatus,
https://learn.microsoft.com/azure/azure-monitor/reference/tables/intuneoperationallogs.
"""

import datetime as dt

from integrations import ocsf
from integrations.connectors.intune.normalise.devices import PRODUCT
from integrations.values import Fields, device_entity, entities, entity
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event

# OCSF's status_id of a compliance check, by the vendor's state of a device or policy.
_PASS, _WARNING, _FAIL = 1, 2, 3
_STATES = {
    "compliant": _PASS, "remediated": _PASS, "noncompliant": _FAIL, "ingraceperiod": _WARNING,
    "conflict": _WARNING, "error": _WARNING, "unknown": 0, "configmanager": 0,
    "notapplicable": 0, "notassigned": 0, "": 0,
}  # fmt: skip
_SEVERITIES = {_FAIL: 3, _WARNING: 2}
_NAMES = {0: "Unknown", _PASS: "Pass", _WARNING: "Warning", _FAIL: "Fail", 99: "Other"}
_NOT_SETTINGS = frozenset({"id", "createddatetime", "lastmodifieddatetime", "displayname",
                           "description", "version"})  # fmt: skip
_SECRET_WORDS = ("secret", "presharedkey", "omasettings")


def policy(told: Fields) -> DirectoryItem:
    """A compliance policy or a device configuration, with its settings as the vendor words them."""
    settings = {
        str(name): value
        for name, value in told.body.items()
        if not str(name).startswith("@")
        and str(name).lower() not in _NOT_SETTINGS
        and not any(word in str(name).lower() for word in _SECRET_WORDS)
    }
    return DirectoryItem(
        kind="policy",
        external_id=told.essential("id", what="policy"),
        name=told.text("displayName") or told.text("id"),
        attributes=ocsf.filled(
            policy_kind=told.text("@odata.type").lstrip("#").split(".")[-1],
            description=told.text("description"),
            version=told.number("version"),
            created_at=told.time("createdDateTime"),
            modified_at=told.time("lastModifiedDateTime"),
            settings=settings,
        ),
    )


def of_device(told: Fields) -> Event:
    """A device's compliance as a whole, with the settings that it fails."""
    uid = told.essential("id", what="device")
    if not told.has_any("complianceState"):
        raise Quarantine(
            "no_compliance",
            "The device's record doesn't say whether it complies (complianceState): read it again "
            "with that field.",
        )
    failed = _failed(told)
    return _state(
        uid=uid,
        device=told.text("deviceName") or uid,
        device_id=uid,
        user=told.text("userPrincipalName"),
        user_id=told.text("userId"),
        state=told.text("complianceState"),
        time=told.essential_time("lastSyncDateTime", "complianceGracePeriodExpirationDateTime"),
        description=("It fails: " + "; ".join(failed)) if failed else "",
        checks=failed,
        until=told.time("complianceGracePeriodExpirationDateTime"),
    )


def _failed(told: Fields) -> list[str]:
    """Policy and setting of each that is not met, each once, in order."""
    found: dict[str, None] = {}
    for state in told.objects("deviceCompliancePolicyStates"):
        if _STATES.get(state.word("state"), 99) in (_PASS, 0):
            continue
        name = state.text("displayName") or state.text("id")
        settings = [
            setting.text("settingName", "setting")
            for setting in state.objects("settingStates")
            if _STATES.get(setting.word("state"), 99) not in (_PASS, 0)
        ]
        for setting in settings or [""]:
            found[f"{name}: {setting}" if setting else name] = None
    return list(found)


def device_status(told: Fields) -> Event:
    """A device's compliance with one policy."""
    uid = told.essential("id", what="status")
    return _state(
        uid=uid,
        device=told.essential("deviceDisplayName", what="status's device"),
        device_id="",
        user=told.text("userPrincipalName"),
        user_id="",
        state=told.text("status"),
        time=told.essential_time("lastReportedDateTime"),
        until=told.time("complianceGracePeriodExpirationDateTime"),
    )


def notice(told: Fields) -> Event:
    """A notice in the operational log that a device does not comply."""
    device_id = told.essential("IntuneDeviceId", what="notice's device")
    time = told.essential_time("StartTimeUtc", "time", "TimeGenerated")
    user, suffix = told.text("UserName"), told.text("UPNSuffix")
    # The texts of one notice, and what they were about, stand beside each other.
    parts = [part for part in told.text("Description").split("||") if part]
    return _state(
        uid=f"{device_id}/{time.isoformat()}",
        device=told.text("DeviceHostName", "DeviceNetBiosName", "DeviceName") or device_id,
        device_id=device_id,
        user=f"{user}@{suffix}" if user and suffix else user,
        user_id=told.text("IntuneUserId"),
        state="noncompliant",
        time=time,
        description=told.text("AlertDisplayName"),
        checks=list(dict.fromkeys(part for part in parts if "." in part and " " not in part)),
        details=parts,
    )


def _state(
    *,
    uid: str,
    device: str,
    device_id: str,
    user: str,
    user_id: str,
    state: str,
    time: dt.datetime,
    description: str = "",
    checks: list[str] | None = None,
    until: dt.datetime | None = None,
    details: list[str] | None = None,
) -> Event:
    status_id = _STATES.get(state.lower(), ocsf.OTHER)
    severity_id = _SEVERITIES.get(status_id, 1)
    keeps = {_PASS: "keeps to the rules", _FAIL: "does not keep to the rules"}
    title = f"{device} {keeps.get(status_id, f'is {state} as to the rules')}"
    is_met = status_id == _PASS
    return Event(
        uid=uid,
        class_uid=ocsf.COMPLIANCE_FINDING,
        activity=f"compliance {state}".lower(),
        time=time,
        severity_id=severity_id,
        actor=user,
        target=device,
        entities=entities(
            entity("device", device), device_entity("intune", device_id), entity("account", user),
            entity("account_id", user_id),
        ),
        ocsf=ocsf.event(
            ocsf.COMPLIANCE_FINDING, *((3, "Close") if is_met else (1, "Create")), time,
            severity_id=severity_id,
            uid=uid,
            reported_by=PRODUCT,
            status_id=4 if is_met else 1,
            status=state,
            finding_info=ocsf.filled(uid=uid, title=title, desc=description),
            compliance=ocsf.filled(
                control="Device compliance policies",
                status_id=status_id,
                status=_NAMES[status_id],
                status_details=details,
                requirements=checks,
            ),
            resources=[ocsf.filled(name=device, uid=device_id, type="device")],
            unmapped=ocsf.filled(grace_until=ocsf.epoch_ms(until), user=user),
        ),
    )  # fmt: skip
