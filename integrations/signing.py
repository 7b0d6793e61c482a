"""Signatures of deliveries, by Standard Webhooks 1.0, symmetric (HMAC-SHA256).

The sender signs ``id.timestamp.body`` and sends the three headers ``webhook-id``,
``webhook-timestamp`` (seconds since 1970) and ``webhook-signature`` (``v1,`` and base64, several
with spaces between). Pure.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final

from integrations.errors import ConnectionMisconfigured, DeliveryRefused

# By what name connectors ask for the key among a connection's secrets.
KEY: Final = "signing_key"
ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
# How far a sender's clock may be from ours; older deliveries are replays.
TOLERANCE: Final = dt.timedelta(minutes=5)
_PREFIX = "whsec_"
_KEY_BYTES = 32
_LEAST_KEY_BYTES, _MOST_KEY_BYTES = 24, 64
# The signed content has dots between its parts, so an id with one would be ambiguous.
_DELIVERY_ID = re.compile(r"[A-Za-z0-9_:\-]{1,256}")


def new_key() -> str:
    """Return a new random key, as people copy it: ``whsec_`` and base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def check_key(key: str) -> None:
    """Refuse what is no key; ConnectionMisconfigured says what a key looks like."""
    _bytes_of(key)


def sign(key: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``; ConnectionMisconfigured if `key` is none."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    mac = hmac.new(_bytes_of(key), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def headers(key: str, delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a delivery."""
    signature = sign(key, delivery_id, timestamp, body)
    return {ID: delivery_id, TIMESTAMP: str(timestamp), SIGNATURE: signature}


def check(key: str, told: Mapping[str, str], body: bytes, now: dt.datetime) -> str:
    """Return the id of a delivery that was signed with `key` just now.

    `told` are the request's headers, in lower case. DeliveryRefused says what is wrong; whoever
    doesn't know the key learns nothing more from it.
    """
    delivery_id, timestamp = told.get(ID, ""), told.get(TIMESTAMP, "")
    given = told.get(SIGNATURE, "")
    if not _DELIVERY_ID.fullmatch(delivery_id) or not re.fullmatch(r"\d{1,11}", timestamp):
        raise DeliveryRefused(
            "unsigned", f"The headers {ID}, {TIMESTAMP} and {SIGNATURE} are missing or unusable."
        )
    expected = sign(key, delivery_id, int(timestamp), body).encode()
    found = [hmac.compare_digest(expected, one.encode("utf-8")) for one in given.split()[:20]]
    if not any(found):
        raise DeliveryRefused("unsigned", "The signature is not of this source's key.")
    sent = dt.datetime.fromtimestamp(int(timestamp), dt.UTC)
    if abs(now - sent) > TOLERANCE:
        minutes = int(TOLERANCE.total_seconds()) // 60
        raise DeliveryRefused(
            "stale",
            f"The delivery was signed more than {minutes} minutes ago or ahead: "
            "set the sender's clock, and sign each attempt anew.",
        )
    return delivery_id


def _bytes_of(key: str) -> bytes:
    try:
        found = base64.b64decode(key.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not _LEAST_KEY_BYTES <= len(found) <= _MOST_KEY_BYTES:
        raise ConnectionMisconfigured(
            f"The signing key must be {_PREFIX} and {_LEAST_KEY_BYTES} to {_MOST_KEY_BYTES} bytes "
            "in base64: leave it empty, and Holdfast makes one."
        )
    return found
