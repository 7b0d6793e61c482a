"""A rule's matches become findings like a vendor's alerts: each once, and never a flood of them.

Of one rule and one client at most `FINDINGS_AN_HOUR` findings are made in an hour; what it matches
beyond that is kept match by match, and told of in one more finding with their number.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.utils import timezone

from integrations import ocsf
from integrations.alerting.own_actions import NOTE, OwnActions
from integrations.alerting.rows import RuleDay, RuleHit, Stage
from integrations.alerting.rulebook import Entry
from tenants import scope
from tenants.models import Event, Finding, Severity
from tenants.storable import bounded, storable

FINDINGS_AN_HOUR: Final = 30
# What findings of rules are known by, among those of a connector.
PREFIX: Final = "detection:"
# The end of the title of what tells of many hits together.
FOLDED: Final = ": many more in one hour"
SEVERITIES: Final = {
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_MOST_ENTITIES: Final = 100
_MOST_TOLD: Final = 50
_KNOWN_AT_ONCE: Final = 1_000
_UPDATED: Final = (
    "raw", "connector", "time", "first_activity_at", "last_activity_at", "entities", "ocsf",
    "actor", "target", "content_hash", "times_seen", "updated_at", "description", "needs_triage",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hit:
    """That a rule matched: an event, or for a correlation the events of an episode.

    `event` is the first of them, `key` says which event or episode it is, `why` holds field, value
    and condition of each part, `events` names events by their key. Of an episode, `shared` has
    field and value of what its group shares, `moments` key and time of what fulfilled it.
    """

    entry: Entry
    event: Event
    key: str
    why: Sequence[Mapping[str, Any]]
    first_at: dt.datetime
    last_at: dt.datetime
    entities: Sequence[str]
    events: Sequence[str]
    count: int = 1
    shared: Sequence[tuple[str, str]] = ()
    moments: Sequence[tuple[str, dt.datetime]] = ()


def keep(hits: Iterable[Hit], stages: Mapping[str, Stage]) -> int:
    """Keep hits of rules that run; return how many findings are new or changed.

    `stages` has the stage of each rule by its id. What was kept before is not kept again; an
    episode that has grown updates its finding. What Holdfast did itself makes none. Runs under
    the lock of the tenant's detections.
    """
    by_rule: dict[str, dict[str, Hit]] = {}
    for hit in hits:
        by_rule.setdefault(hit.entry.id, {}).setdefault(hit.key, hit)
    findings, own_actions = 0, OwnActions()
    for rule_id, by_key in sorted(by_rule.items()):
        known = _known(rule_id, list(by_key))
        fresh = [hit for key, hit in by_key.items() if key not in known]
        again = [(known[key], hit) for key, hit in by_key.items() if key in known]
        findings += _grown(again, stages[rule_id])
        own: list[Hit] = []
        others: list[Hit] = []
        for hit in fresh:
            is_own = hit.entry.correlation is None and own_actions.has(hit.event)
            (own if is_own else others).append(hit)
        if own:
            _keep_new([replace(hit, why=[NOTE, *hit.why]) for hit in own], Stage.SHADOW)
        if others:
            findings += _keep_new(others, stages[rule_id])
    return findings


def _known(rule_id: str, keys: Sequence[str]) -> dict[str, RuleHit]:
    rows = RuleHit.in_scope().filter(rule_id=rule_id)
    return {
        row.key: row
        for start in range(0, len(keys), _KNOWN_AT_ONCE)
        for row in rows.filter(key__in=keys[start : start + _KNOWN_AT_ONCE])
    }


def _keep_new(hits: Sequence[Hit], stage: Stage) -> int:
    """Keep the new hits of one rule; those of a live one become findings."""
    entry, now = hits[0].entry, timezone.now()
    day = _day_of(entry.id, now)
    day.hits += len(hits)
    room = FINDINGS_AN_HOUR - day.hour_findings if stage is Stage.LIVE else 0
    single = [(hit, _finding(hit, now)) for hit in hits[: max(0, room)]]
    Finding.objects.bulk_create([finding for _, finding in single])
    rest = hits[len(single) :]
    folded = _fold(rest, now) if stage is Stage.LIVE and rest else None
    RuleHit.objects.bulk_create(
        [_row(hit, stage, finding, now) for hit, finding in single]
        + [_row(hit, stage, folded, now) for hit in rest],
        batch_size=1_000,
    )
    _count(day, len(single), len(rest) if folded else 0, now)
    return len(single) + (folded is not None)


def _count(day: RuleDay, single: int, folded: int, now: dt.datetime) -> None:
    day.findings += single
    day.hour_findings += single
    day.folded += folded
    day.last_at = now
    day.save()


def _day_of(rule_id: str, now: dt.datetime) -> RuleDay:
    hour = now.replace(minute=0, second=0, microsecond=0)
    day, _ = RuleDay.objects.get_or_create(
        rule_id=rule_id, day=now.date(),
        defaults={"tenant_id": scope.require_tenant_id(), "last_at": now, "hour": hour},
    )  # fmt: skip
    if day.hour != hour:
        day.hour, day.hour_findings = hour, 0
    return day


def _row(hit: Hit, stage: Stage, finding: Finding | None, now: dt.datetime) -> RuleHit:
    return RuleHit(
        tenant_id=scope.require_tenant_id(),
        rule_id=hit.entry.id,
        level=hit.entry.level[:16],
        stage=stage,
        event=hit.event,
        key=hit.key,
        event_time=hit.last_at,
        at=now,
        why=storable(list(hit.why)),
        finding=finding,
    )


def _uid(entry: Entry, key: str) -> str:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return bounded(f"{PREFIX}{entry.id}:{digest}", 512)


def _finding(hit: Hit, now: dt.datetime) -> Finding:
    entry = hit.entry
    finding = Finding(
        tenant_id=scope.require_tenant_id(),
        uid=_uid(entry, hit.key),
        class_uid=ocsf.DETECTION_FINDING,
        title=bounded(entry.title, 512),
        category=_category(entry),
        severity_id=SEVERITIES.get(entry.level, Severity.UNKNOWN),
        techniques=[bounded(one, 16) for one in entry.techniques],
        is_company_wide=entry.is_company_wide,
        received_at=now,
        times_seen=0,
    )
    _tell(finding, hit, now)
    return finding


def _category(entry: Entry) -> str:
    """The rule's first tactic, written as vendors write it: ``CredentialAccess``."""
    words = entry.tactics[0].split("-") if entry.tactics else []
    return bounded("".join(word.capitalize() for word in words), 128)


def _tell(finding: Finding, hit: Hit, now: dt.datetime) -> None:
    """Let the finding say what the hit does."""
    event = hit.event
    finding.raw = event.raw
    finding.connector = event.connector
    finding.description = storable(hit.entry.description)
    finding.time = hit.last_at
    finding.first_activity_at, finding.last_activity_at = hit.first_at, hit.last_at
    finding.actor, finding.target = event.actor, event.target
    finding.entities = list(hit.entities)[:_MOST_ENTITIES]
    finding.content_hash = event.raw.content_hash
    finding.times_seen += 1
    finding.needs_triage = True
    finding.updated_at = now
    finding.ocsf = _document(finding, hit, now)


def _document(finding: Finding, hit: Hit, now: dt.datetime) -> dict[str, Any]:
    """OCSF's Detection Finding; why it matched stands in `unmapped.why`."""
    entry = hit.entry
    info = ocsf.filled(
        uid=finding.uid,
        title=finding.title,
        desc=finding.description,
        analytic=ocsf.filled(name=entry.title, uid=entry.id, type_id=1, type="Rule"),
        attacks=[ocsf.attack(one) for one in entry.techniques],
        created_time=ocsf.epoch_ms(now),
        first_seen_time=ocsf.epoch_ms(hit.first_at),
        last_seen_time=ocsf.epoch_ms(hit.last_at),
        related_events=[{"uid": uid} for uid in hit.events[:_MOST_TOLD]],
    )
    return storable(
        ocsf.event(
            ocsf.DETECTION_FINDING, 1, "Create", hit.last_at,
            severity_id=finding.severity_id,
            uid=finding.uid,
            reported_by=ocsf.product("Holdfast", "Holdfast"),
            finding_info=info,
            is_alert=True,
            count=hit.count,
            unmapped={
                "why": list(hit.why), "rule_file": entry.file, "pack": entry.pack,
                "author": entry.author,
            },
        )
    )  # fmt: skip


def _fold(hits: Sequence[Hit], now: dt.datetime) -> Finding:
    """Tell of hits beyond what an hour has room for in one finding, which grows with them."""
    first = hits[0]
    key = f"folded {now:%Y-%m-%dT%H}"
    finding = Finding.objects.filter(uid=_uid(first.entry, key)).first()
    number, shared = len(hits), set(first.entities).intersection(*(h.entities for h in hits))
    is_new = finding is None
    if finding is None:
        finding = _finding(first, now)
        finding.uid = _uid(first.entry, key)
        finding.title = bounded(first.entry.title, 512 - len(FOLDED)) + FOLDED
    else:
        number += int(finding.ocsf.get("count", 0))
        shared &= set(finding.entities)
        finding.times_seen += 1
        finding.needs_triage = True
        finding.updated_at = now
    starts = [hit.first_at for hit in hits if hit.first_at] + [finding.first_activity_at]
    ends = [hit.last_at for hit in hits] + [finding.last_activity_at]
    finding.first_activity_at = min(one for one in starts if one)
    finding.last_activity_at = finding.time = max(one for one in ends if one)
    # What they all share: a finding that names everybody would join any case.
    finding.entities = sorted(shared)
    finding.description = (
        f"This rule matched more than {FINDINGS_AN_HOUR} times in one hour. {number:,} matches are "
        "told of here together; each is kept, and listed on the rule's page. Look there at what "
        "they share, and set the rule to shadow while it is mended."
    )
    finding.ocsf = {**finding.ocsf, "count": number}
    finding.ocsf["finding_info"] = {
        **finding.ocsf["finding_info"], "title": finding.title, "desc": finding.description,
        "uid": finding.uid,
    }  # fmt: skip
    if is_new:
        finding.save(force_insert=True)
    else:
        finding.save(update_fields=_UPDATED)
    return finding


def _grown(known: Sequence[tuple[RuleHit, Hit]], stage: Stage) -> int:
    """Let what is kept of episodes say what is known of them by now; events don't change.

    What grows of an episode that was kept while its rule told nobody is told once it is live.
    """
    changed = 0
    now = timezone.now()
    untold: list[tuple[RuleHit, Hit]] = []
    for row, hit in known:
        if hit.entry.correlation is None or row.why == storable(list(hit.why)):
            continue
        row.why, row.event_time = storable(list(hit.why)), hit.last_at
        row.save(update_fields=["why", "event_time"])
        finding = row.finding
        if finding is None and stage is Stage.LIVE:
            untold.append((row, hit))
            continue
        if finding is None or finding.uid != _uid(hit.entry, hit.key):
            continue
        if hit.count < int(finding.ocsf.get("count", 0)):
            # Sightings of long ago are forgotten, what was found in them is not.
            continue
        _tell(finding, hit, now)
        finding.save(update_fields=_UPDATED)
        changed += 1
    return changed + (_tell_late(untold, now) if untold else 0)


def _tell_late(untold: Sequence[tuple[RuleHit, Hit]], now: dt.datetime) -> int:
    """Make findings of episodes of one rule that are kept already, as of new ones."""
    day = _day_of(untold[0][1].entry.id, now)
    room = max(0, FINDINGS_AN_HOUR - day.hour_findings)
    single = [(row, _finding(hit, now)) for row, hit in untold[:room]]
    Finding.objects.bulk_create([finding for _, finding in single])
    rest = untold[room:]
    folded = _fold([hit for _, hit in rest], now) if rest else None
    for row, finding in [*single, *((row, folded) for row, _ in rest)]:
        row.finding, row.stage = finding, Stage.LIVE
        row.save(update_fields=["finding", "stage"])
    _count(day, len(single), len(rest), now)
    return len(single) + (folded is not None)
