"""The answers to an investigation's questions, against what the simulator really holds."""

import pytest

from integrations import catalog, registry
from integrations.contract import Target
from integrations.errors import Rejected
from tests.integrations.conformance.driving import intention

ID = "defender_endpoint"
TENANT = Target("tenant", "row", "contoso-clinic", "Contoso Clinic")


def ask(client, name: str, target: Target, **inputs):
    told = registry.gatherer(ID, name).gather(client, target, inputs)
    assert told.keys() == catalog.get(name).facts.keys()
    return told


def test_a_device_tells_whether_it_is_cut_off(vendor, client, computer) -> None:
    device = ask(client, "endpoint.get_device", computer)["device"]
    assert device["hostname"] == computer.name
    assert (device["is_isolated"], device["is_restricted"], device["pending"]) == (False, False, "")
    assert device["is_managed"]
    for name in ("endpoint.isolate", "endpoint.restrict_apps"):
        made = intention(vendor, client, name, computer, {})
        registry.action(ID, name).call(client, made)
    vendor.act("hold_machine", machine=computer.external_id)
    undo = intention(vendor, client, "endpoint.release", computer, {})
    registry.action(ID, "endpoint.release").call(client, undo)
    device = ask(client, "endpoint.get_device", computer)["device"]
    assert (device["is_isolated"], device["is_restricted"]) == (True, True)
    assert device["pending"] == "Unisolate"


def test_a_server_is_told_from_its_system(vendor, client) -> None:
    for record in vendor.records("machines").values():
        target = Target("device", "row", record["id"], record["computerDnsName"])
        device = ask(client, "endpoint.get_device", target)["device"]
        assert device["is_server"] is (record["osPlatform"] == "WindowsServer2022")


def test_alerts_are_counted_in_the_days_asked_for(vendor, client, computer) -> None:
    all_of_it = ask(client, "endpoint.list_alerts", computer, days=90)
    held = [
        a for a in vendor.records("machineAlerts").values()
        if a["machineId"] == computer.external_id
    ]  # fmt: skip
    assert all_of_it["count"] == len(held) == len(all_of_it["alerts"])
    assert all_of_it["high"] == sum(1 for a in held if a["severity"] == "High") > 0
    times = [a["time"] for a in all_of_it["alerts"]]
    assert times == sorted(times, reverse=True)
    assert 0 < ask(client, "endpoint.list_alerts", computer, days=3)["count"] < len(held)


def test_an_alert_that_was_found_harmless_is_not_serious(vendor, client, computer) -> None:
    before = ask(client, "endpoint.list_alerts", computer, days=90)
    serious = next(
        a for a in vendor.records("machineAlerts").values()
        if a["machineId"] == computer.external_id and a["severity"] == "High"
    )  # fmt: skip
    settled = {**serious, "classification": "FalsePositive", "status": "Resolved"}
    vendor.act("put", collection="machineAlerts", record=settled)
    after = ask(client, "endpoint.list_alerts", computer, days=90)
    assert (after["count"], after["high"]) == (before["count"], before["high"] - 1)


def test_logged_on_users_name_the_administrators(vendor, client) -> None:
    server = next(
        m for m in vendor.records("machines").values() if m["osPlatform"] == "WindowsServer2022"
    )
    target = Target("device", "row", server["id"], server["computerDnsName"])
    (user,) = ask(client, "endpoint.list_logged_on_users", target)["users"]
    assert (user["name"], user["is_privileged"]) == ("administrator", True)


def test_missing_updates_close_most_holes_first(vendor, client, computer) -> None:
    (patch,) = ask(client, "patch.list_missing", computer)["patches"]
    assert (patch["external_id"], patch["holes_closed"]) == ("KB5044284", 2)
    assert patch["products"] == ["windows_11", "chrome"]


def test_exposed_devices_are_those_with_the_hole(vendor, client, computer) -> None:
    found = ask(client, "patch.list_exposed_devices", TENANT, cve="cve-2026-21001")["devices"]
    assert {d["external_id"] for d in found} == set(vendor.records("machines"))
    assert [d["name"] for d in found if d["is_server"]] == ["srv-01.contoso-clinic.example"]
    assert {tuple(d["patches"]) for d in found} == {("KB5044284",)}
    for row in vendor.records("weaknesses").values():
        if row["cveId"] == "CVE-2026-30002":
            other = {**row, "recommendedSecurityUpdateId": None}
            vendor.act("put", collection="weaknesses", record=other)
    found = ask(client, "patch.list_exposed_devices", TENANT, cve="CVE-2026-30002")["devices"]
    assert {tuple(d["patches"]) for d in found} == {()}
    assert ask(client, "patch.list_exposed_devices", TENANT, cve="CVE-1999-0001")["devices"] == []
    with pytest.raises(Rejected, match="which hole"):
        ask(client, "patch.list_exposed_devices", TENANT)
