"""The installation's own keys: made once, kept in var/ with mode 0600, or given by environment."""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class InstallationSecrets:
    """`vault_keys` maps key ids to 32-byte keys; the first one wraps new secrets."""

    django_key: str
    vault_keys: dict[str, bytes]


def installation_secrets(var_dir: Path) -> InstallationSecrets:
    """Return the installation's keys, making them on the first start.

    HOLDFAST_SECRET_KEY and HOLDFAST_VAULT_KEYS (``id:base64,id:base64``) come first where set.
    """
    given = os.environ.get("HOLDFAST_SECRET_KEY"), os.environ.get("HOLDFAST_VAULT_KEYS")
    if all(given):
        return InstallationSecrets(str(given[0]), _parse_keys(str(given[1])))
    kept = _read_or_make(var_dir / "secrets.json")
    return InstallationSecrets(given[0] or kept["django_key"], _parse_keys(kept["vault_keys"]))


def _parse_keys(text: str) -> dict[str, bytes]:
    keys = {}
    for part in text.split(","):
        key_id, _, encoded = part.partition(":")
        keys[key_id.strip()] = base64.b64decode(encoded)
    if any(len(key) != 32 for key in keys.values()):
        raise ValueError("HOLDFAST_VAULT_KEYS: each key is 32 bytes in base64, as `id:base64`.")
    return keys


def _read_or_make(path: Path) -> dict[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = {
            "django_key": secrets.token_urlsafe(48),
            "vault_keys": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(made, file)
            file.flush()
            os.fsync(file.fileno())
        try:
            # Linking fails where another process was first, so that both use the same keys.
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return json.loads(path.read_text())
