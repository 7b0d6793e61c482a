"""What only Tactical RMM can: decide on updates. The rest is that of `integrations.managed`."""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.tactical_rmm.client import (
    AGENTS,
    CLIENTS,
    HISTORY,
    REBOOT,
    RUN,
    SCRIPTS,
    UPDATES,
    TacticalRmmClient,
)
from integrations.contract import Action, Intention, Json, ReadBack
from integrations.managed.actions import InstallUpdates, Restart, RunScript, chosen
from integrations.values import Fields

_OWN = (AGENTS, CLIENTS)
_OPEN = ("undecided", "rejected")


def _decisions(client: TacticalRmmClient, intention: Intention) -> dict[str, str]:
    """Tactical RMM's word for what was decided of each update, by the update's name.

    Its id is a row's, and another after the computer was searched anew or set up again.
    """
    wanted = {update.external_id: update.name for update in chosen(client, intention)}
    rows = {row.text("id"): row for row in client.patches(intention.target.external_id)}
    return {name: rows[own].word("action") for own, name in wanted.items() if own in rows}


def _said(client: TacticalRmmClient, intention: Intention) -> dict[str, str]:
    return {update.name: update.state for update in chosen(client, intention)}


@dataclass(frozen=True, slots=True)
class ApproveUpdates:
    """Approve updates of one computer, so that the next run installs them."""

    name: str = "patch.approve"
    permissions: tuple[str, ...] = (UPDATES, *_OWN)

    def snapshot(self, client: TacticalRmmClient, intention: Intention) -> Json:
        """What was decided of each so far."""
        return {
            "decisions": _decisions(client, intention),
            "states": _said(client, intention),
        }

    def call(self, client: TacticalRmmClient, intention: Intention) -> Json:
        """Approve those that are not approved or installed."""
        open_ones = [u for u in chosen(client, intention) if u.state in _OPEN]
        for update in open_ones:
            client.decide(update.external_id, "approve")
        return {"approved": [update.name for update in open_ones]}

    def read_back(self, client: TacticalRmmClient, intention: Intention) -> ReadBack:
        """Ask for the updates again."""
        states = _said(client, intention)
        return _seen(states, holds=not any(state in _OPEN for state in states.values()))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Only those that were open are put back to what they were."""
        states: dict[str, str] = intention.snapshot.get("states", {})
        changed = [name for name, state in states.items() if state in _OPEN]
        if not changed:
            return None
        return {"patches": changed, "previous": intention.snapshot.get("decisions", {})}


@dataclass(frozen=True, slots=True)
class WithdrawApproval:
    """Take the approval of updates back; what is installed stays."""

    name: str = "patch.withdraw_approval"
    permissions: tuple[str, ...] = (UPDATES, *_OWN)

    def snapshot(self, client: TacticalRmmClient, intention: Intention) -> Json:
        """How it stands with each."""
        return {"states": _said(client, intention)}

    def call(self, client: TacticalRmmClient, intention: Intention) -> Json:
        """Put those that are approved back to what was decided before, or to nothing."""
        told = intention.inputs.get("previous")
        previous = Fields(told if isinstance(told, dict) else {})
        approved = [u for u in chosen(client, intention) if u.state in ("approved", "failed")]
        for update in approved:
            # Runs of before named them by their ids.
            before: Any = previous.word(update.name, update.external_id)
            is_open = before in ("ignore", "nothing", "inherit")
            client.decide(update.external_id, before if is_open else "nothing")
        return {"withdrawn": [update.name for update in approved]}

    def read_back(self, client: TacticalRmmClient, intention: Intention) -> ReadBack:
        """Ask for the updates again."""
        states = _said(client, intention)
        stands = [name for name, state in states.items() if state in ("approved", "failed")]
        return _seen(states, holds=not stands)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Only those that were approved are approved again."""
        states: dict[str, str] = intention.snapshot.get("states", {})
        changed = [name for name, state in states.items() if state in ("approved", "failed")]
        return {"patches": changed} if changed else None


def _seen(states: dict[str, str], *, holds: bool) -> ReadBack:
    shown = ", ".join(f"{name} as {state}" for name, state in states.items())
    return ReadBack(holds, {"updates": states}, f"Tactical RMM shows {shown}.")


ACTIONS: tuple[Action, ...] = (
    Restart(permissions=(REBOOT, *_OWN)),
    ApproveUpdates(),
    WithdrawApproval(),
    InstallUpdates(permissions=(UPDATES, *_OWN)),
    RunScript(permissions=(RUN, SCRIPTS, HISTORY, *_OWN)),
)
