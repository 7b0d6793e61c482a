"""Which device an alert is about, where several products know devices: intake → case → plan."""

import datetime as dt
from typing import Any

import pytest

from integrations import registry
from integrations.connectors.webhook import reading
from integrations.models import Connection
from integrations.simulators.crowdstrike import records as falcon
from integrations.simulators.ninjaone import seeds as ninja
from integrations.simulators.wazuh import seeds as wazuh
from playbooks import investigation, response, triage
from playbooks.cases import case_devices
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan
from tenants import intake, scope
from tenants.models import Case, Device
from tenants.records import DirectoryItem, SourceRecord

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
CEF = "CEF:0|Acme|Guard|1.0|100|Ransomware|10|dvchost={host} rt={at}"


@pytest.fixture(autouse=True)
def _connected(in_tenant) -> None:
    for name in ("crowdstrike", "wazuh", "ninjaone", "ansible_hosts", "webhook"):
        Connection.objects.create(connector=name, name=name)


def told(connector: str, feed: str, *bodies: Any, **settings: str) -> None:
    """Take records in as the connector reads them, and triage what they tell."""
    records = [body if isinstance(body, SourceRecord) else SourceRecord(body) for body in bodies]
    took = intake.take(
        connector=connector,
        feed=feed,
        records=records,
        normalise=registry.connector(connector).feed(feed).normaliser(settings),
    )
    assert not took.quarantined, took.reasons
    triage.triage(scope.require_tenant_id(), scope.require_tenant_id())


def known(connector: str, external_id: str, hostname: str, **attributes: Any) -> None:
    """Put a device into the directory, as a connector tells of it."""
    item = DirectoryItem("device", external_id, hostname, attributes=attributes)
    intake.take(
        connector=connector,
        feed="devices",
        records=[SourceRecord({"id": external_id, "name": hostname, **attributes})],
        normalise=lambda record: item,
    )


def falcon_alert(hostname: str) -> dict[str, Any]:
    host = {**falcon.host("c" * 32, 1, NOW), "hostname": hostname}
    told("crowdstrike", "hosts", host)
    return falcon.alert(host, 1, NOW)


def wazuh_alert(agent: str, hostname: str) -> dict[str, Any]:
    source = wazuh.alert(0, 1, NOW)["_source"]
    return {**source, "agent": {"id": agent, "name": hostname}}


def line(hostname: str) -> SourceRecord:
    text = CEF.format(host=hostname, at=int(NOW.timestamp() * 1000))
    (record,) = reading.lines(text.encode(), NOW)
    assert isinstance(record, SourceRecord)
    return record


def isolated() -> list[tuple[str, str]]:
    """Let the only case be an attack, plan its response, and return what it isolates, and where."""
    case = Case.objects.get()
    case.status, case.verdict = Case.Status.INVESTIGATING, "true_positive"
    case.verdict_detail = {"playbook": "investigate-ransomware", "confidence": "high"}
    case.save()
    response.respond(case.tenant_id, case.id)
    return [
        (step["target"]["provider"], step["target"]["external_id"])
        for plan in Plan.objects.all()
        for step in plan.document["steps"]
        if step["action"] == "endpoint.isolate"
    ]


def test_an_id_is_one_only_at_the_connector_that_gave_it() -> None:
    known("wazuh", "1007", "WEB-9", is_server=True)
    told("ninjaone", "devices", {**ninja.device(1007, 8, 7, NOW.timestamp())})
    told("ninjaone", "alerts", ninja.alert(1007, 8, 7, NOW))
    told("wazuh", "alerts", wazuh_alert("1007", "WEB-9"))
    one, other = Case.objects.order_by("number")
    assert case_facts.of_case(one)["device"]["provider"] == "ninjaone"
    assert case_facts.of_case(other)["device"]["provider"] == "wazuh"
    assert [str(device) for device in case_devices.of_case(one)] == ["PC-008"]


def test_one_computer_of_three_products_is_isolated_where_that_can_be_done() -> None:
    known("wazuh", "001", "web-1", is_server=True)
    known("ansible_hosts", "web-1", "web-1", is_server=True)
    alert = falcon_alert("WEB-1")
    told("crowdstrike", "alerts", alert)
    assert isolated() == [("crowdstrike", alert["device"]["device_id"])]
    assert len(case_devices.of_case(Case.objects.get())) == 1
    assert case_facts.of_case(Case.objects.get())["device"]["is_server"]


def test_an_alert_of_a_product_that_can_not_isolate_has_another_do_it() -> None:
    known("wazuh", "001", "web-1.example.example")
    known("ansible_hosts", "web-1", "web-1", can_isolate=False)
    host = falcon_alert("WEB-1")["device"]["device_id"]
    told("wazuh", "alerts", wazuh_alert("001", "web-1.example.example"))
    assert case_facts.of_case(Case.objects.get())["device"]["provider"] == "wazuh"
    assert isolated() == [("crowdstrike", host)]


@pytest.mark.parametrize("named", ["PC-001", "pc-001.example.example"])
def test_a_line_names_a_computer_in_any_case_and_with_its_domain(named) -> None:
    host = falcon_alert("PC-001")["device"]["device_id"]
    told("webhook", "cef", line(named))
    assert isolated() == [("crowdstrike", host)]


def test_two_computers_of_one_name_wait_for_a_person() -> None:
    known("crowdstrike", "a", "PC-001")
    known("crowdstrike", "b", "pc-001")
    known("wazuh", "001", "PC-001")
    told("webhook", "cef", line("PC-001"))
    assert isolated() == []
    case = Case.objects.get()
    assert case.status == Case.Status.NEEDS_TECHNICIAN
    assert "More than one device may be pc-001 at CrowdStrike Falcon" in case.needs


def test_an_id_tells_which_of_two_is_meant_only_at_its_own_product() -> None:
    known("crowdstrike", "a", "PC-001")
    known("crowdstrike", "b", "PC-001")
    known("wazuh", "001", "PC-001")
    told("wazuh", "alerts", wazuh_alert("001", "PC-001"))
    assert isolated() == []
    needs = Case.objects.get().needs
    assert "needs: a connector for Wazuh" in needs
    assert "More than one device may be PC-001 at CrowdStrike Falcon" in needs


@pytest.mark.parametrize(
    ("serials", "place"),
    [(("VMware-56 4d", "X1", "VMware-564d"), [("crowdstrike", "b")]), (("X2", "X1", "X3"), [])],
)
def test_a_serial_number_tells_two_of_one_name_apart(serials, place) -> None:
    own, *others = serials
    known("wazuh", "001", "PC-001", serial_number=own + "-long")
    for external_id, serial in zip("ab", others, strict=True):
        known("crowdstrike", external_id, "PC-001", serial_number=serial + "-long")
    told("wazuh", "alerts", wazuh_alert("001", "PC-001"))
    assert isolated() == place


def test_a_computer_that_is_gone_or_not_connected_is_not_taken() -> None:
    known("wazuh", "001", "PC-001")
    host = falcon_alert("PC-001")["device"]["device_id"]
    Connection.objects.filter(connector="crowdstrike").update(state="paused")
    told("wazuh", "alerts", wazuh_alert("001", "PC-001"))
    assert "elsewhere" not in case_facts.of_case(Case.objects.get())["device"]
    Connection.objects.update(state="active")
    Device.objects.filter(external_id=host).update(deleted_upstream_at=NOW)
    assert isolated() == []


def test_what_no_investigation_knows_says_which_computers_may_be_meant() -> None:
    known("crowdstrike", "a", "PC-001")
    known("crowdstrike", "b", "PC-001")
    told("webhook", "cef", line("PC-001"))
    case = Case.objects.get()
    Case.objects.update(opened_at=NOW - dt.timedelta(hours=1))
    investigation.investigate(case.tenant_id, case.id)
    assert "More than one device" in Case.objects.get().needs
