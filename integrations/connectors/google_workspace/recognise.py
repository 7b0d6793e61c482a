"""The records in the envelopes that Google and exports of its logs put them in."""

import re
from collections.abc import Mapping
from typing import Any

from integrations.connectors.google_workspace.normalise.activity import split
from integrations.envelopes import Exploder
from tenants.records import SourceRecord

# A mailbox's or account's owner in an address of the API; "me" and "all" name nobody.
_OWNER = re.compile(r"/users/(?!me/|all/)([^/?]+)/")


def _context(url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The address without query, and `user_id` where the address names one."""
    place = url.split("?", 1)[0]
    owner = _OWNER.search(place)
    return {**({"url": place} if place else {}), **({"user_id": owner[1]} if owner else {})}


_exploded = Exploder(
    lists=("users", "items", "alerts", "filter", "groups", "members", "domains",
           "chromeosdevices", "mobiledevices", "devices"),
    context=_context,
    beside=("kind", "etag", "nextPageToken", "nextSyncToken", "resultSizeEstimate"),
)  # fmt: skip


def explode(document: Any) -> list[SourceRecord]:
    """Return the records of a document, one for each event of an activity."""
    return [
        SourceRecord(body, record.context)
        for record in _exploded(document)
        for body in split(record.body)
    ]
