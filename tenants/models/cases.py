"""Cases and the evidence they stand on."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from tenants.models.base import TenantModel
from tenants.models.directory import Account
from tenants.models.findings import Severity


class Verdict(models.TextChoices):
    """The OCSF `verdict_id` words that Holdfast's investigations use."""

    TRUE_POSITIVE = "true_positive", "true positive"
    SUSPICIOUS = "suspicious"
    BENIGN = "benign"
    FALSE_POSITIVE = "false_positive", "false positive"
    INSUFFICIENT_DATA = "insufficient_data", "insufficient data"


# Nothing happened, or nothing that harms anybody.
HARMLESS = (Verdict.BENIGN, Verdict.FALSE_POSITIVE)


class Case(TenantModel):
    """Findings that belong together (OCSF Incident Finding 2005)."""

    class Status(models.TextChoices):
        NEW = "new"
        INVESTIGATING = "investigating"
        NEEDS_TECHNICIAN = "needs_technician", "needs a technician"
        AWAITING_APPROVAL = "awaiting_approval", "awaiting approval"
        RESPONDING = "responding"
        CLOSED = "closed"

    class Kind(models.TextChoices):
        INCIDENT = "incident"
        ROUTINE = "routine"

    number = models.PositiveIntegerField(help_text="counted up in each tenant, from 1")
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.INCIDENT)
    request = models.JSONField(
        default=dict, blank=True, help_text="of a routine: the playbook and what was entered"
    )
    title = models.CharField(max_length=512)
    status = models.CharField(max_length=24, choices=Status, default=Status.NEW)
    severity_id = models.PositiveSmallIntegerField(choices=Severity, default=Severity.UNKNOWN)
    risk = models.PositiveSmallIntegerField(default=0, help_text="0 … 100")
    risk_terms = models.JSONField(
        default=list, help_text="each term of the risk: name, points, reason"
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="cases"
    )
    entities = ArrayField(models.CharField(max_length=400), default=list)
    verdict = models.CharField(max_length=24, choices=Verdict, blank=True)
    verdict_detail = models.JSONField(
        default=dict, help_text="playbook, version, rule, why, evidence ids, what was missing"
    )
    assignee = models.CharField(max_length=150, blank=True, help_text="a technician's username")
    needs = models.TextField(blank=True, help_text="what a person has to do now, in one sentence")
    opened_at = models.DateTimeField()
    first_activity_at = models.DateTimeField()
    last_activity_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True, help_text="when the verdict came")
    contained_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the last of its accounts and devices, or of all else where it has none, "
        "was first read back as contained; empty while one is not",
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_with_proof = models.BooleanField(default=False)
    closing_note = models.TextField(blank=True)
    reopened_count = models.PositiveSmallIntegerField(default=0)
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="merged",
        help_text="the case that it is part of by now; that one is never part of another",
    )

    class Meta:
        ordering = ["-risk", "opened_at"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="case_number_once"),
            # Whoever did not see that it was merged fails, and looks again.
            models.CheckConstraint(
                condition=models.Q(merged_into=None) | models.Q(status="closed"),
                name="merged_case_is_closed",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "status", "-risk"], name="case_queue"),
            GinIndex(fields=["entities"], name="case_entities"),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.title}"


class CaseEntity(TenantModel):
    """What a case shares with alerts that belong to it.

    Beside `Case.entities`, since under row-level security only an equality finds rows by an index.
    """

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    entity = models.CharField(max_length=400)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "entity", "case"], name="case_entity_once")
        ]

    def __str__(self) -> str:
        return self.entity


class CaseChange(TenantModel):
    """That two cases became one, or one became two; by whom, why, and what was before."""

    class Kind(models.TextChoices):
        MERGE = "merge"
        SPLIT = "split"

    kind = models.CharField(max_length=8, choices=Kind)
    case = models.ForeignKey(
        Case, on_delete=models.PROTECT, related_name="changes", help_text="the one that goes on"
    )
    other = models.ForeignKey(
        Case,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="the one that was merged into it, or split off from it",
    )
    findings = ArrayField(models.UUIDField(), default=list, help_text="which changed their case")
    plans = ArrayField(models.UUIDField(), default=list, help_text="which changed their case")
    before = models.JSONField(default=dict, help_text="what undoing puts back")
    keeps_apart = models.BooleanField(
        default=False, help_text="whether a person decided that the two are never joined by rule"
    )
    actor = models.CharField(max_length=200)
    reason = models.TextField()
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=200, blank=True)
    undone_why = models.TextField(blank=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [
            models.Index(
                fields=["tenant", "case"],
                condition=models.Q(keeps_apart=True),
                name="case_kept_apart",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of #{self.case.number} and #{self.other.number}"


class Evidence(TenantModel):
    """What was asked of whom, when, and the answer. Never changed."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="evidence")
    gatherer = models.CharField(max_length=128, help_text="the read-only action that asked")
    question = models.CharField(max_length=512)
    asked_of = models.CharField(max_length=256)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField()
    is_available = models.BooleanField(help_text="whether there was an answer at all")
    answer = models.JSONField()
    summary = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["asked_at"]
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return self.question
