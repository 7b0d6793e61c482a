"""Plans, the approvals they need, and the runs that carry them out."""

from typing import Any

from django.db import models

from tenants.models import Case, Contact, PlaybookMode, TenantModel


class Tier(models.TextChoices):
    """Who has to allow a step, from nobody to never."""

    AUTOMATIC = "automatic"
    TECHNICIAN = "technician"
    SECOND_TECHNICIAN = "second_technician", "second technician"
    CLIENT = "client"
    FORBIDDEN = "forbidden"


def spoken_target(kind: str, name: str) -> str:
    """Return a target as a sentence names it; a mail rule, which may be called “.”, in quotes."""
    return f"“{name}”" if kind == "mailbox_rule" else name


class PlaybookVersion(models.Model):
    """A playbook as it was when it was used: immutable, hashed, the same for all tenants."""

    playbook_id = models.CharField(max_length=100)
    version = models.CharField(max_length=32)
    sha256 = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=16)
    source = models.TextField()
    first_used_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["playbook_id", "-first_used_at"]

    def __str__(self) -> str:
        return f"{self.playbook_id} {self.version}"


class MspRules(models.Model):
    """One version of the MSP-wide rules of engagement, which every tenant's overrides are laid on.

    The newest version is in force; where there is none, the file that comes with Holdfast is.
    """

    version = models.PositiveIntegerField(unique=True)
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    author = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        verbose_name_plural = "MSP-wide rules of engagement"

    def __str__(self) -> str:
        return f"version {self.version}"


class Activation(TenantModel):
    """How far one playbook may go for a tenant, in which version. The newest row is in force."""

    playbook_id = models.CharField(max_length=100)
    version = models.ForeignKey(PlaybookVersion, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=16, choices=PlaybookMode)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["tenant", "playbook_id"], name="activation_of")]

    def __str__(self) -> str:
        return f"{self.playbook_id} {self.mode}"


class RoutineDefaults(TenantModel):
    """What a tenant's routine is given where whoever starts it says nothing else.

    The newest row of a playbook is in force, whole.
    """

    playbook_id = models.CharField(max_length=100)
    inputs = models.JSONField(default=dict)
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["tenant", "playbook_id"], name="routine_defaults_of")]
        verbose_name_plural = "defaults of routines"

    def __str__(self) -> str:
        return f"defaults of {self.playbook_id}"


class RulesOfEngagement(TenantModel):
    """One version of a tenant's policy. The newest version is in force."""

    version = models.PositiveIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    author = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        verbose_name_plural = "rules of engagement"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version"], name="engagement_version_once")
        ]

    def __str__(self) -> str:
        return f"version {self.version}"


class Plan(TenantModel):
    """What a response playbook came to for one case: immutable, approved by its hash."""

    class Status(models.TextChoices):
        PROPOSED = "proposed"
        AWAITING_APPROVAL = "awaiting_approval", "awaiting approval"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        REJECTED = "rejected"
        EXPIRED = "expired"
        SHADOW = "shadow"
        SUPERSEDED = "superseded"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="plans")
    playbook = models.ForeignKey(PlaybookVersion, on_delete=models.PROTECT, related_name="+")
    engagement_version = models.PositiveIntegerField()
    facts = models.JSONField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    tier = models.CharField(max_length=20, choices=Tier)
    status = models.CharField(max_length=20, choices=Status, default=Status.PROPOSED)
    mode = models.CharField(max_length=16, choices=PlaybookMode, default=PlaybookMode.AUTOMATIC)
    replaces = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replaced_by",
        help_text="the plan that this one was made instead of, when the facts had changed",
    )
    origin = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="the first of the plans that it was made instead of, one after the other",
    )
    requested_by = models.CharField(max_length=200, default="engine")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "case", "sha256"], name="plan_once_per_case")
        ]

    def __str__(self) -> str:
        return f"{self.playbook_id} {self.sha256[:12]}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the row; a new one keeps what it was at first, too."""
        if self._state.adding and self.replaces is not None:
            self.origin = self.replaces.root
        super().save(*args, **kwargs)

    @property
    def root(self) -> "Plan":
        """Return the plan that this one was at first, before others took its place."""
        return self.origin or self


class Approval(TenantModel):
    """The demand that somebody at a tier allows a plan, and what came of it."""

    class Decision(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"
        EXPIRED = "expired"
        SUPERSEDED = "superseded"

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="approvals")
    tier = models.CharField(max_length=20, choices=Tier)
    decision = models.CharField(max_length=16, choices=Decision, default=Decision.PENDING)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_sha256 = models.CharField(max_length=64, blank=True)
    comment = models.TextField(blank=True)
    stands_in_for = models.CharField(
        max_length=20,
        choices=Tier,
        blank=True,
        help_text="the tier that did not answer in time, which this approval may answer for",
    )
    reminded_at = models.DateTimeField(null=True, blank=True)
    escalated_at = models.DateTimeField(null=True, blank=True)
    send_error = models.TextField(
        blank=True, help_text="why whoever had to be reminded could not be reached"
    )

    class Meta:
        ordering = ["requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "plan", "tier", "stands_in_for"], name="approval_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tier} {self.decision}"


class ClientLink(TenantModel):
    """One invitation to a contact to decide on a plan: signed, used once, ends by itself.

    The link's token is made from this row when it is sent and is kept nowhere.
    """

    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="links")
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    recipient = models.EmailField()
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    send_error = models.TextField(blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"link for {self.recipient}"


class Agreement(TenantModel):
    """What a technician's practice said about one plan: it agreed, or it overrode it."""

    class Kind(models.TextChoices):
        AGREED = "agreed"
        OVERRIDDEN = "overridden"
        REOPENED = "reopened"

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="agreements")
    playbook_id = models.CharField(max_length=100)
    kind = models.CharField(max_length=16, choices=Kind)
    actor = models.CharField(max_length=200)
    detail = models.JSONField(default=dict, help_text="step by step, what practice showed")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "plan", "kind"], name="agreement_once")
        ]
        indexes = [models.Index(fields=["tenant", "playbook_id"], name="agreement_of")]

    def __str__(self) -> str:
        return f"{self.playbook_id} {self.kind}"


class Run(TenantModel):
    """A plan being carried out."""

    class Status(models.TextChoices):
        RUNNING = "running"
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"
        ROLLED_BACK = "rolled_back", "rolled back"

    plan = models.OneToOneField(Plan, on_delete=models.PROTECT, related_name="run")
    status = models.CharField(max_length=16, choices=Status, default=Status.RUNNING)
    note = models.TextField(blank=True, help_text="why it waits or failed, in plain words")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"run {self.status}"


class Step(TenantModel):
    """One action on one target: intended → called → verified (or failed, or rolled back)."""

    class Status(models.TextChoices):
        PENDING = "pending"
        AWAITING_APPROVAL = "awaiting_approval", "awaiting approval"
        INTENDED = "intended"
        CALLED = "called"
        VERIFIED = "verified"
        FAILED = "failed"
        UNKNOWN = "unknown"
        SKIPPED = "skipped"
        FORBIDDEN = "forbidden"
        ROLLED_BACK = "rolled_back", "rolled back"

    class Hold(models.TextChoices):
        """What keeps a step from going on for now."""

        VENDOR = "vendor"
        GUARDRAIL = "guardrail"

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="steps")
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=200, help_text="the step's id in the plan")
    action = models.CharField(max_length=100)
    target_kind = models.CharField(max_length=32)
    target_id = models.CharField(max_length=64, blank=True)
    target_external_id = models.CharField(max_length=512)
    target_name = models.CharField(max_length=512)
    connection_id = models.UUIDField(null=True)
    tier = models.CharField(max_length=20, choices=Tier)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    snapshot = models.JSONField(default=dict, help_text="the prior state, for the reversal")
    answer = models.JSONField(default=dict, help_text="what the vendor answered")
    read_back = models.JSONField(default=dict, help_text="what the vendor showed when asked again")
    told = models.JSONField(
        default=dict,
        blank=True,
        help_text="what a technician saw at the vendor, where it is not known what became of it",
    )
    error = models.TextField(blank=True)
    calls = models.PositiveSmallIntegerField(default=0)
    intended_at = models.DateTimeField(null=True, blank=True)
    unanswered_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was seen that the last call has no answer"
    )
    held_since = models.DateTimeField(
        null=True, blank=True, help_text="since when something outside of it keeps it from going on"
    )
    held_by = models.CharField(max_length=16, choices=Hold, blank=True)
    held_why = models.TextField(blank=True, help_text="what keeps it, in plain words")
    held_told_at = models.DateTimeField(
        null=True, blank=True, help_text="when a technician was told that it is held"
    )
    called_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    reverses = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversals"
    )

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "key"], name="step_once")]
        indexes = [
            models.Index(fields=["tenant", "action", "intended_at"], name="step_budget"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.status}"

    @property
    def spoken_target(self) -> str:
        """Return its target as a sentence names it."""
        return spoken_target(self.target_kind, self.target_name)

    @property
    def holds(self) -> bool:
        """Whether its effect was seen at the vendor when it was read back last."""
        return self.status == Step.Status.VERIFIED and self.read_back.get("holds") is not False
