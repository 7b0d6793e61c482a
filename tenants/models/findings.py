"""What came in: raw records, and the events and findings they became (OCSF 1.8.0)."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from tenants.models.base import TenantModel


class Severity(models.IntegerChoices):
    """OCSF `severity_id`."""

    UNKNOWN = 0
    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5
    FATAL = 6
    OTHER = 99


class RawRecord(TenantModel):
    """A vendor's record as it came (JSON with its keys sorted). Never changed."""

    class Outcome(models.TextChoices):
        EVENT = "event"
        FINDING = "finding"
        DIRECTORY = "directory"
        QUARANTINED = "quarantined"

    connector = models.CharField(max_length=64)
    feed = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    body = models.BinaryField()
    context = models.JSONField(default=dict, help_text="what came beside it, such as its URL")
    content_hash = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, choices=Outcome)
    reason_code = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "content_hash"],
                condition=models.Q(outcome="quarantined"),
                name="quarantined_by_content",
            ),
            models.Index(fields=["tenant", "outcome", "received_at"], name="raw_by_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.connector} {self.feed} {self.outcome}"


class TakenAgain(TenantModel):
    """That a quarantined record was taken in after all, by whom, and when. Never changed."""

    raw = models.OneToOneField(RawRecord, on_delete=models.PROTECT, related_name="taken_again")
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.raw_id} taken in again"


class Event(TenantModel):
    """A normalised telemetry record: a sign-in, a change, a message."""

    raw = models.ForeignKey(RawRecord, on_delete=models.PROTECT, related_name="+")
    connector = models.CharField(max_length=64)
    uid = models.CharField(max_length=512)
    class_uid = models.PositiveIntegerField()
    activity = models.CharField(max_length=128, blank=True)
    time = models.DateTimeField()
    severity_id = models.PositiveSmallIntegerField(choices=Severity, default=Severity.INFORMATIONAL)
    is_success = models.BooleanField(null=True)
    actor = models.CharField(max_length=320, blank=True, help_text="who did it")
    target = models.CharField(max_length=512, blank=True, help_text="to whom or what")
    source_ip = models.CharField(max_length=64, blank=True)
    country = models.CharField(max_length=2, blank=True)
    entities = ArrayField(models.CharField(max_length=400), default=list)
    ocsf = models.JSONField()

    class Meta:
        ordering = ["-time"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connector", "class_uid", "uid"], name="event_once"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "actor", "-time"], name="event_by_actor"),
            GinIndex(fields=["entities"], name="event_entities"),
        ]

    def __str__(self) -> str:
        return f"{self.activity} {self.actor}"


class Finding(TenantModel):
    """A vendor's alert or a detection's match. A repeated one updates its row."""

    raw = models.ForeignKey(RawRecord, on_delete=models.PROTECT, related_name="+")
    case = models.ForeignKey(
        "tenants.Case", on_delete=models.PROTECT, null=True, blank=True, related_name="findings"
    )
    connector = models.CharField(max_length=64)
    uid = models.CharField(max_length=512)
    class_uid = models.PositiveIntegerField()
    title = models.CharField(max_length=512)
    description = models.TextField(blank=True)
    category = models.CharField(max_length=128, blank=True)
    time = models.DateTimeField(help_text="when it was created, as the vendor says")
    first_activity_at = models.DateTimeField(null=True)
    last_activity_at = models.DateTimeField(null=True)
    severity_id = models.PositiveSmallIntegerField(choices=Severity)
    confidence = models.PositiveSmallIntegerField(null=True, help_text="percent; empty: not said")
    vendor_status = models.CharField(max_length=64, blank=True)
    vendor_verdict = models.CharField(max_length=64, blank=True)
    techniques = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    actor = models.CharField(max_length=320, blank=True)
    target = models.CharField(max_length=512, blank=True)
    entities = ArrayField(models.CharField(max_length=400), default=list)
    link = models.CharField(max_length=2000, blank=True)
    is_company_wide = models.BooleanField(
        default=False, help_text="whether it tells of a change that holds for the whole company"
    )
    ocsf = models.JSONField()
    content_hash = models.CharField(max_length=64)
    hash_by_feed = models.JSONField(
        default=dict, blank=True, help_text="the last that each feed told: several may tell of it"
    )
    times_seen = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    needs_triage = models.BooleanField(
        default=True, help_text="whether it is new, or changed, since triage saw it"
    )

    class Meta:
        ordering = ["-time"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "connector", "uid"], name="finding_once")
        ]
        indexes = [
            models.Index(
                fields=["tenant", "time", "id"],
                condition=models.Q(needs_triage=True),
                name="finding_for_triage",
            ),
            GinIndex(fields=["entities"], name="finding_entities"),
        ]

    def __str__(self) -> str:
        return self.title
