"""``manage.py vip …``: name a client's important people."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from msp.product_command import ProductCommand
from tenants import scope, vips
from tenants.errors import HoldfastError
from tenants.models import Account
from tenants.selectors import tenant_by_slug

_WORDS: dict[str, tuple[bool | None, str]] = {
    "mark": (True, "say that somebody is important"),
    "unmark": (False, "say that somebody is not important"),
    "as-told": (None, "take that word back: it is as the feeds say"),
}


class Command(ProductCommand):
    help = "Name a client's important people (VIPs): no feed says otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        shown = commands.add_parser("list", help="a client's important people")
        shown.add_argument("tenant", metavar="SLUG")
        for name, (_, words) in _WORDS.items():
            one = commands.add_parser(name, help=words)
            one.add_argument("tenant", metavar="SLUG")
            one.add_argument("name", metavar="NAME", help="username, e-mail address or id")
            one.add_argument("--reason", required=True, help="for the client's ledger")
            one.add_argument("--actor", default="command line", help="who says it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        try:
            tenant = tenant_by_slug(options["tenant"])
            with scope.tenant(tenant.id):
                for account in self._asked(options):
                    self._say(account)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _asked(self, options: dict[str, Any]) -> list[Account]:
        if options["what"] == "list":
            return vips.of_client()
        return vips.mark(
            options["name"],
            is_vip=_WORDS[options["what"]][0],
            actor=f"operator:{options['actor']}",
            reason=options["reason"],
        )

    def _say(self, account: Account) -> None:
        how = "important" if account.is_vip else "not important"
        by = "as the feeds say" if account.vip_by_hand is None else "by hand"
        self.stdout.write(f"{account.username} ({account.provider}): {how}, {by}")
