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
    attempts = models.PositiveIntegerField(
        default=0, help_text="how often it was begun since it last ended well"
    )
    failures = models.PositiveIntegerField(
        default=0, help_text="how many of these ended by an error of its own"
    )
    leased_by = models.CharField(max_length=128, blank=True)
    leased_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="when a message was last sent for it")
    last_error = models.TextField(blank=True)
    lane = models.CharField(
        max_length=64,
        blank=True,
        help_text="whom it waits for, such as a vendor; then it takes turns (tenants.turns)",
    )
    holder = models.UUIDField(null=True, help_text="only one of these at a time: a connection")
    began_at = models.DateTimeField(null=True)
    waited_seconds = models.FloatField(null=True, help_text="from due to begun, the last time")
    took_seconds = models.FloatField(null=True, help_text="from begun to its end, the last time")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "subject"], name="work_once")
        ]
        indexes = [
            models.Index(fields=["due_at"], name="work_due"),
            models.Index(fields=["due_at"], condition=~models.Q(lane=""), name="work_turns"),
            models.Index(
                fields=["leased_until"],
                condition=~models.Q(lane="") & models.Q(leased_until__isnull=False),
                name="work_in_lanes",
            ),
        ]
        verbose_name_plural = "work"

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
