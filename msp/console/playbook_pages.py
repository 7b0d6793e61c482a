"""What the page of one playbook shows: what it does, and how far it may go for each client."""

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from integrations import catalog
from msp.console.playbook_list import Needs, acts, modes_of, together, word_of
from msp.console.words import Word
from playbooks import library
from playbooks.adoption import activation, agreement, golden, importing
from playbooks.adoption.activation import InForce
from playbooks.adoption.agreement import NOTHING_YET, ORDER, Measured
from playbooks.language import Playbook
from playbooks.models import Agreement
from tenants.models import PlaybookMode, Tenant

_CLIENTS_SHOWN = 25
_CASES_SHOWN = 5
_SOURCE = re.compile(r"^https://")
_EMBEDDED = re.compile(r"\$\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Held:
    """A playbook at one client. `why_not_promoted`: what is missing for the next mode.

    `ahead`: what practice lacks for the mode that it has already; empty where it is enough.
    `cases` are the last of those about which practice said something.
    """

    tenant: Tenant
    word: Word
    version: str
    needs: str
    measured: Measured
    cases: Sequence[Agreement]
    why_not_promoted: str
    ahead: str
    can_be_promoted: bool
    can_be_lowered: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One playbook with its clients, of which a page is shown."""

    playbook: Playbook
    clients: int
    modes: Sequence[tuple[Word, int]]
    measured: Measured
    page: Page
    rows: Sequence[Held]


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step in words."""

    title: str
    what: str
    asks: str
    condition: str
    why: str
    undo: str


def find(playbook_id: str, tenants: Collection[Tenant], page: str | None) -> Found | None:
    """Return one playbook with its clients; None where there is none of that id among them.

    The number of queries doesn't grow with the clients.
    """
    by_tenant = activation.playbooks_of(tenants, playbook_id)
    held = {
        tenant: by_tenant[tenant.id][playbook_id]
        for tenant in tenants
        if playbook_id in by_tenant[tenant.id]
    }
    ours = library.playbooks().get(playbook_id)
    if ours is None and not held:
        return None
    practice = agreement.measure_all({one.version_sha256 for one in held.values()})
    measured = {
        tenant: practice.get((tenant.id, one.version_sha256), NOTHING_YET)
        for tenant, one in held.items()
    }
    shown = Paginator(list(held), _CLIENTS_SHOWN).get_page(page)
    needs = Needs()
    cases = _cases({tenant.id: held[tenant].version_sha256 for tenant in shown})
    return Found(
        playbook=ours or next(iter(held.values())).playbook,
        clients=len(held),
        modes=modes_of(held.values()),
        measured=together(measured.values()),
        page=shown,
        rows=[
            held_row(
                tenant,
                held[tenant],
                measured[tenant],
                needs.of(held[tenant], tenant.id),
                cases.get(tenant.id, []),
            )
            for tenant in shown
        ],
    )


def held_row(
    tenant: Tenant,
    held: InForce,
    measured: Measured,
    needs: str,
    cases: Sequence[Agreement] = (),
) -> Held:
    """Put into words what a client has of a playbook, and what is missing to go further."""
    place = ORDER.index(PlaybookMode(held.mode))
    is_acting = acts(held.playbook)
    is_last = place == len(ORDER) - 1
    why_not = "" if is_last or not is_acting else agreement.why_not(ORDER[place + 1], measured)
    return Held(
        tenant=tenant,
        word=word_of(held),
        version=held.playbook.version,
        needs=needs,
        measured=measured,
        cases=cases,
        why_not_promoted=why_not,
        ahead=agreement.why_not(held.mode, measured) if is_acting else "",
        can_be_promoted=is_acting and not is_last and not why_not,
        can_be_lowered=is_acting and place > 0,
    )


def steps(playbook: Playbook) -> list[StepLine]:
    """Return what a playbook does, step by step."""
    found = []
    for step in playbook.steps:
        action = catalog.get(step.uses)
        condition = step.when or step.for_each
        reason = step.no_reversal or action.no_reversal
        undo = (
            f"Can be undone: {catalog.get(action.reversal).title}."
            if action.reversal
            else f"Can't be undone. {reason}"
        )
        found.append(
            StepLine(
                title=action.title,
                what=f"for each of at most {step.at_most}" if step.for_each else "once",
                asks="If" if step.when else "For each of",
                condition=condition.text if condition else "",
                why=_EMBEDDED.sub(_named, step.why),
                undo="" if action.is_read_only else undo,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One row of what a routine reports, in words."""

    says: str
    to_do: str
    asks: str
    condition: str


def results(playbook: Playbook) -> list[ResultLine]:
    """Return what a routine reports, and when."""
    return [
        ResultLine(
            says=_EMBEDDED.sub(_named, row.says),
            to_do=_EMBEDDED.sub(_named, row.to_do),
            asks="For each of" if row.for_each else "If",
            condition="; ".join(one.text for one in (row.when, row.for_each) if one is not None),
        )
        for row in playbook.results
    ]


def golden_state(playbook: Playbook) -> Word:
    """Return how many golden cases pass."""
    outcomes = golden.run(playbook)
    wrong = sum(bool(outcome.difference) for outcome in outcomes)
    if wrong:
        return Word(f"{wrong} of {len(outcomes)} golden cases fail", "bad")
    return Word(f"{len(outcomes)} golden cases pass", "good")


def versions(playbook_id: str) -> list[tuple[str, str]]:
    """Return (version, sha256) of every version that is known, newest first."""
    return [(version, sha256) for sha256, version, _ in importing.known_versions(playbook_id)]


def sources(playbook: Playbook) -> list[tuple[str, bool]]:
    """Return the sources of practice, and whether each is a web address that may be linked."""
    return [(source, bool(_SOURCE.match(source))) for source in playbook.sources]


def _cases(version_by_tenant: Mapping[uuid.UUID, str]) -> dict[uuid.UUID, list[Agreement]]:
    """Return the last things that practice said about the version that each client has."""
    rows = (
        Agreement.in_scope()
        .filter(
            tenant__in=version_by_tenant,
            plan__playbook__in=set(version_by_tenant.values()),
            created_at__gte=timezone.now() - agreement.WINDOW,
        )
        .annotate(
            place=Window(
                RowNumber(),
                partition_by=[F("tenant_id"), F("plan__playbook_id")],
                order_by=[F("created_at").desc(), F("id").desc()],
            )
        )
        .filter(place__lte=_CASES_SHOWN)
        .select_related("plan__case")
        .defer("plan__facts", "plan__document")
    )
    found: dict[uuid.UUID, list[Agreement]] = {}
    for row in rows.order_by("tenant_id", "place"):
        if row.plan.playbook_id == version_by_tenant[row.tenant_id]:
            found.setdefault(row.tenant_id, []).append(row)
    return found


def _named(found: re.Match[str]) -> str:
    """Return in words, in angle quotes, what a plan will put here."""
    return f"‹{found[1].strip().replace('.', ' ').replace('_', ' ')}›"
