"""Machine actions take their time, fail, and are crossed by others': only the state counts."""

import pytest

from integrations import registry
from integrations.contract import Target
from integrations.errors import NotFound, Rejected
from tests.integrations.conformance.driving import intention
from tests.integrations.defender_endpoint.subject import ADDRESS

ID = "defender_endpoint"


def act(name: str):
    return registry.action(ID, name)


def posts(vendor, verb: str) -> list:
    return vendor.requests("POST", f"/{verb}$")


@pytest.fixture
def isolate(vendor, client, computer):
    """Isolation of a computer that is switched off."""
    vendor.act("hold_machine", machine=computer.external_id)
    return intention(vendor, client, "endpoint.isolate", computer, {})


def test_an_isolation_that_is_only_asked_for_is_not_believed(vendor, client, isolate) -> None:
    told = act("endpoint.isolate").call(client, isolate)
    assert told["status"] == "Pending"
    seen = act("endpoint.isolate").read_back(client, isolate)
    assert not seen.holds
    assert "Isolate is under way" in seen.explanation
    vendor.act("answer_machine", machine=isolate.target.external_id, status="InProgress")
    assert not act("endpoint.isolate").read_back(client, isolate).holds
    vendor.act("answer_machine", machine=isolate.target.external_id)
    assert act("endpoint.isolate").read_back(client, isolate).holds


@pytest.mark.parametrize("status", ["Failed", "TimeOut", "Cancelled"])
def test_an_isolation_that_came_to_nothing_is_told_and_can_be_asked_for_again(
    vendor, client, isolate, status
) -> None:
    action = act("endpoint.isolate")
    action.call(client, isolate)
    vendor.act("answer_machine", machine=isolate.target.external_id, status=status)
    seen = action.read_back(client, isolate)
    assert not seen.holds
    assert status in seen.explanation
    action.call(client, isolate)
    vendor.act("answer_machine", machine=isolate.target.external_id)
    assert action.read_back(client, isolate).holds
    assert len(posts(vendor, "isolate")) == 2


def test_what_is_asked_for_already_is_not_asked_for_again(vendor, client, isolate) -> None:
    first = act("endpoint.isolate").call(client, isolate)
    assert act("endpoint.isolate").call(client, isolate) == first
    assert len(posts(vendor, "isolate")) == 1


def test_a_request_that_crosses_anothers_is_taken_as_that(vendor, client, isolate) -> None:
    action = act("endpoint.isolate")
    first = action.call(client, isolate)
    # The other's machine action isn't shown yet when it is looked for, and refuses ours.
    vendor.act("remove", collection="machineActions", id=first["machine_action"])
    vendor.fault("stale_reads", method="POST", path="/isolate$", reads=1, times=1)
    other = action.call(client, isolate)
    assert other["machine_action"] != first["machine_action"]
    assert action.call(client, isolate)["machine_action"] == other["machine_action"]
    answers = [line["status"] for line in posts(vendor, "isolate")]
    assert answers == [201, 201, 400]


def test_a_release_under_way_makes_an_isolation_doubtful(vendor, client, computer) -> None:
    done = intention(vendor, client, "endpoint.isolate", computer, {})
    act("endpoint.isolate").call(client, done)
    vendor.act("hold_machine", machine=computer.external_id)
    undo = intention(vendor, client, "endpoint.release", computer, {})
    act("endpoint.release").call(client, undo)
    assert not act("endpoint.isolate").read_back(client, done).holds
    assert not act("endpoint.release").read_back(client, undo).holds
    vendor.act("answer_machine", machine=computer.external_id)
    assert act("endpoint.release").read_back(client, undo).holds


def test_a_release_by_somebody_else_is_seen(vendor, client, computer) -> None:
    done = intention(vendor, client, "endpoint.isolate", computer, {})
    act("endpoint.isolate").call(client, done)
    assert act("endpoint.isolate").read_back(client, done).holds
    vendor.act("release_machine", machine=computer.external_id)
    seen = act("endpoint.isolate").read_back(client, done)
    assert not seen.holds
    assert "on the network" in seen.explanation


def test_a_computer_that_left_defender_counts_as_not_isolated(vendor, client, computer) -> None:
    done = intention(vendor, client, "endpoint.isolate", computer, {})
    act("endpoint.isolate").call(client, done)
    record = vendor.records("machines")[computer.external_id]
    vendor.act("put", collection="machines", record={**record, "onboardingStatus": "Offboarded"})
    seen = act("endpoint.isolate").read_back(client, done)
    assert not seen.holds
    assert "no longer onboarded" in seen.explanation


def test_an_isolation_in_part_is_made_full_and_not_undone(vendor, client, computer) -> None:
    path = f"/machines/{computer.external_id}/isolate"
    body = {"Comment": "by a technician", "IsolationType": "Selective"}
    client.write("POST", path, "Machine.Isolate", body)
    made = intention(vendor, client, "endpoint.isolate", computer, {})
    assert made.snapshot["is_on"]
    assert not made.snapshot["is_full"]
    action = act("endpoint.isolate")
    assert "in part" in action.read_back(client, made).explanation
    action.call(client, made)
    assert action.read_back(client, made).holds
    assert action.reversal_inputs(made) is None


def test_a_scan_is_finished_when_its_machine_action_is(vendor, client, computer) -> None:
    vendor.act("hold_machine", machine=computer.external_id)
    scan = intention(vendor, client, "endpoint.scan", computer, {})
    action = act("endpoint.scan")
    assert not action.read_back(client, scan).holds
    action.call(client, scan)
    action.call(client, scan)
    assert len(posts(vendor, "runAntiVirusScan")) == 1
    assert not action.read_back(client, scan).holds
    vendor.act("answer_machine", machine=computer.external_id)
    assert action.read_back(client, scan).holds


def test_a_scan_of_before_does_not_count_for_a_later_one(vendor, client, computer) -> None:
    action = act("endpoint.scan")
    action.call(client, intention(vendor, client, "endpoint.scan", computer, {}))
    later = intention(vendor, client, "endpoint.scan", computer, {})
    assert not action.read_back(client, later).holds
    action.call(client, later)
    assert len(posts(vendor, "runAntiVirusScan")) == 2


def test_a_computer_that_is_not_there_is_told(vendor, client, computer) -> None:
    gone = Target("device", "row", "0" * 40, "gone")
    with pytest.raises(NotFound):
        intention(vendor, client, "endpoint.isolate", gone, {})


@pytest.mark.parametrize(
    ("kind", "value", "type_", "action_"),
    [
        ("ip", "198.51.100.9", "IpAddress", "Block"),
        ("domain", "evil.example", "DomainName", "Block"),
        ("url", "https://evil.example/x", "Url", "Block"),
        ("file", "a" * 64, "FileSha256", "BlockAndRemediate"),
        ("sha1", "b" * 40, "FileSha1", "BlockAndRemediate"),
    ],
)
def test_each_kind_of_indicator_is_blocked(vendor, client, kind, value, type_, action_) -> None:
    target = Target("indicator", "row", value, value)
    made = intention(vendor, client, "indicator.block", target, {"kind": kind})
    act("indicator.block").call(client, made)
    assert act("indicator.block").read_back(client, made).holds
    (kept,) = vendor.records("indicators").values()
    assert (kept["indicatorType"], kept["indicatorValue"], kept["action"]) == (
        type_, value, action_,
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), [("file", "invoice.exe"), ("process", "x"), ("", "x")])
def test_what_defender_can_not_block_is_refused_with_what_it_can(
    vendor, client, kind, value
) -> None:
    target = Target("indicator", "row", value, value)
    with pytest.raises(Rejected, match="give an ip, domain, url"):
        intention(vendor, client, "indicator.block", target, {"kind": kind})
    assert posts(vendor, "indicators") == []


def _indicator(vendor, action: str, **more) -> dict:
    record = {
        "id": "17", "indicatorValue": ADDRESS, "indicatorType": "IpAddress", "action": action,
        "title": "Watched", "description": "By a technician.", "severity": "Low",
        "createdBy": "somebody else", "rbacGroupNames": [], "expirationTime": None, **more,
    }  # fmt: skip
    vendor.act("put", collection="indicators", record=record)
    return record


def test_what_a_person_has_allowed_is_not_blocked(vendor, client) -> None:
    _indicator(vendor, "Allowed")
    target = Target("indicator", "row", ADDRESS, ADDRESS)
    made = intention(vendor, client, "indicator.block", target, {"kind": "ip"})
    with pytest.raises(Rejected, match="allows it"):
        act("indicator.block").call(client, made)
    assert vendor.records("indicators")["17"]["action"] == "Allowed"


def test_an_indicator_that_was_there_before_is_put_back(vendor, client) -> None:
    _indicator(vendor, "Audit")
    target = Target("indicator", "row", ADDRESS, ADDRESS)
    made = intention(vendor, client, "indicator.block", target, {"kind": "ip"})
    act("indicator.block").call(client, made)
    assert vendor.records("indicators")["17"]["action"] == "Block"
    inputs = act("indicator.block").reversal_inputs(made)
    undo = intention(vendor, client, "indicator.unblock", target, inputs)
    act("indicator.unblock").call(client, undo)
    assert act("indicator.unblock").read_back(client, undo).holds
    kept = vendor.records("indicators")["17"]
    assert (kept["action"], kept["title"], kept["severity"]) == ("Audit", "Watched", "Low")


def test_a_block_that_somebody_has_lifted_already_is_left_as_it_is(vendor, client) -> None:
    _indicator(vendor, "Block")
    target = Target("indicator", "row", ADDRESS, ADDRESS)
    undo = intention(vendor, client, "indicator.unblock", target, {"kind": "ip"})
    _indicator(vendor, "Audit")
    act("indicator.unblock").call(client, undo)
    assert vendor.records("indicators")["17"]["action"] == "Audit"


@pytest.mark.parametrize(
    "more", [{"expirationTime": "2020-01-01T00:00:00Z"}, {"rbacGroupNames": ["Servers"]}]
)
def test_a_block_that_is_over_or_for_some_computers_only_is_no_block(vendor, client, more) -> None:
    _indicator(vendor, "Block", **more)
    target = Target("indicator", "row", ADDRESS, ADDRESS)
    made = intention(vendor, client, "indicator.block", target, {"kind": "ip"})
    assert not act("indicator.block").read_back(client, made).holds
    act("indicator.block").call(client, made)
    seen = act("indicator.block").read_back(client, made)
    assert seen.holds, seen.explanation
