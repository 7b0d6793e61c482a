"""What each playbook takes a technician by hand: declared minutes, checked and versioned.

Those that come with Holdfast stand in baselines.yaml. The MSP's own stand above them from the
moment when they are declared, so that a month that is over keeps its numbers.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from playbooks import language, library
from playbooks.errors import PlaybookError
from playbooks.models import Baseline, PlaybookVersion
from tenants import ledger, scope
from tenants.models import Tenant

_PATH = Path(__file__).with_name("baselines.yaml")
_MOST = 480
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Declared:
    """The minutes of a playbook, None where nobody has declared any, and who did.

    `row` None: they come with Holdfast.
    """

    playbook: str
    title: str
    minutes: int | None
    row: Baseline | None


@cache
def supplied() -> Mapping[str, int]:
    """Return the minutes by playbook id, as they come with Holdfast."""
    return load(_PATH.read_text(), library.playbooks())


def in_force(at: dt.datetime) -> Mapping[str, int]:
    """Return the minutes by playbook id that were declared before a moment."""
    return {**supplied(), **{name: row.minutes for name, row in _own(at).items()}}


def declared(at: dt.datetime) -> list[Declared]:
    """Return each playbook that is known here with its minutes at a moment, by title."""
    own, told, titles = _own(at), supplied(), _titles()
    found = [
        Declared(name, titles[name], own[name].minutes if name in own else told.get(name),
                 own.get(name))
        for name in titles
    ]  # fmt: skip
    return sorted(found, key=lambda one: one.title.casefold())


def declare(playbook: str, minutes: int, reason: str, *, actor: str) -> Baseline:
    """Keep what a playbook takes by hand from now on; it stands in every client's ledger.

    PlaybookError where there is no such playbook, the minutes make no sense or no reason is given.
    Runs inside a transaction, outside every tenant's scope.
    """
    problems = []
    if playbook not in _titles():
        problems.append(f"There is no playbook {playbook[:100]!r}.")
    if not 1 <= minutes <= _MOST:
        problems.append(f"The minutes have to be a whole number from 1 to {_MOST}.")
    if not reason.strip():
        problems.append("Say where the number comes from: it stands in owners’ reports.")
    if problems:
        raise PlaybookError(problems)
    row = Baseline.objects.create(
        playbook_id=playbook, minutes=minutes, author=actor,
        reason=reason.strip()[:_LONGEST_REASON],
    )  # fmt: skip
    for tenant in Tenant.objects.all():
        with scope.tenant(tenant.id):
            ledger.append(
                "baseline.declared", actor=actor, subject=playbook,
                body={"minutes": minutes, "reason": row.reason},
            )  # fmt: skip
    return row


def history() -> list[Baseline]:
    """Return all that was declared here, the newest first."""
    return list(Baseline.objects.all())


def title_of(playbook: str) -> str:
    """Return a playbook's title, or its id where it is no longer there."""
    known = library.playbooks().get(playbook)
    return known.title if known else _own_titles(playbook_id=playbook).get(playbook, playbook)


def is_investigation(playbook: str) -> bool:
    """Whether a playbook finds out what happened: its title is then no more than a suspicion."""
    known = library.playbooks().get(playbook)
    if known is not None:
        return known.kind == "investigation"
    return PlaybookVersion.objects.filter(playbook_id=playbook, kind="investigation").exists()


def load(text: str, known: Collection[str]) -> dict[str, int]:
    """Return the minutes of each `known` playbook; PlaybookError names each line that is wrong."""
    try:
        told = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlaybookError([f"The baselines are no YAML: {error}"]) from None
    if not isinstance(told, dict):
        raise PlaybookError(["The baselines have to be lines such as “isolate-endpoint: 10”."])
    problems = [f"{name}: there is no such playbook." for name in told if name not in known]
    problems += [f"{name}: say its minutes." for name in known if name not in told]
    problems += [
        f"{name}: the minutes have to be a whole number from 1 to {_MOST}."
        for name, minutes in told.items()
        if type(minutes) is not int or not 1 <= minutes <= _MOST
    ]
    if problems:
        raise PlaybookError(problems)
    return told


def _own(at: dt.datetime) -> dict[str, Baseline]:
    rows = Baseline.objects.filter(declared_at__lt=at).order_by("declared_at", "id")
    return {row.playbook_id: row for row in rows}


def _titles() -> dict[str, str]:
    """Title of each playbook, of Holdfast's and of those that the MSP brought, by id."""
    return _own_titles() | {name: one.title for name, one in library.playbooks().items()}


def _own_titles(**only: str) -> dict[str, str]:
    rows = PlaybookVersion.objects.filter(**only).exclude(playbook_id__in=library.playbooks())
    newest = rows.order_by("playbook_id", "-first_used_at").distinct("playbook_id")
    return {row.playbook_id: _title(row) for row in newest}


def _title(row: PlaybookVersion) -> str:
    """The title of a playbook, or its id where this release can't read it."""
    try:
        return language.load(row.source, row.playbook_id).title
    except PlaybookError:
        return row.playbook_id
