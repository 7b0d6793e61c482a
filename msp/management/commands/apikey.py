"""``manage.py apikey``: credentials of machines."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from msp.staff.models import ApiKey


class Command(BaseCommand):
    help = "Create, list and revoke API keys."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        create = commands.add_parser("create", help="make a key; it is shown once")
        create.add_argument("name")
        create.add_argument("--scope", action="append", default=[], choices=ApiKey.Scope.values)
        commands.add_parser("revoke", help="end a key").add_argument("name")
        commands.add_parser("list", help="every key, without its secret")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        if options["what"] == "create":
            self._create(options["name"], options["scope"])
        elif options["what"] == "revoke":
            self._revoke(options["name"])
        else:
            for key in ApiKey.objects.order_by("name"):
                state = "revoked" if key.revoked_at else "valid"
                self.stdout.write(f"{key.name} {key.prefix}… {state} {', '.join(key.scopes)}")

    def _create(self, name: str, scopes: list[str]) -> None:
        if ApiKey.objects.filter(name=name).exists():
            raise CommandError(f"There is a key {name!r} already: choose another name.")
        key, prefix, hashed = ApiKey.new_secret()
        ApiKey.objects.create(name=name, prefix=prefix, sha256=hashed, scopes=scopes)
        self.stdout.write(key)

    def _revoke(self, name: str) -> None:
        if not ApiKey.objects.filter(name=name, revoked_at=None).update(revoked_at=timezone.now()):
            raise CommandError(f"There is no valid key {name!r}.")
        self.stdout.write(f"{name} is revoked.")
