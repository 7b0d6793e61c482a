"""Hosts over SSH, for one client: asked by scripts over ssh, changed by Ansible's playbooks."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.addresses import private_endpoints_allowed
from integrations.connectors.ansible_hosts.asking import Asker, Outcome
from integrations.connectors.ansible_hosts.inventory import (
    Host,
    checked_address,
    hosts_of,
    kept_addresses,
    one,
)
from integrations.connectors.ansible_hosts.normalise.hosts import computer, state_of
from integrations.connectors.ansible_hosts.normalise.updates import pending_of, update
from integrations.connectors.ansible_hosts.runner import Runner
from integrations.connectors.ansible_hosts.ssh import Sign
from integrations.contract import Json
from integrations.errors import ConnectionMisconfigured, Unavailable, VendorError
from integrations.managed.computers import Computer, Update
from integrations.transport import Limits
from integrations.values import Fields

SSH = "ssh"
_NEEDED = ("hosts", "known_hosts", "private_key")
_AT_ONCE = 10
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----\s[A-Za-z0-9+/=\s:,-]+-----END \1-----")


class AnsibleHostsClient:
    """Some hosts, ready to be asked. Methods raise `integrations.errors`."""

    product = "The host"

    def __init__(
        self,
        asker: Asker,
        runner: Runner,
        hosts: tuple[Host, ...],
        *,
        keep: list[str],
        at_once: int,
        allow_private: bool,
    ) -> None:
        self._asker = asker
        self._runner = runner
        self.hosts = hosts
        self.at_once = at_once
        self._keep = keep
        self._allow_private = allow_private

    def __repr__(self) -> str:
        return f"<AnsibleHostsClient {len(self.hosts)} hosts>"

    def close(self) -> None:
        """Nothing is kept open between two calls."""

    def look(
        self, hosts: Sequence[Host], *, service: str = "", detail: bool = False,
        updates: bool = False,
    ) -> Outcome:  # fmt: skip
        """Ask hosts how they stand; one that can't be found counts as unreachable.

        `detail` asks for what the host is, too, and `updates` for those that it lacks.
        """
        found, failures = [], {}
        for host in hosts:
            try:
                found.append((host, self._address(host)))
            except Unavailable as error:
                failures[host.name] = error
        scripts = ["state.sh"] + ["facts.sh"] * detail + ["updates.sh"] * updates
        told = self._asker.ask(found, scripts, service)
        return Outcome(told.reports, {**told.failures, **failures})

    def act(self, playbook: str, own_id: str, **inputs: Any) -> Json:
        """Run a playbook that changes something on one host; return its report."""
        host = one(self.hosts, own_id)
        return dict(self._runner.run(playbook, host, self._address(host), **inputs))

    def state(self, own_id: str, service: str = "") -> dict[str, str]:
        """How the host stands, by name: `isolated`, `updating`, `boot_id`, `service` and so on."""
        return state_of(self._report(own_id, service=service))

    def outlook(self, own_id: str) -> tuple[dict[str, str], list[Update]]:
        """How the host stands, and the updates that it lacks."""
        report = self._report(own_id, updates=True)
        return state_of(report), [update(row) for row in pending_of(report)]

    def updating(self, but: str) -> list[str]:
        """Which hosts other than one install updates just now, as far as they answer."""
        told = self.look([host for host in self.hosts if host.name != but])
        states = {name: state_of(Fields(report)) for name, report in told.reports.items()}
        return sorted(name for name, state in states.items() if state.get("updating") == "yes")

    def computer(self, own_id: str) -> tuple[Computer, dict[str, str]]:
        """The host with its facts, and how it stands."""
        host, report = one(self.hosts, own_id), self._report(own_id, detail=True)
        return computer(host.name, host.ring, report), state_of(report)

    def updates(self, own_id: str) -> list[Update]:
        """Updates that the host lacks."""
        return self.outlook(own_id)[1]

    def _report(self, own_id: str, **asked: Any) -> Fields:
        host = one(self.hosts, own_id)
        return Fields(self.look([host], **asked).report(host.name))

    def isolate(self, own_id: str) -> Json:
        """Cut the host off, but for SSH from here and from the addresses that are kept."""
        return self.act("isolate.yml", own_id, keep=self._keep)

    def _address(self, host: Host) -> str:
        return checked_address(host, allow_private=self._allow_private)


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> AnsibleHostsClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {**settings, **secrets}
    missing = [name for name in _NEEDED if not given.get(name, "").strip()]
    if missing:
        raise ConnectionMisconfigured(
            f"The connection to hosts over SSH lacks {', '.join(missing)}: enter it."
        )
    if not _KEY.fullmatch(given["private_key"].strip()):
        raise ConnectionMisconfigured(
            "private_key is no private key: paste the whole text, from BEGIN to END."
        )
    user = given.get("user", "").strip() or "root"
    if not _USER.fullmatch(user):
        raise ConnectionMisconfigured("user is the name of a user on the hosts, such as root.")
    at_once = given.get("at_once", "").strip() or str(_AT_ONCE)
    if not at_once.isdecimal() or not 0 < int(at_once) <= 50:
        raise ConnectionMisconfigured("at_once is a number from 1 to 50.")
    sign = Sign(user, given["private_key"], given["known_hosts"], become=user != "root")
    return AnsibleHostsClient(
        Asker(sign, limits or Limits()),
        Runner(sign, limits or Limits()),
        hosts_of(given["hosts"]),
        keep=kept_addresses(given.get("management_addresses", "")),
        at_once=int(at_once),
        allow_private=private,
    )


def canary(client: AnsibleHostsClient) -> str:
    """Ask some hosts through the whole path; say in a sentence which answered.

    Raises what the first one failed with where none did.
    """
    asked = client.hosts[: client.at_once]
    told = client.look(asked)
    if not told.reports:
        raise _worst(told.failures)
    silent = sorted(told.failures)
    more = f"; {', '.join(silent)[:100]} did not" if silent else ""
    return f"{len(told.reports)} of {len(asked)} hosts answered over SSH{more}."


def _worst(failures: Mapping[str, VendorError]) -> VendorError:
    """What a person must mend comes before what may pass."""
    return min(failures.values(), key=lambda error: isinstance(error, Unavailable))
