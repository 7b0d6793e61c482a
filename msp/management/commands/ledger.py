"""`manage.py ledger verify`: whether anything in a client's ledger was changed."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from msp.product_command import ProductCommand
from msp.reports.selectors import first_head_not_in_chain
from tenants import ledger, scope
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    """The ledger from the command line. Reads only: what is not sealed stays so."""

    help = "Verify the ledgers. Exit code 1, and the first broken row, where one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommand."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="recompute every hash chain")
        verify.add_argument("--tenant", metavar="SLUG", help="only this client")
        verify.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify one client's ledger, or all of them."""
        try:
            slug = options["tenant"]
            tenants = [tenant_by_slug(slug)] if slug else list(Tenant.objects.order_by("slug"))
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        told = [_verify(tenant) for tenant in tenants]
        broken = [one for one in told if not one["ok"]]
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not broken, "tenants": told}, indent=2))
        else:
            for one in told:
                self.stdout.write(_line(one))
        if broken:
            raise CommandError(
                f"{len(broken)} of {len(told)} ledgers can't be trusted: "
                f"{broken[0]['slug']}: {broken[0]['broken']}. Keep the database as it is, and "
                "compare it with a backup and with the fingerprints on the clients' reports."
            )


def _verify(tenant: Tenant) -> dict[str, Any]:
    with scope.tenant(tenant.id):
        found = ledger.verify()
        broken = found.broken or first_head_not_in_chain()
    return {
        "slug": tenant.slug,
        "ok": not broken,
        "entries": found.sealed,
        "unsealed": found.unsealed,
        "head": found.head,
        "broken": broken,
    }


def _line(one: dict[str, Any]) -> str:
    if not one["ok"]:
        return f"{one['slug']}: BROKEN after {one['entries']} good entries: {one['broken']}"
    return (
        f"{one['slug']}: ok, {one['entries']} entries, {one['unsealed']} not sealed yet, "
        f"head {one['head']}"
    )
