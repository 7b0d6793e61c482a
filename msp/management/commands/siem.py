"""``manage.py siem``: audit a client's SIEM, and compare its hits of our rules with our own."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from integrations.detection import loading
from integrations.models import Connection, SiemAcceptance, SiemAudit
from integrations.siem import acceptance, auditing, history
from integrations.siem.comparing import Comparison
from msp.product_command import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug

_NOT_ASKED = 1
Accepted = Mapping[tuple[uuid.UUID, str, str], SiemAcceptance]


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
        with scope.reading({row.tenant_id for row in rows}):
            accepted = acceptance.in_force(rows, timezone.now())
        if options["json"]:
            self._json([_told(row, one, accepted) for row, one in zip(rows, made, strict=True)])
        else:
            for row, one in zip(rows, made, strict=True):
                self._print(row, one, accepted)
        if any(one.error for one in made):
            raise SystemExit(_NOT_ASKED)

    def _print(self, row: Connection, made: SiemAudit, accepted: Accepted) -> None:
        if made.error:
            self.stdout.write(f"{row.name}: could not be asked: {made.error}")
            return
        lived_with = [accepted.get(_key(row, gap)) for gap in made.gaps]
        number = sum(one is not None for one in lived_with)
        gaps = f"{len(made.gaps)} gaps" + (f", {number} of them accepted" if number else "")
        self.stdout.write(
            f"{row.name}: {gaps}; {made.rules_enabled} of {made.rules} rules are "
            f"on, {made.sources} log sources arrive (last {made.days} days)."
        )
        for gap, by in zip(made.gaps, lived_with, strict=True):
            self.stdout.write(f"  {gap['kind']:12} {gap['subject']}: {gap['words']}")
            told = f"Accepted until {by.until:%Y-%m-%d}: {by.reason}" if by else gap["fix"]
            self.stdout.write(f"  {'':12} {told}")
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


def _key(row: Connection, gap: Mapping[str, Any]) -> tuple[uuid.UUID, str, str]:
    return row.id, *history.key(gap)


def _marked(row: Connection, gap: Mapping[str, Any], accepted: Accepted) -> dict[str, Any]:
    """Return a gap with who accepted it, why and until when; null where nobody did."""
    by = accepted.get(_key(row, gap))
    told = by and {"by": by.actor, "reason": by.reason, "until": by.until.isoformat()}
    return {**gap, "accepted": told}


def _told(row: Connection, made: SiemAudit, accepted: Accepted) -> dict[str, Any]:
    return {
        "siem": row.name,
        "connector": row.connector,
        "at": made.at.isoformat(timespec="seconds"),
        "days": made.days,
        "error": made.error,
        "rules": made.rules,
        "rules_enabled": made.rules_enabled,
        "sources": made.sources,
        "gaps": [_marked(row, gap, accepted) for gap in made.gaps],
        "comparisons": made.comparisons,
    }
