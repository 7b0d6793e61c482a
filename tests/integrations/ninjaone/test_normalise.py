"""What the normalisers make of NinjaOne's records."""

import datetime as dt

import pytest

from integrations import ocsf
from integrations.connectors.ninjaone.manifest import MANIFEST
from integrations.simulators.ninjaone import seeds
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, SourceRecord

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
DEVICE = seeds.device(103, 3, 7, NOW.timestamp())
PATCH = seeds.patches(103, 3, NOW)[0]
THREAT, DISK = seeds.alert(108, 8, 7, NOW), seeds.alert(104, 4, 7, NOW)


def read(feed: str, body: dict, **context):
    return MANIFEST.feed(feed).normalise(SourceRecord(body, context))


def test_a_device_is_a_directory_item() -> None:
    found = read("devices", DEVICE)
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.external_id, found.name) == ("device", "103", "PC-003")
    told = found.attributes
    assert (told["operating_system"], told["is_server"], told["is_online"]) == (
        "Windows", False, False,
    )  # fmt: skip
    assert (told["ring"], told["local_ip"], told["site"]) == ("pilot", "10.40.0.13", "Main Office")
    assert told["last_seen_at"] == NOW
    assert not found.is_deleted
    assert read("devices", DEVICE | {"approvalStatus": "DECOMMISSIONED"}).is_deleted
    assert read("devices", DEVICE | {"nodeClass": "LINUX_SERVER"}).attributes["is_server"]


@pytest.mark.parametrize(
    ("tags", "ring"), [(["x", "Ring: Broad"], "broad"), (["string"], ""), (None, "")]
)
def test_a_ring_is_told_by_a_tag(tags, ring) -> None:
    assert read("devices", DEVICE | {"tags": tags}).attributes["ring"] == ring


def test_an_update_lies_below_its_device() -> None:
    found = read("patches", PATCH)
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.parent, found.name) == ("patch", "103", "KB5050001")
    assert found.external_id == f"103:{PATCH['id']}"
    assert (found.attributes["state"], found.attributes["severity"]) == ("approved", "critical")
    assert found.attributes["installed_at"] is None
    done = read("patches", PATCH | {"status": "INSTALLED", "installedAt": NOW.timestamp()})
    assert (done.attributes["state"], done.attributes["installed_at"]) == ("installed", NOW)


@pytest.mark.parametrize(
    ("status", "state"),
    [("MANUAL", "undecided"), ("REJECTED", "rejected"), ("Failed", "failed"), ("NEW", "undecided")],
)
def test_states_of_updates_are_told_in_common_words(status, state) -> None:
    assert read("patches", PATCH | {"status": status}).attributes["state"] == state


def test_an_update_without_an_article_goes_by_its_id() -> None:
    assert read("patches", PATCH | {"kbNumber": ""}).name == PATCH["id"]
    assert read("patches", PATCH | {"kbNumber": "5050001"}).name == "KB5050001"


def test_what_the_antivirus_found_is_a_finding() -> None:
    found = read("alerts", THREAT)
    assert isinstance(found, Finding)
    assert (found.uid, found.severity_id, found.target) == (THREAT["uid"], 5, "PC-008")
    assert found.title == "Threat quarantined: update.exe"
    assert set(found.entities) == {"device:pc-008", "device_id:ninjaone:108"}


def test_a_full_disk_is_an_event() -> None:
    found = read("alerts", DISK)
    assert isinstance(found, Event)
    assert (found.class_uid, found.severity_id) == (ocsf.BASE_EVENT, 3)
    assert found.ocsf["message"] == "Disk C: has less than 5 % left"


@pytest.mark.parametrize(("word", "number"), [("NONE", 1), ("MAJOR", 4), (None, 0), ("DIRE", 99)])
def test_severities(word, number) -> None:
    assert read("alerts", THREAT | {"severity": word}).severity_id == number


def test_a_record_is_read_as_what_it_is_and_what_is_none_is_refused() -> None:
    assert read("alerts", DEVICE).kind == "device"
    assert read("devices", PATCH).kind == "patch"
    for body, code in (
        ({}, "not_recognised"), ({"colour": "red"}, "not_recognised"),
        ({"resultCode": "FAILURE", "errorMessage": "invalid_token"}, "error_answer"),
        (THREAT | {"createTime": "yesterday"}, "bad_time"),
    ):  # fmt: skip
        with pytest.raises(Quarantine) as caught:
            read("alerts", body)
        assert caught.value.code == code


def test_answers_are_taken_apart() -> None:
    url = "https://eu.ninjarmm.com/v2/queries/os-patches?cursor=x"
    report = {"cursor": {"name": "x", "offset": 1, "count": 1}, "results": [PATCH]}
    (record,) = MANIFEST.explode({"url": url, "status": 200, "body": report})
    assert record.body["kbNumber"] == "KB5050001"
    (device,) = MANIFEST.explode({"url": url, "status": 200, "body": [DEVICE]})
    assert device.body["id"] == 103
