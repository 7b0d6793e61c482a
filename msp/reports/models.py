"""Reports that were made for a client."""

from django.db import models

from tenants.models import TenantModel


class Report(TenantModel):
    """One PDF as it was made; the bytes are kept, so that the client's copy can be compared."""

    kind = models.CharField(max_length=32)
    period = models.CharField(max_length=16, help_text="2026-11")
    made_at = models.DateTimeField()
    sha256 = models.CharField(max_length=64)
    pdf = models.BinaryField()
    ledger_head = models.CharField(max_length=64, blank=True, help_text="chain hash that it cites")

    class Meta:
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return f"{self.kind} {self.period}"
