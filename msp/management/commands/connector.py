"""``manage.py connector new NAME``: begin to write a connector."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from integrations import scaffold
from msp.product_command import ProductCommand
from tenants.errors import HoldfastError


class Command(ProductCommand):
    help = "Write the folders of a new connector, for docs/connectors.md."
    needs_database = False

    def add_arguments(self, parser: CommandParser) -> None:
        """The connector's name, and what people call it."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        new = verbs.add_parser("new", help="write a connector that passes the conformance suite")
        new.add_argument("name", help="such as acme_edr")
        new.add_argument("--title", default="", help='the product, such as "Acme EDR"')
        new.add_argument("--vendor", default="", help="who makes it")
        new.add_argument("--into", type=Path, default=Path(settings.BASE_DIR), metavar="FOLDER",
                         help="the source tree (default: this one)")  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it, and say what was written and what comes next."""
        root, name = options["into"], options["name"]
        try:
            written = scaffold.write(root, name, title=options["title"], vendor=options["vendor"])
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None
        for path in written:
            self.stdout.write(str(path.relative_to(root)))
        self.stdout.write(
            f"Now: .venv/bin/python -m pytest tests/integrations/conformance -k {name}, and "
            "docs/connectors.md."
        )
