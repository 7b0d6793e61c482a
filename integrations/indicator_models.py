"""What is known of attackers, for all clients, and where each client met it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models import TenantModel
from tenants.models.base import new_id


class Indicator(models.Model):
    """One thing that points at an attacker. The MSP's own; no client's data.

    What can't be looked for has no `entity`, and says why in `not_matched`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.CharField(max_length=100)
    external_id = models.CharField(max_length=300)
    entity = models.CharField(max_length=400, blank=True, help_text="such as ip:203.0.113.9")
    told = models.TextField(help_text="as the source tells it")
    title = models.CharField(max_length=300, blank=True)
    confidence = models.PositiveSmallIntegerField(help_text="percent")
    valid_from = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="empty: never")
    is_revoked = models.BooleanField(default=False)
    not_matched = models.CharField(max_length=300, blank=True, help_text="why it is not looked for")
    added_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-added_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id", "entity"], name="indicator_once_a_source"
            )
        ]
        indexes = [models.Index(fields=["entity"], name="indicator_entity")]

    def __str__(self) -> str:
        return self.entity or self.told[:80]


class IndicatorSource(models.Model):
    """Where indicators come from: taken in by hand, or read on its schedule where `kind` is set.

    A row of due work of its own: it belongs to no client. `sealed_secret` is encrypted.
    """

    class Kind(models.TextChoices):
        """What is read on a schedule."""

        TAXII = "taxii", "TAXII 2.1 collection"
        URL = "url", "STIX, MISP, KEV or a list at an address"
        MISP = "misp", "MISP feed (with manifest.json)"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    read_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=1000, blank=True, help_text="API root and collection")
    reached = models.CharField(max_length=64, blank=True, help_text="added_after of the next time")
    kind = models.CharField(max_length=8, choices=Kind.choices, blank=True)
    username = models.CharField(max_length=200, blank=True)
    sealed_secret = models.TextField(blank=True)
    every_hours = models.PositiveSmallIntegerField(default=24)
    confidence = models.PositiveSmallIntegerField(default=50, help_text="where it tells none")
    days = models.PositiveSmallIntegerField(default=90, help_text="good for, where it tells none")
    is_paused = models.BooleanField(default=False)
    due_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="when a worker was last told of it")
    leased_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="one after another")
    error = models.TextField(blank=True)
    outcome = models.JSONField(default=dict, help_text="what the last reading came to")

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="indicator_source_due")]

    def __str__(self) -> str:
        return self.name


class Sighting(TenantModel):
    """That a client's events or cases named an indicator, how often and when.

    `is_draft`: of a count that is not through yet; it takes the place of the others at its end.
    """

    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, related_name="sightings")
    events = models.PositiveIntegerField(default=0)
    cases = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    is_draft = models.BooleanField(default=False)

    class Meta:
        ordering = ["-last_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "indicator", "is_draft"], name="sighting_counted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.indicator} {self.events}×"


class SightingLook(TenantModel):
    """How far a client's events were looked through for what is known of attackers.

    `reached_at`: what was received until then is counted. `whole_at`: when the last count of the
    whole window began; empty asks for one. `is_whole`: such a count is under way.
    """

    reached_at = models.DateTimeField()
    whole_at = models.DateTimeField(null=True)
    is_whole = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="sighting_look_once")]

    def __str__(self) -> str:
        return f"looked through until {self.reached_at}"


class ThreatProfile(TenantModel):
    """One version of who may attack a client, and by what it can be reached. The newest counts."""

    version = models.PositiveIntegerField()
    sector = models.CharField(max_length=40)
    country = models.CharField(max_length=2, blank=True)
    tools = ArrayField(models.CharField(max_length=40), default=list)
    author = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "version"], name="threat_profile_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.sector}, version {self.version}"
