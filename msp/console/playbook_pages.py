"""What the pages of the playbooks show: what each does, and how far it may go for each client."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from integrations import catalog
from msp.console.words import Word
from msp.staff.models import Technician
from msp.staff.selectors import tenants_of
from playbooks import activation, agreement, availability, golden, importing, library
from playbooks.agreement import Measured
from playbooks.errors import PlaybookError
from playbooks.language import Playbook
from playbooks.models import Agreement
from tenants import scope
from tenants.models import PlaybookMode, Tenant

MODES = {
    PlaybookMode.SHADOW: Word("Shadow: plans only", "quiet"),
    PlaybookMode.APPROVE: Word("A technician approves", "info"),
    PlaybookMode.AUTOMATIC: Word("The rules decide", "good"),
}
_MOST_CASES = 20
_SOURCE = re.compile(r"^https://")
_EMBEDDED = re.compile(r"\$\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Held:
    """A playbook at one client. `why_not_promoted`: what is missing for the next mode."""

    tenant: Tenant
    mode: str
    word: Word
    version: str
    needs: str
    measured: Measured
    overrides: Sequence[Agreement]
    why_not_promoted: str
    can_be_promoted: bool
    can_be_lowered: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One playbook in the list, with what its clients have of it."""

    playbook: Playbook
    held: Sequence[Held]


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step in words."""

    title: str
    what: str
    condition: str
    why: str
    undo: str


def rows(technician: Technician, only: str = "") -> list[Row]:
    """Return every playbook that holds for one of the technician's clients, or comes with us.

    `only`: the id of the one that is wanted.
    """
    playbooks = {one.id: one for one in library.playbooks().values() if not only or one.id == only}
    held: dict[str, list[Held]] = {playbook_id: [] for playbook_id in playbooks}
    for tenant in tenants_of(technician):
        with scope.tenant(tenant.id):
            connected = availability.connections_of_scope()
            for playbook_id, one in activation.playbooks().items():
                if only and playbook_id != only:
                    continue
                playbooks.setdefault(playbook_id, one.playbook)
                held.setdefault(playbook_id, []).append(_held(tenant, one, connected))
    return [Row(playbooks[playbook_id], held[playbook_id]) for playbook_id in sorted(playbooks)]


def find(playbook_id: str, technician: Technician) -> Row | None:
    """Return one playbook with its clients; None where the technician sees none of that id."""
    return next(iter(rows(technician, playbook_id)), None)


def _named(found: re.Match[str]) -> str:
    """Return in words, in angle quotes, what a plan will put here."""
    return f"‹{found[1].strip().replace('.', ' ').replace('_', ' ')}›"


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
                what=f"each of at most {step.at_most}" if step.for_each else "once",
                condition=condition.text if condition else "",
                why=_EMBEDDED.sub(_named, step.why),
                undo="" if action.is_read_only else undo,
            )
        )
    return found


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


def _held(tenant: Tenant, one: activation.InForce, connected: frozenset[str]) -> Held:
    measured = agreement.measure(one.version_sha256)
    place = agreement.ORDER.index(PlaybookMode(one.mode))
    acts = one.playbook.kind != "investigation"
    is_last = place == len(agreement.ORDER) - 1
    why_not = "" if is_last else agreement.why_not(agreement.ORDER[place + 1], measured)
    return Held(
        tenant=tenant,
        mode=one.mode,
        word=MODES[PlaybookMode(one.mode)] if acts else Word("Only reads", "good"),
        version=one.playbook.version,
        needs=availability.of_playbook(one.playbook, connected),
        measured=measured,
        overrides=list(
            Agreement.objects.filter(plan__playbook_id=one.version_sha256)
            .exclude(kind=Agreement.Kind.AGREED)
            .select_related("plan__case")[:_MOST_CASES]
        ),
        why_not_promoted=why_not if acts else "",
        can_be_promoted=acts and not is_last,
        can_be_lowered=acts and place > 0,
    )


def change(technician: str, tenant: Tenant, playbook_id: str, *, direction: str) -> str:
    """Promote or lower a playbook for one client; return its mode. PlaybookError says why not."""
    with scope.tenant(tenant.id):
        if direction == "promote":
            return agreement.promote(playbook_id, actor=technician).mode
        if direction == "lower":
            return agreement.lower(playbook_id, actor=technician, reason="by hand").mode
    raise PlaybookError(["Choose Promote or Lower."])
