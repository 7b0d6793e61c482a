"""What follows from matches is kept, and a rule that fails takes nothing from the others.

All of a batch is kept at once. Where that fails, each rule is kept by itself, and of a rule that
fails all but the events on which it does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import InterfaceError, OperationalError, transaction

from integrations import doubled
from integrations.alerting import failing, finding, pacing, sighting, stages
from integrations.alerting.failing import Failed
from integrations.alerting.finding import Hit
from integrations.alerting.pacing import Touched
from integrations.alerting.rows import Stage
from integrations.alerting.rulebook import Entry, Rulebook
from integrations.alerting.sighting import Counted
from integrations.detection.engine import Match
from integrations.detection.views import View
from tenants.event_intake import Stored
from tenants.models import RawRecord
from tenants.storable import bounded

# A rule that fails on so many events of a batch is not tried on each of the others by itself.
_ENOUGH_FAILURES: Final = 8

Found = tuple[Match, Stored]


@dataclass(frozen=True, slots=True)
class _Part:
    """Matches that a rule tells of itself, or that a correlation counts."""

    entry: Entry
    found: Sequence[Found]


def keep(
    book: Rulebook, found: Sequence[Found], failed: Sequence[Failed]
) -> tuple[int, list[Failed]]:
    """Keep what follows from matches at the scope's tenant.

    Return how many findings are new or changed, and what failed: here, or before (`failed`) of
    rules that run. Runs under the lock of the tenant's detections.
    """
    for_all, of_tenant = stages.defaults(), stages.own()
    rule_ids = {match.rule.id for match, _ in found} | {one.rule_id for one in failed}
    held = {entry.id: stages.of(entry, for_all, of_tenant) for entry in _concerned(book, rule_ids)}
    left = [one for one in failed if not one.rule_id or _runs(book, one.rule_id, held)]
    parts = _parts(book, found, held)
    findings, error = _try(book, parts, held)
    if error is not None:
        for part in parts:
            made, missed = _by_halves(book, part, held)
            findings += made
            left += missed
    return findings, left


def _concerned(book: Rulebook, rule_ids: set[str]) -> list[Entry]:
    """The rules of the ids, the correlations that count them, and those that count these."""
    waiting = [book.entries[rule_id] for rule_id in rule_ids if rule_id in book.entries]
    found: dict[str, Entry] = {}
    while waiting:
        entry = waiting.pop()
        if entry.id not in found:
            found[entry.id] = entry
            waiting += book.counted_by.get(entry.id, ())
    return list(found.values())


def _runs(book: Rulebook, rule_id: str, held: Mapping[str, Stage]) -> bool:
    stage = held.get(rule_id, Stage.OFF)
    counting = any(held[by.id] in stages.RUNNING for by in book.counted_by.get(rule_id, ()))
    return stage in stages.RUNNING or (stage is not Stage.OFF and counting)


def _parts(book: Rulebook, found: Sequence[Found], held: Mapping[str, Stage]) -> list[_Part]:
    told: dict[str, list[Found]] = {}
    for match, one in found:
        entry = book.entries[match.rule.id]
        counting = [by for by in book.counted_by.get(entry.id, ()) if held[by.id] in stages.RUNNING]
        if held[entry.id] is not Stage.OFF:
            for by in counting:
                told.setdefault(by.id, []).append((match, one))
        if held[entry.id] in stages.RUNNING and _tells(entry, counting, held):
            told.setdefault(entry.id, []).append((match, one))
    return [_Part(book.entries[rule_id], some) for rule_id, some in sorted(told.items())]


def _tells(entry: Entry, counting: Sequence[Entry], held: Mapping[str, Stage]) -> bool:
    """Whether a rule tells of its matches itself: not where it is only there to be counted.

    Only a live correlation of the same pack, which tells in its place, keeps it from that.
    """
    live = [by for by in counting if by.pack == entry.pack and held[by.id] is Stage.LIVE]
    return not live or any(by.correlation and by.correlation.generate for by in live)


def _try(
    book: Rulebook, parts: Sequence[_Part], held: Mapping[str, Stage]
) -> tuple[int, Exception | None]:
    """Keep all of the parts or nothing; what the database itself lacks is raised."""
    try:
        with transaction.atomic():
            return _kept(book, parts, held), None
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        return 0, error


def _by_halves(book: Rulebook, part: _Part, held: Mapping[str, Stage]) -> tuple[int, list[Failed]]:
    findings, failed = 0, list[Failed]()
    waiting = [part.found]
    while waiting:
        some = waiting.pop()
        made, error = _try(book, [replace(part, found=some)], held)
        findings += made
        if error is None:
            continue
        if len(some) == 1 or len(failed) >= _ENOUGH_FAILURES:
            failed += [failure(part.entry.id, one, error) for _, one in some]
        else:
            middle = len(some) // 2
            waiting += [some[middle:], some[:middle]]
    return findings, failed


def failure(rule_id: str, one: Stored, error: Exception) -> Failed:
    """Return that a rule failed on an event. The error's text stays out: it may quote a value."""
    return Failed(rule_id, one.event, one.uid, type(error).__name__)


def _kept(book: Rulebook, parts: Sequence[_Part], held: Mapping[str, Stage]) -> int:
    hits = [
        _hit(part.entry, match, one)
        for part in parts
        if part.entry.correlation is None
        for match, one in part.found
    ]
    views: dict[str, View] = {}
    counted = []
    for part in parts:
        for match, one in part.found if part.entry.correlation is not None else ():
            key = key_of(one)
            if key not in views:
                # Several correlations count the same event.
                views[key] = sighting.view_of(one.body, one.event.ocsf)
            counted.append(Counted(part.entry, match.rule.id, one.event, key, views[key]))
    return finding.keep([*hits, *_with_those_above(book, sighting.keep(counted), held)], held)


def _with_those_above(book: Rulebook, hits: Sequence[Hit], held: Mapping[str, Stage]) -> list[Hit]:
    """The episodes of correlations that tell of themselves, with those of what counts them."""
    told: list[Hit] = []
    waiting = list(hits)
    while waiting:
        above = []
        for hit in waiting:
            counting = [
                by for by in book.counted_by.get(hit.entry.id, ()) if held[by.id] in stages.RUNNING
            ]
            above += [(by, hit) for by in counting]
            if _tells(hit.entry, counting, held):
                told.append(hit)
        waiting = sighting.keep_episodes(above) if above else []
    return told


def keep_groups(book: Rulebook, touched: Sequence[Touched]) -> int:
    """Keep what groups that waited come to; return how many findings are new or changed.

    One that fails is counted as a failure of its correlation, and tried again later.
    """
    for_all, of_tenant = stages.defaults(), stages.own()
    findings = 0
    for one in touched:
        entry = book.entries.get(one.correlation_id)
        concerned = _concerned(book, {one.correlation_id})
        held = {by.id: stages.of(by, for_all, of_tenant) for by in concerned}
        if entry is None or entry.correlation is None or held[entry.id] not in stages.RUNNING:
            pacing.forget(one)
            continue
        try:
            with transaction.atomic():
                hits = _with_those_above(book, sighting.look(entry, one), held)
                findings += finding.keep(hits, held)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            pacing.put_off(one)
            failing.count(entry.id, sighting.connector_of(one), type(error).__name__)
    return findings


def key_of(one: Stored) -> str:
    """Return by what an event is known again, also where its vendor tells of it in new words."""
    return bounded(f"{one.event.connector}:{one.event.class_uid}:{one.uid}", 600)


def _notes(raw: RawRecord) -> list[dict[str, Any]]:
    """What is to be known of a record before its matches are believed."""
    said = doubled.words(raw.context)
    return [{"field": "", "value": None, "condition": said}] if said else []


def _hit(entry: Entry, match: Match, one: Stored) -> Hit:
    return Hit(
        entry=entry,
        event=one.event,
        key=key_of(one),
        why=[
            *(
                {"field": why.field, "value": why.value, "condition": why.condition}
                for why in match.why
            ),
            *_notes(one.event.raw),
        ],
        first_at=one.event.time,
        last_at=one.event.time,
        entities=one.event.entities,
        events=[one.event.uid],
    )
