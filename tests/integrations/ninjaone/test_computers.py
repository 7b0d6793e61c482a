"""Questions and changes over real HTTP: what a plan gets to know, and what is refused."""

import datetime as dt
import json

import pytest

from integrations import registry
from integrations.connectors.ninjaone.client import connect
from integrations.connectors.ninjaone.manifest import MANIFEST
from integrations.contract import Intention, Target
from integrations.errors import ConnectionMisconfigured, NotFound, Rejected, Unauthorised
from integrations.simulators.ninjaone.seeds import OTHER_ORGANISATION, OTHER_SCRIPT, SCRIPT
from tests.integrations.conformance.driving import intention
from tests.integrations.ninjaone.subject import device_of

GATHERERS = {gatherer.name: gatherer for gatherer in MANIFEST.gatherers}


@pytest.fixture
def ask(vendor, client):
    """Ask one question about a computer, or about the client; the answer must be JSON."""

    def asked(name: str, computer: str = "PC-001", **inputs):
        answer = GATHERERS[name].gather(client, device_of(vendor, computer), inputs)
        assert json.loads(json.dumps(answer)) == answer
        return answer

    return asked


def act(vendor, client, name: str, target: Target, **inputs):
    asked = intention(vendor, client, name, target, inputs)
    action = registry.action("ninjaone", name)
    return action, asked, action.call(client, asked)


def test_a_computer_and_its_state(ask) -> None:
    device = ask("endpoint.get_device")["device"]
    assert (device["hostname"], device["os"]) == ("PC-001", "Windows 11 Professional")
    assert (device["is_server"], device["is_online"], device["needs_restart"]) == (
        False, True, False,
    )  # fmt: skip
    assert (device["last_user"], device["ring"]) == ("EXAMPLE\\user1", "broad")
    assert "is_isolated" not in device
    assert ask("endpoint.get_device", "SRV-FILE01")["device"]["is_server"] is True


def test_missing_updates_and_what_was_decided_of_them(vendor, client, ask) -> None:
    found = {one["external_id"]: one["state"] for one in ask("patch.list_missing")["patches"]}
    assert found == {"KB5050001": "approved", "KB5050002": "undecided", "KB5050003": "rejected"}
    act(vendor, client, "patch.install", device_of(vendor), patches=["KB5050001"])
    left = [one["external_id"] for one in ask("patch.list_missing")["patches"]]
    assert left == ["KB5050002", "KB5050003"]


def test_a_ring_with_the_approved_updates_that_each_computer_lacks(vendor, client, ask) -> None:
    act(vendor, client, "patch.install", device_of(vendor, "PC-003"), patches=["KB5050001"])
    found = ask("patch.list_pending_updates", ring="Pilot")["devices"]
    by_name = {one["name"]: one for one in found}
    assert len(found) == 12
    assert by_name["SRV-FILE01"]["is_server"] is True
    assert by_name["SRV-FILE01"]["patches"] == ["KB5050001"]
    assert by_name["PC-003"]["patches"] == []
    assert {one["ring"] for one in found} == {"pilot"}
    # All rings, but no switch, and nothing of the other client.
    assert len(ask("patch.list_pending_updates")["devices"]) == 34


@pytest.mark.parametrize(
    ("patches", "told"),
    [(["KB5050002"], "KB5050002 (undecided)"), (["KB5050001", "KB5050003"], "KB5050003 (rejected)"),
     (["KB1"], "no update KB1"), ([], "Name the updates"), ("KB5050001", "Name the updates")],
)  # fmt: skip
def test_only_approved_updates_are_installed(vendor, client, patches, told) -> None:
    with pytest.raises(Rejected) as caught:
        act(vendor, client, "patch.install", device_of(vendor), patches=patches)
    assert told in str(caught.value)
    assert vendor.requests("POST", "/apply") == []


def test_the_restart_after_updates_is_the_vendors_policy(vendor, client) -> None:
    with pytest.raises(Rejected, match="NinjaOne's policy"):
        act(vendor, client, "patch.install", device_of(vendor), patches=["KB5050001"],
            restart="always")  # fmt: skip


def test_an_update_that_failed_is_told_and_tried_again(vendor, client) -> None:
    target = device_of(vendor)
    (row,) = [
        one
        for one in vendor.records("patches").values()
        if (str(one["deviceId"]), one["kbNumber"]) == (target.external_id, "KB5050001")
    ]
    vendor.act("put", collection="patches", record={**row, "status": "FAILED"})
    asked = intention(vendor, client, "patch.install", target, {"patches": ["KB5050001"]})
    action = registry.action("ninjaone", "patch.install")
    assert "KB5050001 as failed" in action.read_back(client, asked).explanation
    action.call(client, asked)
    assert action.read_back(client, asked).holds


def test_a_restart_that_was_begun_is_not_asked_for_again(vendor, client) -> None:
    target = device_of(vendor)
    job = {"id": "j", "deviceId": int(target.external_id), "sourceType": "UI_MESSAGE_ACTION_REBOOT"}
    vendor.act("put", collection="jobs", record=job)
    action, asked, told = act(vendor, client, "endpoint.reboot", target)
    assert told == {"status": "begun"}
    assert vendor.requests("POST", "/reboot") == []
    assert not action.read_back(client, asked).holds


def test_a_start_of_the_system_proves_a_restart_without_any_activity(vendor, client) -> None:
    target = device_of(vendor)
    asked = intention(vendor, client, "endpoint.reboot", target, {})
    action = registry.action("ninjaone", "endpoint.reboot")
    system = vendor.records("systems")[target.external_id]
    for seconds, holds in ((30, False), (3600, True)):
        later = {**system, "id": target.external_id}
        later["lastBootTime"] = system["lastBootTime"] + seconds
        vendor.act("put", collection="systems", record=later)
        assert action.read_back(client, asked).holds is holds


def test_only_agreed_scripts_are_run(vendor, client) -> None:
    for name in (OTHER_SCRIPT, ""):
        with pytest.raises(Rejected, match="is not agreed for this connection"):
            act(vendor, client, "endpoint.run_script", device_of(vendor), script=name)
    with pytest.raises(NotFound, match="no script Other"):
        act(vendor, client, "endpoint.run_script", device_of(vendor), script="other")
    assert vendor.requests("POST", "/script") == []


def test_a_script_that_failed_or_still_runs_has_not_done_its_work(vendor, client) -> None:
    target = device_of(vendor)
    action, asked, _ = act(vendor, client, "endpoint.run_script", target, script=SCRIPT.upper())
    end = next(a for a in vendor.records("activities").values() if a["statusCode"] == "COMPLETED")
    vendor.act("put", collection="activities", record={**end, "activityResult": "FAILURE"})
    told = action.read_back(client, asked)
    assert not told.holds
    assert "ended with failure" in told.explanation
    vendor.act("put", collection="activities", record={**end, "statusCode": "IN_PROCESS"})
    assert "still running" in action.read_back(client, asked).explanation


def test_another_clients_computer_is_neither_read_nor_touched(vendor, client) -> None:
    other = device_of(vendor, "PC-900")
    for name, inputs in (
        ("endpoint.reboot", {}), ("patch.install", {"patches": ["KB5050001"]}),
        ("endpoint.run_script", {"script": SCRIPT}),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            act(vendor, client, name, other, **inputs)
        # As after a crash, when nothing was read before.
        blind = Intention(other, inputs, dt.datetime.now(dt.UTC))
        with pytest.raises(NotFound):
            registry.action("ninjaone", name).call(client, blind)
    for name in ("endpoint.get_device", "patch.list_missing"):
        with pytest.raises(NotFound):
            GATHERERS[name].gather(client, other, {})
    assert vendor.requests("POST", "/v2/") == []
    theirs = vendor.connect(organization_id=str(OTHER_ORGANISATION))
    assert theirs.computer(other.external_id).name == "PC-900"
    theirs.close()


@pytest.mark.parametrize("name", sorted(GATHERERS))
def test_each_question_needs_its_permission(vendor, name) -> None:
    target = device_of(vendor)
    vendor.grant(GATHERERS[name].permissions)
    least = vendor.connect()
    assert GATHERERS[name].gather(least, target, {})
    least.close()
    vendor.grant(["management"])
    nothing = vendor.connect()
    with pytest.raises(Unauthorised, match="needs the scope monitoring"):
        GATHERERS[name].gather(nothing, target, {})
    nothing.close()


@pytest.mark.parametrize(
    ("settings", "secrets", "named"),
    [({"organization_id": "7", "client_id": "c"}, {"client_secret": "s"}, "endpoint"),
     ({"endpoint": "https://8.8.8.8", "client_id": "c"}, {"client_secret": "s"}, "organization_id"),
     ({"endpoint": "https://8.8.8.8", "organization_id": "Example", "client_id": "c"},
      {"client_secret": "s"}, "organization_id is a number"),
     ({"endpoint": "https://8.8.8.8", "organization_id": "7", "client_id": "c"}, {},
      "client_secret")],
)  # fmt: skip
def test_settings_that_can_not_work_are_named(settings, secrets, named) -> None:
    with pytest.raises(ConnectionMisconfigured, match=named):
        connect(settings, secrets)
