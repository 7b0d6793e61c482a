"""`manage.py report outcome`: the monthly report of one client as PDF."""

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from msp.product_command import ProductCommand
from msp.reports.actions import make_outcome_report
from tenants.errors import HoldfastError
from tenants.selectors import tenant_by_slug


class Command(ProductCommand):
    """Reports from the command line."""

    help = "Make a client's report."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which report, whose, and where it goes."""
        kinds = parser.add_subparsers(dest="kind", required=True)
        outcome = kinds.add_parser("outcome", help="what happened in a month, and what was done")
        outcome.add_argument("--tenant", required=True, metavar="SLUG")
        outcome.add_argument("--month", required=True, help="such as 2026-11")
        outcome.add_argument(
            "-o", "--output", type=Path, metavar="FILE.pdf", help="default: SLUG-MONTH.pdf here"
        )
        outcome.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the report, keep it, and write it to the file."""
        slug, month = options["tenant"], options["month"]
        path: Path = options["output"] or Path(f"{slug}-{month}.pdf")
        try:
            tenant = tenant_by_slug(slug)
            _must_be_writable(path)
            report = make_outcome_report(tenant.id, month, actor="command line")
            _write(path, bytes(report.pdf))
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        except OSError as error:
            raise CommandError(
                f"{path} can't be written: {error.strerror}. Give another file with -o.",
                returncode=2,
            ) from None
        told = {"path": str(path), "sha256": report.sha256, "report": str(report.id)}
        self.stdout.write(
            json.dumps(told) if options["json"] else f"{path}  (SHA-256 {report.sha256})"
        )


def _must_be_writable(path: Path) -> None:
    """Raise OSError before the work is done, not after it."""
    if path.is_dir():
        raise IsADirectoryError(21, "it is a directory")
    if not path.parent.is_dir():
        raise FileNotFoundError(2, f"there is no directory {path.parent}")


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
