"""How the simulator behaves: sign-in, tenants, permissions, delta, pages, effects, restart."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import httpx
import pytest

from tests.integrations.simulators.fixtures import LOGIN, running_simulator

GRAPH = ["https://graph.microsoft.com/.default"]
EXCHANGE = "https://outlook.office365.com"
VICTIM = "priya.shah@contoso-clinic.example"
RULES = f"/users/{VICTIM}/mailFolders/inbox/messageRules"


@pytest.fixture
def sim():
    with running_simulator(seed="quiet") as running:
        yield running


@pytest.fixture
def attacked():
    with running_simulator(seed="bec") as running:
        yield running


def invoke(sim, tenant, cmdlet, **parameters):
    """One cmdlet at Exchange's admin endpoint."""
    headers = {"Authorization": f"Bearer {sim.token(tenant, EXCHANGE)}"}
    return httpx.post(
        f"{sim.base_url}/adminapi/beta/{tenant['id']}/InvokeCommand",
        json={"CmdletInput": {"CmdletName": cmdlet, "Parameters": parameters}},
        headers=headers,
    )


def test_msal_gets_a_token_that_graph_accepts(sim):
    tenant = sim.control.tenants()[0]
    result = sim.msal_app(tenant).acquire_token_for_client(GRAPH)
    headers = {"Authorization": f"Bearer {result['access_token']}"}
    answer = httpx.get(f"{sim.base_url}/v1.0/organization", headers=headers)
    assert answer.json()["value"][0]["id"] == tenant["id"]


def test_a_wrong_secret_is_refused_as_the_vendor_does(sim):
    app = sim.msal_app(sim.control.tenants()[0], secret="wrong")
    result = app.acquire_token_for_client(GRAPH)
    assert result["error"] == "invalid_client"
    assert result["error_codes"] == [7000215]
    asked = [line["status"] for line in sim.control.log() if line["path"].endswith("/token")]
    assert asked == [401]


def test_no_secret_and_no_token_reaches_the_log(sim, tmp_path):
    tenant = sim.control.tenants()[0]
    log, recording = tmp_path / "log", tmp_path / "recording"
    with running_simulator(seed="quiet", log=log, record_exchanges=recording) as other:
        token = other.token(tenant)
        other.graph(tenant).get("/users")
    assert tenant["apps"][0]["secret"] not in log.read_text() + recording.read_text()
    assert token not in log.read_text()
    assert json.loads(log.read_text().splitlines()[-1])["path"] == "/v1.0/users"


def test_a_tenant_never_sees_another(sim):
    first, second = sim.control.tenants()
    theirs = sim.graph(second).get("/users").json()["value"]
    with sim.graph(first) as graph:
        mine = graph.get("/users").json()["value"]
        assert {user["id"] for user in mine}.isdisjoint(user["id"] for user in theirs)
        for user in theirs:
            assert graph.get(f"/users/{user['id']}").status_code == 404
            assert graph.post(f"/users/{user['id']}/revokeSignInSessions").status_code == 404
    assert sim.control.effects() == []
    headers = {"Authorization": f"Bearer {sim.token(first, EXCHANGE)}"}
    address = f"{sim.base_url}/adminapi/beta/{second['id']}/InvokeCommand"
    body = {"CmdletInput": {"CmdletName": "Get-Mailbox", "Parameters": {}}}
    assert httpx.post(address, json=body, headers=headers).status_code == 403


def test_a_token_is_for_one_audience(sim):
    tenant = sim.control.tenants()[0]
    headers = {"Authorization": f"Bearer {sim.token(tenant, EXCHANGE)}"}
    answer = httpx.get(f"{sim.base_url}/v1.0/users", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


@pytest.mark.parametrize(
    ("granted", "change", "status"),
    [
        ([], {"accountEnabled": False}, 403),
        (["User.EnableDisableAccount.All"], {"accountEnabled": False}, 204),
        (["User.EnableDisableAccount.All"], {"jobTitle": "x"}, 403),
        (["User.ReadWrite.All"], {"passwordProfile": {"password": "Long-enough-1"}}, 403),
        (["User-PasswordProfile.ReadWrite.All"], {"passwordProfile": {"password": "short"}}, 400),
        (["User.ReadWrite.All"], {"accountEnabled": "no"}, 400),
        (["User.ReadWrite.All"], {"acountEnabled": True}, 400),
    ],
)
def test_an_application_may_do_what_it_was_granted(attacked, granted, change, status):
    attacked.control.permissions(granted)
    answer = attacked.graph().patch(f"/users/{VICTIM}", json=change)
    assert answer.status_code == status, answer.text
    assert len(attacked.control.effects()) == (1 if status == 204 else 0)


def test_only_the_default_properties_come_without_select(sim):
    with sim.graph() as graph:
        plain = graph.get("/users").json()["value"][0]
        chosen = graph.get("/users?$select=id,accountEnabled").json()["value"][0]
    assert "accountEnabled" not in plain
    assert set(chosen) == {"id", "accountEnabled"}


def test_delta_gives_only_what_changed(attacked):
    with attacked.graph() as graph:
        address, seen = "/users/delta?$select=id,accountEnabled&$top=4", []
        while address:
            body = graph.get(address).json()
            seen += [user["id"] for user in body["value"]]
            address, link = body.get("@odata.nextLink"), body.get("@odata.deltaLink")
        assert len(seen) == len(set(seen)) == len(graph.get("/users").json()["value"])
        body = graph.get(link).json()
        assert body["value"] == []
        attacked.control.act("set_enabled", user="priya.shah", is_enabled=False)
        body = graph.get(body["@odata.deltaLink"]).json()
        assert [user["accountEnabled"] for user in body["value"]] == [False]


def test_pages_hold_every_record_once_in_order(attacked):
    with attacked.graph() as graph:
        address, seen = "/auditLogs/signIns?$orderby=createdDateTime desc&$top=50", []
        while address:
            body = graph.get(address).json()
            assert len(body["value"]) <= 50
            seen += [(event["createdDateTime"], event["id"]) for event in body["value"]]
            address = body.get("@odata.nextLink")
    assert len(seen) > 100
    assert len({record_id for _, record_id in seen}) == len(seen)
    assert [when for when, _ in seen] == sorted((when for when, _ in seen), reverse=True)


def test_a_filter_on_time_is_exact(attacked):
    with attacked.graph() as graph:
        events = graph.get("/auditLogs/signIns?$top=1000").json()["value"]
        middle = sorted(event["createdDateTime"] for event in events)[len(events) // 2]
        later = graph.get(
            f"/auditLogs/signIns?$filter=createdDateTime ge {middle} and userId ne null&$top=1000"
        ).json()["value"]
    assert {e["id"] for e in later} == {e["id"] for e in events if e["createdDateTime"] >= middle}


def test_links_carry_the_host_by_which_the_client_came(sim):
    with sim.graph() as graph:
        own = graph.get("/users?$top=1").json()["@odata.nextLink"]
        real = graph.get("/users?$top=1", headers={"Host": "graph.microsoft.com"}).json()
    assert own.startswith(f"{sim.base_url}/v1.0/users?")
    assert real["@odata.nextLink"].startswith("https://graph.microsoft.com/v1.0/users?")


def test_the_compromise_is_there_to_be_found(attacked):
    with attacked.graph() as graph:
        alerts = graph.get("/security/alerts_v2").json()["value"]
        assert {alert["title"] for alert in alerts} == {
            "Atypical travel",
            "Anonymous IP address",
            "Suspicious inbox manipulation rule",
        }
        assert len({alert["incidentId"] for alert in alerts}) == 1
        victim = graph.get(f"/users/{VICTIM}").json()
        for alert in alerts:
            accounts = [e["userAccount"] for e in alert["evidence"] if "userAccount" in e]
            assert {account["azureAdUserId"] for account in accounts} == {victim["id"]}
        rules = graph.get(RULES).json()["value"]
        assert [rule["displayName"] for rule in rules if rule["actions"].get("forwardTo")] == ["."]
        phones = graph.get(f"/users/{VICTIM}/authentication/phoneMethods").json()["value"]
        assert "+234 8000000123" in {phone["phoneNumber"] for phone in phones}
        risky = graph.get("/identityProtection/riskyUsers").json()["value"]
        assert [(user["id"], user["riskLevel"]) for user in risky] == [(victim["id"], "high")]


def test_forwarding_is_read_and_removed_through_exchange(attacked):
    tenant = attacked.control.tenants()[0]
    before = invoke(attacked, tenant, "Get-Mailbox", Identity=VICTIM).json()["value"][0]
    assert before["ForwardingSmtpAddress"] == "smtp:invoices.archive@collector.example"
    cleared = invoke(
        attacked, tenant, "Set-Mailbox", Identity=VICTIM,
        ForwardingSmtpAddress=None, DeliverToMailboxAndForward=False,
    )  # fmt: skip
    assert cleared.status_code == 200
    after = invoke(attacked, tenant, "Get-Mailbox", Identity=VICTIM).json()["value"][0]
    assert (after["ForwardingSmtpAddress"], after["DeliverToMailboxAndForward"]) == (None, False)
    assert len(attacked.control.effects("mailbox.set_forwarding")) == 1
    assert invoke(attacked, tenant, "Get-Mailbox", Identity="nobody").status_code == 404
    assert invoke(attacked, tenant, "Format-Disk").status_code == 400


def test_each_effect_is_counted_once_with_who_did_it(attacked):
    with attacked.graph() as graph:
        graph.post(f"/users/{VICTIM}/revokeSignInSessions")
        graph.get(f"/users/{VICTIM}")
        rule = graph.get(RULES).json()["value"][-1]
        assert graph.delete(f"{RULES}/{rule['id']}").status_code == 204
        assert graph.delete(f"{RULES}/{rule['id']}").status_code == 404
    kinds = [effect["kind"] for effect in attacked.control.effects()]
    assert kinds == ["user.revoke_sessions", "rule.delete"]
    lines = attacked.control.log(effects=True)
    app = attacked.control.tenants()[0]["apps"][0]
    assert {line["app"] for line in lines} == {app["client_id"]}
    assert len({effect["id"] for line in lines for effect in line["effects"]}) == 2


def test_a_write_leaves_an_audit_entry(attacked):
    with attacked.graph() as graph:
        graph.patch(f"/users/{VICTIM}", json={"accountEnabled": False})
        query = "$filter=activityDisplayName eq 'Disable account'"
        entry = graph.get(f"/auditLogs/directoryAudits?{query}").json()["value"][0]
    assert entry["initiatedBy"]["app"]["displayName"] == "Holdfast"
    assert entry["targetResources"][0]["userPrincipalName"] == VICTIM


def test_the_same_seed_gives_the_same_world():
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    worlds = []
    for _ in range(2):
        with running_simulator(seed="demo", now=now) as sim:
            tenants = sim.control.tenants()
            worlds.append((tenants, [sim.control.state(t["id"]) for t in tenants]))
    assert worlds[0] == worlds[1]
    times = [alert["createdDateTime"] for alert in worlds[0][1][0]["alerts"].values()]
    assert max(times).startswith("2026-11-20")


def test_attackers_can_act_while_it_runs(attacked):
    with attacked.graph() as graph:
        before = len(graph.get("/security/alerts_v2").json()["value"])
        attacked.control.act("false_alarm", user="anna.berg")
        attacked.control.act("add_forwarding_rule", user="anna.berg", to="x@evil.example")
        assert len(graph.get("/security/alerts_v2").json()["value"]) == before + 1
    with pytest.raises(ValueError, match="no user 'nobody'"):
        attacked.control.act("false_alarm", user="nobody")
    with pytest.raises(ValueError, match="business_email_compromise"):
        attacked.control.act("dance")


@pytest.mark.process
def test_a_killed_simulator_comes_back_with_its_state_and_tokens(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base, state = f"http://127.0.0.1:{port}", tmp_path / "state.sqlite"
    command = [sys.executable, "-m", "integrations.simulators.microsoft365", "--seed", "bec"]
    command += ["--port", str(port), "--state", str(state)]
    process = _started(command, base)
    try:
        tenant = httpx.get(f"{base}/_simulator/tenants").json()[0]
        headers = {"Authorization": f"Bearer {_token(base, tenant)}"}
        change = {"accountEnabled": False}
        user = f"{base}/v1.0/users/{VICTIM}?$select=accountEnabled,signInActivity"
        assert httpx.patch(user, json=change, headers=headers).status_code == 204
        before = httpx.get(user, headers=headers).json()
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        process = _started(command, base)
        assert httpx.get(user, headers=headers).json() == before
        assert before["accountEnabled"] is False
    finally:
        process.kill()
        process.wait(timeout=10)


def _started(command, base):
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{base}/_simulator/health").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise AssertionError("the simulator did not start within 30 seconds")


def _token(base, tenant):
    app = tenant["apps"][0]
    form = {
        "grant_type": "client_credentials",
        "client_id": app["client_id"],
        "client_secret": app["secret"],
        "scope": GRAPH[0],
    }
    return httpx.post(f"{base}/{tenant['id']}/oauth2/v2.0/token", data=form).json()["access_token"]


def test_discovery_names_the_real_hosts(sim):
    tenant = sim.control.tenants()[0]
    address = f"{sim.base_url}/{tenant['domain']}/v2.0/.well-known/openid-configuration"
    found = httpx.get(address).json()
    assert found["token_endpoint"] == f"{LOGIN}/{tenant['id']}/oauth2/v2.0/token"
    unknown = httpx.get(f"{sim.base_url}/no.such.tenant/v2.0/.well-known/openid-configuration")
    assert (unknown.status_code, unknown.json()["error_codes"]) == (400, [90002])
