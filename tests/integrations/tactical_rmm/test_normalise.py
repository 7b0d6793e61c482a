"""What the normalisers make of Tactical RMM's records."""

import datetime as dt

import pytest

from integrations import ocsf
from integrations.connectors.tactical_rmm.manifest import MANIFEST
from integrations.simulators.tactical_rmm import seeds
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, SourceRecord

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
AGENT = seeds.agent(3, 13, NOW) | {"site_name": "Main Office", "client_name": "Example Ltd"}
UPDATE = seeds.updates(3, NOW)[0]
ALERT = seeds.alert(3, NOW) | {"hostname": "WS-003", "agent_id": AGENT["agent_id"], "client": "E"}


def read(feed: str, body: dict, **context):
    return MANIFEST.feed(feed).normalise(SourceRecord(body, context))


def test_a_computer_is_a_directory_item() -> None:
    found = read("devices", AGENT)
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.external_id, found.name) == ("device", AGENT["agent_id"], "WS-003")
    told = found.attributes
    assert told["operating_system"] == "Windows 11 Pro, 64 bit v23H2"
    assert (told["is_server"], told["is_online"], told["ring"]) == (False, False, "pilot")
    assert (told["local_ip"], told["last_user"], told["site"]) == (
        "10.50.0.13", "user3", "Main Office",
    )  # fmt: skip
    assert told["last_seen_at"] == NOW - dt.timedelta(minutes=3)
    assert read("devices", AGENT | {"monitoring_type": "server"}).attributes["is_server"]


@pytest.mark.parametrize(
    ("change", "user"),
    [({"logged_in_username": "None"}, "user3"), ({"logged_in_username": "ann"}, "ann"),
     ({"logged_in_username": "None", "last_logged_in_user": "-"}, "")],
)  # fmt: skip
def test_who_is_signed_in_or_was_last(change, user) -> None:
    assert read("devices", AGENT | change).attributes["last_user"] == user


def test_a_ring_may_stand_in_a_custom_field() -> None:
    own = [{"id": 1, "field": 2, "agent": 3, "value": "ring:Broad"}]
    body = AGENT | {"description": "Desk", "custom_fields": own}
    assert read("devices", body).attributes["ring"] == "broad"


def test_an_update_lies_below_its_computer() -> None:
    found = read("patches", UPDATE, agent_id="a1")
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.parent, found.name) == ("patch", "a1", "KB5050001")
    assert (found.attributes["state"], found.attributes["severity"]) == ("approved", "critical")


@pytest.mark.parametrize(
    ("change", "state"),
    [({"action": "nothing"}, "undecided"), ({"action": "inherit"}, "undecided"),
     ({"action": "ignore"}, "rejected"), ({"result": "failed"}, "failed"),
     ({"result": "failed", "action": "ignore"}, "rejected"),
     ({"installed": True, "date_installed": "2026-11-19T08:00:00Z"}, "installed")],
)  # fmt: skip
def test_states_of_updates_are_told_in_common_words(change, state) -> None:
    told = read("patches", UPDATE | change).attributes
    assert told["state"] == state
    assert (told["installed_at"] is not None) is (state == "installed")


def test_an_alert_is_an_event_and_so_is_its_end() -> None:
    found = read("alerts", ALERT)
    assert isinstance(found, Event)
    assert (found.class_uid, found.activity, found.severity_id) == (
        ocsf.BASE_EVENT, "Check failed", 3,
    )  # fmt: skip
    assert set(found.entities) == {"device:ws-003", f"device_id:tactical_rmm:{AGENT['agent_id']}"}
    over = read("alerts", ALERT | {"resolved": True, "resolved_on": "2026-11-20T06:00:00Z"})
    assert (over.uid, over.activity, over.severity_id) == (
        found.uid, "Check failed, resolved", 1,
    )  # fmt: skip
    assert over.time.hour == 6


@pytest.mark.parametrize(("word", "number"), [("error", 4), ("info", 1), ("", 0), ("dire", 99)])
def test_severities(word, number) -> None:
    assert read("alerts", ALERT | {"severity": word}).severity_id == number


def test_a_record_is_read_as_what_it_is_and_what_is_none_is_refused() -> None:
    assert read("alerts", AGENT).kind == "device"
    assert read("devices", UPDATE).kind == "patch"
    for body, code in (
        ({}, "not_recognised"), ({"colour": "red"}, "not_recognised"),
        ({"detail": "Invalid token."}, "error_answer"),
        (ALERT | {"alert_time": None}, "missing_time"),
        (ALERT | {"id": None}, "missing_id"),
    ):  # fmt: skip
        with pytest.raises(Quarantine) as caught:
            read("alerts", body)
        assert caught.value.code == code


def test_answers_are_taken_apart() -> None:
    url = "https://api.example.com/alerts/"
    for body in ([ALERT], {"alerts_count": 1, "alerts": [ALERT]}):
        (record,) = MANIFEST.explode({"url": url, "status": 200, "body": body})
        assert record.body["id"] == ALERT["id"]
