"""The rules there are: Holdfast's own and those that the MSP imported, loaded once a process.

They are loaded again only when rules were imported or removed.
"""

import re
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from integrations.alerting import correlation_reading
from integrations.alerting.correlation import Correlation
from integrations.alerting.rows import PackRule, RulesState
from integrations.catalog import company_wide
from integrations.detection import loading, placeholders
from integrations.detection.engine import Engine
from integrations.detection.errors import Broken, Unsupported
from integrations.detection.placeholders import Values
from integrations.detection.rules import Filter, LogSource, NotRun, Pack, Rule
from tenants.models import new_id

OWN: Final = "Holdfast"
OWN_CORRELATIONS: Final = Path(__file__).parent / "rules"
_ANY: Final = LogSource()
_DEEPEST_CHAIN: Final = 10

File = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a rule beside its condition. `correlation` is None for a plain rule.

    `tactics` are ATT&CK's in its own words (``credential-access``), as the rule's tags say.
    """

    id: str
    title: str
    level: str
    pack: str
    file: str
    source: LogSource
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    description: str
    author: str
    licence: str
    false_positives: tuple[str, ...]
    document: Mapping[str, Any] = field(repr=False, compare=False)
    correlation: Correlation | None = None

    @property
    def is_own(self) -> bool:
        """Whether it comes with Holdfast."""
        return self.pack == OWN

    @property
    def is_company_wide(self) -> bool:
        """Whether what it finds holds for a whole company: by its tag, else as alerts tell it.

        Of Holdfast's own rules each that does has the tag.
        """
        if company_wide.TAG in _tags(self.document):
            return True
        return not self.is_own and company_wide.tells("", self.title, self.techniques)

    @property
    def text(self) -> str:
        """The rule as YAML, for people to read."""
        return written(self.document)


@dataclass(frozen=True)
class Rulebook:
    """Every rule, ready to run, and what can't be run with its reason.

    `filters` are documents that leave something out of rules; they match nothing by themselves.
    """

    generation: uuid.UUID | None
    entries: Mapping[str, Entry]
    pack: Pack
    not_run: tuple[NotRun, ...]
    filters: tuple[Entry, ...] = ()

    @cached_property
    def engine(self) -> Engine:
        """The engine with every plain rule."""
        return Engine(self.pack)

    @cached_property
    def counted_by(self) -> Mapping[str, tuple[Entry, ...]]:
        """For each rule that correlations count, those correlations."""
        found: dict[str, tuple[Entry, ...]] = {}
        for entry in self.entries.values():
            for rule_id in dict.fromkeys(entry.correlation.rules if entry.correlation else ()):
                found[rule_id] = (*found.get(rule_id, ()), entry)
        return found

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """The plain rules by id."""
        return {rule.id: rule for rule in self.pack.rules}

    def only_counted(self, entry: Entry) -> bool:
        """Whether a rule is there to be counted by correlations, and tells nothing by itself."""
        counting = [by for by in self.counted_by.get(entry.id, ()) if by.pack == entry.pack]
        return bool(counting) and not any(
            by.correlation is not None and by.correlation.generate for by in counting
        )

    def sources_of(self, entry: Entry) -> tuple[LogSource, ...]:
        """The log sources that a rule needs; a correlation needs those of its rules."""
        if entry.correlation is None:
            return (entry.source,)
        below = (self.sources_of(self.entries[one]) for one in entry.correlation.rules)
        return tuple(dict.fromkeys(source for sources in below for source in sources))


_kept: list[Rulebook] = []
_loading = threading.Lock()


def current() -> Rulebook:
    """Return the rules as they stand now; loads them where they have changed."""
    now = RulesState.objects.values_list("generation", flat=True).first()
    if not _kept or _kept[0].generation != now:
        with _loading:
            if not _kept or _kept[0].generation != now:
                _kept[:] = [_load(now)]
    return _kept[0]


def changed() -> None:
    """Have every process load the rules anew. Runs in the transaction that changes them."""
    # Never a number that was there before: what is rolled back may have been loaded by then.
    RulesState.objects.update_or_create(id=1, defaults={"generation": new_id()})


def _load(generation: uuid.UUID | None) -> Rulebook:
    rows = PackRule.objects.filter(replaced_at=None).select_related("pack").order_by("id")
    imported = [
        (f"{row.pack.name}/{row.file}", row.text.encode(), row.pack.name, row.licence)
        for row in rows
    ]
    own = [(name, content, OWN, "Apache-2.0") for name, content in own_files()]
    values = {row.pack.name: placeholders.kept(row.pack.placeholders) for row in rows}
    return made_of([*own, *imported], generation, values)


@cache
def own_files() -> tuple[File, ...]:
    """The files of Holdfast's own rules, by their names."""
    return tuple(
        (f"{prefix}{path.relative_to(folder)}", path.read_bytes())
        for folder, prefix in ((loading.OUR_RULES, ""), (OWN_CORRELATIONS, "correlations/"))
        for path in sorted(folder.rglob("*.yml"))
    )


# They don't change while Holdfast runs, and to read them all takes over a second.
_own_file = cache(loading.of_file)


def read_own() -> None:
    """Read Holdfast's own rules, so that whoever needs them first does not have to wait."""
    for name, content in own_files():
        _own_file(name, content)


def _read(name: str, content: bytes, pack: str, values: Mapping[str, Values]) -> loading.Read:
    if pack == OWN:
        return _own_file(name, content)
    return loading.of_file(name, content, values.get(pack, placeholders.NONE))


def made_of(
    files: Iterable[tuple[str, bytes, str, str]],
    generation: uuid.UUID | None = None,
    values: Mapping[str, Values] = MappingProxyType({}),
) -> Rulebook:
    """Make a rulebook of files: name, content, pack and licence of each.

    `values` has the values of each pack's placeholders.
    """
    told = [
        (name, pack_name, licence, _read(name, content, pack_name, values))
        for name, content, pack_name, licence in files
    ]
    packs = {name: pack_name for name, pack_name, _, _ in told}
    pack = loading.together(((name, read) for name, _, _, read in told), packs.__getitem__)
    not_run = [one for one in pack.not_run if one.kind != "correlation"]
    plain = {(rule.file, rule.id): rule for rule in pack.rules}
    entries: dict[str, Entry] = {}
    ids: dict[str, str] = {}
    counting: list[tuple[str, dict[str, Any], str, str]] = []
    for name, pack_name, licence, read in told:
        for document in read.documents:
            if "correlation" in document:
                counting.append((name, document, pack_name, licence))
                continue
            rule = plain.get((name, _id_of(document, name)))
            if rule is not None and rule.id not in entries:
                entries[rule.id] = _plain(rule, document, pack_name, licence)
                ids.setdefault(str(document.get("name") or rule.id), rule.id)
                ids[rule.id] = rule.id
    not_run += _add_counting(entries, counting, ids)
    filters = _filters(pack, told)
    return Rulebook(generation, entries, pack, tuple(not_run), filters)


def _filters(pack: Pack, told: Sequence[tuple[str, str, str, loading.Read]]) -> tuple[Entry, ...]:
    """What is known of the filters that are in use."""
    used = {(one.file, one.id): one for one in pack.filters}
    return tuple(
        _about(used[name, _id_of(document, name)], document, pack_name, licence)
        for name, pack_name, licence, read in told
        for document in read.documents
        if "filter" in document and (name, _id_of(document, name)) in used
    )


def _about(one: Filter, document: Mapping[str, Any], pack: str, licence: str) -> Entry:
    return Entry(
        id=one.id,
        title=one.title,
        level="",
        pack=pack,
        file=one.file,
        source=one.source,
        techniques=(),
        tactics=(),
        description=str(document.get("description") or ""),
        author=str(document.get("author") or ""),
        licence=str(document.get("license") or licence),
        false_positives=(),
        document=document,
    )


def _add_counting(
    entries: dict[str, Entry], counting: Sequence[tuple[str, dict[str, Any], str, str]],
    ids: dict[str, str],
) -> list[NotRun]:  # fmt: skip
    """Add the correlations that can be run, those that are counted first; return the others."""
    not_run = []
    waiting = list(counting)
    for _ in range(_DEEPEST_CHAIN):
        names = {
            str(one[key]) for _, one, _, _ in waiting for key in ("name", "id") if one.get(key)
        }
        ready = [told for told in waiting if not _counted_in(told[1]) & (names - ids.keys())]
        # Where none is ready, they count one another in a circle, or what can't be run.
        for told in ready or waiting:
            not_run += _add(entries, told, ids, is_circle=not ready)
        done = set(map(id, ready or waiting))
        waiting = [told for told in waiting if id(told) not in done]
    return not_run + [
        NotRun(
            name, str(document.get("title") or "")[:200], "unsupported",
            f"correlations count one another more than {_DEEPEST_CHAIN} levels deep",
        )
        for name, document, _, _ in waiting
    ]  # fmt: skip


def _add(
    entries: dict[str, Entry], told: tuple[str, dict[str, Any], str, str],
    ids: dict[str, str], *, is_circle: bool,
) -> list[NotRun]:  # fmt: skip
    """Add one correlation, if it can be run; return why not."""
    name, document, pack_name, licence = told
    try:
        if is_circle:
            raise Unsupported("it counts correlations that count it in turn: end the circle")
        entry = _counting(document, name, pack_name, licence, ids)
        if len(entry.id) > loading.LONGEST_ID:
            raise Broken(f"its id has more than {loading.LONGEST_ID} characters: give it a UUID")
        if entry.id in entries:
            raise Broken(f"another rule has the same id: {entries[entry.id].file}")
    except (Broken, Unsupported) as error:
        kind = "broken" if isinstance(error, Broken) else "unsupported"
        return [NotRun(name, str(document.get("title") or "")[:200], kind, str(error))]
    entries[entry.id] = entry
    ids.setdefault(str(document.get("name") or entry.id), entry.id)
    ids[entry.id] = entry.id
    return []


def _counted_in(document: Mapping[str, Any]) -> set[str]:
    """The names of what a correlation counts, also where only its condition names them."""
    told = document["correlation"]
    if not isinstance(told, dict):
        return set()
    rules = told.get("rules")
    names = {str(one) for one in (rules if isinstance(rules, list) else [rules])}
    condition = told.get("condition")
    words = re.findall(r"\w+", condition) if isinstance(condition, str) else []
    return names | set(words)


def _id_of(document: Mapping[str, Any], name: str) -> str:
    """The id that a document's rule has; loading reads ids as UUIDs do, in lower case."""
    told = document.get("id")
    return str(told).lower() if told else f"{name}#{document.get('title')}"


def _plain(rule: Rule, document: Mapping[str, Any], pack: str, licence: str) -> Entry:
    return Entry(
        id=rule.id,
        title=rule.title,
        level=rule.level,
        pack=pack,
        file=rule.file,
        source=rule.source,
        techniques=rule.techniques,
        tactics=_tactics(document),
        description=rule.description,
        author=rule.author,
        licence=str(document.get("license") or licence),
        false_positives=rule.false_positives,
        document=document,
    )


def _counting(
    document: Mapping[str, Any], name: str, pack: str, licence: str, ids: Mapping[str, str]
) -> Entry:
    found = correlation_reading.parsed(document, ids)
    title = str(document.get("title") or "")
    told = document.get("falsepositives") or []
    return Entry(
        id=_id_of(document, name),
        title=title,
        level=str(document.get("level") or "unknown").lower(),
        pack=pack,
        file=name,
        source=_ANY,
        techniques=tuple(
            tag.upper() for tag in _attack(document) if tag[:1] == "t" and tag[1:5].isdigit()
        ),
        tactics=_tactics(document),
        description=str(document.get("description") or ""),
        author=str(document.get("author") or ""),
        licence=str(document.get("license") or licence),
        false_positives=tuple(map(str, told if isinstance(told, list) else [told])),
        document=document,
        correlation=found,
    )


def _tags(document: Mapping[str, Any]) -> list[str]:
    tags = document.get("tags")
    return [str(tag).lower() for tag in (tags if isinstance(tags, list) else ())]


def _attack(document: Mapping[str, Any]) -> list[str]:
    found = _tags(document)
    return [tag.removeprefix("attack.") for tag in found if tag.startswith("attack.")]


def _tactics(document: Mapping[str, Any]) -> tuple[str, ...]:
    """ATT&CK's tactics among the tags: what is no id of a technique, group or software."""
    return tuple(
        tag.replace("_", "-")
        for tag in _attack(document)
        if not (tag[:1] in "tgs" and tag[1:5].isdigit())
    )


def written(document: Mapping[str, Any]) -> str:
    """Return a rule's document as YAML, to be read by people."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)
