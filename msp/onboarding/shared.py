"""The MSP's own credentials at vendors where one serves all clients.

At Microsoft a multi-tenant application to which each client consents, at Google a service account
to which each client delegates. They come from the environment; a client's connection gets a copy
into the client's own vault.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from integrations.contract import Manifest
from msp.onboarding.errors import FieldProblem, OnboardingError

_LARGEST_KEY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Shared:
    """Settings and secrets that every client's connection has in common."""

    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)


def of(manifest: Manifest) -> Shared | None:
    """Return what a connector's connections share; None where the MSP has nothing for it.

    OnboardingError where the installation names a file that can't be read.
    """
    if manifest.vendor == "Microsoft" and settings.ENTRA_APP.get("client_id"):
        return _entra(manifest)
    if manifest.vendor == "Google" and settings.GOOGLE_KEY_FILE:
        return Shared({}, {"service_account_key": _google_key()})
    return None


def needs_consent(manifest: Manifest) -> bool:
    """Whether clients connect by consenting to the MSP's application at Microsoft."""
    return manifest.vendor == "Microsoft" and bool(settings.ENTRA_APP.get("client_id"))


def _entra(manifest: Manifest) -> Shared:
    told: Mapping[str, str] = settings.ENTRA_APP
    known = {name for name in manifest.settings if name not in ("tenant_id", "client_secret")}
    return Shared(
        {name: value for name, value in told.items() if name in known and value},
        {"client_secret": told.get("client_secret", "")},
    )


def _google_key() -> str:
    path = Path(settings.GOOGLE_KEY_FILE)
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_KEY_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        words = f"HOLDFAST_GOOGLE_KEY_FILE can't be read ({type(error).__name__}): correct it."
        raise OnboardingError([FieldProblem("", words)]) from None
