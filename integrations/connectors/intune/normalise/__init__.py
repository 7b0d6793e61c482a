"""From Intune's records to what they are: one normaliser for each feed.

A record that shows itself to be of another feed is read as what it is. Pure: no database, no
network.
"""

import re
from collections.abc import Callable, Mapping

from integrations.connectors.intune.normalise import audit, compliance, devices
from integrations.values import Fields, opened
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

_READERS: Mapping[str, Callable[[Fields], Normalised]] = {
    "devices": devices.device,
    "apps": devices.app,
    "compliance": compliance.of_device,
    "policy": compliance.policy,
    "device_status": compliance.device_status,
    "non_compliance": compliance.notice,
    "enrolment": audit.enrolment,
    "audit": audit.audit_event,
}
_TYPES = {
    "manageddevice": "devices",
    "detectedapp": "apps",
    "devicecompliancedevicestatus": "device_status",
    "auditevent": "audit",
}
# The first that matches an address decides what is read from it.
_ADDRESSES = (
    (r"devicemanagement/devicecompliancepolicies(/[^/]+)?/devicestatuses\b", "device_status"),
    (r"devicemanagement/devicecompliancepolicies\b", "policy"),
    (r"devicemanagement/deviceconfigurations\b", "policy"),
    (r"devicemanagement/detectedapps(/[^/]+)?$", "apps"),
    (r"devicemanagement/manageddevices(/[^/]+)?$", "devices"),
    (r"devicemanagement/auditevents\b", "audit"),
)
_COMPILED = tuple((re.compile(pattern), kind) for pattern, kind in _ADDRESSES)
_LOGS = {"devicecompliance": "non_compliance", "deviceenrollment": "enrolment"}


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed."""

    def normalise(record: SourceRecord) -> Normalised:
        refused = record.context.get("quarantine")
        if isinstance(refused, Mapping):
            raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
        told = _inside(Fields(record.body))
        return _READERS[_kind(feed, told, str(record.context.get("url") or ""))](told)

    return normalise


def _inside(record: Fields) -> Fields:
    """A record out of the envelopes of a rule's test and of a diagnostic export."""
    log = record.nested("log")
    if log.body and record.has_any("rule", "test", "log_types"):
        return _inside(log)
    inner = opened(record.raw("properties"))
    if isinstance(inner, Mapping) and inner and record.has_any("category", "operationName"):
        told = {str(name).lower() for name in inner} | {"properties"}
        around = {k: v for k, v in record.body.items() if str(k).lower() not in told}
        return Fields({**inner, **around})
    return record


def _kind(feed: str, told: Fields, url: str) -> str:
    log = _LOGS.get(told.word("OperationalLogCategory"))
    if log:
        return log
    kind = _by_type(told) or _by_address(url) or feed
    # A device's record is both: the computer itself, and whether it keeps to the rules.
    return "compliance" if kind == "devices" and feed == "compliance" else kind


def _by_type(told: Fields) -> str:
    name = told.word("@odata.type").lstrip("#").split(".")[-1]
    if name in _TYPES:
        return _TYPES[name]
    return "policy" if name.endswith(("compliancepolicy", "configuration")) else ""


def _by_address(url: str) -> str:
    path = url.lower().split("?", 1)[0].rstrip("/")
    if not path:
        return ""
    for pattern, kind in _COMPILED:
        if pattern.search(path):
            return kind
    raise Quarantine(
        "other_resource",
        f"An answer of {path.split('//')[-1]} is nothing that Intune's feeds take.",
    )
