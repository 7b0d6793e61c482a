"""``manage.py usage 2026-11``: seats of a month, every client."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from msp.api.renderers import to_csv
from msp.licensing.selectors import usage
from tenants import scope
from tenants.errors import HoldfastError


class Command(BaseCommand):
    help = "Print the licensed seats of a month."

    def add_arguments(self, parser: CommandParser) -> None:
        """The month, and the format."""
        parser.add_argument("period", help="a month, as 2026-11")
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--csv", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each client's usage."""
        try:
            with scope.reading(scope.ALL):
                rows = [row.as_json() for row in usage(options["period"])]
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        if options["json"]:
            told = {"period": options["period"], "total_seats": sum(r["seats"] for r in rows)}
            self.stdout.write(json.dumps({**told, "tenants": rows}))
        elif options["csv"]:
            self.stdout.write(to_csv(rows), ending="")
        else:
            for row in rows:
                self.stdout.write(f"{row['tenant']:32} {row['seats']:6} seats, peak {row['peak']}")
