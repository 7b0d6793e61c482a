"""Indicators: addresses, domains and files that Defender for Endpoint blocks or lets through.

Sources: https://learn.microsoft.com/defender-endpoint/api/ti-indicator, …/post-ti-indicator,
…/get-ti-indicators-collection, …/delete-ti-indicator-by-id
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime

from integrations.simulators.base.control import moment
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from .errors import DefenderError, lacking, missing, wrong_body
from .pages import METADATA, listing
from .records import precise

_ALL = "Ti.ReadWrite.All"
_PERMISSIONS = ("Ti.ReadWrite", _ALL)
_FILTERABLE = (
    "application", "createdByDisplayName", "expirationTime", "generateAlert", "title",
    "rbacGroupNames", "rbacGroupIds", "indicatorValue", "indicatorType",
    "creationTimeDateTimeUtc", "createdBy", "action", "severity",
)  # fmt: skip
_NEEDED = ("indicatorValue", "indicatorType", "action", "title", "description")
_KNOWN = (
    *_NEEDED, "application", "expirationTime", "severity", "recommendedActions",
    "rbacGroupNames", "educateUrl", "generateAlert",
)  # fmt: skip
_ACTIONS = (
    "Alert", "Warn", "Block", "Audit", "BlockAndRemediate", "AlertAndBlock", "Allowed",
)  # fmt: skip
_SEVERITIES = ("Informational", "Low", "Medium", "High")
_HASHES = {"FileSha1": 40, "FileMd5": 32, "FileSha256": 64, "CertificateThumbprint": 40}
_TYPES = (*_HASHES, "IpAddress", "DomainName", "Url")


def _seen(request: Request) -> list[Record]:
    """The active indicators; only its own for an application that may not see others'."""
    now = moment(request.now())
    found = [
        one
        for one in request.tenant.all("indicators")
        if not one["expirationTime"] or moment(one["expirationTime"]) > now
    ]
    if _ALL in request.roles:
        return found
    return [one for one in found if one["createdBy"] == request.app.client_id]


def _list(request: Request) -> Answer:
    return listing(request, _seen(request), "Indicators", filterable=_FILTERABLE)


def _checked(body: object) -> Record:
    if not isinstance(body, dict) or any(name not in _KNOWN for name in body):
        raise wrong_body()
    for name in _NEEDED:
        if not body.get(name):
            raise lacking(name)
    if body["indicatorType"] not in _TYPES or body["action"] not in _ACTIONS:
        raise wrong_body()
    if body.get("severity") not in (None, *_SEVERITIES):
        raise wrong_body()
    _check_value(str(body["indicatorType"]), str(body["indicatorValue"]))
    return body


def _check_value(kind: str, value: str) -> None:
    if kind == "IpAddress":
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise DefenderError(400, "InvalidIpAddress", f"IP address {value} is invalid") from None
    elif kind in _HASHES and not re.fullmatch(rf"[0-9A-Fa-f]{{{_HASHES[kind]}}}", value):
        raise DefenderError(400, "InvalidHashValue", f"Hash value {value} is invalid")
    elif kind == "DomainName" and not re.fullmatch(r"[\w-]+(\.[\w-]+)+", value):
        raise DefenderError(400, "InvalidDomainName", f"Domain name {value} is invalid")


def _submit(request: Request) -> Answer:
    body = _checked(request.body)
    now = precise(datetime.fromtimestamp(request.tenant.store.clock(), UTC))
    key = (body["indicatorType"], str(body["indicatorValue"]).lower())
    before = next(
        (
            one
            for one in request.tenant.true_all("indicators")
            if (one["indicatorType"], one["indicatorValue"].lower()) == key
        ),
        None,
    )
    made: Record = before or {
        "id": str(request.tenant.store.next("indicator")),
        "source": request.app.name,
        "sourceType": "AadApp",
        "createdBy": request.app.client_id,
        "creationTimeDateTimeUtc": now,
        "application": None, "expirationTime": None, "severity": "Informational",
        "recommendedActions": None, "rbacGroupNames": [], "educateUrl": None,
        "generateAlert": False,
    }  # fmt: skip
    record = {**made, **body, "lastUpdateTime": now, "lastUpdatedBy": request.app.name}
    request.tenant.put("indicators", record)
    request.effect("indicator.submit", record["indicatorValue"], action=record["action"])
    return Answer(200, {"@odata.context": f"{METADATA}#Indicators/$entity", **record})


def _delete(request: Request) -> Answer:
    record = request.tenant.true("indicators", request.params["id"])
    if record is None:
        raise missing(f"Indicator {request.params['id']}")
    request.tenant.remove("indicators", record["id"])
    request.effect("indicator.delete", record["indicatorValue"])
    return Answer(204)


ROUTES: list[Route] = [
    route("GET", "/api/indicators", _list, *_PERMISSIONS),
    route("POST", "/api/indicators", _submit, *_PERMISSIONS),
    route("DELETE", "/api/indicators/{id}", _delete, *_PERMISSIONS),
]
