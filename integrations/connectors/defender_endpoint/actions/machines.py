"""Actions on a computer. Each is a machine action: asked for now, done when the sensor is reached.

Sources: https://learn.microsoft.com/defender-endpoint/api/isolate-machine, …/unisolate-machine,
…/restrict-code-execution, …/unrestrict-code-execution, …/run-av-scan,
…/collect-investigation-package, …/stop-and-quarantine-file, …/get-machineactions-collection.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.connectors.defender_endpoint.actions.history import (
    ISOLATION,
    RESTRICTION,
    UNFINISHED,
    Pair,
    State,
    read_actions,
    read_machine,
    shown,
    state_of,
)
from integrations.connectors.defender_endpoint.client import READ_MACHINES, DefenderClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected, Unavailable
from integrations.microsoft.odata import address
from integrations.transport import Call, error_for
from integrations.values import Fields

__all__ = ["ISOLATION", "RESTRICTION", "RunOnce", "Switch"]

_GAVE_UP = frozenset({"failed", "timeout", "cancelled"})
_IN_PROGRESS = "ActiveRequestAlreadyExists"


def comment(intention: Intention) -> str:
    """What stands beside the machine action in Defender's portal; the same for one intention."""
    return f"Holdfast, intended at {intention.since.isoformat()}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A machine action that is wanted; `file` is the SHA-1 of the file that it is about."""

    machine_id: str
    verb: str
    kind: str
    permission: str
    body: Mapping[str, str]
    file: str = ""

    def is_met_by(self, action: Fields) -> bool:
        """Whether that machine action is of this kind, and about this file."""
        of_file = action.nested("relatedFileInfo").word("fileIdentifier")
        return action.word("type") == self.kind.lower() and of_file == self.file


def start(client: DefenderClient, intention: Intention, wanted: Wanted) -> Fields:
    """Ask for a machine action, or return the same one that is under way already."""
    path = address(f"/machines/{{}}/{wanted.verb}", wanted.machine_id)
    call = Call(
        "POST",
        client.session.url(path),
        json={"Comment": comment(intention), **wanted.body},
        permission=wanted.permission,
    )
    answer = client.session.send(call, accept={400})
    if answer.status != 400:
        return Fields(answer.body if isinstance(answer.body, Mapping) else {})
    told = Fields(answer.body if isinstance(answer.body, Mapping) else {}).nested("error")
    if told.text("code") != _IN_PROGRESS:
        raise error_for(call, answer)
    for action in read_actions(client, wanted.machine_id):
        if wanted.is_met_by(action) and action.word("status") in UNFINISHED:
            return action
    if wanted.file:
        raise Unavailable(
            "Another file is being locked away on this computer; it is tried again afterwards."
        )
    raise error_for(call, answer)


def machine_and_file(intention: Intention) -> tuple[str, str]:
    """The machine's id and the file's SHA-1 of a target that is a file on a computer."""
    machine_id, _, sha1 = intention.target.external_id.lower().partition("/")
    if not machine_id or not re.fullmatch("[0-9a-f]{40}", sha1):
        raise Rejected(
            "Defender locks files away by computer and SHA-1: name the file as MACHINE/SHA1, as "
            "endpoint.list_files does."
        )
    return machine_id, sha1


@dataclass(frozen=True, slots=True)
class Switch:
    """Switch isolation or app restriction on or off."""

    name: str
    pair: Pair
    is_on: bool

    @property
    def permissions(self) -> tuple[str, ...]:
        """To change it, and to read it back."""
        return (self.pair.permission, READ_MACHINES)

    def snapshot(self, client: DefenderClient, intention: Intention) -> Json:
        """How the machine is switched now."""
        machine, state = self._read(client, intention)
        return {
            "is_on": state.is_on,
            "is_full": state.is_full,
            "is_onboarded": machine.word("onboardingStatus") == "onboarded",
        }

    def call(self, client: DefenderClient, intention: Intention) -> Json:
        """Ask for the change, unless it is so already or asked for already."""
        actions = read_actions(client, intention.target.external_id)
        state = state_of(self.pair, actions)
        kind = self.pair.on_type if self.is_on else self.pair.off_type
        waiting = next((a for a in actions if self._is_waiting(a, kind)), None)
        if waiting is not None:
            return shown(waiting)
        if self._holds(state):
            return {"machine_action": "", "type": kind, "status": "Succeeded before"}
        verb = self.pair.on if self.is_on else self.pair.off
        body = dict(self.pair.body) if self.is_on else {}
        wanted = Wanted(intention.target.external_id, verb, kind, self.pair.permission, body)
        return shown(start(client, intention, wanted))

    def read_back(self, client: DefenderClient, intention: Intention) -> ReadBack:
        """The machine actions must have left the state, and Defender must still govern it."""
        machine, state = self._read(client, intention)
        is_onboarded = machine.word("onboardingStatus") == "onboarded"
        own = [
            shown(action)
            for action in read_actions(client, intention.target.external_id)
            if action.word("type") in self.pair.types
        ]
        gave_up = self._gave_up(own)
        left = "" if is_onboarded else " It is no longer onboarded, so Defender governs it no more."
        return ReadBack(
            holds=self._holds(state) and is_onboarded,
            observed={
                "is_on": state.is_on,
                "is_full": state.is_full,
                "pending": state.pending,
                "newest": own[0] if own else None,
                "onboarding": machine.text("onboardingStatus"),
                "health": machine.text("healthStatus"),
            },
            explanation=f"Defender shows the computer {state.words(self.pair)}.{gave_up}{left}",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed: None where it was so before, be it in part."""
        before = intention.snapshot.get("is_on")
        return None if before is None or before is self.is_on else {}

    def _read(self, client: DefenderClient, intention: Intention) -> tuple[Fields, State]:
        machine = read_machine(client, intention.target.external_id)
        actions = read_actions(client, intention.target.external_id)
        return machine, state_of(self.pair, actions)

    def _holds(self, state: State) -> bool:
        if state.pending:
            return False
        return state.is_full if self.is_on else not state.is_on

    def _is_waiting(self, action: Fields, kind: str) -> bool:
        return action.word("type") == kind.lower() and action.word("status") in UNFINISHED

    def _gave_up(self, own: list[dict[str, Any]]) -> str:
        if not own or str(own[0]["status"]).lower() not in _GAVE_UP:
            return ""
        return f" The last machine action, {own[0]['type']}, ended as {own[0]['status']}."


@dataclass(frozen=True, slots=True)
class RunOnce:
    """Have something done once: a scan, a collection of traces, a file locked away.

    A file that was locked away can be put back on the computer and in the portal only.
    """

    name: str
    verb: str
    kind: str
    permission: str
    body: Mapping[str, str] = field(default_factory=dict)
    is_of_file: bool = False

    @property
    def permissions(self) -> tuple[str, ...]:
        """To ask for it, and to read it back."""
        return (self.permission, READ_MACHINES)

    def snapshot(self, client: DefenderClient, intention: Intention) -> Json:
        """Whether the machine is there and governed; nothing of it is changed."""
        machine = read_machine(client, self._wanted(intention).machine_id)
        return {"health": machine.text("healthStatus"), "risk": machine.text("riskScore")}

    def call(self, client: DefenderClient, intention: Intention) -> Json:
        """Ask for it once: again only where what was asked for came to nothing."""
        wanted = self._wanted(intention)
        own = self._own(read_actions(client, wanted.machine_id), intention)
        if own is not None and own.word("status") not in _GAVE_UP:
            return shown(own)
        return shown(start(client, intention, wanted))

    def read_back(self, client: DefenderClient, intention: Intention) -> ReadBack:
        """The machine action, or one of others that ended since, must have succeeded."""
        machine_id = self._wanted(intention).machine_id
        actions = read_actions(client, machine_id)
        seen = self._own(actions, intention) or self._since(actions, intention)
        if seen is None:
            return ReadBack(False, {}, "Defender shows no such machine action yet.")
        machine = read_machine(client, machine_id)
        return ReadBack(
            holds=seen.word("status") == "succeeded",
            observed={**shown(seen), "health": machine.text("healthStatus")},
            explanation=f"Defender shows the machine action as {seen.text('status')}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Nothing on the computer was changed, or nothing that the API can change back."""
        return None

    def _wanted(self, intention: Intention) -> Wanted:
        machine_id, sha1, body = intention.target.external_id, "", dict(self.body)
        if self.is_of_file:
            machine_id, sha1 = machine_and_file(intention)
            body["Sha1"] = sha1
        return Wanted(machine_id, self.verb, self.kind, self.permission, body, sha1)

    def _own(self, actions: list[Fields], intention: Intention) -> Fields | None:
        wanted, mark = self._wanted(intention), comment(intention)
        return next(
            (
                action
                for action in actions
                if wanted.is_met_by(action) and action.text("requestorComment") == mark
            ),
            None,
        )

    def _since(self, actions: list[Fields], intention: Intention) -> Fields | None:
        """The one that was under way when ours was refused for that reason."""
        wanted = self._wanted(intention)
        for action in actions:
            ended = action.time("lastUpdateDateTimeUtc", "lastUpdateTimeUtc")
            is_later = ended is not None and ended >= intention.since
            if wanted.is_met_by(action) and is_later:
                return action
        return None
