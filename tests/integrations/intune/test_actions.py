"""Commands reach a device when it reports in, and may fail there: asked for is not done."""

import pytest

from integrations import registry
from integrations.contract import Target
from integrations.errors import NotFound
from tests.integrations.conformance.driving import intention

COMMANDS = ("endpoint.sync", "endpoint.lock", "endpoint.reboot", "endpoint.retire")


def act(name: str):
    return registry.action("intune", name)


@pytest.fixture
def off(vendor, laptop) -> Target:
    """A device that is switched off."""
    vendor.act("hold_device", device=laptop.external_id)
    return laptop


@pytest.mark.parametrize("name", COMMANDS)
def test_what_waits_for_the_device_is_not_believed_and_not_asked_twice(
    vendor, client, off, name
) -> None:
    made = intention(vendor, client, name, off, {})
    act(name).call(client, made)
    seen = act(name).read_back(client, made)
    assert not seen.holds
    act(name).call(client, made)
    assert len(vendor.requests("POST", "/managedDevices/")) == 1
    vendor.act("answer_device", device=off.external_id)
    assert act(name).read_back(client, made).holds


@pytest.mark.parametrize("name", ["endpoint.lock", "endpoint.reboot"])
@pytest.mark.parametrize("state", ["failed", "canceled", "notSupported"])
def test_what_failed_on_the_device_is_told_and_can_be_asked_for_again(
    vendor, client, off, name, state
) -> None:
    made = intention(vendor, client, name, off, {})
    act(name).call(client, made)
    vendor.act("answer_device", device=off.external_id, state=state)
    seen = act(name).read_back(client, made)
    assert not seen.holds
    assert state in seen.explanation
    act(name).call(client, made)
    vendor.act("answer_device", device=off.external_id)
    assert act(name).read_back(client, made).holds
    assert len(vendor.requests("POST", "/managedDevices/")) == 2


def test_a_retirement_that_failed_leaves_the_device_managed(vendor, client, off) -> None:
    made = intention(vendor, client, "endpoint.retire", off, {})
    act("endpoint.retire").call(client, made)
    assert "retirePending" in act("endpoint.retire").read_back(client, made).explanation
    vendor.act("answer_device", device=off.external_id, state="failed")
    seen = act("endpoint.retire").read_back(client, made)
    assert not seen.holds
    assert "retireFailed" in seen.explanation
    act("endpoint.retire").call(client, made)
    assert len(vendor.requests("POST", "/retire$")) == 2


def test_a_device_that_has_removed_the_data_counts_while_it_is_still_listed(
    vendor, client, off
) -> None:
    made = intention(vendor, client, "endpoint.retire", off, {})
    act("endpoint.retire").call(client, made)
    record = vendor.records("managedDevices")[off.external_id]
    (told,) = record["deviceActionResults"]
    long_ago = {**told, "actionState": "done", "startDateTime": "2020-01-01T00:00:00Z"}
    vendor.act(
        "put", collection="managedDevices", record={**record, "deviceActionResults": [long_ago]}
    )
    assert not act("endpoint.retire").read_back(client, made).holds
    done = {**record, "deviceActionResults": [{**told, "actionState": "done"}]}
    vendor.act("put", collection="managedDevices", record=done)
    seen = act("endpoint.retire").read_back(client, made)
    assert seen.holds
    assert "removed the company's data" in seen.explanation


def test_a_device_that_is_gone_was_retired_once(vendor, client, laptop) -> None:
    made = intention(vendor, client, "endpoint.retire", laptop, {})
    act("endpoint.retire").call(client, made)
    assert act("endpoint.retire").read_back(client, made).holds
    act("endpoint.retire").call(client, made)
    assert len(vendor.requests("POST", "/retire$")) == 1
    assert act("endpoint.retire").reversal_inputs(made) is None


def test_a_device_that_never_was_there_counts_as_nothing_done(vendor, client) -> None:
    nobody = Target("device", "row", "00000000-0000-0000-0000-00000000dead", "nobody")
    with pytest.raises(NotFound):
        intention(vendor, client, "endpoint.retire", nobody, {})


def test_a_report_of_before_does_not_count_for_a_later_one(vendor, client, laptop) -> None:
    first = intention(vendor, client, "endpoint.sync", laptop, {})
    act("endpoint.sync").call(client, first)
    assert act("endpoint.sync").read_back(client, first).holds
    vendor.act("hold_device", device=laptop.external_id)
    record = vendor.records("managedDevices")[laptop.external_id]
    long_ago = {**record, "lastSyncDateTime": "2020-01-01T00:00:00Z", "deviceActionResults": []}
    vendor.act("put", collection="managedDevices", record=long_ago)
    later = intention(vendor, client, "endpoint.sync", laptop, {})
    assert not act("endpoint.sync").read_back(client, later).holds


def test_wiping_is_not_among_what_can_be_done() -> None:
    assert {a.name for a in registry.connector("intune").actions} == set(COMMANDS)


def test_the_devices_of_an_account_are_found_by_its_entra_id(vendor, client) -> None:
    devices = vendor.records("managedDevices").values()
    some = next(iter(devices))
    target = Target("account", "row", some["userId"], some["userPrincipalName"])
    answer = registry.gatherer("intune", "identity.list_devices").gather(client, target, {})
    mine = [d for d in devices if d["userId"] == some["userId"]]
    assert {d["external_id"] for d in answer["devices"]} == {d["id"] for d in mine}
    found = next(d for d in answer["devices"] if d["external_id"] == some["id"])
    assert (found["name"], found["is_managed"]) == (some["deviceName"], True)
    assert found["is_compliant"] is (some["complianceState"] == "compliant")
    failed = {**some, "managementState": "retireFailed"}
    vendor.act("put", collection="managedDevices", record=failed)
    answer = registry.gatherer("intune", "identity.list_devices").gather(client, target, {})
    assert [d["is_managed"] for d in answer["devices"] if d["external_id"] == some["id"]] == [True]
    nobody = Target("account", "row", "it's nobody", "nobody")
    answer = registry.gatherer("intune", "identity.list_devices").gather(client, nobody, {})
    assert answer == {"devices": []}
