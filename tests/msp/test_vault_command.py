"""Changing the installation's key: the new one opens all secrets, the old one alone none."""

import base64
import json
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command

from msp.appliance.secrets import installation_secrets
from msp.staff import actions
from msp.staff.adapter import SealedMfa
from msp.staff.models import Role
from tenants import scope, vault
from tenants.errors import VaultError

pytestmark = pytest.mark.django_db
SECRET = {"client_secret": "s3cr3t-value"}


@pytest.fixture
def kept(settings, tmp_path, monkeypatch, tenant, other_tenant):
    """An installation that keeps its keys in a file, two clients' secrets, and second factors."""
    for name in ("HOLDFAST_SECRET_KEY", "HOLDFAST_VAULT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    settings.VAR_DIR = tmp_path
    _restart(settings)
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            vault.put("connection", SECRET)
    user = actions.create_technician("mira", role=Role.ADMIN, password="correct horse battery")
    seal = SealedMfa().encrypt
    for kind, data in (
        ("totp", {"secret": seal("TOTP")}),
        ("recovery_codes", {"migrated_codes": [seal("one"), seal("two")], "used_mask": 0}),
        ("webauthn", {"name": "key", "credential": {"id": "x"}}),
    ):
        Authenticator.objects.create(user=user, type=kind, data=data)
    return settings


def _restart(settings) -> None:
    settings.VAULT_KEYS = installation_secrets(settings.VAR_DIR).vault_keys


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("vault", *arguments, stdout=out)
    return out.getvalue()


def _opened(tenants) -> list[dict[str, str]]:
    found = []
    for one in tenants:
        with scope.tenant(one.id):
            found.append(vault.get("connection"))
    return found


def _second_factors() -> list[str]:
    sealed = SealedMfa()
    rows = {row.type: row.data for row in Authenticator.objects.all()}
    assert rows["webauthn"] == {"name": "key", "credential": {"id": "x"}}
    codes = [sealed.decrypt(text) for text in rows["recovery_codes"]["migrated_codes"]]
    return [sealed.decrypt(rows["totp"]["secret"]), *codes]


def test_after_rotation_all_open_with_the_new_key_and_none_with_the_old(
    kept, tenant, other_tenant
) -> None:
    old = dict(kept.VAULT_KEYS)
    told = _run("new-key")
    assert "Key k2 is made" in told
    assert old == kept.VAULT_KEYS
    _restart(kept)
    assert list(kept.VAULT_KEYS) == ["k2", "k1"]
    assert _run("status").splitlines()[1] == "k1: wraps 5"
    assert "4 secrets wrapped anew; all are wrapped with k2 now." in _run("rotate")
    assert "0 secrets" in _run("rotate")
    new = {"k2": kept.VAULT_KEYS["k2"]}
    assert "forgotten" in _run("drop-key", "k1")
    _restart(kept)
    assert new == kept.VAULT_KEYS
    assert _opened([tenant, other_tenant]) == [SECRET, SECRET]
    assert _second_factors() == ["TOTP", "one", "two"]
    kept.VAULT_KEYS = old
    with pytest.raises(VaultError, match="HOLDFAST_VAULT_KEYS"):
        _opened([tenant])
    with pytest.raises(KeyError):
        _second_factors()
    printed = told + _run("status")
    assert not any(part in printed for part in _values(kept))


def _values(kept) -> list[str]:
    text = json.loads((kept.VAR_DIR / "secrets.json").read_text())["vault_keys"]
    return [part.partition(":")[2] for part in text.split(",")]


def test_a_key_in_use_or_the_newest_is_not_dropped(kept) -> None:
    _run("new-key")
    _restart(kept)
    for key_id, says in (("k1", "still wraps 5"), ("k2", "none of the older"), ("k9", "none of")):
        with pytest.raises(CommandError, match=says):
            _run("drop-key", key_id)
    assert (kept.VAR_DIR / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_missing_is_named_and_nothing_is_changed(kept) -> None:
    kept.VAULT_KEYS = {"new": b"n" * 32}
    assert "k1: wraps 5, and is MISSING" in _run("status")
    with pytest.raises(CommandError, match="doesn't have"):
        _run("rotate")


def test_keys_that_are_given_are_changed_where_they_are_given(kept, monkeypatch) -> None:
    monkeypatch.setenv("HOLDFAST_SECRET_KEY", "x")
    monkeypatch.setenv("HOLDFAST_VAULT_KEYS", "a:b")
    for arguments in (("new-key",), ("drop-key", "k1")):
        with pytest.raises(CommandError, match="given by HOLDFAST_VAULT_KEYS"):
            _run(*arguments)


def test_keys_that_are_given_wrap_and_those_that_were_kept_still_open(
    kept, monkeypatch, tenant, other_tenant
) -> None:
    own = base64.b64encode(b"o" * 32).decode()
    monkeypatch.setenv("HOLDFAST_VAULT_KEYS", f"own:{own}")
    _restart(kept)
    assert list(kept.VAULT_KEYS) == ["own", "k1"]
    assert _opened((tenant, other_tenant)) == [SECRET, SECRET]
    _run("rotate")
    kept.VAULT_KEYS = {"own": b"o" * 32}
    assert _opened((tenant, other_tenant)) == [SECRET, SECRET]
    with pytest.raises(CommandError, match="given by HOLDFAST_VAULT_KEYS"):
        _run("new-key")
