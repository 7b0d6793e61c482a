"""Each fault does what it says, for the requests that it names and for as long as it says."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.integrations.simulators.fixtures import running_simulator

VICTIM = "priya.shah@contoso-clinic.example"
USER = f"/users/{VICTIM}?$select=id,accountEnabled"


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sim(clock):
    with running_simulator(seed="bec", clock=clock) as running:
        yield running


@pytest.fixture
def graph(sim):
    with sim.graph() as client:
        yield client


def disable(graph):
    return graph.patch(f"/users/{VICTIM}", json={"accountEnabled": False})


def is_enabled(graph):
    return graph.get(USER).json()["accountEnabled"]


def test_throttling_hits_the_next_requests_only_and_does_nothing(sim, graph):
    sim.control.fault("throttle", method="PATCH", path="^/v1.0/users/", times=2, retry_after=7)
    first = disable(graph)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert first.json()["error"]["code"] == "TooManyRequests"
    assert graph.get(USER).status_code == 200
    assert disable(graph).status_code == 429
    assert sim.control.effects() == []
    assert disable(graph).status_code == 204
    assert len(sim.control.effects("user.disable")) == 1


def test_throttling_hits_one_item_of_a_batch(sim, graph):
    sim.control.fault("throttle", path="^/v1.0/organization", times=1, retry_after=3)
    steps = [{"id": str(n), "method": "GET", "url": "/organization"} for n in (1, 2)]
    responses = graph.post("/$batch", json={"requests": steps}).json()["responses"]
    assert [item["status"] for item in responses] == [429, 200]
    assert responses[0]["headers"]["Retry-After"] == "3"


def test_a_rate_hits_a_share_and_after_lets_the_first_pass(sim, graph):
    sim.control.fault("server_error", path="/organization", after=3, rate=0.5, status=503)
    statuses = [graph.get("/organization").status_code for _ in range(43)]
    assert statuses[:3] == [200, 200, 200]
    assert 8 < statuses.count(503) < 32


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_service_does_nothing(sim, graph, status):
    sim.control.fault("server_error", status=status, method="PATCH")
    assert disable(graph).status_code == status
    assert sim.control.effects() == []
    sim.control.clear_faults()
    assert is_enabled(graph)


@pytest.mark.parametrize("kind", ["slow", "slow_body"])
def test_a_slow_answer_takes_its_time(sim, kind):
    sim.control.fault(kind, path="/organization", seconds=0.6)
    with sim.graph() as graph:
        started = time.monotonic()
        answer = graph.get("/organization")
        assert time.monotonic() - started >= 0.5
        assert answer.json()["value"]
        with pytest.raises(httpx.ReadTimeout):
            graph.get("/organization", timeout=0.04)


def test_expired_tokens_are_refused_and_new_ones_work(sim, graph):
    sim.control.fault("expired_tokens")
    answer = graph.get(USER)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert "authorization_uri" in answer.headers["WWW-Authenticate"]
    assert sim.graph().get(USER).status_code == 200


def test_a_token_dies_of_age(sim, graph, clock):
    clock.ahead = 3600
    assert graph.get(USER).status_code == 401


def test_a_change_is_seen_only_after_a_time(sim, graph, clock):
    sim.control.fault("stale_reads", method="PATCH", seconds=30)
    assert disable(graph).status_code == 204
    assert is_enabled(graph)
    listed = graph.get("/users?$select=id,accountEnabled,userPrincipalName").json()["value"]
    assert next(u for u in listed if u["userPrincipalName"] == VICTIM)["accountEnabled"]
    clock.ahead = 31
    assert not is_enabled(graph)
    assert len(sim.control.effects("user.disable")) == 1


def test_a_change_is_seen_only_after_a_number_of_reads(sim, graph):
    sim.control.fault("stale_reads", method="PATCH", reads=3)
    disable(graph)
    assert [is_enabled(graph) for _ in range(5)] == [True, True, True, False, False]


def test_a_deleted_rule_is_still_shown_for_a_while(sim, graph):
    rules = f"/users/{VICTIM}/mailFolders/inbox/messageRules"
    rule_id = graph.get(rules).json()["value"][-1]["id"]
    sim.control.fault("stale_reads", method="DELETE", reads=1)
    assert graph.delete(f"{rules}/{rule_id}").status_code == 204
    assert rule_id in graph.get(rules).text
    assert rule_id not in graph.get(rules).text


def test_delta_does_not_lose_a_change_that_is_seen_late(sim, graph, clock):
    link = graph.get("/users/delta?$select=id,accountEnabled").json()["@odata.deltaLink"]
    sim.control.fault("stale_reads", method="PATCH", seconds=30)
    disable(graph)
    early = graph.get(link).json()
    assert early["value"] == []
    clock.ahead = 31
    late = graph.get(early["@odata.deltaLink"]).json()
    assert [user["accountEnabled"] for user in late["value"]] == [False]


def test_a_connection_is_cut_after_the_effect(sim, graph):
    sim.control.fault("drop_after_effect", method="PATCH", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        disable(graph)
    assert not is_enabled(graph)
    assert len(sim.control.effects("user.disable")) == 1
    line = sim.control.log(effects=True)[0]
    assert (line["status"], line["is_answered"]) == (204, False)


def test_a_connection_is_cut_before_the_effect(sim, graph):
    sim.control.fault("drop_before_effect", method="PATCH", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        disable(graph)
    assert is_enabled(graph)
    assert sim.control.effects() == []


def test_broken_json_is_broken(sim, graph):
    sim.control.fault("broken_json", path="/organization", times=1)
    answer = graph.get("/organization")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r".+"):
        answer.json()
    assert graph.get("/organization").json()["value"]


def test_records_come_twice_across_pages(sim, graph):
    sim.control.fault("duplicate_records", path="/users")
    address, seen = "/users?$top=4", []
    while address:
        body = graph.get(address).json()
        seen += [user["id"] for user in body["value"]]
        address = body.get("@odata.nextLink")
    sim.control.clear_faults()
    everyone = {user["id"] for user in graph.get("/users").json()["value"]}
    assert set(seen) == everyone
    assert len(seen) > len(everyone)


def test_a_fault_can_be_for_one_tenant():
    with running_simulator(seed="quiet") as sim:
        first, second = sim.control.tenants()
        sim.control.fault("server_error", tenant=first["id"], path="/v1.0/")
        assert sim.graph(first).get("/users").status_code == 503
        assert sim.graph(second).get("/users").status_code == 200


def test_a_fault_that_does_not_exist_is_refused_with_what_there_is(sim):
    with pytest.raises(ValueError, match="drop_after_effect"):
        sim.control.fault("earthquake")
    with pytest.raises(ValueError, match="unknown options: colour"):
        sim.control.fault("slow", colour="red")
