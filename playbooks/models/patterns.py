"""Known-good patterns: what technicians said is expected, and the cases that it decided."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models import Case, Severity, TenantModel


class KnownGood(TenantModel):
    """One version of a pattern. The newest of a `pattern` is in force; none is ever changed."""

    pattern = models.UUIDField(help_text="the same for all versions")
    version = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)
    title = models.CharField(max_length=200)
    alerts = ArrayField(models.CharField(max_length=512), help_text="titles of alerts or rules")
    sources = ArrayField(
        models.TextField(), default=list, help_text="each alert with its connector and rule"
    )
    entities = ArrayField(models.CharField(max_length=400), help_text="all that they may name")
    severity_id = models.PositiveSmallIntegerField(
        choices=Severity, help_text="the highest that an alert may have"
    )
    excuses = ArrayField(
        models.TextField(), default=list,
        help_text="what the verdict table had said of the case, and what it had seen there",
    )  # fmt: skip
    condition = models.TextField(blank=True, help_text="CEL on the case's facts; empty: none")
    covers_privileged = models.BooleanField(
        default=False, help_text="also accounts that are privileged or protected"
    )
    approved_by = models.CharField(
        max_length=200, blank=True, help_text="the second technician, for privileged accounts"
    )
    reason = models.TextField()
    owner = models.CharField(max_length=200)
    from_case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    created_by = models.CharField(max_length=200, help_text="who said so in the first place")
    actor = models.CharField(max_length=200, help_text="who made this version")
    created_at = models.DateTimeField()
    review_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["pattern", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "pattern", "version"], name="known_good_version_once"
            )
        ]

    def __str__(self) -> str:
        return self.title


class KnownGoodUse(TenantModel):
    """That a version decided a case. Never changed."""

    known_good = models.ForeignKey(KnownGood, on_delete=models.PROTECT, related_name="uses")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="known_good_uses")
    instead_of = models.CharField(max_length=24, help_text="what the verdict table had said")
    used_at = models.DateTimeField()

    class Meta:
        ordering = ["-used_at"]

    def __str__(self) -> str:
        return f"{self.known_good} for {self.case}"
