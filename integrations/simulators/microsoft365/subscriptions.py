"""Subscriptions to change notifications.

Source: https://learn.microsoft.com/graph/api/resources/subscription
"""

from __future__ import annotations

from datetime import timedelta

from integrations.simulators.base.store import Record

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


def add_subscription(request: Request) -> Answer:
    body = request.json(_SUBSCRIPTION)
    for name in ("changeType", "notificationUrl", "resource"):
        if not isinstance(body.get(name), str):
            raise bad_request(f"Property '{name}' is required.", "InvalidRequest")
    expiry = _checked_expiry(request, body)
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
