"""``manage.py criticality …``: say how critical a client's people and devices are."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from msp.management.files import read_text
from msp.product_command import ProductCommand
from tenants import criticality, scope
from tenants.errors import HoldfastError
from tenants.models import Account, Device
from tenants.selectors import tenant_by_slug

_LARGEST = 2_000_000


class Command(ProductCommand):
    help = "Say how critical people and devices are, from 1 (low) to 4 (critical)."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        words = {
            "list": "who and what stands out",
            "person": "say it of a person",
            "device": "say it of a device",
            "import": "take a CSV list: " + ", ".join(criticality.COLUMNS),
        }
        for name, told in words.items():
            one = commands.add_parser(name, help=told)
            one.add_argument("tenant", metavar="SLUG")
            if name in ("person", "device"):
                one.add_argument("name", metavar="NAME", help="username, address, hostname or id")
                one.add_argument("level", metavar="LEVEL", help="1 to 4, or “as told”")
                one.add_argument("--reason", required=True, help="for the ledger and the cases")
            if name == "import":
                one.add_argument("file", type=Path)
            if name != "list":
                one.add_argument("--actor", default="command line", help="who says it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        try:
            tenant = tenant_by_slug(options["tenant"])
            with scope.tenant(tenant.id):
                self._do(options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _do(self, options: dict[str, Any]) -> None:
        what, actor = options["what"], f"operator:{options.get('actor')}"
        if what == "list":
            self._say_people(criticality.people_of_client())
            self._say_devices(criticality.devices_of_client())
        elif what == "import":
            text = read_text(options["file"], _LARGEST)
            self.stdout.write(f"{criticality.take_list(text, actor=actor)} rows kept.")
        else:
            level = criticality.level_of(options["level"])
            told: dict[str, Any] = {"actor": actor, "reason": options["reason"]}
            if what == "person":
                self._say_people(criticality.mark_person(options["name"], level, **told))
            else:
                self._say_devices(criticality.mark_device(options["name"], level, **told))

    def _say_people(self, rows: list[Account]) -> None:
        for row in rows:
            level, why = row.criticality
            self._say(f"{row.username} ({row.provider})", level, why)

    def _say_devices(self, rows: list[Device]) -> None:
        for row in rows:
            name = f"{row} ({row.provider})"
            self._say(name, row.criticality_by_hand, row.criticality_because)

    def _say(self, name: str, level: int | None, why: str) -> None:
        how = f"{level} ({criticality.LEVELS[level]})" if level else "as its vendor says"
        self.stdout.write(f"{name}: {how}{f': {why}' if why else ''}")
