"""A TAXII 2.1 server's collections, read page by page through the guarded transport.

Source: https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html (1.6.8 added dates, 3.5
Pagination, 5.1 Collections, 5.4 Objects).
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from integrations.errors import VendorError
from integrations.intelligence import stix
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
    told, _ = _get(server, transport, "collections/")
    rows = told.get("collections") or []
    return [
        (str(row["id"]), str(row.get("title", "")))
        for row in rows
        if isinstance(row, Mapping) and row.get("id") and row.get("can_read", True)
    ]


@dataclass(frozen=True, slots=True)
class Objects:
    """A page of a collection: its envelope of STIX objects, and until when it was read.

    `reached` is what to ask `added_after` of the next time; empty where the server tells none.
    """

    envelope: Mapping[str, Any]
    reached: str


def pages(
    server: Server, collection: str, transport: Transport, *, added_after: str = ""
) -> Iterator[Objects]:
    """Yield the pages of a collection, all of them or what was added after a moment."""
    query = {
        "match[type]": ",".join(stix.READ),
        **({"added_after": added_after} if added_after else {}),
    }
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        path = f"collections/{quote(collection, safe='')}/objects/?{urlencode(query)}"
        envelope, headers = _get(server, transport, path)
        reached = headers.get("x-taxii-date-added-last", "")[:64]
        yield Objects(envelope, reached)
        if not envelope.get("more"):
            return
        query = _following(query, str(envelope.get("next") or ""), reached)
        place = query.get("next") or query.get("added_after", "")
        if not place or place in seen:
            raise VendorError("The TAXII server says that there is more, and not where: ask it.")
        seen.add(place)
    raise VendorError(f"The collection has more than {_MOST_PAGES} pages: give --added-after.")


def _following(query: dict[str, str], following: str, reached: str) -> dict[str, str]:
    """Return what to ask for the next page: `next` is the server's choice to tell (3.5)."""
    if following:
        return {**query, "next": following}
    return {**query, "added_after": reached} if reached else {}


def _get(
    server: Server, transport: Transport, path: str
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    url = f"{server.root.rstrip('/')}/{path}"
    answer = transport.send(Call("GET", url, server.headers(), permission="read"))
    if not isinstance(answer.body, Mapping):
        raise VendorError("The server does not answer as TAXII 2.1 does. Check the API root.")
    return answer.body, answer.headers
