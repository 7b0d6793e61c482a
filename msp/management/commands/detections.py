"""``manage.py detections …``: which rules run, how far each may go, packs, and coverage."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from integrations.alerting import coverage, importing, rulebook, stages, trying
from integrations.alerting.importing import Missing
from integrations.alerting.rows import Stage
from integrations.detection import placeholders
from integrations.errors import DetectionError
from msp.console import detection_pages
from msp.console.detection_pages import Row
from msp.product_command import ProductCommand
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    help = "Detections: the rules that run on telemetry, their stages, packs and coverage."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        listed = commands.add_parser("list", help="every rule, its hits and what to do about it")
        covered = commands.add_parser("coverage", help="which ATT&CK techniques are covered")
        for one in (listed, covered):
            one.add_argument("--tenant", default="", metavar="SLUG", help="one client only")
            one.add_argument("--json", action="store_true")
        shown = commands.add_parser("show", help="one rule, as Sigma")
        shown.add_argument("rule", metavar="ID")
        tried = commands.add_parser("try", help="run a rule on a client's stored events")
        tried.add_argument("rule", metavar="ID")
        tried.add_argument("--tenant", required=True, metavar="SLUG")
        tried.add_argument("--days", type=int, default=30)
        stage = commands.add_parser("stage", help="say how far a rule may go")
        stage.add_argument("rule", metavar="ID")
        stage.add_argument("stage", choices=[*Stage.values, "default"])
        stage.add_argument("--tenant", default="", metavar="SLUG", help="one client, not all")
        stage.add_argument("--reason", required=True, help="for the ledger")
        stage.add_argument("--actor", default="command line", help="who says it")
        taken = commands.add_parser("import", help="bring a file, folder or archive of Sigma rules")
        taken.add_argument("path", type=Path)
        taken.add_argument("--name", default="", help="what the pack is called; else its file name")
        taken.add_argument("--licence", default="", help="under which its rules are given")
        taken.add_argument(
            "--missing", type=Missing, choices=[Missing.WITHDRAW, Missing.KEEP],
            default=Missing.UNLESS_MANY,
            help="what becomes of rules that the pack had and has no more (else: withdrawn, but"
            " not most of a pack)",
        )  # fmt: skip
        taken.add_argument(
            "--placeholders", type=Path, metavar="FILE",
            help="YAML with your values for the rules' placeholders (admins: [ann, bob]); without"
            " it a pack keeps those that it has",
        )  # fmt: skip
        taken.add_argument("--json", action="store_true")
        taken.add_argument("--actor", default="command line")
        removed = commands.add_parser("remove", help="take a pack out of use")
        removed.add_argument("name")
        removed.add_argument("--actor", default="command line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        doing: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "coverage": self._coverage,
            "show": self._show,
            "try": self._try,
            "stage": self._stage,
            "import": self._import,
            "remove": self._remove,
        }
        try:
            doing[options["what"]](options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _list(self, options: dict[str, Any]) -> None:
        with scope.reading(scope.ALL):
            tenants = _tenants(options)
            rows = detection_pages.rows(tenants)
            failure = detection_pages.engine_failure(tenants)
            not_run = detection_pages.not_run()
        if options["json"]:
            told = [_row(row) for row in rows]
            broken = [{"file": one.file, "reason": one.reason} for one in not_run]
            self.stdout.write(json.dumps({"rules": told, "not_run": broken}))
            return
        self.stdout.write("level         stage, clients     7 days 30 days  rule")
        for row in rows:
            where = ", ".join(f"{word.label.lower()} {count}" for word, count in row.stages)
            self.stdout.write(
                f"{row.entry.level:13} {where:18} {row.measured.week:>6} {row.measured.month:>7}"
                f"  {row.entry.title}  ({row.entry.id})"
            )
            for word, one in row.told:
                if one.kind in detection_pages.URGENT:
                    self.stdout.write(f"{'':15}{word.label}: {one.words} {one.fix}")
        if failure is not None:
            self.stdout.write(f"Rules could not be run on some events. {failure.words}")
        for gone in importing.withdrawn():
            self.stdout.write(f"withdrawn: {gone.pack.name}/{gone.file}: {gone.withdrawn}")
        for missing in not_run:
            self.stdout.write(f"not run: {missing.file}: {missing.kind}: {missing.reason}")

    def _coverage(self, options: dict[str, Any]) -> None:
        with scope.reading(scope.ALL):
            tenants = _tenants(options)
            found = coverage.of_tenants([tenant.id for tenant in tenants])
        if options["json"]:
            self.stdout.write(json.dumps(coverage.as_json(found, len(tenants))))
            return
        for one in found:
            missing = f"  missing: {', '.join(one.missing)}" if one.missing else ""
            self.stdout.write(
                f"{one.id:10} covered {one.covered}, shadow {one.watched}, blind {one.blind} of"
                f" {len(tenants)} clients; {len(one.rules)} rules, {one.proofs} proofs{missing}"
            )

    def _show(self, options: dict[str, Any]) -> None:
        entry = rulebook.current().entries.get(options["rule"])
        if entry is None:
            raise DetectionError(f"There is no rule {options['rule']!r}: see detections list.")
        begins = stages.of(entry, stages.defaults(), {})
        self.stdout.write(f"{entry.title}\npack {entry.pack}, file {entry.file}")
        self.stdout.write(f"for all clients: {begins.value}\n\n{entry.text}")

    def _try(self, options: dict[str, Any]) -> None:
        with scope.tenant(tenant_by_slug(options["tenant"]).id):
            tried = trying.on_stored(options["rule"], options["days"])
            for event, match in tried.shown:
                why = "; ".join(f"{one.field or 'record'} {one.condition}" for one in match.why)
                self.stdout.write(f"{event.time:%Y-%m-%d %H:%M}  {event.actor}  {why[:200]}")
        self.stdout.write(
            f"{tried.hits} of {tried.events} stored events since {tried.since:%Y-%m-%d} match."
            " Nothing was kept of this."
        )

    def _stage(self, options: dict[str, Any]) -> None:
        stage = "" if options["stage"] == "default" else options["stage"]
        actor = f"operator:{options['actor']}"
        if options["tenant"]:
            with scope.tenant(tenant_by_slug(options["tenant"]).id):
                stages.set_for_tenant(options["rule"], stage, actor=actor, why=options["reason"])
        else:
            with transaction.atomic():
                stages.set_for_all(options["rule"], stage, actor=actor, why=options["reason"])
        self.stdout.write(f"Kept for {options['tenant'] or 'all clients'}: {options['stage']}.")

    def _import(self, options: dict[str, Any]) -> None:
        told = importing.take(
            options["path"],
            name=options["name"] or options["path"].name,
            actor=f"operator:{options['actor']}",
            licence=options["licence"],
            missing=options["missing"],
            values=placeholders.of(options["placeholders"]) if options["placeholders"] else None,
        )
        if options["json"]:
            self.stdout.write(json.dumps(told.as_json()))
            return
        self.stdout.write(
            f"{told.pack}: {len(told.new)} new, {len(told.replaced)} replaced,"
            f" {len(told.unchanged)} unchanged, {len(told.withdrawn)} withdrawn,"
            f" {len(told.not_run)} not run. New rules are in shadow: see detections stage."
        )
        for gone in told.withdrawn:
            self.stdout.write(f"withdrawn, runs no more: {gone.file}: {gone.title}: {gone.reason}")
        for title in told.filtered:
            self.stdout.write(f"a filter of it leaves something out of: {title}")
        for blind in told.blind:
            self.stdout.write(f"no connector brings what it reads: {blind}")
        for one in told.not_run:
            self.stdout.write(f"not run: {one.file}: {one.kind}: {one.reason}")

    def _remove(self, options: dict[str, Any]) -> None:
        number = importing.remove(options["name"], actor=f"operator:{options['actor']}")
        self.stdout.write(f"{options['name']}: {number} rules are out of use.")


def _tenants(options: dict[str, Any]) -> list[Tenant]:
    return [tenant_by_slug(options["tenant"])] if options["tenant"] else list(Tenant.objects.all())


def _row(row: Row) -> dict[str, Any]:
    return {
        "id": row.entry.id,
        "title": row.entry.title,
        "level": row.entry.level,
        "pack": row.entry.pack,
        "techniques": list(row.entry.techniques),
        "stages": {word.label.lower(): count for word, count in row.stages},
        "hits_7_days": row.measured.week,
        "hits_30_days": row.measured.month,
        "precision_percent": row.measured.precision,
        "last_fired": row.measured.last_at.isoformat() if row.measured.last_at else None,
        "advice": [{"kind": one.kind, "words": one.words, "fix": one.fix} for _, one in row.told],
    }
