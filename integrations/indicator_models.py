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


class Sighting(TenantModel):
    """That a client's events or cases named an indicator, how often and when."""

    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, related_name="sightings")
    events = models.PositiveIntegerField(default=0)
    cases = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_at"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "indicator"], name="sighting_once")
        ]

    def __str__(self) -> str:
        return f"{self.indicator} {self.events}×"


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
