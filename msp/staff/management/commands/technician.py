"""`manage.py technician`: make technicians, and help those who are locked out."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from msp.product_command import ProductCommand
from msp.staff import actions
from msp.staff.models import Role, Technician
from tenants.errors import HoldfastError
from tenants.models import Tenant


class Command(ProductCommand):
    """Technicians from the command line."""

    help = "Create and list technicians, change their role or password, remove a lost second factor"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the subcommands."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a technician")
        create.add_argument("name")
        create.add_argument("--role", choices=Role.values, default=Role.VIEWER)
        create.add_argument(
            "--tenant", action="append", metavar="SLUG", help="sees only this client (repeatable)"
        )
        create.add_argument("--email", default="")
        _password_option(create)
        verbs.add_parser("list", help="list the technicians")
        password = verbs.add_parser("password", help="set a new password")
        password.add_argument("name")
        _password_option(password)
        role = verbs.add_parser("role", help="change the role")
        role.add_argument("name")
        role.add_argument("role", choices=Role.values)
        for verb, meaning in (
            ("reset-mfa", "remove a lost second factor"),
            ("disable", "end all access"),
            ("enable", "let sign in again"),
        ):
            verbs.add_parser(verb, help=meaning).add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one subcommand."""
        try:
            getattr(self, "_" + options["verb"].replace("-", "_"))(options)
        except HoldfastError as error:
            raise CommandError(str(error)) from None

    def _create(self, options: dict[str, Any]) -> None:
        password = _password(options)
        technician = actions.create_technician(
            options["name"],
            role=Role(options["role"]),
            password=password,
            tenants=_tenants(options["tenant"]),
            email=options["email"],
        )
        self.stdout.write(f"Technician {technician.username} ({technician.role}) created.")
        self._say_password(options, password)

    def _password(self, options: dict[str, Any]) -> None:
        password = _password(options)
        actions.set_password(_technician(options["name"]), password)
        self.stdout.write(f"New password set for {options['name']}.")
        self._say_password(options, password)

    def _say_password(self, options: dict[str, Any], password: str) -> None:
        if not options["password_stdin"]:
            self.stdout.write(f"Password (shown only now): {password}")

    def _list(self, options: dict[str, Any]) -> None:
        for technician in Technician.objects.order_by("username").prefetch_related("tenants"):
            seen = ", ".join(tenant.slug for tenant in technician.tenants.all())
            self.stdout.write(
                f"{technician.username}\t{technician.role}\t"
                f"{'all clients' if technician.sees_all_tenants else seen or 'no client'}"
                f"{'' if technician.is_active else chr(9) + 'disabled'}"
            )

    def _role(self, options: dict[str, Any]) -> None:
        actions.set_role(_technician(options["name"]), Role(options["role"]))
        self.stdout.write(f"{options['name']} is now {options['role']}.")

    def _reset_mfa(self, options: dict[str, Any]) -> None:
        removed = actions.reset_mfa(_technician(options["name"]))
        self.stdout.write(f"Removed {removed} second factors of {options['name']}.")

    def _disable(self, options: dict[str, Any]) -> None:
        actions.set_active(_technician(options["name"]), is_active=False)
        self.stdout.write(f"{options['name']} can no longer sign in.")

    def _enable(self, options: dict[str, Any]) -> None:
        actions.set_active(_technician(options["name"]), is_active=True)
        self.stdout.write(f"{options['name']} can sign in again.")


def _password_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input; without it one is made and printed",
    )


def _password(options: dict[str, Any]) -> str:
    if options["password_stdin"]:
        return sys.stdin.readline().rstrip("\r\n")
    return actions.new_password()


def _tenants(slugs: list[str] | None) -> list[Tenant] | None:
    if slugs is None:
        return None
    found = list(Tenant.objects.filter(slug__in=slugs))
    missing = sorted(set(slugs) - {tenant.slug for tenant in found})
    if missing:
        raise CommandError(f"There is no client {', '.join(missing)}.")
    return found


def _technician(name: str) -> Technician:
    technician = Technician.objects.filter(username=name).first()
    if technician is None:
        raise CommandError(
            f"There is no technician {name!r}. `manage.py technician list` shows them."
        )
    return technician
