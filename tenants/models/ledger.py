"""The append-only ledger and the seals that chain it."""

from django.db import models

from tenants.models.base import TenantModel


class LedgerEntry(TenantModel):
    """One thing that was decided or done. Never changed, never deleted."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=64, help_text="case.opened, step.verified …")
    actor = models.CharField(max_length=200, help_text="engine, technician:NAME, client:MAIL …")
    case_id = models.UUIDField(null=True)
    subject = models.CharField(max_length=200)
    body = models.JSONField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["tenant", "case_id"], name="ledger_by_case")]
        verbose_name_plural = "ledger entries"

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class LedgerSeal(TenantModel):
    """The place of one entry in the tenant's hash chain, in the order of commit."""

    sequence = models.PositiveBigIntegerField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="seal")
    entry_hash = models.CharField(max_length=64)
    chain_hash = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta:
        ordering = ["sequence"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "sequence"], name="seal_sequence_once")
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.chain_hash[:12]}"
