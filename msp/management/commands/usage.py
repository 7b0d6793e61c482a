"""`manage.py usage MONTH`: the seats of every client, as they are billed."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from msp.licensing import exports, selectors
from msp.licensing.periods import Period
from msp.product_command import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    """Usage of a month, from the same rows as the billing API."""

    help = "Show the protected persons of each client in a month."

    def add_arguments(self, parser: CommandParser) -> None:
        """The month, whose, and in which form."""
        parser.add_argument("period", metavar="MONTH", help="such as 2026-11")
        parser.add_argument("--tenant", metavar="SLUG", help="only this client")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print one JSON object")
        form.add_argument("--csv", action="store_true", help="print CSV, one line for each client")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the usage."""
        try:
            period = Period.parse(options["period"])
            ids = [tenant_by_slug(options["tenant"]).id] if options["tenant"] else None
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        with scope.reading(scope.ALL):
            told = exports.as_json(period, selectors.usage(period, ids))
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
        elif options["csv"]:
            self.stdout.write(exports.as_csv(told), ending="")
        else:
            self._print_table(told)

    def _print_table(self, told: dict[str, Any]) -> None:
        self.stdout.write(f"{'client':32}{'seats':>8}{'peak':>8}{'average':>10}{'seat-days':>11}")
        for tenant in told["tenants"]:
            self.stdout.write(
                f"{tenant['slug']:32}{tenant['seats']:>8}{tenant['peak_seats']:>8}"
                f"{tenant['average_seats']:>10}{tenant['seat_days']:>11}"
            )
        self.stdout.write(f"{'all':32}{told['seats']:>8}{'':>18}{told['seat_days']:>11}")
