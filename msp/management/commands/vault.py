"""``manage.py vault …``: the keys that all secrets are wrapped with, and changing them."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models import Count

from integrations.intelligence import sources
from msp.appliance import secrets
from msp.product_command import ProductCommand
from msp.staff import mfa_keys
from tenants import scope, vault
from tenants.errors import HoldfastError, VaultError
from tenants.models import Secret, Tenant

_GIVEN = (
    "The keys are given by HOLDFAST_VAULT_KEYS: change them there, the newest first, each as "
    "`id:base64` of 32 random bytes."
)


class Command(ProductCommand):
    help = "Show and change the keys that all secrets are wrapped with. No key is ever printed."

    def add_arguments(self, parser: CommandParser) -> None:
        """One subcommand for each thing to do."""
        commands = parser.add_subparsers(dest="what", required=True)
        commands.add_parser("status", help="the ids of the keys, and how many secrets each wraps")
        commands.add_parser("new-key", help="make a key that wraps from the next start on")
        commands.add_parser("rotate", help="wrap everything with the newest key")
        dropping = commands.add_parser("drop-key", help="forget a key that wraps nothing any more")
        dropping.add_argument("id", metavar="ID")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; an expected error is one clear message and exit code 2."""
        handlers = {
            "status": self._status, "new-key": self._new_key, "rotate": self._rotate,
            "drop-key": self._drop_key,
        }  # fmt: skip
        try:
            handlers[options["what"]](options)
        except HoldfastError as error:
            raise CommandError(str(error), returncode=2) from None

    def _status(self, options: dict[str, Any]) -> None:
        used = _by_key()
        for number, key_id in enumerate(settings.VAULT_KEYS):
            newest = ", the newest: new secrets are wrapped with it" if number == 0 else ""
            self.stdout.write(f"{key_id}: wraps {used.pop(key_id, 0)}{newest}")
        for key_id, count in sorted(used.items()):
            self.stdout.write(f"{key_id}: wraps {count}, and is MISSING: restore it")

    def _new_key(self, options: dict[str, Any]) -> None:
        if secrets.are_given():
            raise VaultError(_GIVEN)
        key_id = secrets.add_vault_key(settings.VAR_DIR)
        self.stdout.write(
            f"Key {key_id} is made, in {settings.VAR_DIR / 'secrets.json'}: back that file up. "
            "Restart every process of Holdfast, then run `vault rotate`."
        )

    def _rotate(self, options: dict[str, Any]) -> None:
        changed = mfa_keys.rotate() + sources.seal_anew()
        for tenant_id in list(Tenant.objects.values_list("id", flat=True)):
            with scope.tenant(tenant_id):
                changed += vault.rotate()
        newest, *older = settings.VAULT_KEYS
        self.stdout.write(f"{changed} secrets wrapped anew; all are wrapped with {newest} now.")
        if older:
            self.stdout.write(
                f"No secret needs {', '.join(older)} any more: `vault drop-key`, when no backup "
                "from before has to be restored."
            )

    def _drop_key(self, options: dict[str, Any]) -> None:
        key_id = options["id"]
        if secrets.are_given():
            raise VaultError(_GIVEN)
        if count := _by_key()[key_id]:
            raise VaultError(f"Key {key_id} still wraps {count} secrets: run `vault rotate` first.")
        try:
            secrets.drop_vault_key(settings.VAR_DIR, key_id)
        except KeyError:
            raise VaultError(
                f"{key_id} is none of the older keys: `vault status` names them."
            ) from None
        self.stdout.write(f"Key {key_id} is forgotten.")


def _by_key() -> Counter[str]:
    """Return how many secrets each key wraps, by its id."""
    with scope.reading(scope.ALL):
        rows = Secret.in_scope().order_by().values_list("key_id").annotate(Count("id"))
        return Counter(dict(rows)) + mfa_keys.by_key() + Counter(sources.by_key())
