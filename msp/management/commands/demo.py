"""``manage.py demo``: the whole product on this machine, with simulated vendors."""

import sys
from typing import Any

from django.core.management.base import CommandParser

from msp.demo.run import run
from msp.product_command import ProductCommand


class Command(ProductCommand):
    help = "Show the product at work with simulated vendors, until Ctrl-C (or --once)."

    def add_arguments(self, parser: CommandParser) -> None:
        """--once for machines."""
        parser.add_argument(
            "--once", action="store_true", help="do the work, write var/demo/summary.json, end"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the demo; exit with 1 where something in its summary does not hold."""
        code = run(once=options["once"], say=self._say)
        if code:
            sys.exit(code)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
