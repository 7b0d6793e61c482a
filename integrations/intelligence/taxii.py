"""A TAXII 2.1 server's collections, read page by page through the guarded transport.

Source: https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html (3.5 Pagination, 5.1
Collections, 5.4 Objects).
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from integrations.errors import VendorError
from integrations.transport import Call, Transport

_MEDIA = "application/taxii+json;version=2.1"
_MOST_PAGES = 2000


@dataclass(frozen=True, slots=True)
class Server:
    """An API root, such as ``https://feeds.example/api1/``, and how to sign in."""

    root: str
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        told = {"Accept": _MEDIA}
        if self.token:
            told["Authorization"] = f"Bearer {self.token}"
        elif self.username:
            pair = f"{self.username}:{self.password}".encode()
            told["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return told


def collections(server: Server, transport: Transport) -> list[tuple[str, str]]:
    """Return (id, title) of each collection that may be read; a VendorError says why not."""
    told = _get(server, transport, "collections/")
    rows = told.get("collections") or []
    return [
        (str(row["id"]), str(row.get("title", "")))
        for row in rows
        if isinstance(row, Mapping) and row.get("id") and row.get("can_read", True)
    ]


def pages(
    server: Server, collection: str, transport: Transport, *, added_after: str = ""
) -> Iterator[Mapping[str, Any]]:
    """Yield the pages (envelopes of STIX objects) of a collection, all of them."""
    query = {"match[type]": "indicator", **({"added_after": added_after} if added_after else {})}
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        path = f"collections/{quote(collection, safe='')}/objects/?{urlencode(query)}"
        page = _get(server, transport, path)
        yield page
        following = str(page.get("next") or "")
        if not page.get("more"):
            return
        if not following or following in seen:
            raise VendorError("The TAXII server says that there is more, and not where: ask it.")
        seen.add(following)
        query = {**query, "next": following}
    raise VendorError(f"The collection has more than {_MOST_PAGES} pages: give --added-after.")


def _get(server: Server, transport: Transport, path: str) -> Mapping[str, Any]:
    url = f"{server.root.rstrip('/')}/{path}"
    body = transport.send(Call("GET", url, server.headers(), permission="read")).body
    if not isinstance(body, Mapping):
        raise VendorError("The server does not answer as TAXII 2.1 does. Check the API root.")
    return body
