"""``manage.py detect FILE``: run Sigma rules on a file of a vendor's records."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import CommandError, CommandParser

from integrations import doubled, files, registry
from integrations.contract import Feed, Manifest
from integrations.detection import loading, placeholders
from integrations.detection.engine import Engine, Match
from integrations.detection.errors import RulesUnreadable
from integrations.detection.recognition import recognised
from integrations.detection.rules import Pack
from msp.product_command import ProductCommand
from tenants.errors import HoldfastError, Quarantine
from tenants.records import Event, Finding, SourceRecord, Unreadable


class _Event(NamedTuple):
    number: int
    matches: list[Match]
    problem: str = ""
    is_read: bool = True


class Command(ProductCommand):
    help = "Run Sigma rules on a file of records (JSON, NDJSON, log lines or recorded exchanges)."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, what it is, and which rules."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--connector", default="", help="whose records, as microsoft365")
        parser.add_argument("--feed", default="", help="which of its feeds, as sign_ins")
        parser.add_argument(
            "--rules", type=Path, metavar="DIR",
            help="a folder, file or archive of Sigma rules, instead of Holdfast's own",
        )  # fmt: skip
        parser.add_argument(
            "--placeholders", type=Path, metavar="FILE",
            help="YAML with values for the rules' placeholders (admins: [ann, bob])",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print one JSON object an event")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each event's matches; nothing is stored."""
        try:
            connector, feed = _named(options)
            file = options["placeholders"]
            values = placeholders.of(file) if file else placeholders.NONE
            pack = _pack(options["rules"], values)
            engine = Engine(pack)
            seen = Counter[str]()
            found = _events(engine, connector, feed, options["file"], seen)
            if options["json"]:
                self._print_json(found, pack)
            else:
                self._print_table(found, engine)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        self._say_what_was_not_read(seen, options)

    def _say_what_was_not_read(self, seen: Counter[str], options: dict[str, Any]) -> None:
        """Tell of records that no rule can have been meant for; exit with 2 where all are so."""
        total, unread = sum(seen.values()), seen["unreadable"]
        if unread:
            self.stderr.write(f"{unread} of {total} records can't be read: see their lines above.")
        if seen["strange"]:
            self.stderr.write(
                f"{seen['strange']} of {total} records are neither of the feed {options['feed']} "
                "nor of any other known kind: no rule is for them. Check --connector and --feed."
            )
        if seen["without_rule"]:
            self.stderr.write(
                f"{seen['without_rule']} of {total} records are known, but of no log source that "
                "one of the rules reads, as they come here: no rule was tried on them. Export "
                "them with all their fields, or add rules for them."
            )
        if total and unread == total:
            raise CommandError(
                f"Nothing in {options['file']} can be read as records.", returncode=2
            )

    def _print_json(self, found: Iterator[_Event], pack: Pack) -> None:
        for number, matches, problem, _ in found:
            told: dict[str, Any] = {"event": number, "matches": [_told(one) for one in matches]}
            if problem:
                told["problem"] = problem
            self.stdout.write(json.dumps(told))
        self.stdout.flush()
        for one in pack.not_run:
            self.stderr.write(f"not run: {one.file}: {one.kind}: {one.reason}")

    def _print_table(self, found: Iterator[_Event], engine: Engine) -> None:
        events = 0
        counts: Counter[str] = Counter()
        for number, matches, problem, is_read in found:
            events += 1
            if problem:
                word = "unclear" if is_read else "unreadable"
                self.stdout.write(f"{number:>6}  {word:13}  {problem}")
            for match in matches:
                counts[match.rule.title] += 1
                self.stdout.write(f"{number:>6}  {match.rule.level:13}  {match.rule.title}")
                for why in match.why:
                    value = "(absent)" if why.value is None else why.value[:80]
                    self.stdout.write(f"{'':23}{why.field or 'record'}: {value} ({why.condition})")
        blind = len(engine.blind())
        self.stdout.write(
            f"{events} events, {sum(counts.values())} matches of {len(counts)} rules."
            f" {len(engine.pack.rules)} rules were run, {blind} of them are for log sources that"
            f" no connector brings; {len(engine.pack.not_run)} were not run."
        )
        for one in engine.pack.not_run:
            self.stdout.write(f"not run: {one.file}: {one.kind}: {one.reason}")


def _named(options: Mapping[str, Any]) -> tuple[Manifest, Feed]:
    """The connector and feed that are meant; HoldfastError where one is left out or unknown."""
    path: Path = options["file"]
    if path.is_dir():
        raise HoldfastError(f"{path} is a folder: name one of the files in it.")
    if not options["connector"]:
        known = ", ".join(sorted(registry.CONNECTORS))
        raise HoldfastError(
            f"Say whose records {path} holds, with --connector and --feed. Connectors: {known}."
        )
    connector = registry.connector(options["connector"])
    if not options["feed"]:
        feeds = ", ".join(one.name for one in connector.feeds)
        raise HoldfastError(
            f"Say which feed of {connector.id} the records are of, with --feed. Feeds: {feeds}."
        )
    return connector, connector.feed(options["feed"])


def _pack(path: Path | None, values: placeholders.Values) -> Pack:
    """Holdfast's own rules, or those at the path; RulesUnreadable where there are none."""
    pack = loading.load(path or loading.OUR_RULES, values)
    if not pack.rules and not pack.not_run:
        raise RulesUnreadable(f"There are no Sigma rules in {path}: no .yml or .yaml file has one.")
    return pack


def _events(
    engine: Engine, connector: Manifest, feed: Feed, path: Path, seen: Counter[str]
) -> Iterator[_Event]:
    """Each record's number from 1, its matches, and why it can't be read if it can't.

    Of a labelled test case (``expected_match`` beside ``log``) the record under ``log`` is taken.
    `seen` counts how many were known, known but without a rule, strange or unreadable.
    """
    for number, record in enumerate(files.read(path, connector.explode, feed.read), start=1):
        if isinstance(record, Unreadable):
            seen["unreadable"] += 1
            yield _Event(number, [], record.reason, is_read=False)
            continue
        body, normalised = _read(feed, record)
        seen[_sort(engine, body, normalised)] += 1
        yield _Event(number, engine.detect(body, normalised), doubled.words(record.context))


def _sort(engine: Engine, body: Mapping[str, Any], normalised: Mapping[str, Any] | None) -> str:
    if recognised(body, normalised) is None:
        return "strange"
    return "known" if engine.rules_for(body, normalised) else "without_rule"


def _read(feed: Feed, record: SourceRecord) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
    """What the rules read: the record, and what was made of it."""
    labelled = record.body.get("log")
    if isinstance(labelled, dict) and "expected_match" in record.body:
        return labelled, None
    return record.body, _normalised(feed, record)


def _normalised(feed: Feed, record: SourceRecord) -> dict[str, Any] | None:
    """The record in OCSF, where it is one of this feed's: rules run on others all the same."""
    try:
        made = feed.normaliser({})(record)
    except Quarantine:
        return None
    return dict(made.ocsf) if isinstance(made, Event | Finding) else None


def _told(match: Match) -> dict[str, Any]:
    return {
        "rule": match.rule.id,
        "title": match.rule.title,
        "level": match.rule.level,
        "why": [
            {"field": why.field, "value": why.value, "condition": why.condition}
            for why in match.why
        ],
    }
