"""Message trace: each message that came or went, for each recipient, by Get-MessageTraceV2.

Exchange gives the newest first, at most 10 days and 5,000 rows at once; the next rows are asked for
by the last one's recipient and time. It has no other paging. What is written late, such as a
message that was held back, is read again for some hours.
Source: https://learn.microsoft.com/powershell/module/exchange/get-messagetracev2
"""

import datetime as dt
import json
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient
from integrations.sweeps import Slice, swept
from integrations.values import Fields
from tenants.records import SourceRecord

_ROWS = 1_000
_LONGEST, _KEPT = dt.timedelta(days=9), dt.timedelta(days=89)
_LATE = dt.timedelta(hours=4)


def _read(client: GraphClient, since: dt.datetime | None, token: str) -> Slice:
    """Rows of a window, newest first; the token is the window, and where in it to go on."""
    now = dt.datetime.now(dt.UTC)
    place: dict[str, str] = json.loads(token) if token else {}
    if not place:
        start = max(since or now - _LATE, now - _KEPT)
        place = _window(start, now)
    asked: dict[str, Any] = {
        "StartDate": place["start"], "EndDate": place["from"], "ResultSize": _ROWS,
    }  # fmt: skip
    if place.get("recipient"):
        asked["StartingRecipientAddress"] = place["recipient"]
    found = client.exchange("Get-MessageTraceV2", asked, is_read=True)
    return Slice(tuple(SourceRecord(row) for row in found), _following(place, found, now))


def _window(start: dt.datetime, now: dt.datetime) -> dict[str, str]:
    end = min(start + _LONGEST, now).isoformat()
    return {"start": start.isoformat(), "end": end, "from": end}


def _following(place: dict[str, str], found: list[dict[str, Any]], now: dt.datetime) -> str:
    """Where to go on: in this window behind the last row, or in the next; "" after the last."""
    last = Fields(found[-1]) if found else Fields({})
    received, recipient = last.time("Received"), last.text("RecipientAddress")
    here = place["from"], place.get("recipient", "")
    if len(found) >= _ROWS and received and (received.isoformat(), recipient) != here:
        return json.dumps({**place, "from": received.isoformat(), "recipient": recipient})
    end = dt.datetime.fromisoformat(place["end"])
    return json.dumps(_window(end, now)) if now - end > _LATE else ""


def _received(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("Received")


fetch = swept(_read, _received, first_days=2, overlap=_LATE)
