"""Hosts over SSH under the conformance suite: real sshd hosts, and a target for each action."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from integrations.connectors.ansible_hosts.manifest import MANIFEST
from integrations.contract import Client, Json, Target
from integrations.transport import Limits
from tests.integrations.conformance.subject import QUICK, ActionCase, Subject, Vendor
from tests.servers.once import once
from tests.servers.ssh_hosts import PACKAGE, PORT, SERVICE, Network, SshHost, ssh_network, stopped


class RealHosts(Vendor):
    """Three hosts, and how Holdfast is connected to them."""

    manifest = MANIFEST

    def __init__(self, network: Network) -> None:
        self.network = network
        lines = [f"{h.name} {h.address} ring:pilot" for h in network.hosts.values()]
        self.settings = {
            "hosts": "\n".join(lines), "known_hosts": network.known_hosts, "at_once": "1",
        }  # fmt: skip
        self.secrets = {"private_key": network.private_key}
        self._before = {host.name: host.sign_ins for host in network.hosts.values()}

    def connect(
        self, limits: Limits = QUICK, *, allow_private: bool = True, **changed: str
    ) -> Client:
        """A client that gives Ansible, which starts a program for each run, its time."""
        patient = replace(limits, total=max(limits.total, 110))
        return super().connect(patient, allow_private=allow_private, **changed)

    def host(self, name: str = "web-1") -> SshHost:
        """A host, past SSH."""
        return self.network.hosts[name]

    def forget_one(self) -> None:
        """A technician takes a host out of the connection."""
        self.settings["hosts"] = self.settings["hosts"].partition("\n")[2]

    def fault(self, kind: str, **options: Any) -> None:
        """Slow: the hosts after some say nothing. Anything else: no connection comes through."""
        hosts = list(self.network.hosts.values())[options.get("after", 0) :]
        if kind == "slow":
            stopped(hosts)
            return
        for host in hosts:
            self.network.reject(host)

    def clear_faults(self) -> None:
        """As at the start."""
        self.network.renew()

    def grant(self, permissions: Sequence[str]) -> None:
        """The key opens the hosts, or it doesn't."""
        self.network.allow(is_allowed="ssh" in permissions)

    def requests(self, method: str = "", path: str = "") -> list[Json]:
        """Sign-ins since the start."""
        return [
            {"method": "SSH", "path": host.name}
            for host in self.network.hosts.values()
            for _ in range(host.sign_ins - self._before[host.name])
        ]

    def credentials(self) -> set[str]:
        """A key is never sent."""
        return set()


def host_target(vendor: RealHosts) -> Target:
    """A host."""
    return Target("device", "row", "web-1", "web-1")


def _is_cut_off(vendor: RealHosts, target: Target) -> Any:
    """Asked from another host of the network."""
    host, other = vendor.host(target.external_id), vendor.host("db-1")
    return [other.pings(host.address), other.connects(host.address, PORT)]


def _listens(vendor: RealHosts, target: Target) -> Any:
    return vendor.host("db-1").connects(vendor.host(target.external_id).address, PORT)


def _installed(vendor: RealHosts, target: Target) -> Any:
    """What version is there, once nothing installs any more."""
    host = vendor.host(target.external_id)
    host.sh("flock -w 30 /run/lock/holdfast-updates true")
    return host.sh(f"cat /usr/share/{PACKAGE}/version")


def _service(vendor: RealHosts, target: Target) -> dict[str, Any]:
    return {"service": SERVICE}


_NO_HTTP = "SSH has no such answer: a host answers, refuses the key, or doesn't answer."

_HOSTS = "tests/integrations/ansible_hosts/test_hosts.py"


class AnsibleHostsSubject(Subject):
    """Three real hosts, asked one at a time."""

    manifest = MANIFEST
    feed = "hosts"
    endpoints = ("hosts",)
    real_server = "OpenSSH with nftables, apt and init scripts"
    server = "Ansible and SSH"
    left_out = {
        "throttling": _NO_HTTP,
        "token_expiry": "A key is entered by a person and doesn't expire.",
        "refusals": f"{_NO_HTTP} Keys that are refused are tried in {_HOSTS}.",
        "server_errors": _NO_HTTP,
        "redirects": _NO_HTTP,
        "timeouts": "To sign in takes longer than the suite's limits; hosts that say nothing are "
        f"tried in {_HOSTS}.",
        "slow_bodies": f"As before: hosts that say nothing are tried in {_HOSTS}, and answers "
        "without end in tests/integrations/ansible_hosts/test_asking.py.",
        "broken_answers": "SSH itself checks that what comes is whole; connections that are cut "
        "are tried in tests/integrations/ansible_hosts/test_asking.py.",
        "duplicates": "The pages are Holdfast's own: hosts by name.",
        "out_of_order": "The pages are Holdfast's own: hosts by name.",
        "late_effects": "A host shows at once what was done on it: nothing stands between.",
        "contract": "SSH is a protocol and no published list of calls: the real server is the "
        "contract.",
    }
    excused = {
        "throttling": "the protocol has no such answer",
        "token_expiry": "a person renews the credentials",
        "refusals": f"{_HOSTS}::"
        "test_a_key_that_is_refused_and_a_host_that_is_another_need_a_person",
        "server_errors": "the protocol has no such answer",
        "redirects": "the protocol has no such answer",
        **dict.fromkeys(
            ("timeouts", "slow_bodies"),
            f"{_HOSTS}::test_a_host_that_says_nothing_is_given_up_and_nothing_goes_on_running",
        ),
        "broken_answers": "tests/integrations/ansible_hosts/test_asking.py::"
        "test_an_answer_that_is_none_is_never_believed",
        "duplicates": "a list comes whole",
        "out_of_order": "a list comes whole",
        "late_effects": "an effect shows at once",
        "contract": "the real server is the contract",
    }
    deletions: ClassVar = {"hosts": RealHosts.forget_one, "updates": RealHosts.forget_one}
    actions = (
        ActionCase("endpoint.isolate", host_target, _is_cut_off),
        ActionCase("endpoint.release", host_target, _is_cut_off, undoes="endpoint.isolate"),
        ActionCase(
            "patch.install", host_target, _installed,
            inputs=lambda vendor, target: {"patches": [PACKAGE]},
        ),
        ActionCase("endpoint.stop_service", host_target, _listens, inputs=_service),
        ActionCase(
            "endpoint.start_service", host_target, _listens, inputs=_service,
            undoes="endpoint.stop_service",
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[RealHosts]:
        """The hosts, as they were at the start."""
        network = once(ssh_network)
        network.renew()
        yield RealHosts(network)

    def address(self, setting: str, host: str) -> str:
        """A setting of one host at an address."""
        return f"web-1 {host}"


SUBJECT = AnsibleHostsSubject()
