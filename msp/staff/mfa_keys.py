"""Which of the installation's keys technicians' second factors are sealed with, and changing it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.db import transaction

from msp.staff.adapter import SealedMfa
from tenants.errors import VaultError

# What of an authenticator allauth has sealed: a text, or a list of texts.
_SEALED = ("secret", "seed", "migrated_codes")


def by_key() -> Counter[str]:
    """Return how many sealed texts there are, by the id of the key that opens them."""
    found: Counter[str] = Counter()

    def count(text: str) -> str:
        found[_key_of(text)] += 1
        return text

    for row in Authenticator.objects.all():
        _changed(row.data, count)
    return found


@transaction.atomic
def rotate() -> int:
    """Seal every second factor with the installation's first key; return how many changed.

    VaultError names whose can't be opened by any key of ours; then nothing is changed.
    """
    first, changed = next(iter(settings.VAULT_KEYS)), 0
    adapter = SealedMfa()

    def reseal(text: str) -> str:
        return text if _key_of(text) == first else adapter.encrypt(adapter.decrypt(text))

    for row in Authenticator.objects.select_for_update(of=("self",)).select_related("user"):
        try:
            data = _changed(row.data, reseal)
        except (KeyError, InvalidTag):
            raise VaultError(
                f"The second factor of {row.user} was sealed by a key that this installation "
                "doesn't have. Restore it in HOLDFAST_VAULT_KEYS."
            ) from None
        if data != row.data:
            row.data = data
            row.save(update_fields=["data"])
            changed += 1
    return changed


def _changed(data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return an authenticator's data with each sealed text changed."""
    found = dict(data)
    for name in _SEALED:
        told = found.get(name)
        if isinstance(told, str):
            found[name] = change(told)
        elif isinstance(told, list):
            found[name] = [change(text) for text in told]
    return found


def _key_of(sealed: str) -> str:
    return sealed.partition(":")[0]
