"""Secrets open only for their tenant and name, and never show in the row."""

import pytest
from django.test import override_settings

from tenants import scope, vault
from tenants.errors import VaultError
from tenants.models import Secret

SECRET = {"client_secret": "s3cr3t-value"}


def test_round_trip_and_nothing_in_the_row(in_tenant) -> None:
    secret = vault.put("connection", SECRET)
    assert vault.get("connection") == SECRET
    row = Secret.objects.get(id=secret.id)
    assert b"s3cr3t" not in bytes(row.ciphertext) + bytes(row.wrapped_key)


def test_a_row_copied_to_another_tenant_does_not_open(tenant, other_tenant) -> None:
    with scope.tenant(tenant.id):
        secret = vault.put("connection", SECRET)
    with scope.tenant(other_tenant.id):
        copy = Secret.objects.create(
            name="connection",
            key_id=secret.key_id,
            wrapped_key=secret.wrapped_key,
            ciphertext=secret.ciphertext,
        )
        with pytest.raises(VaultError, match="can't be decrypted"):
            vault.open_secret(copy)


def test_rotation_keeps_the_secret_and_needs_only_the_new_key(in_tenant, settings) -> None:
    vault.put("connection", SECRET)
    old = dict(settings.VAULT_KEYS)
    with override_settings(VAULT_KEYS={"new": b"n" * 32, **old}):
        assert vault.rotate() == 1
    with override_settings(VAULT_KEYS={"new": b"n" * 32}):
        assert vault.get("connection") == SECRET
    with pytest.raises(VaultError, match="HOLDFAST_VAULT_KEYS"):
        vault.get("connection")


def test_a_missing_secret_says_what_to_do(in_tenant) -> None:
    with pytest.raises(VaultError, match="enter it again"):
        vault.get("nothing")
