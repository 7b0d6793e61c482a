"""Hits of our rules in a SIEM beside hits of our engine on the same client and time.

Events are told apart by the vendor's own id, where the SIEM keeps it; else only counts compare. An
event that both hold may stand at another time in one of both, outside the window: what only one
found is looked for in the other without regard to the window, before it counts as a difference.
"""

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from integrations.detection import loading
from integrations.detection.documents import documents
from integrations.detection.engine import Engine
from integrations.detection.errors import Unsupported
from integrations.detection.files import LARGEST_BYTES
from integrations.siem.queries.converting import converted
from integrations.siem.records import MOST_IDS, Hits, Language, Query
from tenants.models import Event, Finding

_MOST_EVENTS = 50_000
_MOST_NAMED = 20
# So many are looked up in the other; of more the rest is not told.
_MOST_LOOKED_UP = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """One rule: hits there and here, and the ids of events that only one of both found.

    `there` None: it has no query there, for `reason`. `reason` also says what limits the rest.
    `absent_here` are those of `only_there` that never came here, `absent_there` those of
    `only_here` that the SIEM doesn't hold; the others are held there and not found. `is_by_id`:
    events were told apart, not only counted.
    """

    rule: str
    title: str
    here: int
    there: int | None = None
    only_here: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()
    reason: str = ""
    query: str = ""
    absent_here: tuple[str, ...] = ()
    absent_there: tuple[str, ...] = ()
    is_by_id: bool = False

    @property
    def is_same(self) -> bool:
        """Whether both found the same, as far as that can be told; not where it didn't run."""
        if self.is_by_id:
            return not self.only_here and not self.only_there
        return self.there == self.here

    def as_json(self) -> dict[str, Any]:
        """As it is kept and printed."""
        return asdict(self) | {"same": self.is_same}


@dataclass(frozen=True, slots=True)
class Own:
    """What our engine found: for each rule the ids of the events, among `events` looked at."""

    events: int
    hits: Mapping[str, frozenset[str]]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Of events that were looked up, in lower case: which are held, and which a rule finds."""

    held: frozenset[str]
    found: frozenset[str]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How events are looked up by their ids without regard to the window, here and there."""

    here: Callable[[list[str]], LookedUp]
    there: Callable[[list[str]], LookedUp]


def hits_here(engine: Engine, since: dt.datetime, until: dt.datetime) -> Own:
    """Run our rules on what the scope's tenant holds of the time, the newest first."""
    found: dict[str, set[str]] = {}
    count = 0
    for uid, raw, ocsf in _events(since, until):
        count += 1
        for match in engine.detect(raw, ocsf):
            found.setdefault(match.rule.id, set()).add(uid)
    hits = {rule: frozenset(ids) for rule, ids in found.items()}
    return Own(count, hits, count < _MOST_EVENTS)


def looked_up_here(engine: Engine, rule: str, uids: Collection[str]) -> LookedUp:
    """Look for events by their ids, whenever they were; inside the tenant's scope."""
    names = {form for uid in uids for form in (uid, uid.lower(), uid.upper())}
    held, found = set(), set()
    for model in (Event, Finding):
        for uid, raw, ocsf in _read(model.objects.filter(uid__in=names).select_related("raw")):
            held.add(uid.lower())
            if any(match.rule.id == rule for match in engine.detect(raw, ocsf)):
                found.add(uid.lower())
    return LookedUp(frozenset(held), frozenset(found))


def _events(since: dt.datetime, until: dt.datetime) -> Iterator[tuple[str, dict, dict]]:
    left = _MOST_EVENTS
    for model in (Event, Finding):
        rows = model.objects.filter(time__gte=since, time__lt=until).select_related("raw")
        for told in _read(rows.order_by("-time")[:left]):
            left -= 1
            yield told


def _read(rows: Any) -> Iterator[tuple[str, dict, dict]]:
    for row in rows.iterator(chunk_size=500):
        try:
            body = json.loads(bytes(row.raw.body))
        except ValueError:
            continue
        if isinstance(body, dict):
            yield row.uid, body, row.ocsf


def compared(
    rule: str, title: str, query: Query, there: Hits, own: Own, elsewhere: Elsewhere
) -> Comparison:
    """Set what a rule found there beside what it found here."""
    here = own.hits.get(rule, frozenset())
    limits = (
        [] if own.is_whole else [f"only the newest {_MOST_EVENTS:,} events here were looked at"]
    )
    told: dict[str, Any] = {}
    if not query.id_field:
        limits.append("the SIEM keeps no id of the event, so only the counts compare")
    elif there.count > len(there.ids) or there.count >= MOST_IDS:
        limits.append(
            f"the SIEM told {len(there.ids)} of {there.count} ids, so only counts compare"
        )
    else:
        told = _apart(here, there.ids, elsewhere)
    reason = "; ".join(limits)
    return Comparison(
        rule, title, len(here), there.count, query=query.text,
        reason=f"{reason[:1].upper()}{reason[1:]}." if reason else "", **told,
    )  # fmt: skip


def _apart(here: Iterable[str], there: Iterable[str], elsewhere: Elsewhere) -> dict[str, Any]:
    """What only one of both found, without what the other finds at another time."""
    ours = {uid.lower(): uid for uid in here}
    theirs = {uid.lower(): uid for uid in there}
    only_here, absent_there = _only(ours, theirs, elsewhere.there)
    only_there, absent_here = _only(theirs, ours, elsewhere.here)
    return {
        "is_by_id": True, "only_here": only_here, "only_there": only_there,
        "absent_here": absent_here, "absent_there": absent_there,
    }  # fmt: skip


def _only(
    ones: Mapping[str, str], others: Mapping[str, str], look: Callable[[list[str]], LookedUp]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    uids = sorted(ones[uid] for uid in ones.keys() - others.keys())[:_MOST_LOOKED_UP]
    if not uids:
        return (), ()
    looked = look(uids)
    only = [uid for uid in uids if uid.lower() not in looked.found][:_MOST_NAMED]
    return tuple(only), tuple(uid for uid in only if uid.lower() not in looked.held)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule that could run there: its query, or the reason why it has none."""

    id: str
    title: str
    query: Query | None
    reason: str = ""


def candidates(language: Language, path: Path = loading.OUR_RULES) -> list[Candidate]:
    """Return each rule of a folder or file with its query in the SIEM's language.

    RulesUnreadable where there is nothing to read.
    """
    pack = loading.load(path)
    told = _documents(path)
    return [_candidate(rule.id, rule.title, told.get(rule.id), language) for rule in pack.rules]


def _candidate(
    own: str, title: str, document: dict[str, Any] | None, language: Language
) -> Candidate:
    try:
        if not language:
            raise Unsupported("the connection has nothing that answers queries")
        if document is None:
            raise Unsupported("it has no id of its own")
        return Candidate(own, title, converted(document, language))
    except Unsupported as error:
        return Candidate(own, title, None, str(error))


@cache
def _documents(path: Path) -> dict[str, dict[str, Any]]:
    files: Iterable[Path] = [path] if path.is_file() else sorted(path.rglob("*.y*ml"))
    return {
        str(document["id"]): document
        for file in files
        for document in documents(file.read_bytes(), LARGEST_BYTES)
        if "id" in document
    }
