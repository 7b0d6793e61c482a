"""``manage.py people weigh SLUG``: find out anew which accounts are one person's."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants import match_decisions, scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug


class Command(BaseCommand):
    help = "Weigh all accounts of a client again, by what is known and decided."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose accounts."""
        parser.add_argument("what", choices=["weigh"])
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--actor", default="command line", help="who does it, for the ledger")

    def handle(self, *args: Any, **options: Any) -> None:
        """Weigh them, and say how many changed hands."""
        try:
            tenant = tenant_by_slug(options["slug"])
            with scope.tenant(tenant.id):
                moved = match_decisions.weigh_all(actor=f"operator:{options['actor']}")
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"{moved} accounts of {tenant.name} belong to another person now.")
