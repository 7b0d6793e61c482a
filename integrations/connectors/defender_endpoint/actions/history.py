"""What was asked of a machine, and what it did: its machine actions, and the state they left.

The API's machine has no field for isolation or app restriction: the state is what the newest
machine action that succeeded has left, and no machine action that isn't finished may be about to
change it. Source: https://learn.microsoft.com/defender-endpoint/api/machineaction
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from integrations.connectors.defender_endpoint.client import READ_MACHINES, DefenderClient
from integrations.microsoft.odata import address, quoted
from integrations.values import Fields

UNFINISHED = frozenset({"pending", "inprogress"})
_MOST = 500


@dataclass(frozen=True, slots=True)
class Pair:
    """Two machine actions that undo each other, by their verbs in the path and their types.

    `body` is what switching on asks for besides the comment, `scope` the scope that it then has.
    """

    on: str
    off: str
    on_type: str
    off_type: str
    permission: str
    body: tuple[tuple[str, str], ...]
    scope: str
    words: tuple[str, str]

    @property
    def types(self) -> frozenset[str]:
        """Both types, in lower case."""
        return frozenset({self.on_type.lower(), self.off_type.lower()})


ISOLATION = Pair(
    "isolate", "unisolate", "Isolate", "Unisolate", "Machine.Isolate",
    (("IsolationType", "Full"),), "full", ("cut off the network", "on the network"),
)  # fmt: skip
RESTRICTION = Pair(
    "restrictCodeExecution", "unrestrictCodeExecution", "RestrictCodeExecution",
    "UnrestrictCodeExecution", "Machine.RestrictExecution", (), "",
    ("limited to trusted programs", "free to run all programs"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """How the machine is switched: `is_on`, fully or only partly, and what is still under way."""

    is_on: bool
    is_full: bool
    pending: str

    def words(self, pair: Pair) -> str:
        """The state as a person reads it."""
        told = pair.words[0] if self.is_on else pair.words[1]
        partly = " in part" if self.is_on and not self.is_full else ""
        waiting = f", and {self.pending} is under way" if self.pending else ""
        return f"{told}{partly}{waiting}"


def read_machine(client: DefenderClient, machine_id: str) -> Fields:
    """The machine itself; NotFound where Defender knows none."""
    return Fields(client.get(address("/machines/{}", machine_id), READ_MACHINES))


def read_actions(client: DefenderClient, machine_id: str) -> list[Fields]:
    """The machine's actions, newest first."""
    path = address("/machineactions", filter=f"machineId eq '{quoted(machine_id)}'", top=_MOST)
    found = [Fields(action) for action in client.all(path, READ_MACHINES, _MOST)]
    return sorted(found, key=_created, reverse=True)


def _created(action: Fields) -> str:
    # Times have seven digits of a second, more than Python keeps: as text they compare exactly.
    return action.text("creationDateTimeUtc")


def state_of(pair: Pair, actions: Sequence[Fields]) -> State:
    """The state that a machine's actions, newest first, have left."""
    own = [action for action in actions if action.word("type") in pair.types]
    done = next((a for a in own if a.word("status") == "succeeded"), None)
    waiting = next((a for a in own if a.word("status") in UNFINISHED), None)
    is_on = done is not None and done.word("type") == pair.on_type.lower()
    scope = done.word("scope") if done is not None else ""
    return State(
        is_on=is_on,
        is_full=is_on and scope in (pair.scope, ""),
        pending=waiting.text("type") if waiting is not None else "",
    )


def shown(action: Fields) -> dict[str, Any]:
    """A machine action as it is kept with a step."""
    return {
        "machine_action": action.text("id"),
        "type": action.text("type"),
        "scope": action.text("scope"),
        "status": action.text("status"),
    }
