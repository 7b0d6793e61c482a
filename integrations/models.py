"""A tenant's connections to vendors, how far each feed has been read, and their health."""

from typing import ClassVar

from django.db import models

from integrations.alerting.rows import (
    CountedMatch,
    GroupLook,
    PackRule,
    RuleDay,
    RuleFailure,
    RuleHit,
    RulePack,
    RuleRetry,
    RulesState,
    RuleStage,
    Stage,
    StageDefault,
)
from integrations.indicator_models import (
    Indicator,
    IndicatorSource,
    NamedThreat,
    Sighting,
    SightingLook,
    SourceQuality,
    ThreatProfile,
    WarningEntry,
    WarningList,
)
from tenants.models import Secret, TenantModel
from tenants.models.base import TenantManager

__all__ = [
    "Connection",
    "CountedMatch",
    "Delivery",
    "FeedDay",
    "FeedState",
    "GroupLook",
    "HealthAlarm",
    "Indicator",
    "IndicatorSource",
    "NamedThreat",
    "PackRule",
    "Problem",
    "RuleDay",
    "RuleFailure",
    "RuleHit",
    "RulePack",
    "RuleRetry",
    "RuleStage",
    "RulesState",
    "Sighting",
    "SightingLook",
    "SourceQuality",
    "Stage",
    "StageDefault",
    "Subscription",
    "ThreatProfile",
    "WarningEntry",
    "WarningList",
]


class Problem(models.TextChoices):
    """What kind of thing goes wrong with a vendor; `integrations.problems` says what to do."""

    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    SETTINGS = "settings"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    ORGANISATION = "organisation"
    ADDRESS = "address"


class ConnectedManager(TenantManager):
    """The connections that there are: those that were removed are left out."""

    def get_queryset(self) -> models.QuerySet:
        """Return the connections of the scope that were not removed."""
        return super().get_queryset().filter(removed_at=None)


class Connection(TenantModel):
    """A tenant's configured link to one vendor.

    One that was removed keeps its row, for what was done through it: `ever` finds it, `objects`
    doesn't.
    """

    class State(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        BROKEN = "broken", "needs attention"

    connector = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    settings = models.JSONField(default=dict)
    secret = models.ForeignKey(Secret, on_delete=models.PROTECT, null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    error = models.TextField(blank=True, help_text="in plain words, with the fix")
    problem = models.CharField(max_length=16, choices=Problem, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="since when no canary came through"
    )
    checked_at = models.DateTimeField(null=True, blank=True, help_text="when a canary last tried")
    seen = models.CharField(max_length=500, blank=True, help_text="what the last canary saw")
    last_healthy_at = models.DateTimeField(
        null=True, blank=True, help_text="when a canary last read through the whole path"
    )
    granted = models.JSONField(
        default=None, null=True, blank=True, help_text="permissions; empty: the vendor doesn't tell"
    )
    excessive = models.JSONField(default=None, null=True, blank=True)
    standing_at = models.DateTimeField(
        null=True, blank=True, help_text="when the vendor last told what is granted"
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="when the credentials run out"
    )
    expiry_by_hand = models.BooleanField(
        default=False, help_text="whether a technician entered when the credentials run out"
    )
    organisation = models.CharField(
        max_length=200, blank=True, help_text="whose it is, in the vendor's own id"
    )
    organisation_since = models.DateTimeField(
        null=True, blank=True, help_text="when it took the place of another organisation"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[TenantManager] = ConnectedManager()
    ever = TenantManager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connector", "name"],
                condition=models.Q(removed_at=None),
                name="connection_name_once",
            )
        ]

    def __str__(self) -> str:
        return self.name


class FeedState(TenantModel):
    """The durable cursor of one feed of one connection, and its health."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="feeds")
    feed = models.CharField(max_length=64)
    cursor = models.JSONField(default=dict)
    reading = models.PositiveBigIntegerField(
        default=0, help_text="how often it was begun to read all that there is"
    )
    reading_is_whole = models.BooleanField(
        default=True, help_text="whether each record of the present reading could be understood"
    )
    records = models.PositiveBigIntegerField(default=0)
    last_success_at = models.DateTimeField(null=True, blank=True)
    caught_up_at = models.DateTimeField(
        null=True, blank=True, help_text="when there was last nothing left to read"
    )
    last_record_at = models.DateTimeField(
        null=True, blank=True, help_text="when the vendor last brought any record"
    )
    last_error_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    problem = models.CharField(max_length=16, choices=Problem, blank=True)

    class Meta:
        ordering = ["feed"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "connection", "feed"], name="feed_once")
        ]

    def __str__(self) -> str:
        return self.feed


class Subscription(TenantModel):
    """That a vendor was asked to say when a feed has something new.

    Of the secret that it shows only the digest is kept; it can't be shown by anybody else.
    """

    feed = models.OneToOneField(FeedState, on_delete=models.CASCADE, related_name="subscription")
    external_id = models.CharField(max_length=256, blank=True, help_text="the vendor's id of it")
    secret_digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    heard_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    problem = models.CharField(max_length=16, choices=Problem, blank=True)

    def __str__(self) -> str:
        return self.external_id


class Delivery(TenantModel):
    """The id of a delivery that was taken, kept for as long as it may come again."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    delivery_id = models.CharField(max_length=256)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connection", "delivery_id"], name="delivery_once"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "connection", "received_at"], name="delivery_by_time")
        ]

    def __str__(self) -> str:
        return self.delivery_id


class FeedDay(TenantModel):
    """How many records a feed brought on one day of the client's own time zone."""

    state = models.ForeignKey(FeedState, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    records = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "state", "day"], name="feed_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.records}"


class HealthAlarm(TenantModel):
    """Something about a connection that a technician has to know of, until it is over."""

    class Kind(models.TextChoices):
        CANARY = "canary", "does not work"
        PERMISSION = "permission", "permission missing"
        LATE = "late", "late"
        SILENT = "silent", "silent"
        EXPIRY = "expiry", "credentials run out"
        NOTICES = "notices", "not told of news"
        RULES = "rules", "rules fail on it"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="alarms")
    feed = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=16, choices=Kind)
    words = models.TextField(help_text="what is wrong, in plain words")
    fix = models.TextField(blank=True, help_text="what to do about it")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="when technicians got a mail")
    tell_error = models.TextField(blank=True, help_text="why they got none")
    accepted_by = models.CharField(
        max_length=200, blank=True, help_text="who knows of it and wants to hear no more"
    )
    accepted_why = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["began_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connection", "feed", "kind"],
                condition=models.Q(ended_at=None),
                name="alarm_once",
            )
        ]

    def __str__(self) -> str:
        return self.words


class SiemAudit(TenantModel):
    """What an audit of a client's SIEM found: its gaps, the worst first, and compared hits."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="audits")
    at = models.DateTimeField()
    days = models.PositiveIntegerField(help_text="how far back it looked")
    sources = models.PositiveIntegerField(default=0, help_text="log sources that arrive")
    rules = models.PositiveIntegerField(default=0)
    rules_enabled = models.PositiveIntegerField(default=0)
    gaps = models.JSONField(default=list)
    comparisons = models.JSONField(default=list)
    error = models.TextField(blank=True, help_text="why there is no answer, with the fix")

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["tenant", "connection", "-at"], name="siem_audit_newest")]

    def __str__(self) -> str:
        return f"{len(self.gaps)} gaps"
