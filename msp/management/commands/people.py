"""``manage.py people …``: whose accounts are one person's, and who is on leave or has left."""

import datetime as dt
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from msp.management.files import read_text
from msp.product_command import ProductCommand
from playbooks.models import Absence
from playbooks.questions import absences
from tenants import match_decisions, scope
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug

_LARGEST = 2_000_000


class Command(ProductCommand):
    help = "Weigh accounts again, and say who is on leave or has left."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        told = {
            "weigh": "find out anew which accounts are one person's",
            "absences": "who is on leave or has left, as people said",
            "leave": "somebody is on leave",
            "leaver": "somebody's last day of work",
            "present": "somebody works here after all",
            "import": "take a CSV list: " + ", ".join(absences.COLUMNS),
        }
        for name, words in told.items():
            one = commands.add_parser(name, help=words)
            one.add_argument("slug", metavar="SLUG")
            one.add_argument("--actor", default="command line", help="who does it, for the ledger")
            if name in ("leave", "leaver", "present"):
                one.add_argument("name", metavar="NAME", help="username, e-mail address or id")
            if name == "leave":
                one.add_argument("--from", dest="first", required=True, metavar="DAY")
                one.add_argument("--until", metavar="DAY", help="the last day away, if it is known")
            if name == "leaver":
                one.add_argument("--last-day", dest="first", required=True, metavar="DAY")
            if name == "import":
                one.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        actor = f"operator:{options['actor']}"
        try:
            tenant = tenant_by_slug(options["slug"])
            with scope.tenant(tenant.id):
                self._do(tenant, actor, options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _do(self, tenant: Tenant, actor: str, options: dict[str, Any]) -> None:
        what = options["what"]
        if what == "weigh":
            moved = match_decisions.weigh_all(actor=actor)
            self.stdout.write(f"{moved} accounts of {tenant.name} belong to another person now.")
        elif what == "absences":
            for row in absences.current():
                self.stdout.write(_in_words(row))
        elif what == "import":
            text = read_text(options["file"], _LARGEST)
            kept = absences.take_list(text, actor=actor)
            self.stdout.write(f"{kept} rows kept for {tenant.name}.")
        else:
            self._note(actor, options)

    def _note(self, actor: str, options: dict[str, Any]) -> None:
        kinds = {"leave": Absence.Kind.ON_LEAVE, "leaver": Absence.Kind.LEAVER}
        kind = kinds.get(options["what"], Absence.Kind.PRESENT)
        first = _day(options.get("first")) or timezone.now().date()
        until = _day(options.get("until"))
        row = absences.note(options["name"], kind, first, until, actor=actor)
        self.stdout.write(_in_words(row))


def _day(told: str | None) -> dt.date | None:
    return absences.day(told) if told else None


def _in_words(row: Absence) -> str:
    if row.kind == Absence.Kind.LEAVER:
        return f"{row.person}: last day {row.first_day}"
    if row.kind == Absence.Kind.PRESENT:
        return f"{row.person}: works here"
    until = f" until {row.last_day}" if row.last_day else ""
    return f"{row.person}: on leave from {row.first_day}{until}"
