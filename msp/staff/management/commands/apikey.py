"""`manage.py apikey`: credentials of machines."""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from msp.product_command import ProductCommand
from msp.staff import actions
from msp.staff.models import ApiKey
from tenants.errors import HoldfastError


class Command(ProductCommand):
    """API keys from the command line."""

    help = "Create, list and revoke API keys"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the subcommands."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a key; it is printed once")
        create.add_argument("name")
        create.add_argument(
            "--scope", action="append", choices=ApiKey.Scope.values, required=True, dest="scopes"
        )
        create.add_argument("--days", type=int, help="days until it expires; without it never")
        verbs.add_parser("revoke", help="end a key at once").add_argument("name")
        verbs.add_parser("list", help="list the keys")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one subcommand."""
        try:
            getattr(self, "_" + options["verb"])(options)
        except HoldfastError as error:
            raise CommandError(str(error)) from None

    def _create(self, options: dict[str, Any]) -> None:
        days = options["days"]
        expires_at = timezone.now() + dt.timedelta(days=days) if days is not None else None
        _, key = actions.create_api_key(
            options["name"], scopes=options["scopes"], expires_at=expires_at
        )
        self.stdout.write(key)

    def _revoke(self, options: dict[str, Any]) -> None:
        actions.revoke_api_key(options["name"])
        self.stdout.write(f"{options['name']} is revoked.")

    def _list(self, options: dict[str, Any]) -> None:
        for key in ApiKey.objects.order_by("name"):
            state = "revoked" if key.revoked_at else "active"
            self.stdout.write(f"{key.name}\t{key.prefix}…\t{', '.join(key.scopes)}\t{state}")
