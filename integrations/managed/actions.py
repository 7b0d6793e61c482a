"""What can be done to a managed computer: one class for each change, for every such product."""

from dataclasses import dataclass

from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.managed.computers import Manager, Update


def wanted(intention: Intention) -> list[str]:
    """The names of the updates that a step is about; Rejected where it names none."""
    told = intention.inputs.get("patches")
    names = [str(name).strip() for name in told] if isinstance(told, list) else []
    if not names or not all(names):
        raise Rejected("Name the updates in `patches`, such as KB5050001.")
    return list(dict.fromkeys(names))


def chosen(client: Manager, intention: Intention) -> list[Update]:
    """The updates that a step is about; Rejected where the product knows one of them not."""
    names = {name.casefold(): name for name in wanted(intention)}
    found = [u for u in client.updates(intention.target.external_id) if u.name.casefold() in names]
    unknown = names.keys() - {update.name.casefold() for update in found}
    if unknown:
        listed = ", ".join(sorted(names[name] for name in unknown))
        raise Rejected(
            f"{client.product} shows no update {listed} for {intention.target.name}. "
            "Have the computer searched for updates, and look at which it lacks."
        )
    return found


def _states(updates: list[Update]) -> dict[str, str]:
    return {update.name: update.state for update in updates}


@dataclass(frozen=True, slots=True)
class InstallUpdates:
    """Install updates that were approved. The product installs all that are, not these alone."""

    permissions: tuple[str, ...]
    name: str = "patch.install"

    def snapshot(self, client: Manager, intention: Intention) -> Json:
        """How it stands with the updates, and with the product's records."""
        return {
            "states": _states(chosen(client, intention)),
            "mark": client.mark(intention.target.external_id, "install"),
        }

    def call(self, client: Manager, intention: Intention) -> Json:
        """Begin, unless they are there already or the product has begun since."""
        if intention.inputs.get("restart"):
            raise Rejected(
                f"Whether a computer restarts after updates is set in {client.product}'s policy. "
                "Leave `restart` out, or add a step that restarts it."
            )
        own_id = intention.target.external_id
        lacking = [u for u in chosen(client, intention) if u.state != "installed"]
        if not lacking:
            return {"status": "installed"}
        _refuse_undecided(client, intention, lacking)
        if client.has_begun(own_id, "install", intention.snapshot.get("mark", {})):
            return {"status": "begun"}
        return client.install(own_id)

    def read_back(self, client: Manager, intention: Intention) -> ReadBack:
        """Ask for the updates again: each must be installed."""
        states = _states(chosen(client, intention))
        shown = ", ".join(f"{name} as {state}" for name, state in states.items())
        return ReadBack(
            holds=all(state == "installed" for state in states.values()),
            observed={"updates": states},
            explanation=f"{client.product} shows {shown}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """An update stays."""
        return None


def _refuse_undecided(client: Manager, intention: Intention, lacking: list[Update]) -> None:
    """A failed one was approved before, and is tried again."""
    stuck = [f"{u.name} ({u.state})" for u in lacking if u.state in ("undecided", "rejected")]
    if stuck:
        raise Rejected(
            f"{client.product} installs only what is approved, and for {intention.target.name} "
            f"that is not so of {', '.join(stuck)}. Approve it first."
        )


@dataclass(frozen=True, slots=True)
class Restart:
    """Restart a computer."""

    permissions: tuple[str, ...]
    name: str = "endpoint.reboot"

    def snapshot(self, client: Manager, intention: Intention) -> Json:
        """Where the product's records stand: a later start of the computer is this step's."""
        return client.mark(intention.target.external_id, "restart")

    def call(self, client: Manager, intention: Intention) -> Json:
        """Ask for it, unless it was restarted since or the product has begun."""
        own_id = intention.target.external_id
        if client.has_restarted(own_id, intention.snapshot):
            return {"status": "restarted"}
        if client.has_begun(own_id, "restart", intention.snapshot):
            return {"status": "begun"}
        return client.restart(own_id)

    def read_back(self, client: Manager, intention: Intention) -> ReadBack:
        """Only a computer that came up anew was restarted."""
        seen = client.has_restarted(intention.target.external_id, intention.snapshot)
        state = "came up anew" if seen else "has not come up anew yet"
        return ReadBack(
            holds=seen,
            observed={"restarted": seen},
            explanation=f"{client.product} shows that the computer {state}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A restart can't be undone."""
        return None


@dataclass(frozen=True, slots=True)
class RunScript:
    """Run a script that the connection's list allows, without arguments."""

    permissions: tuple[str, ...]
    name: str = "endpoint.run_script"

    def snapshot(self, client: Manager, intention: Intention) -> Json:
        """Where the product's records stand: a later run of the script is this step's."""
        return client.mark(intention.target.external_id, "script")

    def call(self, client: Manager, intention: Intention) -> Json:
        """Begin, unless it was begun since."""
        script, own_id = _agreed(client, intention), intention.target.external_id
        begun = client.runs(own_id, script, intention.snapshot)
        if begun:
            return {"status": "begun", "run": begun[0].external_id}
        return client.run(own_id, script)

    def read_back(self, client: Manager, intention: Intention) -> ReadBack:
        """Only a run that ended well has done what it should."""
        script = _agreed(client, intention)
        found = client.runs(intention.target.external_id, script, intention.snapshot)
        run = next((one for one in found if one.has_ended), None)
        if run is None:
            state = "still running" if found else "not begun"
        else:
            state = "ended well" if run.is_success else f"ended with {run.result or 'an error'}"
        return ReadBack(
            holds=run is not None and run.is_success is True,
            observed={"run": run.external_id if run else None, "state": state},
            explanation=f"{client.product} shows the script {script} as {state}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Nobody knows how to undo what a script did."""
        return None


def _agreed(client: Manager, intention: Intention) -> str:
    """The script, as the connection's list names it; Rejected where it isn't there."""
    told = str(intention.inputs.get("script") or "").strip()
    for name in client.scripts:
        if name.casefold() == told.casefold():
            return name
    listed = ", ".join(client.scripts) or "none"
    raise Rejected(
        f"The script {told or '(none named)'} is not agreed for this connection; agreed: {listed}. "
        "Add it to the connection's scripts first."
    )
