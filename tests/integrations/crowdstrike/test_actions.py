"""Actions where Falcon says no, or somebody else was there before."""

import datetime as dt
from dataclasses import replace

import pytest

from integrations import registry
from integrations.contract import Intention, Target
from integrations.errors import NotFound, Rejected
from tests.integrations.conformance.driving import intention
from tests.integrations.crowdstrike.subject import HASH, file_of, host_of, indicator


def act(name: str):
    return registry.action("crowdstrike", name)


def watching(vendor, action: str = "detect") -> None:
    """Somebody has an indicator for the hash already."""
    vendor.act(
        "put", collection="indicators",
        record={
            "id": "f" * 64, "type": "sha256", "value": HASH, "action": action, "severity": "low",
            "platforms": ["windows"], "applied_globally": True, "deleted": False, "expired": False,
        },
    )  # fmt: skip


@pytest.mark.parametrize("value", ["203.0.113.9", "evil.example", "c" * 40, "https://evil.example"])
def test_what_falcon_can_only_watch_for_is_not_called_blocked(vendor, client, value) -> None:
    target = Target("indicator", "", value, value)
    with pytest.raises(Rejected, match="firewall or DNS"):
        act("indicator.block").call(client, Intention(target, {}, dt.datetime.now(dt.UTC)))
    assert vendor.records("indicators") == {}


def test_an_indicator_that_only_watched_is_put_back(vendor, client) -> None:
    watching(vendor)
    target = indicator(vendor)
    before = vendor.records("indicators")
    done = intention(vendor, client, "indicator.block", target, {"kind": "file"})
    act("indicator.block").call(client, done)
    assert vendor.records("indicators")["f" * 64]["action"] == "prevent"
    inputs = act("indicator.block").reversal_inputs(done)
    undone = intention(vendor, client, "indicator.unblock", target, inputs)
    act("indicator.unblock").call(client, undone)
    assert act("indicator.unblock").read_back(client, undone).holds
    kept = ("action", "severity", "platforms", "applied_globally")
    after = vendor.records("indicators")["f" * 64]
    assert {name: after[name] for name in kept} == {
        name: before["f" * 64][name] for name in kept
    }  # fmt: skip


def test_what_somebody_allowed_stays_allowed(vendor, client) -> None:
    watching(vendor, "allow")
    done = intention(vendor, client, "indicator.block", indicator(vendor), {})
    with pytest.raises(Rejected, match="Somebody allowed"):
        act("indicator.block").call(client, done)
    assert vendor.records("indicators")["f" * 64]["action"] == "allow"


def test_a_host_that_has_not_obeyed_yet_is_not_called_isolated(vendor, client) -> None:
    target = host_of(vendor)
    host = vendor.records("hosts")[target.external_id]
    vendor.act("put", collection="hosts", record={**host, "status": "containment_pending",
                                                  "id": target.external_id})  # fmt: skip
    asked = intention(vendor, client, "endpoint.isolate", target, {})
    act("endpoint.isolate").call(client, asked)
    assert vendor.requests("POST", "devices-actions") == []
    seen = act("endpoint.isolate").read_back(client, asked)
    assert not seen.holds
    assert "containment_pending" in seen.explanation


def test_a_file_that_falcon_does_not_hold_can_not_be_locked_away(vendor, client) -> None:
    unknown = replace(file_of(vendor), external_id="0" * 32 + "_" + "1" * 64)
    with pytest.raises(NotFound, match="removed by hand"):
        intention(vendor, client, "endpoint.quarantine_file", unknown, {})


def test_a_deleted_file_can_not_be_restored(vendor, client) -> None:
    target = file_of(vendor)
    file = vendor.records("files")[target.external_id]
    vendor.act("put", collection="files", record={**file, "state": "deleted"})
    asked = intention(vendor, client, "endpoint.restore_file", target, {})
    with pytest.raises(Rejected, match="can't be put back"):
        act("endpoint.restore_file").call(client, asked)


def test_a_scan_that_did_not_end_has_not_searched_the_computer(vendor, client) -> None:
    asked = intention(vendor, client, "endpoint.scan", host_of(vendor), {})
    act("endpoint.scan").call(client, asked)
    (scan,) = vendor.records("scans").values()
    vendor.act("put", collection="scans", record={**scan, "status": "running"})
    assert not act("endpoint.scan").read_back(client, asked).holds
    vendor.act("put", collection="scans", record={**scan, "status": "failed"})
    assert not act("endpoint.scan").read_back(client, asked).holds
    later = replace(asked, since=asked.since + dt.timedelta(days=1))
    act("endpoint.scan").call(client, later)
    assert len(vendor.records("scans")) == 2
