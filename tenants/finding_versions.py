"""How a finding is known again and brought up to date, when a vendor tells of it once more."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone

from tenants.canonical import jsonable
from tenants.models import Finding
from tenants.raw_intake import Raw
from tenants.records import MOST_ENTITIES
from tenants.records import Finding as NormalisedFinding
from tenants.storable import bounded, in_utc, storable

# A clock that is further ahead tells nothing.
_AHEAD: Final = dt.timedelta(days=1)


def is_known(finding: Finding | None, raw: Raw) -> bool:
    """Return whether a finding stands as a record tells, or its feed has told nothing else since.

    Two feeds may tell of one alert in their own words, and each of them repeats its own.
    """
    if finding is None:
        return False
    return raw.content_hash in (finding.content_hash, finding.hash_by_feed.get(raw.feed))


def note(finding: Finding, raw: Raw) -> None:
    """Keep what the record's feed told last; the finding is not saved."""
    finding.hash_by_feed = {**finding.hash_by_feed, raw.feed: raw.content_hash}


def is_older(told: NormalisedFinding, known: Finding) -> bool:
    """Return whether the vendor says that it changed this before what is known of it."""
    before, now = _modified(known.ocsf), _modified(told.ocsf)
    if before is None or now is None or before > _latest(known):
        return False
    return now < before


def _latest(known: Finding) -> int:
    """Return the last of OCSF's milliseconds that can be meant: what came tells of what was.

    Else a clock that was wrong once would make all that is told later seem older.
    """
    return int((known.updated_at + _AHEAD).timestamp() * 1000)


def _modified(document: Mapping[str, Any]) -> int | None:
    """Return when a finding was last modified at its vendor, in OCSF's milliseconds."""
    told = document.get("finding_info")
    found = told.get("modified_time") if isinstance(told, Mapping) else None
    return found if isinstance(found, int) else None


def update(finding: Finding, told: NormalisedFinding, raw: Raw) -> None:
    """Let the finding say what the vendor told now; it is not saved."""
    for name, value in columns(told, raw).items():
        setattr(finding, name, value)
    note(finding, raw)
    finding.times_seen += 1
    finding.needs_triage = True
    finding.updated_at = timezone.now()


def columns(told: NormalisedFinding, raw: Raw) -> dict[str, Any]:
    """Return what a record tells, as a finding's columns hold it."""
    return {
        "raw_id": raw.id,
        "content_hash": raw.content_hash,
        "class_uid": told.class_uid,
        "title": bounded(told.title, 512),
        "description": storable(told.description),
        "category": bounded(told.category, 128),
        "time": in_utc(told.time),
        "first_activity_at": told.first_activity_at and in_utc(told.first_activity_at),
        "last_activity_at": told.last_activity_at and in_utc(told.last_activity_at),
        "severity_id": told.severity_id,
        "confidence": told.confidence,
        "vendor_status": bounded(told.vendor_status, 64),
        "vendor_verdict": bounded(told.vendor_verdict, 64),
        "techniques": [bounded(technique, 16) for technique in told.techniques],
        "actor": bounded(told.actor, 320),
        "target": bounded(told.target, 512),
        "entities": [bounded(entity, 400) for entity in told.entities[:MOST_ENTITIES]],
        "link": bounded(told.link, 2000),
        "is_company_wide": told.is_company_wide,
        "ocsf": storable(jsonable(told.ocsf)),
    }
