"""Everything that the page of one case shows, read once and put into words."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.fields.json import KeyTransform

from integrations import health_report
from integrations.alerting.finding import PREFIX
from integrations.health import Status
from integrations.health_report import Report
from integrations.models import HealthAlarm
from msp.console import plan_views, routine_case, selectors, verdict_view, words
from msp.console.plan_views import ApprovalView, PlanView
from msp.console.routine_case import RoutineView
from msp.console.verdict_view import EvidenceView, VerdictView
from msp.console.words import Word
from playbooks import regrouping
from playbooks.cases import case_alerts
from playbooks.models import CaseQuality, ChatChannel, UserQuestion
from playbooks.people import named
from playbooks.questions import chat_channels, user_questions
from playbooks.questions.user_questions import Somebody
from tenants.models import Case, CaseChange, Finding, LedgerEntry

TIMELINE_LENGTH = 300
FINDINGS_SHOWN = 50
_JOINED = "case.finding_joined"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One ledger entry in words."""

    at: dt.datetime
    kind: Word
    subject: str
    detail: str
    actor: str
    sequence: int | None


@dataclass(frozen=True, slots=True)
class ChangeView:
    """How the case was merged with another, or split from one, in words."""

    row: CaseChange
    other: Case
    words: str
    by: str
    undone_by: str
    can_be_undone: bool
    why_not_undone: str


@dataclass(frozen=True, slots=True)
class CasePage:
    """The page."""

    case: Case
    who: str
    about: str
    status: Word
    severity: Word
    risk: Word
    verdict: Word
    confidence: str
    reasons: VerdictView
    plans: Sequence[PlanView]
    evidence: Sequence[EvidenceView]
    findings: Sequence[tuple[Finding, Word, Sequence[Mapping[str, Any]]]]
    findings_left_out: int
    is_flood: bool
    timeline: Sequence[TimelineEntry]
    assignee: str
    routine: RoutineView | None
    thin: Sequence[Report]
    asked: Sequence[UserQuestion]
    quality: CaseQuality | None
    people: Sequence[Somebody]
    chat: ChatChannel | None
    changes: Sequence[ChangeView]

    @property
    def is_live(self) -> bool:
        """Return whether something goes on that the page should follow."""
        goes_on = self.case.status in selectors.BY_ITSELF and not (
            self.routine and self.routine.begins
        )
        return goes_on or any(plan.is_live for plan in self.plans)

    @property
    def needs(self) -> str:
        """Return what is needed of a person now."""
        return selectors.needed_now(self.case, len({plan.row.id for plan, _ in self.waiting}))

    @property
    def nobody_to_ask(self) -> bool:
        """Return whether the user's word would be asked for, and nobody is there to give it."""
        is_over = self.case.status == Case.Status.CLOSED or self.routine is not None
        return not is_over and not self.people and user_questions.about(self.case) != ""

    @property
    def looks_again_at(self) -> dt.datetime | None:
        """Return when it is looked into once more before it may be called harmless."""
        told = self.case.verdict_detail.get("looks_again")
        return dt.datetime.fromisoformat(told["at"]) if told else None

    @property
    def waiting(self) -> list[tuple[PlanView, ApprovalView]]:
        """Return the plans that wait for an approval."""
        return [(plan, approval) for plan in self.plans for approval in plan.open_approvals]

    @property
    def counted(self) -> int:
        """Return how many steps there are to be read back."""
        return sum(plan.counted for plan in self.plans)

    @property
    def proven(self) -> int:
        """Return how many steps were read back."""
        return sum(plan.done for plan in self.plans)

    @property
    def unavailable(self) -> int:
        """Return how many questions got no answer."""
        return sum(not item.row.is_available for item in self.evidence)


def find(case_id: uuid.UUID) -> Case | None:
    """Return the case if the technician's scope shows it."""
    return (
        Case.in_scope()
        .select_related("tenant", "account__person", "merged_into")
        .filter(id=case_id)
        .first()
    )


def read(case: Case, actor: str) -> CasePage:
    """Return the page of `case` as the technician `actor` sees it. Runs in the tenant's scope."""
    detail = case.verdict_detail
    total = case.findings.count()
    seen = verdict_view.evidence_of(case)
    return CasePage(
        case=case,
        who=selectors.who(case),
        about=_about(case),
        status=words.CASES[Case.Status(case.status)],
        severity=words.severity(case.severity_id),
        risk=words.risk(case.risk),
        verdict=words.verdict(case),
        confidence=str(detail.get("confidence", "")),
        reasons=verdict_view.of_case(case, seen),
        plans=plan_views.of_case(case, actor),
        evidence=seen,
        findings=_findings(case),
        findings_left_out=max(0, total - FINDINGS_SHOWN),
        is_flood=total > case_alerts.MOST,
        timeline=_timeline(case),
        assignee=case.assignee,
        routine=routine_case.read(case),
        thin=_thin(case),
        changes=_changes(case),
        asked=list(case.user_questions.all()),
        people=_people(case),
        chat=chat_channels.may_ask(case) if case.status != Case.Status.CLOSED else None,
        quality=case.quality.first() if case.status == Case.Status.CLOSED else None,
    )


def _people(case: Case) -> list[Somebody]:
    """Return who may be asked whether it was them; nobody for what is over, or about nobody."""
    is_over = case.status == Case.Status.CLOSED or case.kind == Case.Kind.ROUTINE
    return [] if is_over or not user_questions.about(case) else user_questions.people(case)


def _findings(case: Case) -> list[tuple[Finding, Word, Sequence[Mapping[str, Any]]]]:
    """Return the findings; those of a detection with the fields that made its rule match."""
    rows = list(
        case.findings.defer("ocsf")
        .annotate(why=KeyTransform("why", KeyTransform("unmapped", "ocsf")))
        .order_by("time")[:FINDINGS_SHOWN]
    )
    return [
        (row, words.severity(row.severity_id), row.why if row.uid.startswith(PREFIX) else ())
        for row in rows
    ]


def _changes(case: Case) -> list[ChangeView]:
    """Return how the case was merged and split, the last first."""
    rows = CaseChange.objects.filter(Q(case=case) | Q(other=case)).select_related("case", "other")
    return [_change(row, case) for row in rows.order_by("-id")]


# By the kind, whether it is told on the case that goes on, and whether it was undone.
_CHANGED = {
    (CaseChange.Kind.MERGE, True, False): "is part of this case.",
    (CaseChange.Kind.MERGE, False, False): "has this case as a part.",
    (CaseChange.Kind.MERGE, True, True): "was part of this case for a while.",
    (CaseChange.Kind.MERGE, False, True): "had this case as a part for a while.",
    (CaseChange.Kind.SPLIT, True, False): "was split off.",
    (CaseChange.Kind.SPLIT, False, False): "is what this was split off from.",
    (CaseChange.Kind.SPLIT, True, True): "was split off for a while, and is part of this again.",
    (CaseChange.Kind.SPLIT, False, True): "has this as a part again, which was split off.",
}


def _change(row: CaseChange, case: Case) -> ChangeView:
    goes_on, is_undone = row.case_id == case.id, row.undone_at is not None
    told = _CHANGED[CaseChange.Kind(row.kind), goes_on, is_undone]
    why_not = "" if is_undone else regrouping.why_not_undone(row)
    return ChangeView(
        row, row.other if goes_on else row.case, told, named(row.actor), named(row.undone_by),
        not is_undone and not why_not, why_not,
    )  # fmt: skip


def _thin(case: Case) -> list[Report]:
    """Return the connections without which evidence may be missing, while the case is open."""
    if case.status == Case.Status.CLOSED:
        return []
    reports = health_report.of_scope(case.tenant_id)
    return [one for one in reports if not one.is_well and not _only_expires(one)]


def _only_expires(report: Report) -> bool:
    """Whether nothing is wrong yet but that the credentials will run out."""
    kinds = {alarm.kind for alarm in report.alarms if not alarm.accepted_by}
    return report.judged.status == Status.ATTENTION and kinds == {HealthAlarm.Kind.EXPIRY}


def _about(case: Case) -> str:
    """Return what makes the account special, in a few words."""
    account = case.account
    if account is None:
        return ""
    person = account.person
    said = [
        (person.job_title if person else ""),
        ("important person" if account.is_vip else ""),
        ("administrator" if account.is_privileged else ""),
        ("protected: no action may touch it" if account.is_protected else ""),
        (
            "governed by Active Directory"
            if account.source_of_authority == "active_directory"
            else ""
        ),
        ("no second sign-in factor" if account.is_mfa_registered is False else ""),
    ]
    return ", ".join(part for part in said if part)


def _with_parts(case: Case) -> list[uuid.UUID]:
    """Return the ids of a case and of what was merged into it."""
    return [case.id, *case.merged.values_list("id", flat=True)]


def _timeline(case: Case) -> list[TimelineEntry]:
    """Return the last entries of the case; that alerts joined only of as many as are shown."""
    rows = LedgerEntry.in_scope().filter(tenant=case.tenant_id, case_id__in=_with_parts(case))
    rows = rows.select_related("seal")
    others = rows.exclude(kind=_JOINED).order_by("-id")[:TIMELINE_LENGTH]
    joined = rows.filter(kind=_JOINED).order_by("id")[:FINDINGS_SHOWN]
    return [timeline_entry(row) for row in sorted([*others, *joined], key=lambda row: row.id)]


def timeline_entry(row: LedgerEntry) -> TimelineEntry:
    """Put one ledger entry into words."""
    seal = getattr(row, "seal", None)
    return TimelineEntry(
        at=row.at,
        kind=words.ledger_kind(row.kind),
        subject=words.ledger_subject(row.kind, row.subject),
        detail=_detail(row.body),
        actor=named(row.actor),
        sequence=seal.sequence if seal else None,
    )


def _detail(body: Mapping[str, Any]) -> str:
    """Return the sentence in an entry's body, if it has one."""
    if body.get("link_seen_by"):
        return f"By a link that {named(str(body['link_seen_by']))} saw."
    playbook = body.get("playbook")
    if isinstance(playbook, Mapping):
        return str(playbook.get("title", ""))
    seen = body.get("read_back")
    if isinstance(seen, Mapping):
        return str(seen.get("explanation", ""))
    for key in ("error", "because", "comment", "note", "reason"):
        if body.get(key):
            return str(body[key])
    return ""
