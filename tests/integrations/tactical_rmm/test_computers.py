"""Questions and changes over real HTTP: what a plan gets to know, and what is refused."""

import datetime as dt
import json

import pytest

from integrations import registry
from integrations.connectors.tactical_rmm import feeds
from integrations.connectors.tactical_rmm.client import connect
from integrations.connectors.tactical_rmm.manifest import MANIFEST
from integrations.contract import Intention, Target
from integrations.errors import ConnectionMisconfigured, NotFound, PermissionMissing, Rejected
from integrations.simulators.tactical_rmm.seeds import OTHER_CLIENT, OTHER_SCRIPT, SCRIPT
from tests.integrations.conformance.driving import intention
from tests.integrations.tactical_rmm.subject import agent_of, updates_of

GATHERERS = {gatherer.name: gatherer for gatherer in MANIFEST.gatherers}
ACTIONS = {
    "endpoint.reboot": {},
    "patch.approve": {"patches": ["KB5050002"]},
    "patch.withdraw_approval": {"patches": ["KB5050001"]},
    "patch.install": {"patches": ["KB5050001"]},
    "endpoint.run_script": {"script": SCRIPT},
}


@pytest.fixture
def ask(vendor, client):
    """Ask one question about a computer, or about the client; the answer must be JSON."""

    def asked(name: str, computer: str = "WS-001", **inputs):
        answer = GATHERERS[name].gather(client, agent_of(vendor, computer), inputs)
        assert json.loads(json.dumps(answer)) == answer
        return answer

    return asked


def act(vendor, client, name: str, target: Target, **inputs):
    asked = intention(vendor, client, name, target, inputs)
    action = registry.action("tactical_rmm", name)
    return action, asked, action.call(client, asked)


def test_a_computer_and_its_state(ask) -> None:
    device = ask("endpoint.get_device")["device"]
    assert (device["hostname"], device["is_server"], device["is_online"]) == (
        "WS-001", False, True,
    )  # fmt: skip
    assert (device["needs_restart"], device["last_user"], device["ring"]) == (
        False, "user1", "broad",
    )  # fmt: skip
    assert ask("endpoint.get_device", "SRV-APP01")["device"]["is_server"] is True


def test_missing_updates_and_what_was_decided_of_them(vendor, client, ask) -> None:
    found = {one["external_id"]: one["state"] for one in ask("patch.list_missing")["patches"]}
    assert found == {"KB5050001": "approved", "KB5050002": "undecided", "KB5050003": "rejected"}
    act(vendor, client, "patch.approve", agent_of(vendor), patches=["kb5050002"])
    act(vendor, client, "patch.install", agent_of(vendor), patches=["KB5050001", "KB5050002"])
    assert [one["external_id"] for one in ask("patch.list_missing")["patches"]] == ["KB5050003"]


def test_a_ring_with_the_approved_updates_that_each_computer_lacks(ask) -> None:
    found = {one["name"]: one for one in ask("patch.list_pending_updates", ring="pilot")["devices"]}
    assert len(found) == 9
    assert found["SRV-APP01"]["is_server"] is True
    assert found["WS-003"]["patches"] == ["KB5050001"]
    # It runs Linux: Tactical RMM knows of no updates there.
    assert found["WS-024"]["patches"] == []
    assert len(ask("patch.list_pending_updates")["devices"]) == 25


def test_an_approval_is_taken_back_to_what_was_decided_before(vendor, client) -> None:
    target = agent_of(vendor)
    action, asked, told = act(
        vendor, client, "patch.approve", target, patches=["KB5050001", "KB5050003"]
    )
    # The first was approved already: taking it back would not be ours to do.
    assert told == {"approved": ["KB5050003"]}
    undoing = action.reversal_inputs(asked)
    assert undoing["patches"] == ["KB5050003"]
    act(vendor, client, "patch.withdraw_approval", target, **undoing)
    rows = updates_of(vendor, target)
    assert (rows["KB5050003"]["action"], rows["KB5050001"]["action"]) == ("ignore", "approve")


def test_an_approval_is_taken_back_although_the_rows_have_other_ids_since(vendor, client) -> None:
    """A computer that is set up or searched anew has its updates in other rows."""
    target = agent_of(vendor)
    action, asked, _ = act(vendor, client, "patch.approve", target, patches=["KB5050003"])
    row = updates_of(vendor, target)["KB5050003"]
    vendor.act("remove", collection="updates", id=str(row["id"]))
    vendor.act("put", collection="updates", record={**row, "id": 990_003})
    act(vendor, client, "patch.withdraw_approval", target, **action.reversal_inputs(asked))
    assert updates_of(vendor, target)["KB5050003"]["action"] == "ignore"


def test_an_approval_taken_back_without_knowing_what_was_before_is_undecided(
    vendor, client
) -> None:
    target = agent_of(vendor)
    action, asked, _ = act(
        vendor, client, "patch.withdraw_approval", target, patches=["KB5050001", "KB5049999"]
    )
    rows = updates_of(vendor, target)
    # What is installed stays so, whatever was decided.
    assert (rows["KB5050001"]["action"], rows["KB5049999"]["action"]) == ("nothing", "approve")
    assert action.read_back(client, asked).holds
    assert action.reversal_inputs(asked) == {"patches": ["KB5050001"]}


@pytest.mark.parametrize(
    ("patches", "told"),
    [(["KB5050002"], "KB5050002 (undecided)"), (["KB1"], "no update KB1"), ([], "Name the update")],
)
def test_only_approved_updates_are_installed(vendor, client, patches, told) -> None:
    with pytest.raises(Rejected) as caught:
        act(vendor, client, "patch.install", agent_of(vendor), patches=patches)
    assert told in str(caught.value)
    assert vendor.requests("POST") == []


def test_only_agreed_scripts_are_run_as_they_are_kept(vendor, client) -> None:
    for name in (OTHER_SCRIPT, ""):
        with pytest.raises(Rejected, match="is not agreed for this connection"):
            act(vendor, client, "endpoint.run_script", agent_of(vendor), script=name)
    with pytest.raises(NotFound, match="no script Other"):
        act(vendor, client, "endpoint.run_script", agent_of(vendor), script="Other")
    assert vendor.requests("POST") == []


def test_a_script_that_failed_or_still_runs_has_not_done_its_work(vendor, client) -> None:
    action, asked, _ = act(vendor, client, "endpoint.run_script", agent_of(vendor), script=SCRIPT)
    (entry,) = vendor.records("history").values()
    results = {**entry["script_results"], "retcode": 5}
    vendor.act("put", collection="history", record={**entry, "script_results": results})
    assert "ended with exit code 5" in action.read_back(client, asked).explanation
    vendor.act("put", collection="history", record={**entry, "script_results": None})
    told = action.read_back(client, asked)
    assert not told.holds
    assert "still running" in told.explanation


def test_a_computer_that_can_not_be_reached_is_told(vendor, client) -> None:
    with pytest.raises(Rejected):
        act(vendor, client, "endpoint.reboot", agent_of(vendor, "WS-003"))


def test_a_computer_that_is_going_down_is_not_restarted_again(vendor, client) -> None:
    target = agent_of(vendor)
    action = registry.action("tactical_rmm", "endpoint.reboot")
    asked = intention(vendor, client, "endpoint.reboot", target, {})
    # Its answer was lost. It goes down, and tells when it was started only when it is up again.
    agent = vendor.records("agents")[target.external_id] | {"id": target.external_id}
    vendor.act("put", collection="agents", record={**agent, "status": "overdue"})
    assert action.call(client, asked) == {"status": "begun"}
    assert not action.read_back(client, asked).holds
    assert vendor.requests("POST", "/reboot/$") == []
    up = {**agent, "boot_time": dt.datetime.now(dt.UTC).timestamp()}
    vendor.act("put", collection="agents", record=up)
    assert action.call(client, asked) == {"status": "restarted"}
    assert action.read_back(client, asked).holds
    assert vendor.requests("POST", "/reboot/$") == []


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_another_clients_computer_is_not_touched(vendor, client, name) -> None:
    other = agent_of(vendor, "WS-900")
    action = registry.action("tactical_rmm", name)
    with pytest.raises(NotFound):
        intention(vendor, client, name, other, ACTIONS[name])
    # As after a crash, when nothing was read before.
    blind = Intention(other, ACTIONS[name], dt.datetime.now(dt.UTC))
    with pytest.raises(NotFound):
        action.call(client, blind)
    assert vendor.requests("POST") + vendor.requests("PUT") == []


def test_another_clients_computers_are_not_read(vendor, client) -> None:
    other = agent_of(vendor, "WS-900")
    for name in ("endpoint.get_device", "patch.list_missing"):
        with pytest.raises(NotFound):
            GATHERERS[name].gather(client, other, {})
    for fetch in (feeds.devices, feeds.alerts):
        names = {r.body["hostname"] for page in fetch(client, {}) for r in page.records}
        assert "WS-003" in names
        assert "WS-900" not in names
    theirs = vendor.connect(client_id=str(OTHER_CLIENT))
    assert {r.body["hostname"] for p in feeds.devices(theirs, {}) for r in p.records} == {"WS-900"}
    theirs.close()


def test_an_id_that_is_none_is_not_put_into_an_address(vendor, client) -> None:
    before = len(vendor.requests())
    with pytest.raises(NotFound):
        client.computer("../scripts")
    assert len(vendor.requests()) == before


@pytest.mark.parametrize("name", sorted(GATHERERS))
def test_each_question_needs_its_permission(vendor, name) -> None:
    target = agent_of(vendor)
    vendor.grant(GATHERERS[name].permissions)
    least = vendor.connect()
    assert GATHERERS[name].gather(least, target, {})
    least.close()
    vendor.grant([])
    nothing = vendor.connect()
    with pytest.raises(PermissionMissing):
        GATHERERS[name].gather(nothing, target, {})
    nothing.close()


@pytest.mark.parametrize(
    ("settings", "secrets", "named"),
    [({"client_id": "3"}, {"api_key": "k"}, "endpoint"),
     ({"endpoint": "https://8.8.8.8"}, {"api_key": "k"}, "client_id"),
     ({"endpoint": "https://8.8.8.8", "client_id": "Example"}, {"api_key": "k"}, "is a number"),
     ({"endpoint": "https://8.8.8.8", "client_id": "3"}, {}, "api_key")],
)  # fmt: skip
def test_settings_that_can_not_work_are_named(settings, secrets, named) -> None:
    with pytest.raises(ConnectionMisconfigured, match=named):
        connect(settings, secrets)
