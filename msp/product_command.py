"""What our own commands have in common."""

from django.core.management.base import BaseCommand


class ProductCommand(BaseCommand):
    """A command that begins at once.

    Django's checks load every page, for half a second, and tell nothing new at each start: `setup`
    and `migrate` run them, and so does `make test`.
    """

    requires_system_checks: tuple[str, ...] = ()
