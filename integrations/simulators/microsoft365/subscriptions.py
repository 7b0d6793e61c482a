"""Subscriptions to change notifications.

Source: https://learn.microsoft.com/graph/api/resources/subscription
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from integrations.simulators.base.simulator import Simulator
from integrations.simulators.base.store import Record, Tenant

from .entra import object_id
from .errors import bad_request
from .graph import (
    Answer,
    Request,
    Route,
    entity,
    existing,
    instant,
    no_content,
    reading,
    route,
)
from .odata import timestamp

_SUBSCRIPTION = frozenset(
    [
        "changeType",
        "notificationUrl",
        "lifecycleNotificationUrl",
        "resource",
        "expirationDateTime",
        "clientState",
        "latestSupportedTlsVersion",
        "includeResourceData",
        "encryptionCertificate",
        "encryptionCertificateId",
        "notificationQueryOptions",
    ]
)
_LONGEST_SUBSCRIPTION = timedelta(minutes=42_300)


def _checked_expiry(request: Request, body: Record) -> str:
    try:
        expiry = timestamp(str(body["expirationDateTime"]))
    except (KeyError, ValueError) as error:
        raise bad_request(
            "expirationDateTime must be a date and time.", "InvalidRequest"
        ) from error
    now = timestamp(request.now())
    if not now < expiry <= now + _LONGEST_SUBSCRIPTION:
        raise bad_request("Subscription expiration can only be 42300 minutes in the future.",
                          "ExtensionError")  # fmt: skip
    return instant(expiry)


# A simulator calls nobody but the machine that it runs on.
_HERE = frozenset({"127.0.0.1", "localhost"})


def _try_address(url: str, token: str) -> None:
    """The address must give the token back, as plain text."""
    if urlsplit(url).hostname not in _HERE:
        return
    told = f"Validation: Testing client application {token} reachability."
    try:
        answer = httpx.post(url, params={"validationToken": told}, timeout=10)
    except httpx.HTTPError:
        raise bad_request("Subscription validation request failed.", "ValidationError") from None
    is_plain = answer.headers.get("content-type", "").startswith("text/plain")
    if answer.status_code != 200 or answer.text != told or not is_plain:
        raise bad_request("Subscription validation request failed.", "ValidationError")


def notify(
    simulator: Simulator,
    tenant: Tenant,
    resource: str,
    client_state: str = "",
    lifecycle: str = "",
    resource_data: Record | None = None,
) -> Record:
    """Tell every subscriber that something changed, or that the subscription ends.

    Returns the statuses that they answered.
    """
    statuses: list[int] = []
    for one in tenant.true_all("subscriptions"):
        if one["resource"] != resource:
            continue
        what: dict[str, Any] = (
            {"lifecycleEvent": lifecycle} if lifecycle else {"changeType": "updated"}
        )
        notice = {
            "subscriptionId": one["id"],
            "clientState": client_state or one["clientState"],
            "subscriptionExpirationDateTime": one["expirationDateTime"],
            "resource": resource,
            "tenantId": tenant.id,
            "resourceData": resource_data or {},
            **what,
        }
        answer = httpx.post(one["notificationUrl"], json={"value": [notice]}, timeout=10)
        statuses.append(answer.status_code)
    return {"statuses": statuses}


def add_subscription(request: Request) -> Answer:
    body = request.json(_SUBSCRIPTION)
    for name in ("changeType", "notificationUrl", "resource"):
        if not isinstance(body.get(name), str):
            raise bad_request(f"Property '{name}' is required.", "InvalidRequest")
    expiry = _checked_expiry(request, body)
    _try_address(str(body["notificationUrl"]), request.tenant.new_id("validation"))
    record: Record = {
        **dict.fromkeys(_SUBSCRIPTION),
        **body,
        "id": request.tenant.new_id("subscription"),
        "expirationDateTime": expiry,
        "applicationId": request.app.client_id,
        "creatorId": object_id(request.app),
    }
    request.tenant.put("subscriptions", record)
    request.effect("subscription.add", record["id"])
    answer = entity(record, "subscriptions")
    answer.status = 201
    return answer


def renew_subscription(request: Request) -> Answer:
    record = existing(request, "subscriptions", request.params["id"])
    body = request.json({"expirationDateTime", "notificationUrl"})
    changes = {**body, "expirationDateTime": _checked_expiry(request, body)}
    request.effect("subscription.update", record["id"])
    return entity(request.tenant.update("subscriptions", record["id"], changes), "subscriptions")


def delete_subscription(request: Request) -> Answer:
    record = existing(request, "subscriptions", request.params["id"])
    request.tenant.remove("subscriptions", record["id"])
    request.effect("subscription.delete", record["id"])
    return no_content()


ROUTES: list[Route] = [
    *reading("subscriptions", "/subscriptions"),
    route("POST", "/subscriptions", add_subscription),
    route("PATCH", "/subscriptions/{id}", renew_subscription),
    route("DELETE", "/subscriptions/{id}", delete_subscription),
]
