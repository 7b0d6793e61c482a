"""What the connector can do: one class for each kind of change.

Processes and files are acted upon through the threat that names them, so their id is its id.
"""

from dataclasses import dataclass

from integrations.connectors.sentinelone.client import (
    VIEW_ENDPOINTS,
    VIEW_THREATS,
    SentinelOneClient,
)
from integrations.connectors.sentinelone.normalise.threats import is_quarantined, was_done
from integrations.contract import Action, Intention, Json, ReadBack
from integrations.errors import NotFound
from integrations.values import Fields

DISCONNECT = "Endpoints: Disconnect From Network"
RECONNECT = "Endpoints: Reconnect To Network"
SCAN = "Endpoints: Initiate Scan"
KILL, QUARANTINE = "Endpoint Threats: Kill", "Endpoint Threats: Quarantine"
UNQUARANTINE = "Endpoint Threats: Unquarantine"


def _agent(client: SentinelOneClient, intention: Intention) -> Fields:
    return client.one("/agents", VIEW_ENDPOINTS, intention.target.external_id, "endpoint")


def _threat(client: SentinelOneClient, intention: Intention) -> Fields:
    return client.one("/threats", VIEW_THREATS, intention.target.external_id, "threat")


def _act(client: SentinelOneClient, path: str, permission: str, intention: Intention) -> Json:
    affected = client.act(path, permission, intention.target.external_id)
    if not affected:
        raise NotFound(f"SentinelOne found nothing to do for {intention.target.name}.")
    return {"affected": affected}


@dataclass(frozen=True, slots=True)
class SwitchNetwork:
    """Disconnect a computer from the network, or reconnect it; the agent keeps its own way out."""

    name: str
    to_isolated: bool
    permissions: tuple[str, ...]

    @property
    def _settled(self) -> str:
        return "disconnected" if self.to_isolated else "connected"

    @property
    def _pending(self) -> str:
        return "disconnecting" if self.to_isolated else "connecting"

    def snapshot(self, client: SentinelOneClient, intention: Intention) -> Json:
        """Its state now."""
        return {"status": _agent(client, intention).word("networkStatus")}

    def call(self, client: SentinelOneClient, intention: Intention) -> Json:
        """Ask for it, unless it is so already or asked for."""
        status = _agent(client, intention).word("networkStatus")
        if status in (self._settled, self._pending):
            return {"status": status}
        verb = "disconnect" if self.to_isolated else "connect"
        return _act(client, f"/agents/actions/{verb}", self.permissions[0], intention)

    def read_back(self, client: SentinelOneClient, intention: Intention) -> ReadBack:
        """Ask for the agent again: only the settled state counts."""
        status = _agent(client, intention).word("networkStatus")
        return ReadBack(
            holds=status == self._settled,
            observed={"status": status},
            explanation=f"SentinelOne shows the computer as {status or 'unknown'}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("status")
        return None if not before or before in (self._settled, self._pending) else {}


@dataclass(frozen=True, slots=True)
class Scan:
    """Scan a computer's disks. A scan that runs already is the same scan."""

    name: str = "endpoint.scan"
    permissions: tuple[str, ...] = (SCAN, VIEW_ENDPOINTS)

    def snapshot(self, client: SentinelOneClient, intention: Intention) -> Json:
        """When it was last scanned: a later end is this scan's, whatever the clocks say."""
        agent = _agent(client, intention)
        return {name: agent.text(name) for name in ("scanStartedAt", "scanFinishedAt")}

    def call(self, client: SentinelOneClient, intention: Intention) -> Json:
        """Begin the scan, unless one runs or this step has begun it already."""
        agent = _agent(client, intention)
        began = agent.text("scanStartedAt") != intention.snapshot.get("scanStartedAt", "")
        if agent.word("scanStatus") == "started" or began:
            return {"scan": agent.word("scanStatus")}
        return _act(client, "/agents/actions/initiate-scan", SCAN, intention)

    def read_back(self, client: SentinelOneClient, intention: Intention) -> ReadBack:
        """Only a scan that came to its end has searched the computer."""
        agent = _agent(client, intention)
        status, ended = agent.word("scanStatus"), agent.text("scanFinishedAt")
        is_new = bool(ended) and ended != intention.snapshot.get("scanFinishedAt", "")
        return ReadBack(
            holds=status == "finished" and is_new,
            observed={"status": status, "finished_at": ended},
            explanation=f"SentinelOne shows the scan as {status or 'unknown'}"
            + (f", last finished at {ended}." if ended else "."),
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A scan can't be undone."""
        return None


@dataclass(frozen=True, slots=True)
class Kill:
    """Stop the programs of a threat."""

    name: str = "endpoint.kill_process"
    permissions: tuple[str, ...] = (KILL, VIEW_THREATS)

    def snapshot(self, client: SentinelOneClient, intention: Intention) -> Json:
        """Whether they were stopped before."""
        return {"was_killed": was_done(_threat(client, intention), "kill") is not None}

    def call(self, client: SentinelOneClient, intention: Intention) -> Json:
        """Stop them, unless SentinelOne has."""
        if was_done(_threat(client, intention), "kill") is not None:
            return {"was_killed": True}
        return _act(client, "/threats/mitigate/kill", KILL, intention)

    def read_back(self, client: SentinelOneClient, intention: Intention) -> ReadBack:
        """Ask for what was done about the threat."""
        moment = was_done(_threat(client, intention), "kill")
        state = "stopped" if moment else "not stopped"
        return ReadBack(
            holds=moment is not None,
            observed={"killed_at": moment.isoformat() if moment else None},
            explanation=f"SentinelOne shows the program as {state}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A stopped program can't be started again."""
        return None


@dataclass(frozen=True, slots=True)
class SwitchQuarantine:
    """Lock the file of a threat away, or put it back."""

    name: str
    to_quarantined: bool
    permissions: tuple[str, ...]

    def snapshot(self, client: SentinelOneClient, intention: Intention) -> Json:
        """Its state now."""
        return {"is_quarantined": is_quarantined(_threat(client, intention))}

    def call(self, client: SentinelOneClient, intention: Intention) -> Json:
        """Change it, unless it is so already."""
        if is_quarantined(_threat(client, intention)) is self.to_quarantined:
            return {"is_quarantined": self.to_quarantined}
        verb = "quarantine" if self.to_quarantined else "un-quarantine"
        return _act(client, f"/threats/mitigate/{verb}", self.permissions[0], intention)

    def read_back(self, client: SentinelOneClient, intention: Intention) -> ReadBack:
        """Ask for what was done about the threat."""
        seen = is_quarantined(_threat(client, intention))
        return ReadBack(
            holds=seen is self.to_quarantined,
            observed={"is_quarantined": seen},
            explanation=f"SentinelOne shows the file {'' if seen else 'not '}in quarantine.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("is_quarantined")
        return None if before is None or before is self.to_quarantined else {}


ACTIONS: tuple[Action, ...] = (
    SwitchNetwork("endpoint.isolate", to_isolated=True, permissions=(DISCONNECT, VIEW_ENDPOINTS)),
    SwitchNetwork("endpoint.release", to_isolated=False, permissions=(RECONNECT, VIEW_ENDPOINTS)),
    Scan(),
    Kill(),
    SwitchQuarantine(
        "endpoint.quarantine_file", to_quarantined=True, permissions=(QUARANTINE, VIEW_THREATS)
    ),
    SwitchQuarantine(
        "endpoint.restore_file", to_quarantined=False, permissions=(UNQUARANTINE, VIEW_THREATS)
    ),
)
