"""``manage.py health``: how each client's connections do, and what to do about them."""

import json
from contextlib import suppress
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations import checking, health_report
from integrations.health_report import Report
from msp import relaxed
from msp.product_command import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug

_NEEDS_SOMEBODY = 1


class Command(ProductCommand):
    help = "Show each connection's health; exit code 1 when one of them needs somebody."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and whether to ask the vendors first."""
        parser.add_argument("tenant", nargs="?", metavar="SLUG", help="only this client")
        parser.add_argument(
            "--check", action="store_true", help="read through the whole path of each now"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the reports, the worst of each client first."""
        for sentence in relaxed.all_of_it():
            self.stderr.write(self.style.WARNING(f"Warning: {sentence}"))
        try:
            tenants = _asked_for(options["tenant"])
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        reports = [
            report for tenant in tenants for report in self._of(tenant, ask=options["check"])
        ]
        if options["json"]:
            told = [health_report.as_json(report) for report in reports]
            self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))
        else:
            for report in reports:
                self._print(report)
        if not all(report.is_well for report in reports):
            raise SystemExit(_NEEDS_SOMEBODY)

    def _of(self, tenant: Tenant, *, ask: bool) -> list[Report]:
        with scope.reading([tenant.id]):
            reports = health_report.of_scope(tenant.id)
        if not ask:
            return reports
        for report in reports:
            with suppress(HoldfastError):
                # What was met is kept, and told with the rest.
                checking.once(tenant.id, report.connection.id)
        with scope.reading([tenant.id]):
            return health_report.of_scope(tenant.id)

    def _print(self, report: Report) -> None:
        row, judged = report.connection, report.judged
        self.stdout.write(f"{row.tenant.slug}: {row.name} is {judged.status.value}: {judged.words}")
        for line in (judged.fix, row.error):
            if line:
                self.stdout.write(f"    {line}")
        for one in report.missing:
            self.stdout.write(f"    missing {one.permission}: {one.grant}")
        for feed in report.feeds:
            if not feed.is_well:
                self.stdout.write(f"    {feed.state.feed}: {feed.words or feed.error} {feed.fix}")


def _asked_for(slug: str | None) -> list[Tenant]:
    return [tenant_by_slug(slug)] if slug else list(Tenant.objects.filter(is_active=True))
