"""``manage.py connectors``: what can be connected, and what it brings and does."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.contract import Manifest
from integrations.registry import CONNECTORS


class Command(BaseCommand):
    help = "List the connectors with their feeds and actions."
    needs_database = False

    def add_arguments(self, parser: CommandParser) -> None:
        """--json for machines."""
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the matrix."""
        told = [_describe(manifest) for manifest in CONNECTORS.values()]
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
            return
        for connector in told:
            self.stdout.write(f"{connector['id']}: {connector['title']}")
            self.stdout.write("  feeds: " + ", ".join(f["name"] for f in connector["feeds"]))
            self.stdout.write("  actions: " + ", ".join(a["name"] for a in connector["actions"]))


def _describe(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "vendor": manifest.vendor,
        "title": manifest.title,
        "documentation": manifest.documentation,
        "feeds": [
            {
                "name": feed.name,
                "title": feed.title,
                "permissions": list(feed.permissions),
                "polled": feed.fetch is not None,
            }
            for feed in manifest.feeds
        ],
        "actions": [
            {"name": action.name, "permissions": list(action.permissions), "read_only": read_only}
            for actions, read_only in ((manifest.actions, False), (manifest.gatherers, True))
            for action in actions
        ],
    }
