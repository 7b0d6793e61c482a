"""What is known of attackers, for all clients, and where each client met it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

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
    also = ArrayField(
        models.CharField(max_length=400), default=list, help_text="named by the same event, too"
    )
    told = models.TextField(help_text="as the source tells it")
    title = models.CharField(max_length=300, blank=True)
    confidence = models.PositiveSmallIntegerField(help_text="percent, when it was seen last")
    tlp = models.CharField(max_length=12, blank=True, help_text="how far it may be passed on")
    about = ArrayField(
        models.CharField(max_length=200), default=list, help_text="such as malware: Loader"
    )
    seen_at = models.DateTimeField(default=timezone.now, help_text="its confidence ages from then")
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
        # By its pattern class all of a kind are found by it too, such as cve:.
        indexes = [
            models.Index(
                fields=["entity"], opclasses=["varchar_pattern_ops"], name="indicator_entity"
            )
        ]

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
    days = models.PositiveSmallIntegerField(
        default=0, help_text="good for, where it tells none; 0: as its kind ages"
    )
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


class NamedThreat(models.Model):
    """A campaign, actor, malware or technique of a source, which its indicators point at."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.CharField(max_length=100)
    ref = models.CharField(max_length=100, help_text="its id at the source")
    told = models.CharField(max_length=200, help_text="such as malware: Loader")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "ref"], name="named_threat_once")]

    def __str__(self) -> str:
        return self.told


class WarningList(models.Model):
    """A list of what is never looked for, as MISP's warning lists are; the MSP's own.

    `patterns` are pieces of text or expressions (RE2); what can be looked up stands in entries.
    """

    class Kind(models.TextChoices):
        """As MISP names them: https://github.com/MISP/misp-warninglists."""

        CIDR = "cidr"
        HOSTNAME = "hostname"
        STRING = "string"
        SUBSTRING = "substring"
        REGEX = "regex"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    version = models.CharField(max_length=40, blank=True)
    about = ArrayField(
        models.CharField(max_length=12),
        default=list,
        help_text="kinds that it holds for; empty: all",
    )
    patterns = ArrayField(models.CharField(max_length=500), default=list)
    entries = models.PositiveIntegerField(default=0)
    author = models.CharField(max_length=200)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WarningEntry(models.Model):
    """What a warning list names: an entity and all below it, or ``=`` before it: just that."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    warning_list = models.ForeignKey(WarningList, on_delete=models.CASCADE, related_name="+")
    entity = models.CharField(max_length=401)

    class Meta:
        indexes = [models.Index(fields=["entity"], name="warning_entry_entity")]

    def __str__(self) -> str:
        return self.entity


class SourceQuality(TenantModel):
    """What became of a client's cases of late that named indicators of a source."""

    source = models.CharField(max_length=100)
    attacks = models.PositiveIntegerField(default=0)
    harmless = models.PositiveIntegerField(default=0)
    undecided = models.PositiveIntegerField(default=0)
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "source"], name="source_quality_once")
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.attacks} attacks, {self.harmless} harmless"


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
    own = ArrayField(
        models.CharField(max_length=400), default=list, help_text="its domains and addresses"
    )
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
