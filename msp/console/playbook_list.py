"""What the list of the playbooks shows: for all clients together, or for one of them.

Everything is read with a number of queries that grows neither with clients nor with playbooks.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from msp.console.words import Word
from playbooks import availability, library
from playbooks.adoption import activation, agreement
from playbooks.adoption.activation import InForce
from playbooks.adoption.agreement import NOTHING_YET, ORDER, Measured
from playbooks.authoring.playbook import KINDS, Playbook
from tenants.models import PlaybookMode, Tenant

MODES = {
    PlaybookMode.SHADOW: Word("Shadow: plans only", "quiet"),
    PlaybookMode.APPROVE: Word("An approver decides", "info"),
    PlaybookMode.AUTOMATIC: Word("The rules decide", "good"),
}
ONLY_READS = Word("Only reads", "good")


@dataclass(frozen=True, slots=True)
class ListRow:
    """One playbook for all clients together.

    `modes` counts the clients by how far it may go there, `lacking` those where it needs
    something, and `needs` says what at the first of them.
    """

    playbook: Playbook
    clients: int
    modes: Sequence[tuple[Word, int]]
    measured: Measured
    lacking: int
    needs: str


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One playbook at one client. `lacks`: what practice lacks for the next mode, in words."""

    playbook: Playbook
    word: Word
    measured: Measured
    lacks: str
    needs: str


class Needs:
    """What playbooks lack at clients, worked out once for clients with the same connections."""

    def __init__(self) -> None:
        self._connected = availability.connections_by_tenant()
        self._known: dict[tuple[str, frozenset[str]], str] = {}

    def of(self, held: InForce, tenant_id: uuid.UUID) -> str:
        """Return what a playbook needs at a client; empty where nothing is missing."""
        connected = self._connected.get(tenant_id, frozenset())
        key = (held.version_sha256, connected)
        if key not in self._known:
            self._known[key] = availability.of_playbook(held.playbook, connected)
        return self._known[key]


def for_all(tenants: Collection[Tenant]) -> list[ListRow]:
    """Return every playbook that holds for one of the clients, or comes with Holdfast."""
    held_by = activation.playbooks_of(tenants)
    practice = agreement.measure_all()
    needs = Needs()
    playbooks = dict(library.playbooks())
    for held in held_by.values():
        for playbook_id, one in held.items():
            playbooks.setdefault(playbook_id, one.playbook)
    rows = [
        _for_all(
            playbook,
            {
                tenant_id: held[playbook_id]
                for tenant_id, held in held_by.items()
                if playbook_id in held
            },
            practice,
            needs,
        )
        for playbook_id, playbook in playbooks.items()
    ]
    return sorted(rows, key=lambda row: _order(row.playbook))


def for_one(tenant: Tenant) -> list[ClientRow]:
    """Return the playbooks that hold for one client. Runs in its scope."""
    practice = agreement.measure_all()
    needs = Needs()
    rows = []
    for held in activation.playbooks_of([tenant])[tenant.id].values():
        measured = practice.get((tenant.id, held.version_sha256), NOTHING_YET)
        lacks = _lacks(held, measured)
        rows.append(
            ClientRow(held.playbook, word_of(held), measured, lacks, needs.of(held, tenant.id))
        )
    return sorted(rows, key=lambda row: _order(row.playbook))


def word_of(held: InForce) -> Word:
    """Return how far a playbook may go, in words; an investigation only reads."""
    return MODES[PlaybookMode(held.mode)] if acts(held.playbook) else ONLY_READS


def acts(playbook: Playbook) -> bool:
    """Whether a playbook changes anything, so that its mode means something."""
    return playbook.kind != "investigation"


def modes_of(held: Iterable[InForce]) -> list[tuple[Word, int]]:
    """Return for how many clients a playbook may go how far, the least far first."""
    counted = Counter(word_of(one) for one in held)
    words = [ONLY_READS, *(MODES[mode] for mode in ORDER)]
    return [(word, counted[word]) for word in words if counted[word]]


def together(measured: Iterable[Measured]) -> Measured:
    """Return the practice of several clients added up."""
    rows = list(measured)
    return Measured(
        runs=sum(one.runs for one in rows),
        agreed=sum(one.agreed for one in rows),
        overridden=sum(one.overridden for one in rows),
        reopened=sum(one.reopened for one in rows),
        against=sum(one.against for one in rows),
        reopened_lately=sum(one.reopened_lately for one in rows),
    )


def _for_all(
    playbook: Playbook,
    held: dict[uuid.UUID, InForce],
    practice: dict[tuple[uuid.UUID, str], Measured],
    needs: Needs,
) -> ListRow:
    lacks = [words for tenant_id, one in held.items() if (words := needs.of(one, tenant_id))]
    return ListRow(
        playbook=playbook,
        clients=len(held),
        modes=modes_of(held.values()),
        measured=together(
            practice.get((tenant_id, one.version_sha256), NOTHING_YET)
            for tenant_id, one in held.items()
        ),
        lacking=len(lacks),
        needs=lacks[0] if lacks else "",
    )


def _lacks(held: InForce, measured: Measured) -> str:
    following = ORDER[ORDER.index(PlaybookMode(held.mode)) + 1 :]
    return agreement.why_not(following[0], measured) if following and acts(held.playbook) else ""


def _order(playbook: Playbook) -> tuple[int, str]:
    return KINDS.index(playbook.kind), playbook.title
