"""``manage.py engagement …``: the rules of engagement: look, check, set, and try on the past."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from msp.console import rules_form
from msp.management.files import read_text
from msp.product_command import ProductCommand
from playbooks import yaml_reader
from playbooks.engagement import Engagement
from playbooks.errors import PlaybookError
from playbooks.policy import rules
from playbooks.replanning import what_if
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import Tenant

_ACTOR = "command line"


class Command(ProductCommand):
    help = "Show, check, set and try rules of engagement."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        show = commands.add_parser(
            "show", help="the MSP-wide rules, or those in force for a client"
        )
        show.add_argument("slug", nargs="?")
        check = commands.add_parser("check", help="check a file; nothing is changed")
        check.add_argument("file", type=Path)
        change = commands.add_parser("set", help="make a file a client's rules")
        change.add_argument("slug")
        change.add_argument("file", type=Path)
        msp = commands.add_parser("set-msp", help="make a file the MSP-wide rules")
        msp.add_argument("file", type=Path)
        past = commands.add_parser("what-if", help="which past decisions a file would have changed")
        past.add_argument("slug")
        past.add_argument("file", type=Path)
        past.add_argument("--days", type=int, default=what_if.DAYS)
        all_past = commands.add_parser(
            "what-if-msp", help="the same for the MSP-wide rules, for every client"
        )
        all_past.add_argument("file", type=Path)
        all_past.add_argument("--days", type=int, default=what_if.DAYS)
        for one in (show, past, all_past):
            one.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        handlers: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "show": self._show,
            "check": self._check,
            "set": self._set,
            "set-msp": self._set_msp,
            "what-if": self._what_if,
            "what-if-msp": self._what_if_msp,
        }
        try:
            handlers[options["what"]](options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _show(self, options: dict[str, Any]) -> None:
        if options["slug"]:
            with scope.tenant(_tenant(options["slug"]).id):
                told, newest = rules.in_force(), rules.newest_of_tenant()
            own = newest.document if newest else rules_form.NEW
        else:
            told = rules.msp_wide()
            own = told.document
        if options["json"]:
            self.stdout.write(json.dumps({"document": told.document, "sha256": told.sha256}))
            return
        again = f"set {options['slug']}" if options["slug"] else "set-msp"
        self.stdout.write(f"# `engagement {again} FILE` takes this in again.")
        for line in _in_words(told):
            self.stdout.write(f"# {line}")
        self.stdout.write(rules_form.as_yaml(own), ending="")

    def _check(self, options: dict[str, Any]) -> None:
        document = _read(options["file"])
        told = rules.check(document.data, document.name, document.at)
        self.stdout.write(f"{document.name}: {len(told.rules)} rules, nothing wrong.")

    def _set(self, options: dict[str, Any]) -> None:
        document = _read(options["file"])
        with scope.tenant(_tenant(options["slug"]).id):
            rules.check(document.data, document.name, document.at)
            row = rules.save(document.data, actor=_ACTOR)
        self.stdout.write(f"Version {row.version} of {options['slug']}'s rules is in force.")

    def _set_msp(self, options: dict[str, Any]) -> None:
        document = _read(options["file"])
        rules.check_msp_wide(document.data, document.name, document.at)
        with transaction.atomic():
            row = rules.save_msp_wide(document.data, actor=_ACTOR)
        self.stdout.write(f"Version {row.version} of the MSP-wide rules is in force.")

    def _what_if(self, options: dict[str, Any]) -> None:
        document = _read(options["file"])
        with scope.tenant(_tenant(options["slug"]).id):
            told = rules.check(document.data, document.name, document.at)
            found = what_if.replay(told, options["days"])
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json()))
            return
        self._print_past(found)

    def _what_if_msp(self, options: dict[str, Any]) -> None:
        document = _read(options["file"])
        told = rules.check_msp_wide(document.data, document.name, document.at)
        with scope.reading(scope.ALL):
            found = what_if.replay_msp_wide(told, list(Tenant.objects.all()), options["days"])
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json()))
            return
        for tenant, one in found.clients:
            self.stdout.write(f"{tenant.slug}:")
            self._print_past(one)
        for tenant, why in found.unreadable:
            self.stdout.write(f"{tenant.slug}: its own rules can't be laid on these: {why}")
        self.stdout.write(
            f"{len(found.clients)} clients had plans; {found.apart} have rules that stand alone; "
            f"{found.left_out} older plans not looked at."
        )

    def _print_past(self, found: what_if.WhatIf) -> None:
        for change in found.changes:
            self.stdout.write(
                f"case {change.case}, {change.title}: {change.target}: "
                f"{change.before} → {change.after} ({change.rule}: {change.rule_title})"
            )
        for left in found.not_replayed:
            self.stdout.write(f"not replayed: case {left.case}, plan {left.plan[:12]}: {left.why}")
        for (before, after), count in found.counts.items():
            self.stdout.write(f"{count} × {before} → {after}")
        self.stdout.write(
            f"{found.plans} plans with {found.steps} steps of the last {found.days} days: "
            f"{len(found.changes)} would have another tier, {len(found.not_replayed)} notes, "
            f"{found.left_out} older plans not looked at."
        )


def _in_words(told: Engagement) -> Iterator[str]:
    """Yield what is in force, line by line, with all that the rules are laid on."""
    yield f"In force: version {told.version}, sha256 {told.sha256}"
    for rule in told.rules:
        yield f"{rule.id}: {' '.join(rule.title.split())} [{rule.tier}]"
        yield f"    {', '.join(rule.actions)} when {' '.join(rule.when.text.split())}"
    yield f"where no rule matches [{told.default}]"
    for pattern, count in told.budgets.items():
        yield f"at most {count} an hour: {pattern}"
    if told.canary_above:
        yield f"with more than {told.canary_above} targets one goes first"
    for freeze in told.freezes:
        yield f"freeze: {' '.join(freeze.title.split())}"


def _read(path: Path) -> yaml_reader.Document:
    document = yaml_reader.parse_new(read_text(path, yaml_reader.LARGEST_BYTES), str(path))
    if not isinstance(document.data, dict):
        raise PlaybookError([f"{document.at()}: a policy is a mapping, see `engagement show`"])
    return document


def _tenant(slug: str) -> Tenant:
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        known = ", ".join(Tenant.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise HoldfastError(f"There is no client {slug!r}. Clients: {known or 'none yet'}.")
    return tenant
