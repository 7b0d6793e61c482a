"""Due work: the truth behind every queue message."""

from django.db import models

from tenants.models.base import new_id


class Work(models.Model):
    """One thing to do, not before `due_at`, by whoever claims it.

    A message only says "look at this row"; the reconciler re-sends what a lost message forgot.
    It holds ids and no client data, so that any worker can find it before it enters a tenant.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=32)
    subject = models.UUIDField()
    due_at = models.DateTimeField()
    generation = models.PositiveIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)
    leased_by = models.CharField(max_length=128, blank=True)
    leased_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="when a message was last sent for it")
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "subject"], name="work_once")
        ]
        indexes = [models.Index(fields=["due_at"], name="work_due")]
        verbose_name_plural = "work"

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
