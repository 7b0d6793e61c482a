"""``manage.py setup``: bring the database and static files up to date; start nothing."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Prepare the database and the static files. Can be run again at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate as the owner role, and collect static files."""
        self.stdout.write("Bringing the database up to date …")
        call_command("migrate", database="owner", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write("Holdfast is set up.")
