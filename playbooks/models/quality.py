"""What a client's process asks of a closed case, how each case kept to it, and second opinions."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from tenants.models import Case, TenantModel, Verdict

_PERCENT = [MinValueValidator(0), MaxValueValidator(100)]


class CaseProcess(TenantModel):
    """One version of what a client's process asks of a closed case. The newest is in force."""

    version = models.PositiveIntegerField()
    least_evidence = models.PositiveSmallIntegerField(
        default=80, validators=_PERCENT, help_text="percent of the questions that were answered"
    )
    acknowledge_minutes = models.PositiveIntegerField(default=240)
    decide_minutes = models.PositiveIntegerField(default=480)
    close_minutes = models.PositiveIntegerField(default=4320)
    sample_percent = models.PositiveSmallIntegerField(
        default=10, validators=_PERCENT, help_text="of closed cases a second technician looks at"
    )
    author = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version"], name="case_process_version_once")
        ]

    def __str__(self) -> str:
        return f"version {self.version}"


class CaseQuality(TenantModel):
    """How one closing of a case kept to the client's process, and what a second technician said."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="quality")
    closed_at = models.DateTimeField()
    process_version = models.PositiveIntegerField(help_text="0: as it comes with Holdfast")
    items = models.JSONField(help_text="each check: name, title, whether it holds, what was seen")
    is_passed = models.BooleanField()
    is_sampled = models.BooleanField(help_text="a second technician is to look at it")
    verdict = models.CharField(max_length=24, choices=Verdict, help_text="that it closed with")
    reviewer = models.CharField(max_length=200, blank=True)
    review_verdict = models.CharField(max_length=24, choices=Verdict, blank=True)
    review_note = models.TextField(blank=True)
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-closed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "case", "closed_at"], name="quality_once_a_closing"
            )
        ]
        indexes = [models.Index(fields=["tenant", "is_passed", "-closed_at"], name="quality_list")]

    def __str__(self) -> str:
        return f"quality of {self.case}"


class Baseline(models.Model):
    """Minutes that a playbook takes by hand, as the MSP declared them at a time.

    The newest one of a playbook holds from then on; what Holdfast brings holds before.
    """

    playbook_id = models.CharField(max_length=100)
    minutes = models.PositiveSmallIntegerField()
    reason = models.TextField(help_text="where the number comes from")
    author = models.CharField(max_length=200)
    declared_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-declared_at", "-id"]

    def __str__(self) -> str:
        return f"{self.playbook_id}: {self.minutes} minutes"
