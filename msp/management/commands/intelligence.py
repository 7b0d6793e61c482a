"""``manage.py intelligence``: take in what is known of attackers, and list it."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from integrations.addresses import private_endpoints_allowed
from integrations.intelligence import profiles, reading, sightings, store, taxii
from integrations.models import Indicator
from integrations.transport import Call, Limits, Transport
from msp.management.product import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug

# The largest catalogues have about 100 MB.
_LIMITS = Limits(total=600, largest_body=256 * 2**20)


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
        told.add_argument("--days", type=int, default=store.USUAL_DAYS, help="how long they hold")
        told.add_argument("--json", action="store_true")
        doing.add_parser("list", help="how many indicators each source has")
        profile = doing.add_parser("profile", help="who may attack a client")
        profile.add_argument("slug")
        profile.add_argument("--sector", required=True)
        profile.add_argument("--country", default="")
        profile.add_argument("--tool", action="append", default=[])

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
        if not (0 <= options["confidence"] <= 100 and 1 <= options["days"] <= 3650):
            raise CommandError("Confidence is 0 to 100, days are 1 to 3650.", returncode=2)
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
        transport = Transport(allow_private=private_endpoints_allowed(), limits=_LIMITS)
        try:
            for name, title in taxii.collections(_server(options), transport):
                self.stdout.write(f"{name}  {title}")
        finally:
            transport.close()

    def _list(self, _options: dict[str, Any]) -> None:
        for source in (
            Indicator.objects.order_by("source").values_list("source", flat=True).distinct()
        ):
            rows = Indicator.objects.filter(source=source)
            live = store.in_force().filter(source=source).count()
            self.stdout.write(f"{source}: {rows.count()} kept, {live} looked for")

    def _profile(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["slug"])
        with scope.tenant(tenant.id):
            row = profiles.keep(
                options["sector"], options["country"], options["tool"], actor="operator:command"
            )
        self.stdout.write(f"{tenant.name}: {row}")


def _taken(source: str, options: dict[str, Any]) -> store.Outcome:
    """Take in what the chosen source tells."""
    how = {"confidence": options["confidence"], "days": options["days"]}
    if options["file"]:
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise reading.Unreadable(f"{options['file']}: {error.strerror}.") from None
        return store.keep(source, reading.read(content), **how)
    transport = Transport(allow_private=private_endpoints_allowed(), limits=_LIMITS)
    try:
        if options["taxii"]:
            return _collection(source, options, transport, how)
        return store.keep(
            source, reading.read(transport.content(Call("GET", options["url"]))), **how
        )
    finally:
        transport.close()


def _collection(
    source: str, options: dict[str, Any], transport: Transport, how: dict[str, int]
) -> store.Outcome:
    """Take in a collection page by page: what broke off is gone on with the next time."""
    address = f"{options['taxii'].rstrip('/')} {options['collection']}"
    after = options["added_after"]
    if not after and not options["whole"]:
        after = store.reached(source, address)
    outcome = store.Outcome()
    pages = taxii.pages(_server(options), options["collection"], transport, added_after=after)
    for page in pages:
        with transaction.atomic():
            outcome += store.keep(
                source, reading.read_document({"objects": [], **page.envelope}), **how
            )
            store.reach(source, address, page.reached)
        if outcome.read > reading.MOST:
            raise reading.Unreadable(f"There are more than {reading.MOST:,} indicators.")
    return outcome


def _server(options: dict[str, Any]) -> taxii.Server:
    secret = ""
    if options["secret_file"]:
        try:
            secret = options["secret_file"].read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise reading.Unreadable("The secret file can't be read.") from None
    name = options["username"]
    return taxii.Server(
        options["taxii"], username=name, password=secret if name else "",
        token="" if name else secret,
    )  # fmt: skip
