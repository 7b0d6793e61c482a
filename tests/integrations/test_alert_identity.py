"""An alert that is told again is the same finding, also where its vendor gives it no id."""

import datetime as dt
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import files, registry
from integrations.connectors.webhook import reading
from playbooks import triage
from tenants import intake
from tenants.errors import Quarantine
from tenants.models import Finding
from tenants.records import Finding as NormalisedFinding
from tenants.records import Normalised, SourceRecord
from tests.integrations.conformance.conftest import SUBJECTS
from tests.integrations.conformance.subject import RECORDS

AT = "2026-11-20T10:00:00Z"
LATER = "2026-11-20T10:00:07Z"


@dataclass(frozen=True)
class Sample:
    """An alert without an id: what is stamped anew when it is told again, and what makes another.

    A change is by path, names with dots between.
    """

    connector: str
    feed: str
    body: Mapping[str, Any]
    told_anew: Mapping[str, Any]
    another: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.connector} {self.feed}"


def _cef(at: int = 1764064800000, port: int = 40001, received: int = 0, count: int = 1) -> str:
    return (
        f"CEF:0|Acme|Wall|1|100|Worm stopped|9|start={at} rt={at + received} cnt={count} "
        f"src=198.51.100.7 spt={port} duser=ann@acme.example dhost=pc-7"
    )


SAMPLES = [
    Sample(
        "microsoft365", "alerts",
        {"title": "Mass download", "category": "Exfiltration", "severity": "high",
         "eventDateTime": AT, "vendorInformation": {"provider": "MCAS"},
         "userStates": [{"userPrincipalName": "ann@acme.example"}]},
        {"severity": "low", "status": "inProgress", "lastModifiedDateTime": LATER,
         "_TimeReceivedBySvc": LATER, "assignedTo": "bob"},
        {"eventDateTime": LATER, "title": "Impossible travel",
         "userStates": [{"userPrincipalName": "bob@acme.example"}]},
    ),
    Sample(
        "microsoft365", "risk_detections",
        {"riskEventType": "anonymizedIPAddress", "riskLevel": "medium", "riskState": "atRisk",
         "userPrincipalName": "ann@acme.example", "activityDateTime": AT, "ipAddress": "192.0.2.1",
         "detectedDateTime": AT, "requestId": "r-1"},
        {"riskState": "confirmedCompromised", "riskLevel": "high", "lastUpdatedDateTime": LATER,
         "detectedDateTime": LATER, "riskDetail": "userPerformedSecuredPasswordReset"},
        {"activityDateTime": LATER, "requestId": "r-2", "userPrincipalName": "bob@acme.example"},
    ),
    Sample(
        "crowdstrike", "event_stream",
        {"metadata": {"eventType": "EppDetectionSummaryEvent", "offset": 7,
                      "eventCreationTime": 1764064800000},
         "event": {"Name": "Credential theft", "SeverityName": "High", "Tactic": "Access",
                   "ProcessStartTime": 1764064800, "Hostname": "PC-7", "UserName": "ann",
                   "CommandLine": "dump.exe"}},
        {"metadata.offset": 8, "metadata.eventCreationTime": 1764064900000,
         "event.SeverityName": "Low"},
        {"event.ProcessStartTime": 1764064807, "event.Hostname": "PC-8",
         "event.CommandLine": "other.exe"},
    ),
    Sample(
        "wazuh", "alerts",
        {"timestamp": AT, "rule": {"id": "5712", "level": 12, "description": "Brute force",
                                   "firedtimes": 1},
         "agent": {"id": "004", "name": "web-1"}, "full_log": "sshd: Failed password for root",
         "manager": {"name": "m1"}},
        {"rule.firedtimes": 9, "manager.name": "m2", "@timestamp": LATER, "_index": "wazuh-2"},
        {"timestamp": LATER, "agent.name": "web-2", "full_log": "sshd: Failed password for ann"},
    ),
    Sample(
        "webhook", "json",
        {"at": AT, "what": "Backup deleted", "who": "ann@acme.example", "sent": AT, "times": 1},
        {"sent": LATER, "times": 44, "how bad": "high"},
        {"at": LATER, "who": "bob@acme.example", "what": "Backup encrypted"},
        {"mapping": json.dumps({"time": "at", "title": "what", "severity": "how bad",
                                "entities": {"account": "who"}})},
    ),
    Sample(
        "webhook", "ocsf",
        {"activity_id": 1, "category_uid": 2, "class_uid": 2004, "severity_id": 4, "count": 1,
         "time": 1764064800000, "finding_info": {"title": "Beacon", "created_time": 1764064800000},
         "metadata": {"version": "1.8.0", "product": {"name": "NDR"}},
         "device": {"hostname": "pc-7"}},
        {"count": 3, "severity_id": 5, "time": 1764064900000, "metadata.logged_time": 1764064900000,
         "finding_info.last_seen_time": 1764064900000, "status": "In Progress"},
        {"finding_info.created_time": 1764064807000, "device.hostname": "pc-8",
         "finding_info.title": "Exfiltration"},
    ),
    Sample(
        "webhook", "cef", {"line": _cef()},
        {"line": f"<134>Nov 25 10:00:09 relay-2 {_cef(received=9000, count=12)}"},
        {"line": _cef(at=1764064807000)},
    ),
    Sample(
        "webhook", "syslog", {"line": f"<134>Nov 25 10:00:01 relay-1 {_cef()}"},
        {"line": f"<134>Nov 25 10:00:09 relay-1 {_cef(received=9000, count=12)}"},
        {"line": f"<134>Nov 25 10:00:01 relay-1 {_cef(port=40002)}"},
    ),
]  # fmt: skip


def _normaliser(sample: Sample) -> Callable[[SourceRecord], Normalised]:
    feed = registry.CONNECTORS[sample.connector].feed(sample.feed)
    return feed.normaliser(dict(sample.settings))


def _record(body: Mapping[str, Any]) -> SourceRecord:
    if "line" not in body:
        return SourceRecord(body)
    (record,) = reading.lines(str(body["line"]).encode(), dt.datetime(2026, 1, 3, tzinfo=dt.UTC))
    assert isinstance(record, SourceRecord)
    return record


def _changed(body: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    return {**body, name: _changed(body.get(name, {}), rest, value) if rest else value}


def _shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, Mapping):
        keys = list(value)
        order.shuffle(keys)
        return {key: _shuffled(value[key], order) for key in keys}
    return [_shuffled(one, order) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@given(data=st.data())
@settings(max_examples=25)
def test_an_alert_without_an_id_is_known_by_what_it_says(sample, data) -> None:
    """Told again, with its keys in another order and stamped anew, it is the same."""
    normalise = _normaliser(sample)
    first = normalise(_record(sample.body))
    assert isinstance(first, NormalisedFinding)
    assert first.uid
    body = dict(sample.body)
    for path in data.draw(st.sets(st.sampled_from(sorted(sample.told_anew)))):
        body = _changed(body, path, sample.told_anew[path])
    again = normalise(_record(_shuffled(body, data.draw(st.randoms()))))
    assert isinstance(again, NormalisedFinding)
    assert again.uid == first.uid
    path = data.draw(st.sampled_from(sorted(sample.another)))
    other = normalise(_record(_changed(body, path, sample.another[path])))
    assert isinstance(other, NormalisedFinding)
    assert other.uid != first.uid


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_told_again_it_updates_its_finding_and_another_is_a_second(in_tenant, sample) -> None:
    body = dict(sample.body)
    for path, value in sample.told_anew.items():
        body = _changed(body, path, value)
    path, value = next(iter(sample.another.items()))
    for told in (sample.body, sample.body, body, _changed(sample.body, path, value)):
        intake.take(
            connector=sample.connector, feed=sample.feed, records=[_record(told)],
            normalise=_normaliser(sample),
        )  # fmt: skip
    triage.triage(in_tenant.id, in_tenant.id)
    # What came twice word for word is a repeated delivery, and told once.
    assert sorted(Finding.objects.values_list("times_seen", flat=True)) == [1, 2]
    assert Finding.objects.exclude(case=None).count() == 2


def _recorded() -> list[Any]:
    """The alerts that the vendors' own records hold, each with its normaliser."""
    found = []
    for subject in SUBJECTS:
        for recorded in subject.records:
            normalise = subject.manifest.feed(recorded.feed).normaliser({})
            place = RECORDS / recorded.path
            for path in sorted([place] if place.is_file() else place.rglob("*")):
                if path.is_file():
                    found += _alerts(subject.manifest, path, normalise)
    return found


def _alerts(manifest: Any, path: Any, normalise: Any) -> list[Any]:
    told = []
    for record in files.read(path, manifest.explode):
        try:
            if isinstance(record, SourceRecord) and isinstance(
                normalise(record), NormalisedFinding
            ):
                told.append((normalise, record))
        except Quarantine:
            continue
    return told


@pytest.mark.skipif(not RECORDS.exists(), reason="the vendors' records are not in ../shared")
def test_a_recorded_alert_is_the_same_in_any_order_of_its_keys() -> None:
    order, alerts = random.Random(5), _recorded()
    assert len(alerts) > 10
    for normalise, record in alerts:
        again = SourceRecord(_shuffled(record.body, order), record.context)
        assert normalise(again).uid == normalise(record).uid
