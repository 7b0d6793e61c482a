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

    HOLDFAST_SECRET_KEY and HOLDFAST_VAULT_KEYS (``id:base64,id:base64``) come first where set. The
    vault's keys that are kept in var/ then open what was wrapped before, and wrap nothing.
    """
    django_key = os.environ.get("HOLDFAST_SECRET_KEY")
    given = _parse_keys(os.environ["HOLDFAST_VAULT_KEYS"]) if are_given() else {}
    path = var_dir / "secrets.json"
    if django_key and given and not path.exists():
        return InstallationSecrets(django_key, given)
    kept = _read_or_make(path)
    return InstallationSecrets(
        django_key or kept["django_key"], given | _older(given, _parse_keys(kept["vault_keys"]))
    )


def _older(given: dict[str, bytes], kept: dict[str, bytes]) -> dict[str, bytes]:
    return {key_id: key for key_id, key in kept.items() if key_id not in given}


def are_given() -> bool:
    """Whether the vault's keys come from the environment."""
    return bool(os.environ.get("HOLDFAST_VAULT_KEYS"))


def add_vault_key(var_dir: Path) -> str:
    """Put a new key before those in var/secrets.json, to wrap secrets from the next start on.

    Returns its id.
    """
    path = var_dir / "secrets.json"
    kept = _read_or_make(path)
    known = _parse_keys(kept["vault_keys"])
    number = len(known) + 1
    while f"k{number}" in known:
        number += 1
    new = f"k{number}:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    _replace(path, {**kept, "vault_keys": f"{new},{kept['vault_keys']}"})
    return f"k{number}"


def drop_vault_key(var_dir: Path, key_id: str) -> None:
    """Take a key out of var/secrets.json; KeyError where it is not there, or is the first."""
    path = var_dir / "secrets.json"
    kept = _read_or_make(path)
    first, *older = kept["vault_keys"].split(",")
    left = [part for part in older if part.partition(":")[0].strip() != key_id]
    if left == older:
        raise KeyError(key_id)
    _replace(path, {**kept, "vault_keys": ",".join([first, *left])})


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
        beside = _write_beside(path, made)
        try:
            # Linking fails where another process was first, so that both use the same keys.
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return json.loads(path.read_text())


def _replace(path: Path, content: dict[str, str]) -> None:
    """Put the file in the place of the one that is there, whole or not at all."""
    _write_beside(path, content).replace(path)


def _write_beside(path: Path, content: dict[str, str]) -> Path:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    return beside
