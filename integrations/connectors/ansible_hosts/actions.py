"""What can be done to a host: one class for each kind of change."""

import re
from dataclasses import dataclass

from integrations.connectors.ansible_hosts.client import SSH, AnsibleHostsClient
from integrations.contract import Action, Intention, Json, ReadBack
from integrations.errors import Rejected, Throttled
from integrations.managed.actions import wanted

_PERMISSIONS = (SSH,)
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,99}")
# https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}")
_WAIT_SECONDS = 60.0
_RESTARTS = ("never", "if_needed", "always")
# What Holdfast itself and its way in depend on.
_KEPT_SERVICES = frozenset({"ssh", "sshd", "ssh.service", "sshd.service", "ssh.socket"})


@dataclass(frozen=True, slots=True)
class SwitchNetwork:
    """Cut a host off with nftables, or let it back; the management path stays open."""

    name: str
    to_isolated: bool
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: AnsibleHostsClient, intention: Intention) -> Json:
        """Whether it is isolated now."""
        return {"isolated": self._is_isolated(client, intention)}

    def call(self, client: AnsibleHostsClient, intention: Intention) -> Json:
        """Do it. Doing it again puts the same rules in their place."""
        own_id = intention.target.external_id
        return client.isolate(own_id) if self.to_isolated else client.act("release.yml", own_id)

    def read_back(self, client: AnsibleHostsClient, intention: Intention) -> ReadBack:
        """Sign in anew, which proves the management path, and look at the rules."""
        seen = self._is_isolated(client, intention)
        state = "is cut off, and answers to its management" if seen else "is on the network"
        return ReadBack(
            holds=seen is self.to_isolated,
            observed={"isolated": seen},
            explanation=f"The host {intention.target.name} {state}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("isolated")
        return None if before is None or before is self.to_isolated else {}

    def _is_isolated(self, client: AnsibleHostsClient, intention: Intention) -> bool:
        return client.state(intention.target.external_id).get("isolated") == "yes"


@dataclass(frozen=True, slots=True)
class SwitchService:
    """Stop a service, or start it."""

    name: str
    wanted: str
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: AnsibleHostsClient, intention: Intention) -> Json:
        """How it stands now."""
        return {"state": self._state(client, intention)}

    def call(self, client: AnsibleHostsClient, intention: Intention) -> Json:
        """Do it. A service that stands so already is left alone."""
        service = _service(intention)
        return client.act(
            "service.yml", intention.target.external_id, service=service, wanted=self.wanted
        )

    def read_back(self, client: AnsibleHostsClient, intention: Intention) -> ReadBack:
        """Ask for the services again."""
        seen = self._state(client, intention)
        return ReadBack(
            holds=seen == self._settled,
            observed={"state": seen},
            explanation=f"The host shows the service {_service(intention)} as {seen}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("state")
        return None if before in (None, self._settled) else {"service": _service(intention)}

    @property
    def _settled(self) -> str:
        return "stopped" if self.wanted == "stopped" else "running"

    def _state(self, client: AnsibleHostsClient, intention: Intention) -> str:
        """Running or stopped; Rejected where the host has no such service."""
        service = _service(intention)
        found = client.state(intention.target.external_id, service).get("service", "missing")
        if found == "missing":
            raise Rejected(f"The host {intention.target.name} has no service {service}.")
        return found


def _service(intention: Intention) -> str:
    told = str(intention.inputs.get("service") or "").strip()
    if not _SERVICE.fullmatch(told):
        raise Rejected("Name the service in `service`, such as nginx.")
    if told in _KEPT_SERVICES:
        raise Rejected(f"{told} is the way in for whoever mends the host: it is left alone.")
    return told


@dataclass(frozen=True, slots=True)
class InstallUpdates:
    """Install updates of packages, detached: the host goes on when the connection is lost."""

    name: str = "patch.install"
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: AnsibleHostsClient, intention: Intention) -> Json:
        """Which of the updates it lacks, how the last attempt ended, which start this is."""
        state, lacking = _outlook(client, intention)
        return {
            "lacking": lacking,
            "boot_id": state.get("boot_id", ""),
            "last_update": state.get("last_update", ""),
        }

    def call(self, client: AnsibleHostsClient, intention: Intention) -> Json:
        """Begin, unless it lacked none, or the host installs just now or did so since.

        Throttled while another host of the connection installs: one after the other, so that what
        an update breaks is seen before the next host gets it.
        """
        restart, names = _restart(intention), _names(intention)
        if intention.snapshot.get("lacking") == []:
            return {"status": "installed"}
        busy = client.updating(but=intention.target.external_id)
        if busy:
            raise Throttled(
                f"{', '.join(busy)[:100]} installs updates just now; hosts get them one after the "
                "other.",
                _WAIT_SECONDS,
            )
        # A host that has tried since then answers so, and begins nothing.
        known = intention.snapshot.get("last_update", "any")
        own_id = intention.target.external_id
        return client.act(
            "install_updates.yml", own_id, packages=names, restart=restart, known=known
        )

    def read_back(self, client: AnsibleHostsClient, intention: Intention) -> ReadBack:
        """Ask the package manager again, and whether the restart has come that the policy wants."""
        state, lacking = _outlook(client, intention)
        said = [f"lacks {', '.join(lacking)}" if lacking else "has the updates"]
        code = state.get("last_update", "").partition(" ")[0]
        is_busy = state.get("updating") == "yes"
        if is_busy:
            said.append("installs just now")
        elif lacking and code not in ("", "0"):
            said.append(f"the last attempt ended with {code}: see /var/lib/holdfast/updates.log")
        waits = not lacking and self._waits_for_restart(intention, state)
        if waits:
            said.append("has yet to restart")
        return ReadBack(
            holds=not (lacking or is_busy or waits),
            observed={"lacking": lacking, "boot_id": state.get("boot_id", "")},
            explanation=f"The host {'; '.join(said)}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """An update stays."""
        return None

    def _waits_for_restart(self, intention: Intention, state: dict[str, str]) -> bool:
        restart = _restart(intention)
        has_restarted = state.get("boot_id", "") != intention.snapshot.get("boot_id", "")
        if restart == "always":
            return not has_restarted and bool(intention.snapshot.get("lacking"))
        return restart == "if_needed" and state.get("needs_restart") == "yes"


def _restart(intention: Intention) -> str:
    told = str(intention.inputs.get("restart") or "never")
    if told not in _RESTARTS:
        raise Rejected(f"restart is one of {', '.join(_RESTARTS)}; it says {told[:40]!r}.")
    return told


def _names(intention: Intention) -> list[str]:
    names = wanted(intention)
    strange = [name for name in names if not _PACKAGE.fullmatch(name)]
    if strange:
        raise Rejected(f"{strange[0][:60]!r} is no name of a package.")
    return names


def _outlook(client: AnsibleHostsClient, intention: Intention) -> tuple[dict[str, str], list[str]]:
    """How the host stands, and which of the named packages have an update that waits."""
    names = _names(intention)
    state, updates = client.outlook(intention.target.external_id)
    pending = {found.name for found in updates}
    return state, [name for name in names if name in pending]


ACTIONS: tuple[Action, ...] = (
    SwitchNetwork("endpoint.isolate", to_isolated=True),
    SwitchNetwork("endpoint.release", to_isolated=False),
    InstallUpdates(),
    SwitchService("endpoint.stop_service", "stopped"),
    SwitchService("endpoint.start_service", "started"),
)
