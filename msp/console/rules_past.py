"""What other rules of engagement would have come to, in words for the page that asks."""

from collections.abc import Mapping
from dataclasses import dataclass

from msp.console.rules_page import tier_word
from msp.console.words import Word
from playbooks.replanning.what_if import Change, MspWhatIf, NotReplayed, WhatIf
from tenants.models import Tenant

_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Past:
    """The page's part about the past.

    `changes` and `not_replayed` are shown up to a most, `more_changes` are the others. `apart`:
    how many clients have rules that stand alone, `unreadable`: whose can't be laid on these.
    """

    days: int
    plans: int
    steps: int
    counts: list[tuple[int, Word, Word]]
    changes: list[tuple[Tenant, Change, Word, Word]]
    more_changes: int
    not_replayed: list[tuple[Tenant, NotReplayed]]
    left_out: int
    apart: int = 0
    unreadable: tuple[tuple[Tenant, str], ...] = ()


def of_client(tenant: Tenant, found: WhatIf) -> Past:
    """Put into words what a client's other rules would have come to."""
    return _past(found, [(tenant, found)])


def of_all(found: MspWhatIf) -> Past:
    """Put into words what other MSP-wide rules would have come to."""
    return _past(found, list(found.clients), found.apart, found.unreadable)


def _past(
    found: WhatIf | MspWhatIf,
    clients: list[tuple[Tenant, WhatIf]],
    apart: int = 0,
    unreadable: tuple[tuple[Tenant, str], ...] = (),
) -> Past:
    changes = [(tenant, change) for tenant, one in clients for change in one.changes]
    return Past(
        days=found.days,
        plans=found.plans,
        steps=found.steps,
        counts=_counts(found.counts),
        changes=[
            (tenant, change, tier_word(change.before), tier_word(change.after))
            for tenant, change in changes[:_MOST_SHOWN]
        ],
        more_changes=max(0, len(changes) - _MOST_SHOWN),
        not_replayed=[(tenant, left) for tenant, one in clients for left in one.not_replayed][
            :_MOST_SHOWN
        ],
        left_out=found.left_out,
        apart=apart,
        unreadable=unreadable,
    )


def _counts(counted: Mapping[tuple[str, str], int]) -> list[tuple[int, Word, Word]]:
    return [
        (count, tier_word(before), tier_word(after)) for (before, after), count in counted.items()
    ]
