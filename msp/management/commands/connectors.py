"""``manage.py connectors``: what can be connected, what it brings and does, and how good it is."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from integrations import quality
from msp.product_command import ProductCommand


class Command(ProductCommand):
    help = "List the connectors with their feeds, actions and level."
    needs_database = False

    def add_arguments(self, parser: CommandParser) -> None:
        """--json for machines, --markdown for the README."""
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--json", action="store_true", help="print JSON")
        how.add_argument("--markdown", action="store_true", help="print the README's table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the matrix."""
        rows = quality.matrix()
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
        elif options["markdown"]:
            self.stdout.write(table(rows))
        else:
            for row in rows:
                self.stdout.write(f"{row['id']}: {row['title']} ({row['level']})")
                if row["short_of_gold"]:
                    self.stdout.write(f"  {row['short_of_gold']}")
                feeds = ", ".join(_told(f) for f in row["feeds"])
                actions = ", ".join(a["name"] for a in row["actions"])
                self.stdout.write(f"  feeds: {feeds or 'none'}")
                self.stdout.write(f"  actions: {actions or 'none'}")


def _told(feed: Mapping[str, Any], quote: str = "") -> str:
    """A feed's name; one that is never read live says so."""
    name = f"{quote}{feed['name']}{quote}"
    return f"{name} ({feed['comes']})" if feed["comes"] == "from files only" else name


def _judged(row: Mapping[str, Any]) -> str:
    """How many of the feeds that are read and of the actions the vendor's contract tells of."""
    if not row["judged"]:
        return "the real server" if row["real_server"] else "none"
    told = "{} of {}".format(*row["judged"]) if row["judged"][1] else "what an audit asks"
    return told if len(row["judges"]) > 1 else f"{told}, {row['judges'][0]} only"


def table(rows: tuple[Mapping[str, Any], ...]) -> str:
    """Return the README's table of connectors."""
    lines = ["| connector | feeds | actions | contract | level |", "|---|---|---|---|---|"]
    for row in rows:
        feeds = ", ".join(_told(feed, "`") for feed in row["feeds"]) or "none"
        changing = [f"`{a['name']}`" for a in row["actions"] if not a["read_only"]]
        actions = ", ".join(changing) or "none"
        lines.append(f"| {row['title']} | {feeds} | {actions} | {_judged(row)} | {row['level']} |")
    short = [f"{row['title']}: {row['short_of_gold']}" for row in rows if row["short_of_gold"]]
    return "\n".join([*lines, *(["", *short] if short else [])])
