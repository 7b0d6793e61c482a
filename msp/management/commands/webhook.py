"""``manage.py webhook``: sources that send to us: make one, show its address and key, renew it."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations import connections, inbound, registry
from integrations.errors import ConnectionMisconfigured
from integrations.models import Connection
from msp.management.files import read_text
from msp.product_command import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug

_LARGEST_MAPPING = 64 * 1024


class Command(ProductCommand):
    help = "Make a source that sends to this installation, and show its address and signing key."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do with which client's source."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a source, and print its address and key")
        show = verbs.add_parser("show", help="print the address and key of a source")
        renew = verbs.add_parser("renew-key", help="make a new key; the old one counts no more")
        for verb in (create, show, renew):
            verb.add_argument("tenant", metavar="SLUG")
            verb.add_argument("name")
        create.add_argument("--feed", required=True, help="ocsf, cef, syslog or json")
        create.add_argument("--mapping", type=Path, metavar="FILE", help="for json")
        create.add_argument("--time-zone", default="", help="of log lines that name none")
        create.add_argument("--alert-from", default="", metavar="0-10", help="for cef")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and print where to send and how to sign."""
        try:
            tenant = tenant_by_slug(options["tenant"])
            settings = _settings(options) if options["verb"] == "create" else {}
            with scope.tenant(tenant.id):
                self._tell(options, settings)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _tell(self, options: dict[str, Any], settings: dict[str, str]) -> None:
        verb, name = options["verb"], options["name"]
        if verb == "create":
            source = _create(name, settings)
        else:
            source = _source(name)
            if verb == "renew-key":
                inbound.renew_key(source, actor="command line")
        address = connections.door(source)
        if address.startswith("/"):
            self.stderr.write(
                "Whoever sends needs the whole address: set HOLDFAST_PUBLIC_URL to where Holdfast "
                "is reached, such as https://holdfast.your-msp.example, and show it again."
            )
        if source.settings.get("feed") == "json" and not source.settings.get("mapping"):
            self.stderr.write(
                "It has no mapping yet, so each record waits in quarantine. Write one "
                "(docs/webhooks.md says how), and give it on the connection's page or here with "
                "--mapping FILE."
            )
        self.stdout.write(f"address      {address}")
        self.stdout.write(f"signing key  {inbound.key_of(source)}")


def _settings(options: dict[str, Any]) -> dict[str, str]:
    told = {
        "feed": options["feed"],
        "mapping": read_text(options["mapping"], _LARGEST_MAPPING) if options["mapping"] else "",
        "time_zone": options["time_zone"],
        "alert_from": options["alert_from"],
    }
    return {name: value for name, value in told.items() if value}


def _create(name: str, settings: dict[str, str]) -> Connection:
    if Connection.in_scope().filter(connector="webhook", name=name).exists():
        raise ConnectionMisconfigured(f"There is a source {name!r} already: show it, or name "
                                      "another.")  # fmt: skip
    return connections.create(
        connector="webhook", name=name, settings=settings, secrets={}, actor="command line"
    )


def _source(name: str) -> Connection:
    """The connection of that name to which something is sent."""
    rows = Connection.in_scope().select_related("secret").order_by("name")
    sources = [
        row for row in rows
        if registry.connector(row.connector).pushed_feed(row.settings) is not None
    ]  # fmt: skip
    for row in sources:
        if row.name == name:
            return row
    known = ", ".join(row.name for row in sources)
    raise ConnectionMisconfigured(f"There is no source {name!r}. Sources: {known or 'none yet'}.")
