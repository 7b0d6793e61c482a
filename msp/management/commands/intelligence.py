"""``manage.py intelligence``: take in what is known of attackers, and list it."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.intelligence import (
    fetching,
    profiles,
    reading,
    sightings,
    sources,
    store,
    taxii,
    warnings,
)
from integrations.models import Indicator, IndicatorSource, WarningList
from msp.product_command import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug

_ACTOR = "operator:command"


class Command(ProductCommand):
    help = "Indicators from a file (STIX 2.1, MISP, KEV, CSV), a URL or a TAXII 2.1 server."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and where from."""
        doing = parser.add_subparsers(dest="do", required=True)
        told = doing.add_parser("import", help="take indicators in; again brings them up to date")
        told.add_argument("file", type=Path, nargs="?")
        told.add_argument("--url", default="", help="STIX, MISP, KEV or CSV at this address")
        told.add_argument("--taxii", default="", metavar="API_ROOT")
        told.add_argument("--collection", default="", help="its id; without it they are listed")
        told.add_argument(
            "--added-after", default="", metavar="TIME",
            help="a collection from then on; else it goes on where it was the last time",
        )  # fmt: skip
        told.add_argument("--whole", action="store_true", help="the whole collection once more")
        told.add_argument("--username", default="")
        told.add_argument(
            "--secret-file", type=Path, help="the password, or without --username the token"
        )
        told.add_argument("--source", default="", help="what to call it")
        told.add_argument("--confidence", type=int, default=store.USUAL_CONFIDENCE)
        told.add_argument(
            "--days", type=int, default=store.BY_KIND, help="how long they hold; 0: by kind"
        )
        told.add_argument("--json", action="store_true")
        doing.add_parser("list", help="how many indicators each source has")
        self._of_sources(doing)
        warn = doing.add_parser("warn", help="take in a warning list in MISP's format")
        warn.add_argument("file", type=Path)
        doing.add_parser("warnings", help="the warning lists, and how much each keeps out")
        doing.add_parser("unwarn", help="forget a warning list").add_argument("name")
        look = doing.add_parser("look", help="count now where a client met what is known")
        look.add_argument("slug")
        profile = doing.add_parser("profile", help="who may attack a client")
        profile.add_argument("slug")
        profile.add_argument("--sector", required=True)
        profile.add_argument("--country", default="")
        profile.add_argument("--tool", action="append", default=[])
        profile.add_argument(
            "--own", action="append", default=[], metavar="NAME",
            help="a domain, public address or network of the client: no sighting of an attacker",
        )  # fmt: skip

    def _of_sources(self, doing: Any) -> None:
        adding = doing.add_parser("add", help="a source that is read on its schedule")
        adding.add_argument("name")
        adding.add_argument("--url", default="", help="STIX, MISP, KEV, CSV or a list there")
        adding.add_argument("--taxii", default="", metavar="API_ROOT")
        adding.add_argument("--misp", default="", metavar="FOLDER", help="with manifest.json")
        adding.add_argument("--collection", default="", help="of a TAXII server, its id")
        adding.add_argument("--username", default="")
        adding.add_argument(
            "--secret-file", type=Path, help="the password, or without --username the token"
        )
        adding.add_argument("--hours", type=int, default=24, help="how often it is read")
        adding.add_argument("--confidence", type=int, default=store.USUAL_CONFIDENCE)
        adding.add_argument(
            "--days", type=int, default=store.BY_KIND, help="how long they hold; 0: by kind"
        )
        doing.add_parser("sources", help="what is read on a schedule, and how it went")
        for name, said in (
            ("pause", "read a source no more"), ("resume", "read it again"),
            ("remove", "forget a source and its secret"),
        ):  # fmt: skip
            doing.add_parser(name, help=said).add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; say what became of it."""
        try:
            getattr(self, f"_{options['do']}")(options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _import(self, options: dict[str, Any]) -> None:
        ways = [bool(options["file"]), bool(options["url"]), bool(options["taxii"])]
        if sum(ways) != 1:
            raise CommandError("Give a FILE, --url or --taxii: one of them.", returncode=2)
        if not (0 <= options["confidence"] <= 100 and 0 <= options["days"] <= 3650):
            raise CommandError("Confidence is 0 to 100, days are 0 to 3650.", returncode=2)
        if options["taxii"] and not options["collection"]:
            self._collections(options)
            return
        source = options["source"] or (
            options["file"].name if options["file"] else options["url"] or options["taxii"]
        )
        outcome = _taken(source, options)
        if outcome.added:
            sightings.look_again()
        if options["json"]:
            self.stdout.write(json.dumps(outcome.as_json()))
            return
        self.stdout.write(
            f"{outcome.read} read, {outcome.looked_for} of them looked for, {outcome.added} new."
        )
        for why, count in outcome.not_matched.items():
            self.stdout.write(f"  {count} kept and not looked for: {why}")

    def _collections(self, options: dict[str, Any]) -> None:
        server = _place("", options).server()
        with fetching.transport() as sending:
            for name, title in taxii.collections(server, sending):
                self.stdout.write(f"{name}  {title}")

    def _add(self, options: dict[str, Any]) -> None:
        kinds = {kind: options[kind] for kind in sources.Kind.values if options[kind]}
        if len(kinds) != 1:
            raise CommandError("Give --url, --taxii or --misp: one of them.", returncode=2)
        [(kind, address)] = kinds.items()
        wish = sources.Wish(
            options["name"], kind, address, options["collection"], options["username"],
            _secret(options["secret_file"]), options["hours"], options["confidence"],
            options["days"],
        )  # fmt: skip
        row = sources.add(wish, actor=_ACTOR)
        self.stdout.write(f"{row.name} is read at once, and then every {row.every_hours} hours.")

    def _sources(self, _options: dict[str, Any]) -> None:
        for row in IndicatorSource.objects.exclude(kind="").order_by("name"):
            state = "paused" if row.is_paused else f"next {row.due_at:%Y-%m-%d %H:%M} UTC"
            read = f"read {row.read_at:%Y-%m-%d %H:%M} UTC" if row.read_at else "not read yet"
            # What stands behind the question mark may be a key.
            place = row.address.partition("?")[0]
            self.stdout.write(f"{row.name}: {row.get_kind_display()}, {place}; {read}; {state}")
            if row.error:
                self.stdout.write(f"  failed {row.failures} times: {row.error}")

    def _pause(self, options: dict[str, Any]) -> None:
        sources.set_paused(sources.find(options["name"]).id, paused=True, actor=_ACTOR)
        self.stdout.write(f"{options['name']} is paused.")

    def _resume(self, options: dict[str, Any]) -> None:
        sources.set_paused(sources.find(options["name"]).id, paused=False, actor=_ACTOR)
        self.stdout.write(f"{options['name']} is read again.")

    def _remove(self, options: dict[str, Any]) -> None:
        sources.remove(sources.find(options["name"]).id, actor=_ACTOR)
        self.stdout.write(
            f"{options['name']} is removed with its secret; nothing that it told is looked for."
        )

    def _warn(self, options: dict[str, Any]) -> None:
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise reading.Unreadable(f"{options['file']}: {error.strerror}.") from None
        row, left = warnings.take_in(content, actor=_ACTOR)
        sightings.look_again()
        self.stdout.write(f"{row.name}: {row.entries} entries; {len(left)} can’t be used.")
        for value, why in left:
            self.stdout.write(f"  {value}: {why}")

    def _warnings(self, _options: dict[str, Any]) -> None:
        for row in WarningList.objects.all():
            self.stdout.write(f"{row.name}: {row.kind}, {row.entries} entries, {row.version}")
        for why, count in warnings.kept_out().items():
            self.stdout.write(f"  {count} kept out: {why}")

    def _unwarn(self, options: dict[str, Any]) -> None:
        warnings.remove(options["name"])
        sightings.look_again()
        self.stdout.write(f"{options['name']} is forgotten; what it kept out is looked for again.")

    def _list(self, _options: dict[str, Any]) -> None:
        for source in (
            Indicator.objects.order_by("source").values_list("source", flat=True).distinct()
        ):
            rows = Indicator.objects.filter(source=source)
            live = store.in_force().filter(source=source).count()
            self.stdout.write(f"{source}: {rows.count()} kept, {live} looked for")

    def _look(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["slug"])
        sightings.look_now(tenant.id)
        with scope.reading([tenant.id]):
            met = list(sightings.shown().select_related("indicator"))
        for one in met:
            self.stdout.write(
                f"{one.indicator.entity}: {one.events} events, {one.cases} cases, "
                f"last {one.last_at:%Y-%m-%d %H:%M} UTC"
            )
        if not met:
            self.stdout.write(f"{tenant.name} has met nothing that is looked for.")

    def _profile(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["slug"])
        with scope.tenant(tenant.id):
            row = profiles.keep(
                options["sector"],
                options["country"],
                options["tool"],
                own=options["own"],
                actor=_ACTOR,
            )
        self.stdout.write(f"{tenant.name}: {row}")


def _taken(source: str, options: dict[str, Any]) -> store.Outcome:
    """Take in what the chosen source tells."""
    if options["file"]:
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise reading.Unreadable(f"{options['file']}: {error.strerror}.") from None
        return store.keep(
            source, reading.read(content), confidence=options["confidence"], days=options["days"]
        )
    place = _place(source, options)
    if not options["taxii"]:
        return fetching.address(place)
    after = options["added_after"]
    if not after and not options["whole"]:
        after = store.reached(source, place.address)
    told = fetching.Read()
    fetching.collection(place, told, after=after)
    return told.outcome


def _place(source: str, options: dict[str, Any]) -> fetching.Place:
    address = options["url"]
    if options["taxii"]:
        address = f"{options['taxii'].rstrip('/')} {options['collection']}"
    return fetching.Place(
        source, address, options["username"], _secret(options["secret_file"]),
        options["confidence"], options["days"],
    )  # fmt: skip


def _secret(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise reading.Unreadable("The secret file can't be read.") from None
