"""Azure's activity log: all recorded entries through the command, and what a reader sees."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from integrations.connectors.microsoft365.manifest import MANIFEST
from tenants import scope
from tenants.errors import Quarantine
from tenants.models import Event
from tenants.records import SourceRecord

RECORDS = Path(__file__).parents[4] / "shared/records/microsoft-azure/activity"
NORMALISE = MANIFEST.feed("azure_activity").normalise
VAULT = (
    "/subscriptions/12345678-1234-1234-1234-123456789abc/resourceGroups/rg"
    "/providers/Microsoft.KeyVault/vaults/myvault"
)
ENTRY = {
    "time": "2024-12-17T10:30:00.0000000Z", "resourceId": VAULT,
    "operationName": "Microsoft.KeyVault/vaults/delete", "category": "Administrative",
    "resultType": "Success", "resultSignature": "200", "callerIpAddress": "1.1.1.1",
    "correlationId": "c-1", "location": "eastus", "tenantId": "t-1",
    "identity": {"claims": {
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "Ann@Contoso.example"}},
}  # fmt: skip


def entry(**changed):
    """An entry with some fields changed; None takes one away."""
    body = {k: v for k, v in {**ENTRY, **changed}.items() if v is not None}
    return NORMALISE(SourceRecord(body))


def test_an_entry_is_an_api_activity_on_its_resource() -> None:
    found = entry()
    assert (found.class_uid, found.activity) == (6003, "Microsoft.KeyVault/vaults/delete")
    assert (found.actor, found.target, found.source_ip) == (
        "Ann@Contoso.example", "myvault", "1.1.1.1",
    )  # fmt: skip
    assert found.is_success is True
    assert found.ocsf["activity_id"] == 4
    assert found.ocsf["type_uid"] == 600304
    assert found.ocsf["metadata"]["tenant_uid"] == "t-1"
    assert found.ocsf["metadata"]["correlation_uid"] == "c-1"
    assert found.ocsf["cloud"]["account"]["uid"] == "12345678-1234-1234-1234-123456789abc"
    assert found.ocsf["api"]["service"]["name"] == "Microsoft.KeyVault"
    assert set(found.entities) == {
        "account:ann@contoso.example", "ip:1.1.1.1", f"azure_resource:{VAULT.lower()}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "signature", "activity_id"),
    [
        ("Microsoft.Storage/storageAccounts/write", "200", 3),
        ("Microsoft.Storage/storageAccounts/write", "201", 1),
        ("MICROSOFT.COMPUTE/VIRTUALMACHINES/READ", "200", 2),
        ("Microsoft.KeyVault/vaults/keys/purge/action", "200", 4),
        ("Microsoft.Compute/disks/beginGetAccess/action", "200", 99),
        ("PutBlob", "", 1),
        ("DeleteBlob", "", 4),
    ],
)
def test_the_kind_of_activity_is_told_by_the_operation(operation, signature, activity_id) -> None:
    found = entry(operationName=operation, resultSignature=signature)
    assert found.ocsf["activity_id"] == activity_id


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"resultType": "Succeeded"}, True),
        ({"resultType": "Failed"}, False),
        ({"resultType": "Active"}, None),
        ({"resultType": None, "statusCode": 201}, True),
        ({"resultType": None, "statusCode": 403}, False),
        ({"resultType": None}, None),
    ],
)
def test_the_outcome_is_told_or_unknown(told, expected) -> None:
    assert entry(**told).is_success is expected


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"time": "soon"}, "bad_time"), ({"time": None}, "missing_time"),
     ({"operationName": None}, "not_an_activity")],
)  # fmt: skip
def test_what_is_no_entry_is_quarantined(changed, code) -> None:
    with pytest.raises(Quarantine) as caught:
        entry(**changed)
    assert caught.value.code == code


def test_an_entry_given_to_another_feed_is_read_as_what_it_is() -> None:
    assert MANIFEST.feed("sign_ins").normalise(SourceRecord(ENTRY)) == entry()


@pytest.mark.skipif(not RECORDS.exists(), reason="the vendors' records are not in ../shared")
def test_every_recorded_entry_is_taken_in(tenant) -> None:
    total, kept = 0, 0
    for path in sorted(RECORDS.glob("*.ndjson")):
        out = io.StringIO()
        call_command(
            "intake", str(path), tenant=tenant.slug, connector="microsoft365",
            feed="azure_activity", json=True, stdout=out,
        )  # fmt: skip
        told = json.loads(out.getvalue())
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        assert told["records"] == len(lines), path.name
        assert told["quarantined"] == 0, (path.name, told["reasons"])
        assert told["events"] + told["duplicates"] == len(lines), path.name
        total, kept = total + len(lines), kept + told["events"]
    assert total == 98
    with scope.tenant(tenant.id):
        found = list(Event.objects.all())
    assert len(found) == kept
    assert {event.class_uid for event in found} == {6003}
    assert all(event.ocsf["api"]["operation"] and event.target for event in found)
    # By reading the records: who acted is told in eight, two of them by an application's id.
    assert {event.actor for event in found if event.actor} == {
        "Microsoft.Advisor", "12345678-1234-1234-1234-123456789abc",
        "87654321-4321-4321-4321-123456789abc", "compromised-admin@company.com",
        "denethor@lotr.com", "attacker@example.com",
    }  # fmt: skip
