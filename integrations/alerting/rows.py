"""Packs of rules, how far each rule may go, and what the rules hit."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models import Event, Finding, TenantModel, new_id


class Stage(models.TextChoices):
    """How far a rule may go for a client."""

    OFF = "off"
    TEST = "test"
    SHADOW = "shadow"
    LIVE = "live"


class RulesState(models.Model):
    """The one row that is another after each change of rules, so that processes load them anew."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    generation = models.UUIDField(default=new_id)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_rules_state")]

    def __str__(self) -> str:
        return str(self.generation)


class RulePack(models.Model):
    """Rules that the MSP imported together; the same for every client."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    source = models.CharField(max_length=500, help_text="where it was read from")
    licence = models.CharField(max_length=500, blank=True)
    sha256 = models.CharField(max_length=64, help_text="of all its rules as they stand")
    not_run = models.JSONField(default=list, help_text="file, title, kind, reason of each")
    placeholders = models.JSONField(default=dict, help_text="the values of each, by its name")
    imported_at = models.DateTimeField()
    imported_by = models.CharField(max_length=200)
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(removed_at=None), name="pack_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PackRule(models.Model):
    """One version of an imported rule, as its author wrote it. The text is never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    pack = models.ForeignKey(RulePack, on_delete=models.PROTECT, related_name="rules")
    rule_id = models.CharField(max_length=300)
    title = models.CharField(max_length=300)
    author = models.CharField(max_length=500, blank=True)
    licence = models.CharField(max_length=500, blank=True)
    file = models.CharField(max_length=500)
    text = models.TextField(help_text="the rule's YAML")
    sha256 = models.CharField(max_length=64)
    imported_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True, blank=True, help_text="empty: in force")
    withdrawn = models.CharField(
        max_length=300, blank=True, help_text="why it is out of force with nothing in its place"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule_id"], condition=models.Q(replaced_at=None), name="rule_in_force_once"
            )
        ]

    def __str__(self) -> str:
        return self.title


class StageDefault(models.Model):
    """How far a rule may go for clients with no stage of their own. The newest row is in force."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    rule_id = models.CharField(max_length=300, db_index=True)
    stage = models.CharField(
        max_length=16, choices=Stage, blank=True, help_text="empty: as its pack begins"
    )
    actor = models.CharField(max_length=200)
    why = models.CharField(max_length=500)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.stage}"


class RuleStage(TenantModel):
    """How far a rule may go for one client. The newest row is in force."""

    rule_id = models.CharField(max_length=300)
    stage = models.CharField(
        max_length=16, choices=Stage, blank=True, help_text="empty: as for all clients"
    )
    actor = models.CharField(max_length=200)
    why = models.CharField(max_length=500)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "rule_id"], name="stage_of_rule")]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.stage}"


class RuleHit(TenantModel):
    """That a rule matched an event, once for each event; a correlation: once an episode."""

    rule_id = models.CharField(max_length=300)
    level = models.CharField(max_length=16)
    stage = models.CharField(max_length=16, choices=Stage, help_text="when it matched")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=600, help_text="the event as its vendor names it")
    event_time = models.DateTimeField()
    at = models.DateTimeField(help_text="when it was found")
    why = models.JSONField(help_text="field, value and condition of each part that holds")
    finding = models.ForeignKey(
        Finding, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "rule_id", "key"], name="hit_once")
        ]
        indexes = [
            models.Index(fields=["tenant", "rule_id", "-at"], name="hit_by_rule"),
            models.Index(fields=["tenant", "at"], name="hit_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.key}"


class RuleDay(TenantModel):
    """How often a rule hit on one day (UTC, when it was found), and what came of that.

    `hour` is the hour of its newest hit, `hour_findings` how many findings it made in that hour.
    """

    rule_id = models.CharField(max_length=300)
    day = models.DateField()
    hits = models.PositiveBigIntegerField(default=0)
    findings = models.PositiveBigIntegerField(default=0)
    folded = models.PositiveBigIntegerField(default=0, help_text="hits told of together")
    last_at = models.DateTimeField()
    hour = models.DateTimeField()
    hour_findings = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "rule_id", "day"], name="rule_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.day}: {self.hits}"


class CountedMatch(TenantModel):
    """That a rule which a correlation counts matched an event: once for each event."""

    correlation_id = models.CharField(max_length=300)
    group = models.CharField(max_length=64, help_text="SHA-256 of what the group shares")
    shared = models.JSONField(default=list, help_text="field and value of what the group shares")
    rule_id = models.CharField(max_length=300)
    key = models.CharField(max_length=600, help_text="the event as its vendor names it")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    event_time = models.DateTimeField()
    values = ArrayField(models.CharField(max_length=512), default=list)
    at = models.DateTimeField(help_text="when it came")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "correlation_id", "rule_id", "key"], name="counted_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "correlation_id", "group", "event_time"], name="counted_window"
            ),
            models.Index(fields=["tenant", "at"], name="counted_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.key}"


class GroupLook(TenantModel):
    """When a large group of a correlation's sightings is worked out next, and what waits for it.

    `since` and `until` are the times of the sightings that wait; empty where none does.
    """

    correlation_id = models.CharField(max_length=300)
    group = models.CharField(max_length=64, help_text="SHA-256 of what the group shares")
    next_at = models.DateTimeField()
    since = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "correlation_id", "group"], name="group_look_once"
            )
        ]
        indexes = [models.Index(fields=["tenant", "next_at"], name="group_look_due")]

    def __str__(self) -> str:
        return f"{self.correlation_id}: {self.group}"


class RuleFailure(TenantModel):
    """That a rule fails on events of a connector: how often, since when, and by which error."""

    rule_id = models.CharField(max_length=300, blank=True, help_text="empty: all rules together")
    connector = models.CharField(max_length=64)
    times = models.PositiveBigIntegerField(default=0)
    given_up = models.PositiveBigIntegerField(default=0, help_text="events tried no more")
    error = models.CharField(max_length=300)
    since = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "rule_id", "connector"], name="rule_failure_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.times}"


class RuleRetry(TenantModel):
    """An event on which a rule failed, to be tried again; deleted once that is done."""

    rule_id = models.CharField(max_length=300, blank=True, help_text="empty: all rules together")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    uid = models.CharField(max_length=512, help_text="the event as its vendor names it")
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    error = models.CharField(max_length=300)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "rule_id", "event"], name="rule_retry_once")
        ]
        indexes = [models.Index(fields=["tenant", "due_at"], name="rule_retry_due")]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.uid}"
