"""``manage.py ledger verify``: recompute every hash chain."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants import ledger, scope
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Verify the ledgers. Exit code 1, and the first broken row, where one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose ledger."""
        verify = parser.add_subparsers(dest="what", required=True).add_parser("verify")
        verify.add_argument("--tenant", metavar="SLUG")
        verify.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify each chain; nothing is sealed or changed."""
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant {options['tenant']!r}.", returncode=2)
        told = [_verify(tenant) for tenant in tenants]
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            for row in told:
                self.stdout.write(
                    f"{row['tenant']}: {row['broken'] or 'ok'}, {row['sealed']} entries, "
                    f"{row['unsealed']} not sealed yet, head {row['head']}"
                )
        if any(row["broken"] for row in told):
            sys.exit(1)


def _verify(tenant: Tenant) -> dict[str, Any]:
    with scope.tenant(tenant.id):
        found = ledger.verify()
    return {
        "tenant": tenant.slug,
        "ok": found.is_ok,
        "sealed": found.sealed,
        "unsealed": found.unsealed,
        "head": found.head,
        "broken": found.broken,
    }
