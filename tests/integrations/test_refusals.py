"""What a vendor refuses for one device never stops a feed for the devices behind it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import pytest

from integrations.connectors.ansible_hosts import feeds as of_hosts
from integrations.connectors.ansible_hosts.asking import Outcome
from integrations.connectors.ansible_hosts.inventory import hosts_of
from integrations.errors import PermissionMissing, Rejected, Unauthorised, Unavailable
from integrations.refusals import Refused

# Which connector's feed asks object by object, and one object's own request in it.
ASKED_ONE_BY_ONE = (
    ("ninjaone", "patches", r"/device/\d+/os-patches$"),
    ("tactical_rmm", "patches", r"/winupdate/[^/]+/$"),
    ("wazuh", "inventory", r"/syscollector/001/packages$"),
    ("intune", "compliance", r"/deviceCompliancePolicyStates$"),
)


@pytest.mark.parametrize(("connector", "name", "path"), ASKED_ONE_BY_ONE)
def test_one_refused_device_stops_none_behind_it(tmp_path, connector, name, path) -> None:
    subject = importlib.import_module(f"tests.integrations.{connector}.subject").SUBJECT
    fetch = subject.manifest.feed(name).fetch
    with subject.running(tmp_path) as vendor:
        client = vendor.connect()
        whole = sum(len(page.records) for page in fetch(client, {}))
        vendor.fault("refuse", path=path, status=403, times=1)
        pages = list(fetch(client, {}))
        client.close()
    read = sum(len(page.records) for page in pages)
    assert 0 < read < whole
    assert pages[-1].is_last
    assert isinstance(pages[-1].refused, PermissionMissing)


@dataclass
class Hosts:
    """Hosts of which some answer."""

    hosts: Any
    failures: dict[str, Exception]
    at_once: int = 1

    def look(self, hosts: Any, **_: Any) -> Outcome:
        failed = {h.name: self.failures[h.name] for h in hosts if h.name in self.failures}
        answered = {h.name: {"facts": {}} for h in hosts if h.name not in failed}
        return Outcome(answered, failed)


@pytest.mark.parametrize("error", [Unauthorised("the key is refused"), Unavailable("it is off")])
def test_a_host_that_refuses_or_is_off_stops_none_behind_it(error) -> None:
    hosts = hosts_of("a 10.0.0.1\nb 10.0.0.2\nc 10.0.0.3")
    pages = list(of_hosts.hosts(Hosts(hosts, {"a": error}), {}))
    told = {r.body["host"]: r.body["is_reachable"] for page in pages for r in page.records}
    assert told == {"a": False, "b": True, "c": True}
    assert pages[-1].refused is not None
    assert str(pages[-1].refused) == str(error)


def test_a_vendor_that_is_away_for_two_in_a_row_is_away_for_all() -> None:
    refused = Refused()
    with refused.kept("one"):
        raise Unavailable("away")
    with pytest.raises(Unavailable), refused.kept("one"):
        raise Unavailable("still away")


def test_the_first_refusal_is_kept_through_the_cursor() -> None:
    refused = Refused()
    for error in (Rejected("first"), PermissionMissing("second")):
        with refused.kept("one"):
            raise error
    again = Refused(refused.as_cursor())
    assert isinstance(again.first, Rejected)
    assert str(again.first) == "first"
    assert Refused({"refused": ["OSError", "nonsense"]}).first is None
