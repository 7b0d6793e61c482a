"""``manage.py siem``: audit a client's SIEM, and compare its hits of our rules with our own."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.detection import loading
from integrations.models import Connection, SiemAudit
from integrations.siem import auditing
from integrations.siem.comparing import Comparison
from msp.product_command import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug

_NOT_ASKED = 1


class Command(ProductCommand):
    help = "Audit a client's SIEM (read-only), or compare hits of our rules there and here."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, at whom."""
        commands = parser.add_subparsers(dest="do", required=True)
        audit = commands.add_parser("audit", help="what arrives, and which rules watch")
        audit.add_argument("tenant", metavar="TENANT")
        audit.add_argument("--days", type=int, default=auditing.DAYS)
        compare = commands.add_parser("compare", help="hits of our rules there and here")
        compare.add_argument("tenant", metavar="TENANT")
        compare.add_argument("--days", type=int, default=auditing.COMPARED_DAYS)
        compare.add_argument("--rule", default="", metavar="ID", help="only this rule")
        compare.add_argument(
            "--rules", type=Path, default=loading.OUR_RULES, metavar="DIR",
            help="a folder or file of Sigma rules, instead of Holdfast's own",
        )  # fmt: skip
        for one in (audit, compare):
            one.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask each SIEM of the client and print what came of it."""
        try:
            if not 1 <= options["days"] <= 90:
                raise CommandError("--days must be from 1 to 90.", returncode=2)
            rows = self._siems(options["tenant"])
            if options["do"] == "audit":
                self._audit(rows, options)
            else:
                self._compare(rows, options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _siems(self, slug: str) -> list[Connection]:
        tenant = tenant_by_slug(slug)
        with scope.reading([tenant.id]):
            rows = auditing.siems()
        if not rows:
            raise CommandError(
                f"{slug} has no SIEM connected: connect Microsoft Sentinel, Wazuh or another one "
                "first.",
                returncode=2,
            )
        return rows

    def _audit(self, rows: list[Connection], options: dict[str, Any]) -> None:
        made = [auditing.run(row, options["days"]) for row in rows]
        if options["json"]:
            self._json([_told(row, one) for row, one in zip(rows, made, strict=True)])
        else:
            for row, one in zip(rows, made, strict=True):
                self._print(row, one)
        if any(one.error for one in made):
            raise SystemExit(_NOT_ASKED)

    def _print(self, row: Connection, made: SiemAudit) -> None:
        if made.error:
            self.stdout.write(f"{row.name}: could not be asked: {made.error}")
            return
        self.stdout.write(
            f"{row.name}: {len(made.gaps)} gaps; {made.rules_enabled} of {made.rules} rules are "
            f"on, {made.sources} log sources arrive (last {made.days} days)."
        )
        for gap in made.gaps:
            self.stdout.write(f"  {gap['kind']:12} {gap['subject']}: {gap['words']}")
            self.stdout.write(f"  {'':12} {gap['fix']}")
        for one in made.comparisons:
            if not one["same"] and one["there"] is not None:
                self.stdout.write(
                    f"  {'differs':12} {one['title']}: {one['there']} there, {one['here']} here"
                )

    def _compare(self, rows: list[Connection], options: dict[str, Any]) -> None:
        told = []
        for row in rows:
            found = auditing.compare(row, options["days"], options["rules"], options["rule"])
            if not found:
                raise CommandError(f"There is no rule {options['rule']!r}.", returncode=2)
            told += [{"siem": row.name, **one.as_json()} for one in found]
            if not options["json"]:
                self._print_compared(row, found)
        if options["json"]:
            self._json(told)

    def _print_compared(self, row: Connection, found: list[Comparison]) -> None:
        for one in found:
            there = "-" if one.there is None else one.there
            word = "not run" if one.there is None else "same" if one.is_same else "differs"
            self.stdout.write(
                f"{row.name}: {word:8} {there:>6} there {one.here:>6} here  {one.title}"
            )
            for name, ids in (("only there", one.only_there), ("only here", one.only_here)):
                if ids:
                    self.stdout.write(f"    {name}: {', '.join(ids)}")
            if one.reason:
                self.stdout.write(f"    {one.reason}")

    def _json(self, told: Any) -> None:
        self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))


def _told(row: Connection, made: SiemAudit) -> dict[str, Any]:
    return {
        "siem": row.name,
        "connector": row.connector,
        "at": made.at.isoformat(timespec="seconds"),
        "days": made.days,
        "error": made.error,
        "rules": made.rules,
        "rules_enabled": made.rules_enabled,
        "sources": made.sources,
        "gaps": made.gaps,
        "comparisons": made.comparisons,
    }
