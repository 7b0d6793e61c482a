"""``manage.py known_good …``: what is marked as expected at a client, and what could be."""

import datetime as dt
import uuid
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from msp.product_command import ProductCommand
from playbooks.errors import PlaybookError
from playbooks.models import KnownGood
from playbooks.patterns import known_good, known_good_practice
from tenants import scope
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    help = "Show what is marked as expected at a client; renew it, or let it end."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        told = {
            "list": "a client's patterns, how often each was used and what it may have hidden",
            "propose": "what was closed as harmless again and again: nothing of it is applied",
            "renew": "let a pattern hold until another day",
            "end": "let a pattern hold no more",
        }
        for name, words in told.items():
            one = commands.add_parser(name, help=words)
            one.add_argument("tenant", metavar="SLUG")
            if name in ("renew", "end"):
                one.add_argument("pattern", metavar="PATTERN", help="its id, as `list` shows it")
                one.add_argument("--actor", default="command line", help="who says it")
            if name == "renew":
                one.add_argument("--until", required=True, metavar="DAY", help="such as 2027-01-31")
                one.add_argument("--reason", required=True, help="why it is still expected")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        try:
            tenant = tenant_by_slug(options["tenant"])
            with scope.tenant(tenant.id):
                self._do(options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _do(self, options: dict[str, Any]) -> None:
        if options["what"] == "list":
            self._list()
        elif options["what"] == "propose":
            self._propose()
        else:
            self._change(options)

    def _list(self) -> None:
        rows = known_good.newest()
        for row in rows:
            told = known_good_practice.of_pattern(row)
            last = f", last {told.last_used_at:%Y-%m-%d}" if told.last_used_at else ""
            self.stdout.write(f"{row.pattern} {row.title}, version {row.version}: {_state(row)}")
            self.stdout.write(f"    {'; '.join(row.sources)}")
            self.stdout.write(f"    about {', '.join(row.entities)}")
            self.stdout.write(f"    {row.reason} ({row.owner} answers for it)")
            self.stdout.write(f"    used {told.uses} times{last}")
            for case in told.hidden:
                self.stdout.write(f"    it called an attack benign: {case}")
            for case in told.later:
                self.stdout.write(f"    an attack on the same came later: {case}")
        if not rows:
            self.stdout.write("Nothing is marked as expected.")

    def _propose(self) -> None:
        found = known_good_practice.proposals(known_good.newest())
        for one in found:
            self.stdout.write(
                f"{'; '.join(one.alerts)}: {one.count} cases closed as harmless, the last "
                f"{one.newest}"
            )
        self.stdout.write(
            "Make a pattern of one on its case's page."
            if found
            else "Nothing was closed as harmless often enough to be a pattern."
        )

    def _change(self, options: dict[str, Any]) -> None:
        pattern, actor = _id(options["pattern"]), f"operator:{options['actor']}"
        if options["what"] == "end":
            row = known_good.end(pattern, actor=actor)
        else:
            until = _day(options["until"])
            row = known_good.renew(pattern, until, actor=actor, reason=options["reason"])
        self.stdout.write(f"{row.title}, version {row.version}: {_state(row)}")


def _state(row: KnownGood) -> str:
    now = timezone.now()
    if not row.is_active:
        return "ended"
    if row.expires_at <= now:
        return f"expired on {row.expires_at:%Y-%m-%d}"
    told = f"holds until {row.expires_at:%Y-%m-%d}"
    if row.covers_privileged and not row.approved_by:
        told += ", not for privileged accounts until a second technician approves"
    if known_good.covers_doubts_only(row):
        told += ", covers doubts only: make it anew from a case that shows it"
    return f"{told}, look at it again now" if row.review_at <= now else told


def _id(told: str) -> uuid.UUID:
    try:
        return uuid.UUID(told)
    except ValueError:
        raise PlaybookError(["Give the pattern's id, as `known_good list` shows it."]) from None


def _day(told: str) -> dt.datetime:
    """Return the end of a day, in UTC."""
    try:
        day = dt.date.fromisoformat(told)
    except ValueError:
        raise PlaybookError(["Give the day as 2027-01-31."]) from None
    return dt.datetime.combine(day, dt.time(23, 59, 59), dt.UTC)
