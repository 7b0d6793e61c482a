"""Computers under remote management, as every such product tells of them."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from integrations.contract import Json

UpdateState = Literal["undecided", "approved", "rejected", "failed", "installed"]
Work = Literal["install", "restart", "script"]
_KB = re.compile(r"(?:KB)?(\d{6,8})", re.IGNORECASE)
_RING = re.compile(r"ring[:=]\s*(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Computer:
    """A computer. What the vendor doesn't tell is None or empty; times are UTC.

    `ring` is its group for updates.
    """

    external_id: str
    name: str
    operating_system: str = ""
    is_server: bool = False
    is_online: bool | None = None
    needs_restart: bool | None = None
    last_seen_at: dt.datetime | None = None
    last_user: str = ""
    ring: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """An update of a computer's operating system.

    `name` is the number of its KB article, or the vendor's id where it has none: plans name it so.
    """

    external_id: str
    name: str
    title: str
    state: UpdateState
    severity: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One run of a script. `is_success` is None until it has ended, or where nobody can tell."""

    external_id: str
    has_ended: bool
    is_success: bool | None
    result: str


class HasUpdates(Protocol):
    """What tells of the updates of a computer."""

    def updates(self, own_id: str) -> list[Update]:
        """Updates that the computer lacks, and those that were installed."""


class Manager(HasUpdates, Protocol):
    """A product for remote management, ready to be asked. Methods raise `integrations.errors`.

    Each id is checked to be one of this client's computers. A mark is where the vendor's records
    about a computer stood before a step: what is newer is the step's.
    """

    product: str
    scripts: tuple[str, ...]

    def computer(self, own_id: str) -> Computer:
        """The computer; NotFound where it isn't this client's."""

    def computers(self) -> Iterator[Computer]:
        """All of this client's."""

    def mark(self, own_id: str, what: Work) -> Json:
        """Where the vendor's records stand that tell of such work on the computer."""

    def has_begun(self, own_id: str, what: Work, mark: Json) -> bool:
        """Whether it was begun since, as far as the vendor tells."""

    def has_restarted(self, own_id: str, mark: Json) -> bool:
        """Whether the computer came up anew since."""

    def install(self, own_id: str) -> Json:
        """Have the approved updates installed."""

    def restart(self, own_id: str) -> Json:
        """Have the computer restarted now."""

    def run(self, own_id: str, script: str) -> Json:
        """Have a script run, by its name; NotFound where the vendor has none of that name."""

    def runs(self, own_id: str, script: str, mark: Json) -> list[ScriptRun]:
        """Runs of the script that were begun since, newest first."""


def update_name(kb: str, own_id: str) -> str:
    """The name of an update: ``KB5050001``, or its own id where it has no article."""
    found = _KB.fullmatch(kb.strip())
    return f"KB{found[1]}" if found else own_id


def ring_of(words: Iterable[str]) -> str:
    """The ring that a computer's tags or description name as ``ring:pilot``; "" where none does."""
    found = (_RING.search(word) for word in words)
    return next((match[1].strip(".,;").lower() for match in found if match), "")


def agreed_scripts(setting: str) -> tuple[str, ...]:
    """The names of a setting's scripts, one a line or with semicolons between."""
    return tuple(name.strip() for name in re.split(r"[;\n]", setting) if name.strip())
