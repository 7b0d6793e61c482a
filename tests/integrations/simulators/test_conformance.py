"""What the simulator accepts and answers conforms to Microsoft's published contract."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.contracts.published import GRAPH_CONTRACT, WHY_ABSENT, assert_conforms
from tests.integrations.simulators.fixtures import running_simulator

pytestmark = pytest.mark.skipif(not GRAPH_CONTRACT.exists(), reason=WHY_ABSENT)

U = "/users/priya.shah@contoso-clinic.example"
SELECT = (
    "id,accountEnabled,displayName,userPrincipalName,mail,userType,assignedLicenses,"
    "signInActivity,signInSessionsValidFromDateTime,onPremisesSyncEnabled,passwordProfile,"
    "lastPasswordChangeDateTime,proxyAddresses,identities,createdDateTime,employeeType"
)
READS = [
    "/users",
    "/users?$top=3",
    f"/users?$select={SELECT}&$count=true",
    "/users?$filter=accountEnabled eq true and startswith(displayName,'P')",
    "/users/delta?$select=id,accountEnabled",
    "/users/delta()",
    U,
    f"{U}?$select={SELECT}",
    f"{U}/memberOf",
    f"{U}/transitiveMemberOf",
    f"{U}/licenseDetails",
    f"{U}/oauth2PermissionGrants",
    f"{U}/authentication/methods",
    f"{U}/authentication/methods/28c10230-6103-485e-b985-444c60001490",
    f"{U}/authentication/phoneMethods",
    f"{U}/authentication/microsoftAuthenticatorMethods",
    f"{U}/authentication/fido2Methods",
    f"{U}/authentication/passwordMethods",
    f"{U}/mailFolders",
    f"{U}/mailFolders/inbox/messageRules",
    f"{U}/mailboxSettings",
    "/users/sam.adeyemi@contoso-clinic.example/memberOf",
    "/auditLogs/signIns?$top=5",
    "/auditLogs/signIns?$orderby=createdDateTime asc&$top=1000",
    "/auditLogs/directoryAudits",
    "/identityProtection/riskyUsers",
    "/identityProtection/riskDetections",
    "/security/alerts_v2",
    "/security/alerts_v2?$filter=severity eq 'high'&$top=1",
    "/security/incidents?$expand=alerts",
    "/directoryRoles?$expand=members",
    "/directoryRoleTemplates",
    "/roleManagement/directory/roleAssignments?$expand=principal",
    "/roleManagement/directory/roleDefinitions",
    "/groups",
    "/devices",
    "/servicePrincipals",
    "/oauth2PermissionGrants",
    "/organization",
    "/subscribedSkus",
    "/domains",
    "/identity/conditionalAccess/policies",
    "/identity/conditionalAccess/namedLocations",
    "/policies/identitySecurityDefaultsEnforcementPolicy",
    "/policies/authorizationPolicy",
    "/policies/adminConsentRequestPolicy",
    "/policies/authenticationMethodsPolicy",
    "/reports/authenticationMethods/userRegistrationDetails",
    "/subscriptions",
]
BY_ID = [
    "/auditLogs/signIns",
    "/auditLogs/directoryAudits",
    "/identityProtection/riskyUsers",
    "/identityProtection/riskDetections",
    "/security/alerts_v2",
    "/security/incidents",
    "/directoryRoles",
    "/groups",
    "/devices",
    "/servicePrincipals",
    "/oauth2PermissionGrants",
    "/organization",
    "/domains",
]
REFUSED = [
    ("GET", "/users/nobody", 404),
    ("GET", "/users?$filter=accountEnabled almost true", 400),
    ("GET", "/users?$filter=unheardOf eq 1", 400),
    ("GET", "/users?$top=5000", 400),
    ("GET", "/security/alerts_v2/none", 404),
    ("GET", f"{U}/mailFolders/inbox/messageRules/none", 404),
    ("DELETE", f"{U}/authentication/phoneMethods/none", 404),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A simulator whose every exchange is recorded, and a signed-in client."""
    path = tmp_path_factory.mktemp("recorded") / "exchanges.ndjson"
    with running_simulator(seed="bec", record_exchanges=path) as sim:
        granted = sim.control.tenants()[0]["apps"][0]["permissions"]
        sim.control.permissions([*granted, "Mail.ReadBasic.All"])
        with sim.graph() as graph:
            yield sim, graph, path


def conforms(path, status):
    """The newest exchange has this status, and it and all before it conform."""
    last = json.loads(path.read_text().splitlines()[-1])
    assert last["status"] == status, last["body"]
    assert_conforms(path)
    path.write_text("")
    return last


@pytest.mark.parametrize("address", READS)
def test_a_read_conforms(recorded, address):
    _, graph, path = recorded
    graph.get(address)
    conforms(path, 200)


@pytest.mark.parametrize("collection", BY_ID)
def test_one_record_conforms(recorded, collection):
    _, graph, path = recorded
    record = graph.get(collection).json()["value"][0]
    one = graph.get(f"{collection}/{record['id']}")
    conforms(path, 200)
    assert one.json()["id"] == record["id"]


@pytest.mark.parametrize(("method", "address", "status"), REFUSED)
def test_a_refusal_conforms(recorded, method, address, status):
    _, graph, path = recorded
    graph.request(method, address)
    conforms(path, status)


def test_what_belongs_to_a_group_a_role_and_an_incident_conforms(recorded):
    _, graph, path = recorded
    for collection, part in (
        ("/groups", "members"),
        ("/directoryRoles", "members"),
        ("/security/incidents", "alerts"),
        ("/identityProtection/riskyUsers", "history"),
    ):
        first = graph.get(collection).json()["value"][0]
        inside = graph.get(f"{collection}/{first['id']}/{part}")
        conforms(path, 200)
        assert inside.json()["value"], part


def test_every_write_conforms_and_is_seen_afterwards(recorded):
    _, graph, path = recorded
    user = graph.get(f"{U}?$select={SELECT}").json()
    graph.patch(U, json={"accountEnabled": False})
    conforms(path, 204)
    profile = {"forceChangePasswordNextSignIn": True, "password": "a-Long-enough-1"}
    graph.patch(U, json={"passwordProfile": profile})
    conforms(path, 204)
    graph.post(f"{U}/revokeSignInSessions")
    conforms(path, 200)
    after = graph.get(f"{U}?$select={SELECT}").json()
    assert after["accountEnabled"] is False
    for moved in ("signInSessionsValidFromDateTime", "lastPasswordChangeDateTime"):
        assert after[moved] > user[moved]
    assert after["passwordProfile"] is None


def test_rules_are_added_changed_and_deleted(recorded):
    _, graph, path = recorded
    rules = f"{U}/mailFolders/inbox/messageRules"
    body = {
        "displayName": "Invoices",
        "sequence": 3,
        "isEnabled": True,
        "conditions": {"subjectContains": ["invoice"]},
        "actions": {"forwardTo": [{"emailAddress": {"address": "a@b.example", "name": "A"}}]},
    }
    rule = graph.post(rules, json=body).json()
    conforms(path, 201)
    graph.patch(f"{rules}/{rule['id']}", json={"isEnabled": False})
    conforms(path, 200)
    assert graph.get(f"{rules}/{rule['id']}").json()["isEnabled"] is False
    graph.delete(f"{rules}/{rule['id']}")
    conforms(path, 204)
    assert graph.get(f"{rules}/{rule['id']}").status_code == 404
    graph.patch(f"{U}/mailboxSettings", json={"timeZone": "UTC"})
    conforms(path, 200)


def test_methods_are_deleted_and_a_phone_is_restored(recorded):
    _, graph, path = recorded
    phones = f"{U}/authentication/phoneMethods"
    phone = graph.get(phones).json()["value"][0]
    graph.delete(f"{phones}/{phone['id']}")
    conforms(path, 204)
    assert phone["id"] not in graph.get(f"{U}/authentication/methods").text
    given = {"phoneNumber": phone["phoneNumber"], "phoneType": phone["phoneType"]}
    restored = graph.post(phones, json=given).json()
    conforms(path, 201)
    assert restored["id"] == phone["id"]


def test_alerts_incidents_and_risk_are_changed(recorded):
    _, graph, path = recorded
    alert = graph.get("/security/alerts_v2").json()["value"][0]
    change = {"status": "resolved", "classification": "truePositive"}
    answer = graph.patch(f"/security/alerts_v2/{alert['id']}", json=change).json()
    conforms(path, 200)
    assert answer["resolvedDateTime"]
    incident = graph.get("/security/incidents").json()["value"][0]
    graph.patch(f"/security/incidents/{incident['id']}", json={"status": "resolved"})
    conforms(path, 200)
    user_id = graph.get(U).json()["id"]
    for verb, state in (("confirmCompromised", "confirmedCompromised"), ("dismiss", "dismissed")):
        graph.post(f"/identityProtection/riskyUsers/{verb}", json={"userIds": [user_id]})
        conforms(path, 204)
        risky = graph.get(f"/identityProtection/riskyUsers/{user_id}").json()
        assert risky["riskState"] == state


def test_grants_groups_roles_and_subscriptions_are_changed(recorded):
    sim, _, path = recorded
    tenant = sim.control.tenants()[0]
    granted = tenant["apps"][0]["permissions"]
    sim.control.permissions([*granted, "RoleManagement.ReadWrite.Directory"])
    more = sim.graph()
    grant = more.get("/oauth2PermissionGrants").json()["value"][0]
    more.delete(f"/oauth2PermissionGrants/{grant['id']}")
    conforms(path, 204)
    user_id = more.get(U).json()["id"]
    group = more.get("/groups?$filter=displayName eq 'MFA Exclusions'").json()["value"][0]
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{user_id}"}
    more.post(f"/groups/{group['id']}/members/$ref", json=reference)
    conforms(path, 204)
    more.delete(f"/groups/{group['id']}/members/{user_id}/$ref")
    conforms(path, 204)
    role = more.get("/roleManagement/directory/roleDefinitions").json()["value"][-1]
    body = {"principalId": user_id, "roleDefinitionId": role["id"], "directoryScopeId": "/"}
    assigned = more.post("/roleManagement/directory/roleAssignments", json=body).json()
    conforms(path, 201)
    more.delete(f"/roleManagement/directory/roleAssignments/{assigned['id']}")
    conforms(path, 204)
    soon = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "changeType": "created,updated",
        "notificationUrl": "https://msp.example/hooks/graph",
        "resource": "security/alerts_v2",
        "expirationDateTime": soon,
    }
    subscription = more.post("/subscriptions", json=body).json()
    conforms(path, 201)
    more.patch(f"/subscriptions/{subscription['id']}", json={"expirationDateTime": soon})
    conforms(path, 200)
    more.delete(f"/subscriptions/{subscription['id']}")
    conforms(path, 204)


def test_a_batch_runs_each_request_in_the_order_asked(recorded):
    _, graph, path = recorded
    steps = [
        {"id": "2", "method": "GET", "url": f"{U}?$select=id,accountEnabled", "dependsOn": ["1"]},
        {"id": "1", "method": "PATCH", "url": U, "body": {"accountEnabled": True},
         "headers": {"Content-Type": "application/json"}},
        {"id": "3", "method": "GET", "url": "/users/nobody"},
        {"id": "4", "method": "GET", "url": "/organization", "dependsOn": ["3"]},
    ]  # fmt: skip
    answer = graph.post("/$batch", json={"requests": steps}).json()
    conforms(path, 200)
    by_id = {item["id"]: item for item in answer["responses"]}
    assert [by_id[n]["status"] for n in "1234"] == [204, 200, 404, 424]
    assert by_id["2"]["body"]["accountEnabled"] is True
    many = [{"id": str(n), "method": "GET", "url": "/organization"} for n in range(21)]
    assert graph.post("/$batch", json={"requests": many}).status_code == 400
    path.write_text("")


def test_the_demo_conforms_but_for_its_malformed_alerts(tmp_path):
    sound, broken = tmp_path / "sound.ndjson", tmp_path / "broken.ndjson"
    with running_simulator(seed="demo", record_exchanges=sound) as sim:
        for tenant in sim.control.tenants():
            with sim.graph(tenant) as graph:
                for address in READS:
                    if not address.startswith(U):
                        graph.get(address)
    lines = sound.read_text().splitlines()
    wrong = [line for line in lines if "microsoftDefenderForEverything" in line]
    assert wrong
    sound.write_text("\n".join(line for line in lines if line not in wrong))
    assert assert_conforms(sound) > len(READS)
    broken.write_text("\n".join(wrong))
    with pytest.raises(AssertionError, match="serviceSource"):
        assert_conforms(broken)
