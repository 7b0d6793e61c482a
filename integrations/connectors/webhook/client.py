"""A source can't be asked for anything; its health is whether our own door takes a delivery."""

import time
import uuid
from collections.abc import Callable, Mapping

from integrations import signing
from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.errors import OwnAddressUnknown, Unavailable
from integrations.transport import Call, Limits, Transport

DELIVER = "Signing key"


class WebhookClient:
    """Sends to the source's own address, signed with its key, as the source does."""

    def __init__(self, door: str, key: str, transport: Transport) -> None:
        self._door, self._sign, self._transport = door, _signer(key), transport

    def __repr__(self) -> str:
        return f"<WebhookClient {self._door}>"

    def close(self) -> None:
        """Give back the sockets."""
        self._transport.close()

    def knock(self) -> None:
        """Send an empty delivery: it is checked like any other, and nothing of it is kept."""
        call = Call("POST", self._door, headers=self._sign(b""), permission=DELIVER, is_read=True)
        body = self._transport.send(call).body
        if not isinstance(body, Mapping) or "delivery" not in body:
            raise Unavailable(f"{call.name}: that is not Holdfast. Check HOLDFAST_PUBLIC_URL.")


def _signer(key: str) -> Callable[[bytes], dict[str, str]]:
    """What makes a delivery's headers; the key is no attribute that a page could show."""

    def headers(body: bytes) -> dict[str, str]:
        delivery_id = f"canary_{uuid.uuid4().hex}"
        return signing.headers(key, delivery_id, int(time.time()), body)

    return headers


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> WebhookClient:
    """Return a client of the source's address; nothing is sent yet.

    OwnAddressUnknown where this installation doesn't know how it is reached.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    door, key = settings.get("door", ""), secrets.get(signing.KEY, "")
    if not door.startswith("http"):
        raise OwnAddressUnknown(
            "Set HOLDFAST_PUBLIC_URL to the address at which sources reach this installation."
        )
    signing.check_key(key)
    check_endpoint(door, allow_private=private)
    return WebhookClient(door, key, Transport(allow_private=private, limits=limits))


def canary(client: WebhookClient) -> str:
    """Send an empty delivery through the whole path; say in a sentence what was seen."""
    client.knock()
    return "The source's address takes deliveries that are signed with its key."
