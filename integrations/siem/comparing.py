"""Hits of our rules in a SIEM beside hits of our engine on the same client and time.

Events are told apart by the vendor's own id, where the SIEM keeps it; else only counts compare.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from integrations.detection import loading
from integrations.detection.documents import documents
from integrations.detection.engine import Engine
from integrations.detection.errors import Unsupported
from integrations.siem.queries.converting import converted
from integrations.siem.records import MOST_IDS, Hits, Language, Query
from tenants.models import Event, Finding

_MOST_EVENTS = 50_000
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """One rule: hits there and here, and the ids of events that only one of both found.

    `there` None: it has no query there, for `reason`. `reason` also says what limits the rest.
    """

    rule: str
    title: str
    here: int
    there: int | None = None
    only_here: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()
    reason: str = ""
    query: str = ""

    @property
    def is_same(self) -> bool:
        """Whether both found the same, as far as that can be told; not where it didn't run."""
        return self.there == self.here and not self.only_here and not self.only_there

    def as_json(self) -> dict[str, Any]:
        """As it is kept and printed."""
        return asdict(self) | {"same": self.is_same}


@dataclass(frozen=True, slots=True)
class Own:
    """What our engine found: for each rule the ids of the events, among `events` looked at."""

    events: int
    hits: Mapping[str, frozenset[str]]
    is_whole: bool


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


def _events(since: dt.datetime, until: dt.datetime) -> Iterator[tuple[str, dict, dict]]:
    left = _MOST_EVENTS
    for model in (Event, Finding):
        rows = model.objects.filter(time__gte=since, time__lt=until).select_related("raw")
        for row in rows.order_by("-time")[:left].iterator(chunk_size=500):
            left -= 1
            try:
                body = json.loads(bytes(row.raw.body))
            except ValueError:
                continue
            if isinstance(body, dict):
                yield row.uid, body, row.ocsf


def compared(rule: str, title: str, query: Query, there: Hits, own: Own) -> Comparison:
    """Set what a rule found there beside what it found here."""
    here = own.hits.get(rule, frozenset())
    limits = (
        [] if own.is_whole else [f"only the newest {_MOST_EVENTS:,} events here were looked at"]
    )
    only_here: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()
    if not query.id_field:
        limits.append("the SIEM keeps no id of the event, so only the counts compare")
    elif there.count > len(there.ids) or there.count >= MOST_IDS:
        limits.append(
            f"the SIEM told {len(there.ids)} of {there.count} ids, so only counts compare"
        )
    else:
        ours = {uid.lower(): uid for uid in here}
        theirs = {uid.lower(): uid for uid in there.ids}
        only_here = tuple(sorted(ours[uid] for uid in ours.keys() - theirs.keys())[:_MOST_NAMED])
        only_there = tuple(sorted(theirs[uid] for uid in theirs.keys() - ours.keys())[:_MOST_NAMED])
    reason = "; ".join(limits)
    return Comparison(
        rule, title, len(here), there.count, only_here, only_there,
        f"{reason[:1].upper()}{reason[1:]}." if reason else "", query.text,
    )  # fmt: skip


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
        for document in documents(file.read_bytes(), loading.LARGEST_BYTES)
        if "id" in document
    }
