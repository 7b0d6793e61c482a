"""Secrets, encrypted in an envelope; `tenants.vault` opens them."""

from django.db import models

from tenants.models.base import TenantModel


class Secret(TenantModel):
    """A secret of one tenant: a data key wrapped by the installation's key, and the ciphertext."""

    name = models.CharField(max_length=200)
    key_id = models.CharField(max_length=32, help_text="which installation key wrapped it")
    wrapped_key = models.BinaryField()
    ciphertext = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="secret_name_once")]

    def __str__(self) -> str:
        return self.name
