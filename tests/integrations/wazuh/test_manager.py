"""One manager holds many clients; the indexer may be missing; and what actions must not do."""

import pytest

from integrations import registry
from integrations.connectors.wazuh import feeds
from integrations.connectors.wazuh.client import connect
from integrations.contract import Target
from integrations.errors import ConnectionMisconfigured, NotFound, PermissionMissing, Rejected
from integrations.simulators.wazuh.seeds import GROUP, LAPTOPS, OTHER_GROUP
from tests.integrations.conformance.driving import intention, sweep
from tests.integrations.wazuh.subject import ATTACKER, computer

GATHERERS = {one.name: one for one in registry.connector("wazuh").gatherers}
INDICATOR = Target("indicator", "", ATTACKER, ATTACKER)


def names(fetch, client) -> set[str]:
    return {record.body["name"] for page in fetch(client, {}) for record in page.records}


def agents_of(fetch, client) -> set[str]:
    return {r.body["agent"]["id"] for page in fetch(client, {}) for r in page.records}


def act(vendor, client, name: str, target: Target, inputs: dict):
    asked = intention(vendor, client, name, target, inputs)
    action = registry.action("wazuh", name)
    action.call(client, asked)
    return action, asked


def test_only_the_clients_own_computers_are_read(vendor, client) -> None:
    assert "PC-003" in names(feeds.agents, client)
    assert "PC-090" not in names(feeds.agents, client)
    assert "090" not in agents_of(feeds.alerts, client)
    other = vendor.connect(group=OTHER_GROUP)
    assert names(feeds.agents, other) == {"PC-090"}
    assert agents_of(feeds.alerts, other) == {"090"}
    assert [page.records for page in feeds.vulnerabilities(other, {})] == [()]
    other.close()
    every = vendor.connect(group="")
    assert {"001", "090"} <= agents_of(feeds.alerts, every)
    every.close()


def test_another_clients_computer_is_not_touched(vendor, client) -> None:
    for name, inputs in (("endpoint.add_to_group", {"group": LAPTOPS}), ("endpoint.scan", {})):
        with pytest.raises(NotFound):
            intention(vendor, client, name, computer(vendor, 90), inputs)
    act(vendor, client, "indicator.block", INDICATOR, {"kind": "ip"})
    blocked = {one["id"] for one in vendor.records("agents").values() if one["_blocked"]}
    assert blocked == {"001", "002", "003", "004", "005"}


def test_a_client_without_an_indexer_gets_its_alerts_by_the_integration(vendor) -> None:
    plain = vendor.connect(indexer="")
    manifest = registry.connector("wazuh")
    assert sweep(manifest, plain, "alerts")[0] == []
    assert "integration" in manifest.canary(plain)
    with pytest.raises(Rejected, match="no indexer"):
        sweep(manifest, plain, "vulnerabilities")
    with pytest.raises(Rejected, match="no indexer"):
        intention(vendor, plain, "indicator.block", INDICATOR, {"kind": "ip"})
    plain.close()


def test_a_computer_stays_in_the_group_by_which_its_client_is_known(vendor, client) -> None:
    for name, inputs in (
        ("endpoint.remove_from_group", {"group": GROUP}),
        ("endpoint.add_to_group", {"group": "watched", "only": True}),
    ):  # fmt: skip
        with pytest.raises(Rejected, match="stays"):
            act(vendor, client, name, computer(vendor), inputs)
    assert vendor.records("agents")["003"]["group"] == [GROUP, LAPTOPS]


def test_from_its_only_group_a_computer_comes_back_to_it_alone(vendor) -> None:
    every = vendor.connect(group="")
    target = computer(vendor, 90)
    action, asked = act(vendor, every, "endpoint.remove_from_group", target, {"group": OTHER_GROUP})
    assert vendor.records("agents")["090"]["group"] == ["default"]
    undo = action.reversal_inputs(asked)
    act(vendor, every, "endpoint.add_to_group", target, undo)
    assert vendor.records("agents")["090"]["group"] == [OTHER_GROUP]
    every.close()


def test_a_computer_that_is_off_has_not_got_its_settings(vendor, client) -> None:
    agent = vendor.records("agents")["003"]
    vendor.act("put", collection="agents", record={**agent, "status": "disconnected"})
    action, asked = act(
        vendor, client, "endpoint.add_to_group", computer(vendor), {"group": "watched"}
    )
    seen = action.read_back(client, asked)
    assert not seen.holds
    assert "not fetched" in seen.explanation


def test_a_group_that_does_not_exist_is_told(vendor, client) -> None:
    with pytest.raises(NotFound):
        act(vendor, client, "endpoint.add_to_group", computer(vendor), {"group": "nowhere"})
    with pytest.raises(Rejected, match="which agent group"):
        act(vendor, client, "endpoint.add_to_group", computer(vendor), {})


def test_each_system_gets_its_own_script_and_who_is_off_none(vendor, client) -> None:
    off = vendor.records("agents")["005"]
    vendor.act("put", collection="agents", record={**off, "status": "disconnected"})
    action, asked = act(vendor, client, "indicator.block", INDICATOR, {"kind": "ip"})
    assert asked.snapshot["scripts"] == {
        "!netsh.exe": ["001", "002"], "!firewall-drop": ["003", "004"],
    }  # fmt: skip
    seen = action.read_back(client, asked)
    assert (seen.holds, seen.observed) == (True, {"answered": 4, "connected": 4})


def test_a_block_counts_only_when_every_computer_has_answered(vendor, client) -> None:
    asked = intention(vendor, client, "indicator.block", INDICATOR, {"kind": "ip"})
    action = registry.action("wazuh", "indicator.block")
    one = vendor.records("agents")["004"]
    vendor.act("put", collection="agents", record={**one, "status": "disconnected"})
    action.call(client, asked)
    seen = action.read_back(client, asked)
    assert (seen.holds, seen.observed["answered"]) == (False, 4)
    vendor.act("put", collection="agents", record=one)
    action.call(client, asked)
    assert action.read_back(client, asked).holds
    sent = [line["query"]["agents_list"] for line in vendor.requests("PUT", "active-response")]
    assert sent[-1] == "004"


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1", "224.0.0.1", "0.0.0.0", "fe80::1", "ab" * 32]
)
def test_what_must_not_or_can_not_be_blocked(vendor, client, name) -> None:
    with pytest.raises(Rejected, match="block"):
        intention(vendor, client, "indicator.block", Target("indicator", "", name, name), {})
    assert vendor.requests("PUT") == []


def test_what_failed_for_all_is_an_error_although_wazuh_answers_200(vendor, client) -> None:
    asked = intention(vendor, client, "indicator.block", INDICATOR, {"kind": "ip"})
    for one in vendor.records("agents").values():
        vendor.act("put", collection="agents", record={**one, "status": "disconnected"})
    with pytest.raises(Rejected, match="1707"):
        registry.action("wazuh", "indicator.block").call(client, asked)
    none = intention(vendor, client, "indicator.block", INDICATOR, {"kind": "ip"})
    with pytest.raises(Rejected, match="No computer"):
        registry.action("wazuh", "indicator.block").call(client, none)


def test_questions_are_answered(vendor, client) -> None:
    target = computer(vendor, 1)
    device = GATHERERS["endpoint.get_device"].gather(client, target, {})["device"]
    assert (device["hostname"], device["is_server"], device["is_active"]) == ("PC-001", True, True)
    found = GATHERERS["endpoint.list_alerts"].gather(client, target, {})
    assert (found["count"], found["high"]) == (5, 5)
    assert GATHERERS["endpoint.list_alerts"].gather(client, computer(vendor), {})["count"] == 0
    found = GATHERERS["endpoint.list_credential_access"].gather(client, target, {"hours": 6})
    assert (found["count"], found["accesses"][0]["techniques"]) == (2, ["T1003.001"])
    with pytest.raises(NotFound):
        GATHERERS["endpoint.list_alerts"].gather(client, computer(vendor, 90), {})


@pytest.mark.parametrize("name", sorted(GATHERERS))
def test_each_question_needs_its_permission(vendor, name) -> None:
    vendor.grant(GATHERERS[name].permissions)
    least = vendor.connect()
    assert GATHERERS[name].gather(least, computer(vendor), {})
    vendor.grant([])
    nothing = vendor.connect()
    with pytest.raises(PermissionMissing):
        GATHERERS[name].gather(nothing, computer(vendor), {})
    least.close()
    nothing.close()


@pytest.mark.parametrize(
    ("settings", "secrets", "named"),
    [({"username": "u"}, {"password": "p"}, "endpoint"),
     ({"endpoint": "https://8.8.8.8", "username": "u"}, {}, "password"),
     ({"endpoint": "https://8.8.8.8", "username": "u", "group": "a/b"}, {"password": "p"}, "group"),
     ({"endpoint": "https://8.8.8.8", "username": "u", "indexer": "https://8.8.8.8"},
      {"password": "p"}, "indexer_username"),
     ({"endpoint": "https://8.8.8.8", "username": "u", "authority": "x"}, {"password": "p"},
      "certificate")],
)  # fmt: skip
def test_settings_that_can_not_work_are_named(settings, secrets, named) -> None:
    with pytest.raises(ConnectionMisconfigured, match=named):
        connect(settings, secrets)
