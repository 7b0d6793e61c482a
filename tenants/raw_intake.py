"""Raw records on their way in: as they came, hashed, and what can't be read set aside.

Nothing here asks the database.
"""

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils import timezone

from tenants import scope, statements
from tenants.errors import Quarantine
from tenants.models import RawRecord, new_id
from tenants.records import Normalised, SourceRecord, Unreadable
from tenants.storable import storable

# Above this a record is kept but not normalised: no vendor's single record is so large.
LARGEST_RECORD_BYTES: Final = 4 * 1024 * 1024
_DEEPEST: Final = 100


@dataclass(slots=True)
class Raw:
    """A row of `RawRecord` that is not written yet."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    connector: str
    feed: str
    received_at: dt.datetime
    body: bytes = b""
    context: dict[str, Any] = field(default_factory=dict)
    content_hash: str = ""
    outcome: str = ""
    reason_code: str = ""
    reason: str = ""

    def row(self) -> dict[str, Any]:
        """Return its values, as they are written."""
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS: Final = tuple(Raw.__dataclass_fields__)


@dataclass(slots=True)
class Item:
    """A raw record, what a normaliser made of it (None: it can't be read), and its own body."""

    raw: Raw
    normalised: Normalised | None
    body: Mapping[str, Any] = field(default_factory=dict)


def store(raws: Sequence[Raw]) -> None:
    """Write raw records down."""
    statements.insert(RawRecord, [raw.row() for raw in raws])


def read(
    connector: str,
    feed: str,
    record: SourceRecord | Unreadable,
    normalise: Callable[[SourceRecord], Normalised],
) -> Item:
    """Return a record of the scope's tenant as it came, with what the normaliser makes of it."""
    raw = Raw(new_id(), scope.require_tenant_id(), connector, feed, timezone.now())
    if isinstance(record, Unreadable):
        raw.body = record.body
        raw.content_hash = hashlib.sha256(raw.body).hexdigest()
        return quarantined(raw, Quarantine(record.code, record.reason))
    try:
        if record.context:
            raw.context = storable(dict(record.context))
        raw.body = _bytes_of(record.body)
        raw.content_hash = _hash_of(raw)
        if len(raw.body) > LARGEST_RECORD_BYTES:
            raise Quarantine(
                "too_large",
                f"The record is larger than {LARGEST_RECORD_BYTES // 2**20} MB; it is kept as it "
                "came. Ask the vendor why one record is so large.",
            )
        return Item(raw, normalise(record), record.body)
    except Quarantine as error:
        return quarantined(raw, error)
    except RecursionError:
        raw.body = raw.body or _bytes_of(_cut(dict(record.body), _DEEPEST))
        raw.content_hash = _hash_of(raw)
        reason = f"The record is nested so deeply that only {_DEEPEST} levels of it are kept."
        return quarantined(raw, Quarantine("too_deep", reason))
    except Exception as error:
        # A normaliser's own mistake must not lose this record or its neighbours.
        return quarantined(
            raw,
            Quarantine(
                "normaliser_error",
                f"Reading this record failed ({type(error).__name__}); it is kept. "
                "Report it to Holdfast with the raw record.",
            ),
        )


def quarantined(raw: Raw, error: Quarantine) -> Item:
    """Return the item of a record that can't be read, with why."""
    raw.outcome = RawRecord.Outcome.QUARANTINED
    raw.reason_code, raw.reason = error.code, storable(error.reason)
    return Item(raw, None)


def unstorable(raw: Raw, error: Exception) -> Item:
    """Return the item of a record that the database did not take."""
    told = str(error).strip().splitlines() or [""]
    return quarantined(
        raw,
        Quarantine(
            "unstorable",
            f"A value of this record can't be stored ({type(error).__name__}: {told[0][:200]}). "
            "It is kept as it came; correct it at the vendor, or report it to Holdfast.",
        ),
    )


def _bytes_of(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _hash_of(raw: Raw) -> str:
    context = json.dumps(raw.context, sort_keys=True).encode()
    return hashlib.sha256(raw.body + context).hexdigest()


def _cut(value: Any, levels: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return "(nested deeper)"
    if isinstance(value, dict):
        return {key: _cut(item, levels - 1) for key, item in value.items()}
    return [_cut(item, levels - 1) for item in value]
