"""What a record is: its envelope taken off, and its kind told by the record itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.values import Fields, opened

# Kinds that aren't feeds of their own.
REGISTRATION = "registration"
MAILBOX = "mailbox"
HUNTING = "hunting_row"
ALERT_EVIDENCE = "alert_evidence"
FOREIGN = "foreign"

# Azure's diagnostic categories and the tables of Log Analytics, by name.
# https://learn.microsoft.com/entra/identity/monitoring-health/concept-diagnostic-settings-logs-options
_CATEGORIES = {
    "signinlogs": "sign_ins",
    "noninteractiveusersigninlogs": "sign_ins",
    "serviceprincipalsigninlogs": "sign_ins",
    "managedidentitysigninlogs": "sign_ins",
    "adfssigninlogs": "sign_ins",
    "aadnoninteractiveusersigninlogs": "sign_ins",
    "aadserviceprincipalsigninlogs": "sign_ins",
    "aadmanagedidentitysigninlogs": "sign_ins",
    "aadsignineventsbeta": "sign_ins",
    "aadspnsignineventsbeta": "sign_ins",
    "entraidsigninevents": "sign_ins",
    "entraidspnsigninevents": "sign_ins",
    "auditlogs": "directory_audit",
    "provisioninglogs": FOREIGN,
    "riskyusers": "risky_users",
    "aadriskyusers": "risky_users",
    "riskyserviceprincipals": "risky_users",
    "userriskevents": "risk_detections",
    "aaduserriskevents": "risk_detections",
    "serviceprincipalriskevents": "risk_detections",
    "alertinfo": "alerts",
    "securityalert": "alerts",
    "securityincident": "incidents",
    "alertevidence": ALERT_EVIDENCE,
    "officeactivity": "unified_audit",
    "emailevents": "message_trace",
    "azureactivity": "azure_activity",
    "storagebloblogs": "azure_activity",
    "administrative": "azure_activity",
    "recommendation": "azure_activity",
    "security": "azure_activity",
    "storageread": "azure_activity",
    "storagewrite": "azure_activity",
    "storagedelete": "azure_activity",
    "policy": "azure_activity",
    "resourcehealth": FOREIGN,
    "servicehealth": FOREIGN,
}
_TYPES = {
    "alert": "alerts",
    "incident": "incidents",
    "signin": "sign_ins",
    "directoryaudit": "directory_audit",
    "auditlogrecord": "unified_audit",
    "riskdetection": "risk_detections",
    "serviceprincipalriskdetection": "risk_detections",
    "riskyuser": "risky_users",
    "riskyuserhistoryitem": "risky_users",
    "riskyserviceprincipal": "risky_users",
    "user": "users",
    "group": "groups",
    "directoryrole": "roles",
    "directoryroletemplate": "roles",
    "unifiedroleassignment": "roles",
    "unifiedroledefinition": "roles",
    "unifiedroleassignmentschedule": "roles",
    "unifiedroleassignmentscheduleinstance": "roles",
    "unifiedroleeligibilityschedule": "roles",
    "unifiedroleeligibilityscheduleinstance": "roles",
    "messagerule": "inbox_rules",
    "mailboxsettings": "mailbox_settings",
    "oauth2permissiongrant": "oauth_grants",
    "approleassignment": "oauth_grants",
    "serviceprincipal": "service_principals",
    "userregistrationdetails": REGISTRATION,
    "exchangemessagetrace": "message_trace",
    "countrynamedlocation": "policies",
    "ipnamedlocation": "policies",
    "namedlocation": "policies",
}
# Policies of the identity service; Intune's and others' have the same ending.
_POLICIES = frozenset(
    f"{name}policy"
    for name in (
        "conditionalaccess", "authorization", "identitysecuritydefaultsenforcement",
        "authenticationmethods", "authenticationstrength", "adminconsentrequest",
        "crosstenantaccess", "claimsmapping", "homerealmdiscovery", "tokenlifetime",
        "tokenissuance", "activitybasedtimeout", "permissiongrant", "featurerollout",
        "unifiedrolemanagement", "appmanagement", "tenantappmanagement", "authenticationflows",
        "externalidentities", "deviceregistration", "accessreview",
    )
)  # fmt: skip
_ENVELOPE = ("properties", "Properties")
# What tells a kind apart where nothing names it: all of the first names, one of the second, none
# of the third. The order is part of the rule.
_SIGNS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("alerts", ("AlertId", "Title", "Severity"), (), ()),
    (ALERT_EVIDENCE, ("AlertId", "EntityType"), (), ("Title",)),
    ("alerts", ("SystemAlertId",), (), ()),
    ("incidents", ("IncidentNumber", "Severity"), (), ()),
    ("incidents", ("incidentWebUrl",), ("displayName", "alerts"), ("providerAlertId", "title")),
    ("alerts", (), ("providerAlertId", "alertWebUrl", "detectionSource"), ("displayName",)),
    ("alerts", ("title", "severity"), ("createdDateTime", "eventDateTime", "serviceSource",
                                       "vendorInformation", "evidence"), ()),
    ("alerts", ("eventDateTime", "vendorInformation"), (), ()),
    ("unified_audit", ("AuditData",), ("Operation", "Operations", "auditLogRecordType"), ()),
    ("unified_audit", ("Operation",), ("CreationTime", "RecordType", "Workload",
                                       "OfficeWorkload", "UserKey"), ("ActionType",)),
    ("directory_audit", (), ("activityDisplayName", "targetResources"), ("riskEventType",)),
    ("risk_detections", (), ("riskEventType", "detectionTimingType"), ("clientAppUsed",)),
    ("risky_users", (), ("riskLastUpdatedDateTime",), ()),
    ("message_trace", (), ("MessageTraceId", "message_trace_id"), ()),
    ("message_trace", ("RecipientAddress",), ("SenderAddress",), ()),
    ("message_trace", ("NetworkMessageId", "RecipientEmailAddress"), (), ("AlertId",)),
    ("sign_ins", (), ("clientAppUsed", "conditionalAccessStatus", "isInteractive",
                      "riskLevelDuringSignIn"), ()),
    ("sign_ins", ("ErrorCode", "LogonType"), ("AccountUpn", "ServicePrincipalId"), ()),
    (HUNTING, ("Timestamp", "ActionType"), (), ()),
    ("sign_ins", ("createdDateTime", "ipAddress"), ("userPrincipalName", "servicePrincipalId"),
     ("riskState",)),
    (REGISTRATION, (), ("isMfaRegistered", "methodsRegistered"), ()),
    (MAILBOX, ("RecipientTypeDetails",), ("PrimarySmtpAddress", "Guid"), ()),
    ("policies", (), ("grantControls", "sessionControls", "ipRanges", "countriesAndRegions"),
     ("scenarios", "details")),
    ("policies", ("Priority", "Mode"), ("Guid", "DistinguishedName"), ()),
    ("inbox_rules", (), ("RuleIdentity", "MailboxOwnerId"), ()),
    ("inbox_rules", ("sequence", "actions"), (), ("rules",)),
    ("mailbox_settings", (), ("automaticRepliesSetting", "workingHours", "userPurpose"),
     ("userPrincipalName",)),
    ("roles", ("principalId", "roleDefinitionId"), (), ()),
    ("roles", (), ("roleTemplateId", "rolePermissions"), ()),
    ("oauth_grants", ("resourceId",), ("clientId", "appRoleId"), ("ipAddress",)),
    ("service_principals", (), ("servicePrincipalType", "servicePrincipalNames",
                                "appRoleAssignmentRequired"), ("ipAddress",)),
    ("auth_methods", (), ("phoneType", "aaGuid", "keyStrength", "temporaryAccessPass",
                          "methodUsabilityReason", "phoneAppVersion"), ()),
    ("groups", (), ("groupTypes", "securityEnabled", "mailEnabled"), ()),
    (FOREIGN, (), ("managedDeviceOwnerType", "deviceEnrollmentType", "profileType",
                   "skuPartNumber", "authenticationType", "EventID"), ()),
    ("users", ("userPrincipalName",), ("displayName", "accountEnabled", "givenName", "mail"),
     ("deviceName", "riskLevel")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """A record without its envelope, and what it is ("" where the record doesn't tell)."""

    fields: Fields
    kind: str


def shape_of(body: Mapping[str, Any]) -> Shape:
    """Take off the envelopes (a rule test, an export) and tell what is inside."""
    record = Fields(body)
    log = record.nested("log")
    if log.body and record.has_any("rule", "test", "expected_match", "log_types"):
        return shape_of(log.body)
    category = record.word("category", "Category").removeprefix("advancedhunting-")
    for name in _ENVELOPE:
        inner = opened(record.raw(name))
        is_export = record.has_any("time", "operationName", "resourceId", "tenantId", "category")
        if isinstance(inner, Mapping) and inner and is_export:
            merged = _merged(inner, record.body)
            known = _CATEGORIES.get(category, "")
            return Shape(merged, known or _by_type(merged) or _by_signs(merged))
    table = record.word("Type", "$table", "TableName")
    if record.has_any("TimeGenerated", "Timestamp") and table in _CATEGORIES:
        return Shape(record, _CATEGORIES[table])
    return Shape(record, _by_type(record) or _by_category(record, category) or _by_signs(record))


def _merged(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> Fields:
    """The record inside an envelope, with what only the envelope tells."""
    names = {str(name).lower() for name in inner}
    rest = {k: v for k, v in outer.items() if str(k).lower() not in names and k not in _ENVELOPE}
    return Fields({**inner, **rest})


def _by_category(record: Fields, category: str) -> str:
    """Flattened exports keep the category beside the fields."""
    if record.has_any("time", "TimeGenerated", "operationName"):
        return _CATEGORIES.get(category, "")
    return ""


def _by_type(record: Fields) -> str:
    told = record.word("@odata.type", "at_sign_odata_type").lstrip("#")
    if not told:
        return ""
    name = told.split(".")[-1]
    if name.endswith("authenticationmethod"):
        return "auth_methods"
    if name in _TYPES:
        return _TYPES[name]
    return "policies" if name in _POLICIES else FOREIGN


def _by_signs(record: Fields) -> str:
    for kind, every, some, none in _SIGNS:
        if (
            record.has(*every)
            and (not some or record.has_any(*some))
            and not (none and record.has_any(*none))
        ):
            return kind
    return ""
