"""Settings that have a few values: what is entered must be one of them."""

from collections.abc import Mapping

from integrations.contract import Manifest
from integrations.errors import ConnectionMisconfigured


def check(manifest: Manifest, settings: Mapping[str, str]) -> None:
    """ConnectionMisconfigured names a setting with a value that is none of its choices."""
    for name, words in manifest.choices.items():
        given = settings.get(name, "").strip().lower()
        if given and given not in words:
            told = ", ".join(f"{value} ({text})" for value, text in words.items())
            raise ConnectionMisconfigured(
                f"{name} can't be {settings[name]!r}. Enter one of: {told}; or leave it empty."
            )
