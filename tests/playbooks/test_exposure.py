"""Whether the internet reaches a device, by whoever tells; it weighs in the risk of a case."""

import datetime as dt
from typing import Any

import pytest

from playbooks import triage
from playbooks.cases import exposure, risk_table
from tenants import exposed_devices, intake
from tenants.models import Case, Device
from tenants.records import Event as NormalisedEvent
from tenants.records import SourceRecord
from tests.playbooks.test_triage import NOON, _alert, _arrive

pytestmark = pytest.mark.django_db
AID = "87428e31806e4c879014212b2579686f"


def _device(provider: str = "defender_endpoint", **attributes: Any) -> Device:
    return Device.objects.create(
        provider=provider, external_id=AID, hostname="web1", attributes=attributes
    )


@pytest.mark.parametrize(
    ("provider", "attributes", "told"),
    [
        ("defender_endpoint", {"tags": ["Finance", "Internet facing"]}, "tagged “Internet facing”"),
        ("crowdstrike", {"tags": ["internet-facing"]}, "tagged"),
        ("ninjaone", {"tags": ["DMZ"]}, "tagged “DMZ”"),
        # Falcon writes a tag with where it was given.
        ("crowdstrike", {"tags": ["FalconGroupingTags/internet-facing"]}, "internet-facing”"),
        ("crowdstrike", {"tags": ["SensorGroupingTags/DMZ "]}, "tagged"),
        ("crowdstrike", {"tags": ["FalconGroupingTags/not dmz", "dmz/printers"]}, ""),
        ("ninjaone", {"tags": ["not internet facing", 7, None]}, ""),
        ("crowdstrike", {"local_ip": "8.8.4.4"}, "its own address 8.8.4.4 is public"),
        ("defender_endpoint", {"last_ip": "8.8.4.4"}, "public"),
        # What a NAT has, or an agent's manager sees, is not its own.
        ("crowdstrike", {"local_ip": "10.0.0.7", "external_ip": "8.8.4.4"}, ""),
        ("wazuh", {"local_ip": "8.8.4.4"}, ""),
        ("crowdstrike", {"local_ip": "2600:1f18::7"}, ""),
        ("crowdstrike", {"local_ip": "no address", "tags": "internet facing"}, ""),
        ("crowdstrike", {}, ""),
    ],
)
def test_who_tells_that_the_internet_reaches_a_device(
    in_tenant, provider, attributes, told
) -> None:
    found = exposure.why([_device(provider, **attributes)])
    assert told in found
    assert bool(found) is bool(told)


def _falcon_tells(exposed: str, hours: int) -> None:
    hole = NormalisedEvent(
        uid=f"{AID}_0{hours}", class_uid=2002, activity="CVE-2026-1 open",
        time=NOON + dt.timedelta(hours=hours), target="WEB1",
        entities=(f"device_id:crowdstrike:{AID}", "cve:cve-2026-1"),
        ocsf={"unmapped": {"internet_exposure": exposed}},
    )  # fmt: skip
    intake.take(
        connector="crowdstrike", feed="vulnerabilities", records=[SourceRecord({"id": hole.uid})],
        normalise=lambda record: hole,
    )  # fmt: skip


def test_what_falcon_said_last_counts(in_tenant) -> None:
    row = _device("crowdstrike")
    _falcon_tells("Pending", 0)
    assert exposure.why([row]) == ""
    _falcon_tells("Yes", 2)
    _falcon_tells("No", 1)
    assert exposure.why([row]) == "Falcon says that the internet reaches it"
    _falcon_tells("No", 3)
    assert exposure.why([row]) == ""


def test_a_technicians_word_stands_above_what_vendors_tell_and_is_taken_back(in_tenant) -> None:
    row = _device(tags=["internet facing"])
    who = {"actor": "technician:kim", "reason": "It is behind the new gateway."}
    row = exposed_devices.mark(row, is_exposed=False, **who)
    assert exposure.why([row]) == ""
    other = Device.objects.create(provider="ninjaone", external_id="9", hostname="web1")
    other = exposed_devices.mark(other, is_exposed=True, **who)
    assert exposure.why([row, other]) == "marked by hand: It is behind the new gateway."
    for one in (row, other):
        exposed_devices.mark(one, is_exposed=None, **who)
    assert "tagged" in exposure.why(Device.objects.all())
    assert exposed_devices.of_client() == []


def test_it_weighs_in_the_risk_with_who_says_so(in_tenant) -> None:
    row = _device()
    _arrive(_alert("a", 0, "device:web1"))
    case = Case.objects.get()
    before = case.risk
    exposed_devices.mark(row, is_exposed=True, actor="technician:kim", reason="Serves the portal")
    triage.assess([case])
    [term] = [one for one in case.risk_terms if one["name"] == "reached from outside"]
    assert term["points"] == risk_table.in_force().of("exposure", "internet_facing")
    assert term["reason"] == "the internet reaches web1 (marked by hand: Serves the portal)"
    assert case.risk == before + term["points"]
