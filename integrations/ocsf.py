"""Small builders of OCSF 1.8.0 objects, each with only the attributes that are known.

Source: https://schema.ocsf.io/1.8.0. Empty values are left out, so that an event says only what
the vendor said; a word that the schema doesn't know becomes 99 (Other) with the word kept.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

VERSION: Final = "1.8.0"

AUTHENTICATION: Final = 3002
ACCOUNT_CHANGE: Final = 3001
API_ACTIVITY: Final = 6003
EMAIL_ACTIVITY: Final = 4009
VULNERABILITY_FINDING: Final = 2002
COMPLIANCE_FINDING: Final = 2003
DETECTION_FINDING: Final = 2004
INCIDENT_FINDING: Final = 2005
PROCESS_ACTIVITY: Final = 1007
NETWORK_ACTIVITY: Final = 4001
DNS_ACTIVITY: Final = 4003
DEVICE_INVENTORY: Final = 5001
BASE_EVENT: Final = 0

UNKNOWN: Final = 0
OTHER: Final = 99

_CLASS_NAMES: Final = {
    BASE_EVENT: "Base Event",
    ACCOUNT_CHANGE: "Account Change",
    AUTHENTICATION: "Authentication",
    EMAIL_ACTIVITY: "Email Activity",
    API_ACTIVITY: "API Activity",
    VULNERABILITY_FINDING: "Vulnerability Finding",
    COMPLIANCE_FINDING: "Compliance Finding",
    DETECTION_FINDING: "Detection Finding",
    INCIDENT_FINDING: "Incident Finding",
    PROCESS_ACTIVITY: "Process Activity",
    NETWORK_ACTIVITY: "Network Activity",
    DNS_ACTIVITY: "DNS Activity",
    DEVICE_INVENTORY: "Device Inventory Info",
}
SEVERITY_NAMES: Final = {
    0: "Unknown", 1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal",
    99: "Other",
}  # fmt: skip

Object = dict[str, Any]


def filled(**attributes: Any) -> Object:
    """Return the attributes that have a value: None, "", {} and [] are left out."""
    return {k: v for k, v in attributes.items() if v is not None and v not in ("", {}, [], ())}


def epoch_ms(moment: dt.datetime | None) -> int | None:
    """Return OCSF's timestamp_t: milliseconds since 1970, UTC."""
    if moment is None:
        return None
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def product(name: str, vendor: str) -> Object:
    """The product that reported."""
    return filled(name=name, vendor_name=vendor)


def user(
    name: str = "", uid: str = "", display_name: str = "", email: str = "", domain: str = ""
) -> Object:
    """A user; `name` is the sign-in name."""
    return filled(name=name, uid=uid, display_name=display_name, email_addr=email, domain=domain)


def actor(of: Object | None = None, app_name: str = "", app_uid: str = "") -> Object:
    """Who did it: a user, an application, or both."""
    return filled(user=of, app_name=app_name, app_uid=app_uid)


def location(
    country: str = "",
    city: str = "",
    region: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
) -> Object:
    """A place on earth; `country` is ISO 3166-1 alpha-2."""
    return filled(country=country, city=city, region=region, lat=latitude, long=longitude)


def endpoint(
    ip: str = "",
    hostname: str = "",
    uid: str = "",
    port: int | None = None,
    place: Object | None = None,
    asn: str = "",
    os: str = "",
) -> Object:
    """A network endpoint."""
    return filled(
        ip=ip,
        hostname=hostname,
        uid=uid,
        port=port,
        location=place,
        autonomous_system=filled(number=int(asn)) if asn.isdigit() else None,
        os=filled(name=os, type_id=_os_type(os)) if os else None,
    )


def _os_type(name: str) -> int:
    lower = name.lower()
    for word, number in (("windows", 100), ("android", 201), ("ios", 301), ("ipados", 302),
                         ("macos", 300), ("mac os", 300), ("linux", 200)):  # fmt: skip
        if word in lower:
            return number
    return OTHER


def status(is_success: bool | None, code: str = "", detail: str = "") -> Object:
    """status_id 1 Success, 2 Failure, 0 Unknown, with the vendor's code and words."""
    number = UNKNOWN if is_success is None else 1 if is_success else 2
    names = {0: "Unknown", 1: "Success", 2: "Failure"}
    return filled(status_code=code, status_detail=detail) | {
        "status_id": number,
        "status": names[number],
    }


def attack(technique: str) -> Object:
    """A MITRE ATT&CK technique or sub-technique by id."""
    main = technique.split(".")[0]
    sub = {"sub_technique": {"uid": technique}} if "." in technique else {}
    return {"technique": {"uid": main}, **sub}


def event(
    class_uid: int,
    activity_id: int,
    activity_name: str,
    time: dt.datetime,
    *,
    severity_id: int,
    severity: str = "",
    uid: str,
    reported_by: Object,
    tenant_uid: str = "",
    correlation_uid: str = "",
    profiles: tuple[str, ...] = (),
    unmapped: Mapping[str, Any] | None = None,
    **attributes: Any,
) -> Object:
    """An OCSF event of a class, with what every class shares.

    `type_uid` is class times 100 plus activity, the category is the class's first digit.
    """
    metadata = filled(
        version=VERSION,
        product=reported_by,
        uid=uid,
        tenant_uid=tenant_uid,
        correlation_uid=correlation_uid,
        profiles=list(profiles),
    )
    return {
        "class_uid": class_uid,
        "class_name": _CLASS_NAMES[class_uid],
        "category_uid": class_uid // 1000,
        "activity_id": activity_id,
        "activity_name": activity_name,
        "type_uid": class_uid * 100 + activity_id,
        "time": epoch_ms(time),
        "severity_id": severity_id,
        "severity": severity or SEVERITY_NAMES[severity_id],
        "metadata": metadata,
        **filled(**attributes),
        **filled(unmapped=dict(unmapped or {})),
    }
