"""``manage.py routine …``: start a routine for a client, now or for later."""

import datetime as dt
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from msp.product_command import ProductCommand
from playbooks import library, routine_inputs, routines
from playbooks.adoption import activation
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import Account
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    help = "List routines, or start one for a client."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        commands.add_parser("list", help="every routine, with what it takes")
        start = commands.add_parser("start", help="start one, now or at a time")
        start.add_argument("tenant", metavar="SLUG")
        start.add_argument("playbook", metavar="ID")
        start.add_argument("--account", metavar="USERNAME", help="whom it is about")
        start.add_argument(
            "--input", action="append", default=[], metavar="NAME=VALUE",
            help="an input; the value is JSON, or else text",
        )  # fmt: skip
        start.add_argument("--at", metavar="TIME", help="ISO 8601 with an offset; default: now")
        start.add_argument("--actor", default="command line", help="who asks, for the ledger")
        own = commands.add_parser("defaults", help="what a client's routine is given by itself")
        own.add_argument("tenant", metavar="SLUG")
        own.add_argument("playbook", metavar="ID")
        own.add_argument(
            "--input", action="append", metavar="NAME=VALUE",
            help="set these, and no others, for the client; without any, they are only shown",
        )  # fmt: skip
        own.add_argument("--clear", action="store_true", help="go back to the playbook's own")
        own.add_argument("--actor", default="command line", help="who sets them, for the ledger")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        handlers = {"list": self._list, "start": self._start, "defaults": self._defaults}
        try:
            handlers[options["what"]](options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _list(self, _options: dict[str, Any]) -> None:
        for playbook in library.playbooks().values():
            if playbook.kind == "routine":
                self.stdout.write(f"{playbook.id:28} {playbook.title}")
                for name, told in playbook.inputs.items():
                    self.stdout.write(f"    {name} ({told.type}): {told.title}")

    def _start(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["tenant"])
        at = _time(options["at"])
        with scope.tenant(tenant.id):
            case = routines.start(
                options["playbook"],
                actor=f"operator:{options['actor']}",
                inputs=dict(_input(text) for text in options["input"]),
                account=_account(options["account"]),
                at=at,
            )
        when = f"at {at.isoformat()}" if at else "now"
        self.stdout.write(f"Case {case} was opened; it begins {when}.")

    def _defaults(self, options: dict[str, Any]) -> None:
        tenant = tenant_by_slug(options["tenant"])
        with scope.tenant(tenant.id):
            playbook = activation.in_force(options["playbook"]).playbook
            if options["clear"] or options["input"]:
                inputs = dict(_input(text) for text in options["input"] or [])
                routine_inputs.set_defaults(playbook, inputs, actor=f"operator:{options['actor']}")
            told = routine_inputs.defaults(playbook)
        for name, one in playbook.inputs.items():
            value = json.dumps(told[name], ensure_ascii=False) if name in told else "(none)"
            self.stdout.write(f"{name} = {value}    {one.title}")


def _input(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise HoldfastError(f"--input {text!r} is not NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise HoldfastError(f"--at {text!r} is no time with an offset, such as 2026-12-01T17:00Z.")
    if at < timezone.now():
        raise HoldfastError(f"--at {text!r} has passed.")
    return at


def _account(username: str | None) -> Account | None:
    if username is None:
        return None
    found = Account.objects.filter(username__iexact=username).first()
    if found is None:
        raise HoldfastError(f"This client has no account {username!r}.")
    return found
