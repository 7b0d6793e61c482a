"""``manage.py intake FILE``: take a file of a vendor's records into a tenant."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from integrations import files, registry, taking_again
from integrations.alerting.watching import RuleWatch
from integrations.contract import Feed, Manifest
from msp.product_command import ProductCommand
from tenants import intake, scope
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    help = "Take a file of records (JSON, NDJSON, log lines or recorded exchanges) into a client."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and whose and what it is."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--connector", required=True)
        parser.add_argument("--feed", required=True)
        parser.add_argument(
            "--connection", default="", metavar="NAME",
            help="whose settings say how records are read, where there are several",
        )  # fmt: skip
        parser.add_argument(
            "--dry-run", action="store_true", help="do everything, then roll it back"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take the file in; print what became of its records."""
        try:
            connector = registry.connector(options["connector"])
            feed = connector.feed(options["feed"])
            tenant = tenant_by_slug(options["tenant"])
            outcome = self._take(tenant, connector, feed, options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        told = outcome.as_json()
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        for name, count in told.items():
            if name != "reasons":
                self.stdout.write(f"{name:12} {count}")
        self.stdout.write(f"{'detections':12} {outcome.detections}")
        for reason, count in told["reasons"].items():
            self.stdout.write(f"  {count} × {reason}")

    def _take(
        self, tenant: Tenant, connector: Manifest, feed: Feed, options: dict[str, Any]
    ) -> intake.Outcome:
        # A block of its own inside the scope's, so that the scope can still end after a rollback.
        with scope.tenant(tenant.id), transaction.atomic():
            settings = taking_again.settings_of(connector, feed, options["connection"])
            outcome = intake.take(
                connector=connector.id,
                feed=feed.name,
                records=files.read(options["file"], connector.explode, feed.read),
                normalise=feed.normaliser(settings),
                watch=RuleWatch(),
            )
            if options["dry_run"]:
                transaction.set_rollback(True)
        return outcome
