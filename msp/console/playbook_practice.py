"""What practice says about one playbook at one client: its runs, and how far it went when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from msp.console import words
from msp.console.playbook_list import MODES, Needs
from msp.console.playbook_pages import Held, held_row
from msp.console.words import Word
from playbooks.adoption import activation, agreement
from playbooks.adoption.agreement import MINIMUMS, ORDER, WINDOW, Minimum
from playbooks.authoring.playbook import Playbook
from playbooks.models import Activation, Agreement, Plan
from playbooks.people import named
from tenants.models import PlaybookMode, Tenant

_RUNS_SHOWN = 25
_CHANGES_SHOWN = 30
_SAID = {
    Agreement.Kind.AGREED: Word("Agreed", "good"),
    Agreement.Kind.OVERRIDDEN: Word("Overridden", "bad"),
    Agreement.Kind.REOPENED: Word("Came back", "warn"),
}
_BY_ITSELF = Word("Ran by itself, nobody objected", "good")
_NOT_YET = Word("Nobody has judged it yet", "quiet")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that practice said about a plan: who, and step by step where that is known."""

    word: Word
    by: str
    detail: str
    steps: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """One plan of the playbook: what became of it, and what practice said."""

    plan: Plan
    status: Word
    mode: Word
    said: Sequence[Said]
    is_of_another_version: bool


@dataclass(frozen=True, slots=True)
class Practice:
    """One playbook at one client. `minimum` is what the next mode asks for; None at the last."""

    playbook: Playbook
    held: Held
    version_sha256: str
    mode: str
    next_mode: Word | None
    minimum: Minimum | None
    days: int
    runs: Sequence[Run]
    page: Page
    changes: Sequence[tuple[Activation, Word, str]]


def find(tenant: Tenant, playbook_id: str, page: str | None) -> Practice | None:
    """Return a client's practice with a playbook; None where it has none of that id.

    Runs in the tenant's scope.
    """
    held = activation.playbooks_of([tenant], playbook_id)[tenant.id].get(playbook_id)
    if held is None:
        return None
    measured = agreement.measure(held.version_sha256)
    row = held_row(tenant, held, measured, Needs().of(held, tenant.id))
    place = ORDER.index(PlaybookMode(held.mode)) + 1
    following = ORDER[place] if place < len(ORDER) and row.word in MODES.values() else None
    shown = Paginator(_plans(playbook_id), _RUNS_SHOWN).get_page(page)
    return Practice(
        playbook=held.playbook,
        held=row,
        version_sha256=held.version_sha256,
        mode=held.mode,
        next_mode=MODES[following] if following else None,
        minimum=MINIMUMS[following] if following else None,
        days=WINDOW.days,
        runs=[_run(plan, held.version_sha256) for plan in shown],
        page=shown,
        changes=[
            (change, MODES[PlaybookMode(change.mode)], named(change.actor))
            for change in Activation.in_scope()
            .filter(playbook_id=playbook_id)
            .select_related("version")
            .defer("version__source")
            .order_by("-created_at", "-id")[:_CHANGES_SHOWN]
        ],
    )


def _plans(playbook_id: str) -> QuerySet[Plan]:
    """Return the plans of the playbook in the time that counts, the newest first."""
    return (
        Plan.in_scope()
        .filter(
            playbook__playbook_id=playbook_id,
            created_at__gte=timezone.now() - WINDOW,
            document__reverses__isnull=True,
        )
        # What was planned again is one run, and what is said of it is said of the plan that it was
        # at first. A shadow plan is shown itself, otherwise the last plan of a run.
        .alias(is_replaced=Exists(Plan.in_scope().filter(replaces=OuterRef("id"))))
        .exclude(origin__mode=PlaybookMode.SHADOW)
        .filter(Q(mode=PlaybookMode.SHADOW) | Q(is_replaced=False))
        .exclude(is_replaced=False, status=Plan.Status.SUPERSEDED, agreements__isnull=True)
        .select_related("case", "playbook", "origin")
        .defer("facts", "document", "playbook__source", "origin__facts", "origin__document")
        .prefetch_related("agreements", "origin__agreements")
        .order_by("-created_at", "-id")
    )


def _run(plan: Plan, version_sha256: str) -> Run:
    said = [_said(row) for row in plan.root.agreements.all()]
    if not said:
        ran = plan.status == Plan.Status.DONE and plan.mode == PlaybookMode.AUTOMATIC
        said = [Said(_BY_ITSELF if ran else _NOT_YET, "", "", [])]
    return Run(
        plan=plan,
        status=words.PLANS[Plan.Status(plan.status)],
        mode=MODES[PlaybookMode(plan.mode)],
        said=said,
        is_of_another_version=plan.playbook_id != version_sha256,
    )


def _said(row: Agreement) -> Said:
    return Said(
        word=_SAID[Agreement.Kind(row.kind)],
        by=named(row.actor),
        detail=str(row.detail.get("words", "")),
        steps=row.detail.get("steps", []),
    )
