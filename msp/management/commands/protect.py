"""``manage.py protect …``: name what no action may ever touch."""

import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from msp.product_command import ProductCommand
from tenants import excluded_devices, protection, scope
from tenants.errors import HoldfastError
from tenants.models import Account, Device
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    help = "Protect accounts or devices of a client from every action, or name the MSP's own."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        shown = commands.add_parser("list", help="a client's protected accounts and devices")
        shown.add_argument("tenant", metavar="SLUG")
        account = commands.add_parser("account", help="protect an account, or protect it no more")
        account.add_argument("tenant", metavar="SLUG")
        account.add_argument("name", metavar="NAME", help="username, e-mail address or id")
        how = account.add_mutually_exclusive_group(required=True)
        how.add_argument("--break-glass", action="store_true", help="an emergency account")
        how.add_argument("--exclude", action="store_true", help="excluded from all actions")
        how.add_argument("--clear", action="store_true", help="let actions touch it again")
        account.add_argument("--reason", required=True, help="for the client's ledger")
        device = commands.add_parser("device", help="exclude a device from all actions, or no more")
        device.add_argument("tenant", metavar="SLUG")
        device.add_argument("name", metavar="NAME", help="hostname or id")
        how = device.add_mutually_exclusive_group(required=True)
        how.add_argument("--exclude", action="store_true", help="no action touches it")
        how.add_argument("--clear", action="store_true", help="let actions touch it again")
        device.add_argument("--until", default="", metavar="DAY", help="the last day, 2026-12-31")
        device.add_argument("--reason", required=True, help="for the client's ledger")
        own = commands.add_parser("own", help="the MSP's own identities, for every client")
        own.add_argument(
            "names", nargs="*", metavar="NAME",
            help="usernames, ids or @domains: these and no others; without any they are shown",
        )  # fmt: skip
        own.add_argument("--clear", action="store_true", help="name none any more")
        for one in (account, device, own):
            one.add_argument("--actor", default="command line", help="who says it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        handlers = {
            "list": self._list, "account": self._account, "device": self._device, "own": self._own,
        }  # fmt: skip
        try:
            handlers[options["what"]](options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _list(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["tenant"])
        with scope.tenant(tenant.id):
            for account in protection.of_client():
                self._say(account)
            for device in excluded_devices.of_client():
                self._say_device(device)

    def _account(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["tenant"])
        is_kept = not options["clear"]
        with scope.tenant(tenant.id):
            for account in protection.find(options["name"]):
                changed = protection.change(
                    account,
                    is_break_glass=is_kept and (options["break_glass"] or account.is_break_glass),
                    is_excluded=is_kept and (options["exclude"] or account.is_excluded),
                    actor=f"operator:{options['actor']}",
                    reason=options["reason"],
                )
                self._say(changed)

    def _device(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["tenant"])
        told = {"actor": f"operator:{options['actor']}", "reason": options["reason"]}
        with scope.tenant(tenant.id):
            until = excluded_devices.last_moment(options["until"])
            for device in excluded_devices.find(options["name"]):
                if options["clear"]:
                    changed = excluded_devices.include(device, **told)
                else:
                    changed = excluded_devices.exclude(device, until=until, **told)
                self._say_device(changed)

    def _own(self, options: dict[str, Any]) -> None:
        if options["names"] or options["clear"]:
            with transaction.atomic():
                protection.set_own_identities(
                    options["names"], actor=f"operator:{options['actor']}"
                )
        for name in protection.own_identities():
            self.stdout.write(name)
        unknown = protection.unknown_identities()
        if unknown:
            self.stderr.write(
                f"No client's directory knows {', '.join(unknown)}: right only if there is no such "
                "account at any client yet."
            )

    def _say_device(self, device: Device) -> None:
        until = device.excluded_until
        ends = f" until {until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if until else ""
        how = f"excluded{ends}" if device.is_protected else "not protected"
        self.stdout.write(f"{device} ({device.provider}): {how}")

    def _say(self, account: Account) -> None:
        kinds = [
            *(["emergency account"] if account.is_break_glass else []),
            *(["excluded"] if account.is_excluded else []),
        ]
        how = " and ".join(kinds) or "not protected"
        self.stdout.write(f"{account.username} ({account.provider}): {how}")
