"""Each vendor's contract is read, finds what is wrong, and lets real recordings pass."""

from __future__ import annotations

import json

import pytest

from tests.contracts import published
from tests.contracts.published import CONTRACTS

RECORDS = CONTRACTS.parent / "records"
CROWDSTRIKE = "https://api.crowdstrike.com"
NINJA = "https://eu.ninjarmm.com"
WAZUH = "https://wazuh.example:55000"
S1 = "https://example.sentinelone.net"
RMM = "https://api.rmm.example"
INTUNE = "https://graph.microsoft.com/v1.0/deviceManagement"
CHANGED = {"id": "1", "activity": None, "activityDateTime": "2026-11-20T09:00:00.1234567Z",
           "actor": {"userPermissions": ["*"], "ipAddress": None}, "resources": []}  # fmt: skip
DEFENDER = "https://api.securitycenter.microsoft.com/api"
ISOLATED = {"id": "1", "type": "Isolate", "scope": "Full", "status": "Pending", "machineId": "m",
            "creationDateTimeUtc": "2026-11-20T09:00:00.1234567Z"}  # fmt: skip
ADMIN = "https://admin.googleapis.com/admin"
USERS = f"{ADMIN}/directory/v1/users"
FILTERS = "https://gmail.googleapis.com/gmail/v1/users/me/settings/filters"
NOT_FOUND = {"error": {"code": 404, "message": "no", "errors": [{"reason": "notFound"}]}}
META = {"query_time": 0.01, "trace_id": "t"}
NONE_FAILED = {"total_affected_items": 1, "total_failed_items": 0, "failed_items": []}


def judged(vendor, method, url, body=None, status=200, answer=None):
    """The violations of one exchange, as (where, pointer)."""
    found = vendor.contract().check_exchange(method, url, body, status, answer)
    return [(one.where, one.pointer) for one in found]


@pytest.mark.parametrize(
    ("vendor", "method", "url", "body", "status", "answer"),
    [
        (published.CROWDSTRIKE, "GET", f"{CROWDSTRIKE}/devices/queries/devices/v1?limit=10", None,
         200, {"errors": [], "meta": META, "resources": ["a"]}),
        (published.CROWDSTRIKE, "POST",
         f"{CROWDSTRIKE}/devices/entities/devices-actions/v2?action_name=contain", {"ids": ["a"]},
         202, {"errors": [], "meta": META, "resources": []}),
        (published.NINJAONE, "POST", f"{NINJA}/v2/device/7/reboot/NORMAL", {"reason": "patch"},
         200, None),
        (published.WAZUH, "PUT", f"{WAZUH}/active-response?agents_list=001,002",
         {"command": "restart-wazuh0"}, 200,
         {"data": {"affected_items": ["001"], **NONE_FAILED}, "message": "sent", "error": 0}),
        (published.SENTINELONE, "GET", f"{S1}/web/api/v2.1/accounts?states=active&limit=5", None,
         200, {"data": []}),
        (published.TACTICAL_RMM, "POST", f"{RMM}/agents/abc/reboot/", {}, 200, "ok"),
        (published.TACTICAL_RMM, "GET", f"{RMM}/agents/?detail=false", None, 200, []),
        (published.GOOGLE, "PATCH", f"{USERS}/a@b.example?alt=json", {"suspended": True}, 200,
         {"id": "1", "suspended": True}),
        (published.GOOGLE, "POST", f"{USERS}/1/signOut", None, 204, None),
        (published.GOOGLE, "POST", FILTERS, {"criteria": {"from": "x"}, "action": {}}, 200,
         {"id": "f", "criteria": {"from": "x"}}),
        (published.GOOGLE, "GET", f"{USERS}/1/tokens", None, 404, NOT_FOUND),
        (published.GOOGLE, "GET", "https://alertcenter.googleapis.com/v1beta1/alerts", None, 200,
         {"alerts": [{"alertId": "a", "createTime": "2026-11-20T09:00:00.123456Z",
                      "data": {"@type": "x", "anything": [1]}}]}),
        (published.DEFENDER_ENDPOINT, "GET",
         f"{DEFENDER}/machines?$filter=healthStatus eq 'Active'&$top=5", None, 200,
         {"@odata.context": "x", "value": [{"id": "m", "riskScore": None, "machineTags": []}]}),
        (published.DEFENDER_ENDPOINT, "POST", f"{DEFENDER}/machines/m/isolate",
         {"Comment": "c", "IsolationType": "Full"}, 201, ISOLATED),
        (published.DEFENDER_ENDPOINT, "DELETE", f"{DEFENDER}/indicators/9", None, 204, None),
        (published.INTUNE, "GET", f"{INTUNE}/auditEvents?$top=5", None, 200,
         {"@odata.context": "x", "value": [CHANGED]}),
        (published.INTUNE, "POST", f"{INTUNE}/managedDevices/1/retire", None, 204, None),
        (published.INTUNE, "GET", f"{INTUNE}/auditEvents", None, 403,
         {"error": {"code": "Forbidden", "message": "no", "innerError": {"date": "x"}}}),
        (published.DEFENDER_ENDPOINT, "GET", f"{DEFENDER}/machines/m", None, 404,
         {"error": {"code": "NotFound", "message": "no", "target": "x"}}),
    ],
)  # fmt: skip
def test_what_is_right_passes(vendor, method, url, body, status, answer) -> None:
    assert judged(vendor, method, url, body, status, answer) == []


@pytest.mark.parametrize(
    ("vendor", "method", "url", "body", "status", "answer", "expected"),
    [
        (published.CROWDSTRIKE, "GET", f"{CROWDSTRIKE}/devices/queries/devices/v1?limt=10", None,
         200, {"errors": [], "meta": META, "resources": []}, ("query", "/limt")),
        (published.CROWDSTRIKE, "GET", f"{CROWDSTRIKE}/devices/queries/devices/v1?limit=ten", None,
         200, {"errors": [], "meta": META, "resources": []}, ("query", "/limit")),
        (published.CROWDSTRIKE, "POST", f"{CROWDSTRIKE}/devices/entities/devices-actions/v2",
         {"ids": ["a"]}, 202, {"errors": [], "meta": META, "resources": []},
         ("query", "/action_name")),
        (published.CROWDSTRIKE, "GET", f"{CROWDSTRIKE}/devices/queries/devices/v1", None,
         200, {"errors": [], "meta": META, "resources": [7]}, ("response", "/resources/0")),
        (published.NINJAONE, "POST", f"{NINJA}/v2/device/7/reboot/SOFTLY", {}, 200, None,
         ("path", "/mode")),
        (published.NINJAONE, "POST", f"{NINJA}/v2/device/seven/reboot/FORCED", {}, 200, None,
         ("path", "/id")),
        (published.WAZUH, "PUT", f"{WAZUH}/active-response", {"command": 5}, 200,
         {"data": {"affected_items": [], **NONE_FAILED}, "message": "m", "error": 0},
         ("request", "/command")),
        (published.WAZUH, "GET", f"{WAZUH}/agents?color=red", None, 401,
         {"title": "no", "detail": "no"}, ("query", "/color")),
        (published.SENTINELONE, "GET", f"{S1}/web/api/v2.1/accounts?sortOrder=up", None, 200, {},
         ("query", "/sortOrder")),
        (published.SENTINELONE, "DELETE", f"{S1}/web/api/v2.1/accounts", None, 200, {},
         ("request", "")),
        (published.SENTINELONE, "GET", f"{S1}/web/api/v2.1/agents", None, 200,
         {"data": [{"id": "1", "colour": "red"}], "pagination": {"totalItems": 1}},
         ("response", "/data/0/colour")),
        (published.SENTINELONE, "GET", f"{S1}/web/api/v2.1/threats", None, 200,
         {"data": [{"id": "1", "threatInfo": {"isFileless": "no"}}]},
         ("response", "/data/0/threatInfo/isFileless")),
        (published.SENTINELONE, "POST", f"{S1}/web/api/v2.1/agents/actions/connect",
         {"filter": {"siteIds": ["1"]}}, 200, {"data": {"affected": 1}},
         ("request", "/filter/ids")),
        (published.TACTICAL_RMM, "POST", f"{RMM}/agents/abc/explode/", {}, 200, "ok",
         ("request", "")),
        (published.TACTICAL_RMM, "PUT", f"{RMM}/alerts/many/", {}, 200, "ok", ("path", "/pk")),
        (published.GOOGLE, "PATCH", f"{USERS}/1", {"suspnded": True}, 200, {},
         ("request", "/suspnded")),
        (published.GOOGLE, "PATCH", f"{USERS}/1", None, 200, {}, ("request", "")),
        (published.GOOGLE, "POST", f"{USERS}/1/signOut", {"now": True}, 204, None,
         ("request", "")),
        (published.GOOGLE, "DELETE", f"{USERS}/1/tokens/app", None, 204, {"done": True},
         ("response", "")),
        (published.GOOGLE, "GET", f"{USERS}?orderBy=age", None, 200, {}, ("query", "/orderBy")),
        (published.GOOGLE, "GET", f"{USERS}?size=5", None, 200, {}, ("query", "/size")),
        (published.GOOGLE, "GET", f"{USERS}/1", None, 200, {"name": {"nick": "x"}},
         ("response", "/name/nick")),
        (published.GOOGLE, "GET", f"{USERS}/1", None, 200, {"creationTime": "yesterday"},
         ("response", "/creationTime")),
        (published.GOOGLE, "GET", f"{USERS}/1", None, 404, {"message": "no"},
         ("response", "/error")),
        (published.GOOGLE, "PUT", f"{ADMIN}/reports/v1/activity/users/all/applications/login",
         None, 200, {}, ("request", "")),
        (published.GOOGLE, "GET", f"{ADMIN}/reports/v1/activity/users/all/applications/games",
         None, 200, {}, ("path", "/applicationName")),
        (published.GOOGLE, "POST", FILTERS, {"action": {"forwards": "x"}}, 200, {},
         ("request", "/action/forwards")),
        (published.DEFENDER_ENDPOINT, "POST", f"{DEFENDER}/machines/m/isolate",
         {"IsolationType": "Full"}, 201, ISOLATED, ("request", "/Comment")),
        (published.DEFENDER_ENDPOINT, "POST", f"{DEFENDER}/machines/m/isolate",
         {"Comment": "c", "IsolationType": "Total"}, 201, ISOLATED,
         ("request", "/IsolationType")),
        (published.DEFENDER_ENDPOINT, "POST", f"{DEFENDER}/machines/m/unisolate",
         {"Comment": "c", "IsolationType": "Full"}, 201, ISOLATED,
         ("request", "/IsolationType")),
        (published.INTUNE, "GET", f"{INTUNE}/auditEvents", None, 200,
         {"value": [{**CHANGED, "who": "sam"}]}, ("response", "/value/0/who")),
        (published.INTUNE, "GET", f"{INTUNE}/auditEvents?$search=x", None, 200, {"value": []},
         ("query", "/$search")),
        (published.INTUNE, "POST", f"{INTUNE}/managedDevices/1/explode", None, 204, None,
         ("request", "")),
        (published.DEFENDER_ENDPOINT, "POST", f"{DEFENDER}/machines/m/explode", {"Comment": "c"},
         201, ISOLATED, ("request", "")),
        (published.DEFENDER_ENDPOINT, "POST", f"{DEFENDER}/machines/m/isolate", {"Comment": "c"},
         201, {**ISOLATED, "status": "Done"}, ("response", "/status")),
        (published.DEFENDER_ENDPOINT, "GET", f"{DEFENDER}/machines?$select=id", None, 200,
         {"value": []}, ("query", "/$select")),
        (published.DEFENDER_ENDPOINT, "GET",
         f"{DEFENDER}/machines/SoftwareVulnerabilityChangesByMachine", None, 200, {"value": []},
         ("query", "/sinceTime")),
        (published.DEFENDER_ENDPOINT, "GET", f"{DEFENDER}/machines/m", None, 200,
         {"id": "m", "lastSeen": "today"}, ("response", "/lastSeen")),
        (published.DEFENDER_ENDPOINT, "GET", f"{DEFENDER}/machines/m", None, 200,
         {"id": "m", "isIsolated": True}, ("response", "/isIsolated")),
        (published.DEFENDER_ENDPOINT, "DELETE", f"{DEFENDER}/indicators/9", None, 204,
         {"done": True}, ("response", "")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(vendor, method, url, body, status, answer, expected) -> None:
    assert judged(vendor, method, url, body, status, answer) == [expected]


@pytest.mark.skipif(not RECORDS.exists(), reason="the vendors' records are not in ../shared")
def test_real_recordings_of_google_conform() -> None:
    contract, count, wrong = published.GOOGLE.contract(), 0, []
    for path in sorted((RECORDS / "google-workspace/recorded-http").glob("*.ndjson")):
        for line in path.read_text().splitlines():
            exchange = json.loads(line)
            if contract.covers(exchange["url"]):
                count += 1
                wrong += contract.check_exchange(
                    exchange["method"], exchange["url"], exchange["request_body"],
                    exchange["status"], exchange["body"],
                )  # fmt: skip
    assert count == 2
    assert [str(violation) for violation in wrong] == []


@pytest.mark.skipif(not RECORDS.exists(), reason="the vendors' records are not in ../shared")
def test_real_recordings_of_defender_conform() -> None:
    contract, count, wrong = published.DEFENDER_ENDPOINT.contract(), 0, []
    for path in sorted((RECORDS / "microsoft-defender-endpoint/recorded-http").glob("*.ndjson")):
        for line in path.read_text().splitlines():
            exchange = json.loads(line)
            if contract.covers(exchange["url"]):
                count += 1
                wrong += contract.check_exchange(
                    exchange["method"], exchange["url"], exchange["request_body"],
                    exchange["status"], exchange["body"],
                )  # fmt: skip
    assert count == 11
    assert [str(violation) for violation in wrong] == []


@pytest.mark.skipif(not RECORDS.exists(), reason="the vendors' records are not in ../shared")
def test_real_recordings_of_crowdstrike_conform() -> None:
    contract, count, wrong = published.CROWDSTRIKE.contract(), 0, []
    for path in sorted((RECORDS / "crowdstrike/recorded-http").glob("*.ndjson")):
        for line in path.read_text().splitlines():
            exchange = json.loads(line)
            address = exchange["url"].split("?")[0].split(".com", 1)[1]
            if contract.template(address) is None:
                continue
            count += 1
            asked = exchange["request_body"]
            wrong += contract.check_exchange(
                exchange["method"], exchange["url"],
                json.loads(asked) if isinstance(asked, str) and asked[:1] == "{" else asked,
                exchange["status"], exchange["body"],
            )  # fmt: skip
    assert count > 10
    assert [str(violation) for violation in wrong] == []


def test_what_a_contract_does_not_hold_is_not_judged_by_it() -> None:
    contract = published.CROWDSTRIKE.contract()
    assert contract.covers(f"{CROWDSTRIKE}/devices/queries/devices/v1")
    assert contract.covers(f"{CROWDSTRIKE}/sensors/entities/datafeed/v2?appId=a")
    assert not contract.covers(f"{CROWDSTRIKE}/sensors/entities/datafeed/v1/0?appId=a")
    assert published.WAZUH.contract().covers(f"{WAZUH}/agents")


EXCHANGE = "https://outlook.office365.com/adminapi/beta/t/InvokeCommand"
ACTIVITY = "https://manage.office.com/api/v1.0/t/activity/feed"
GRANTS = "https://graph.microsoft.com/v1.0/oauth2PermissionGrants"
BETA = "https://graph.microsoft.com/beta/users/u/authentication/requirements"
SCANS = f"{CROWDSTRIKE}/ods/entities/scans/v1"
HOLES = "https://indexer.example:9200/wazuh-states-vulnerabilities-*/_search"
GRANT = {"clientId": "c", "consentType": "Principal", "principalId": "p", "resourceId": "r"}
SHARDS = {"total": 1, "successful": 1, "failed": 0}
LISTED = {
    "contentType": "Audit.General", "contentId": "a", "contentUri": "https://x.example/a",
    "contentCreated": "2026-11-20T09:00:00.000Z", "contentExpiration": "2026-11-27T09:00:00.000Z",
}  # fmt: skip


def cmdlet(name: str, **parameters):
    """The request that runs a cmdlet."""
    return {"CmdletInput": {"CmdletName": name, "Parameters": parameters}}


def hole(**fields):
    """The indexer's answer with one hole."""
    one = {"_index": "i", "_id": "1", "_score": None, "_source": fields, "sort": [1, "a", None]}
    hits = {"total": {"value": 1, "relation": "eq"}, "max_score": None, "hits": [one]}
    return {"took": 1, "timed_out": False, "_shards": SHARDS, "hits": hits}


@pytest.mark.parametrize(
    ("vendor", "method", "url", "body", "status", "answer", "wrong"),
    [
        (published.MICROSOFT365, "POST", EXCHANGE, cmdlet("Set-Mailbox", Identity="a"), 200,
         {"value": []}, []),
        (published.MICROSOFT365, "POST", EXCHANGE, cmdlet("Set-Mailbox", Identity="a", Forward="b"),
         200, {"value": []}, ["request"]),
        (published.MICROSOFT365, "POST", EXCHANGE, cmdlet("Set-Mailbox", Type="Shared"), 200,
         {"value": []}, ["request"]),
        (published.MICROSOFT365, "POST", EXCHANGE, cmdlet("Remove-Everything"), 200,
         {"value": []}, ["request"]),
        (published.MICROSOFT365, "POST", EXCHANGE, {"Cmdlet": "Get-Mailbox"}, 200, None,
         ["request"]),
        (published.MICROSOFT365, "POST", EXCHANGE, cmdlet("Get-MailboxPermission", Identity="a"),
         200, {"value": [{"User": "u", "AccessRights": "FullAccess"}]}, ["response"]),
        (published.MICROSOFT365, "GET", f"{ACTIVITY}/subscriptions/content?contentType=DLP.All",
         None, 200, [LISTED], []),
        (published.MICROSOFT365, "GET", f"{ACTIVITY}/subscriptions/content?kind=DLP.All", None, 200,
         [], ["query", "query"]),
        (published.MICROSOFT365, "GET", f"{ACTIVITY}/audit/a", None, 200, [{"Id": "1"}],
         ["response"] * 6),
        (published.MICROSOFT365, "POST", GRANTS, GRANT, 201, {"id": "1", **GRANT}, []),
        (published.MICROSOFT365, "POST", GRANTS, {"clientId": "c"}, 201, {"id": "1"}, ["request"]),
        (published.MICROSOFT365, "PATCH", BETA, {"perUserMfaState": "on"}, 204, None, ["request"]),
        (published.CROWDSTRIKE, "POST", SCANS, {"hosts": ["a"], "disk": "C"}, 201,
         {"meta": META, "errors": [], "resources": []}, ["request"]),
        (published.CROWDSTRIKE, "POST", SCANS, {"hosts": ["a"]}, 201,
         {"meta": META, "errors": [], "resources": [{"id": "1", "state": "done"}]}, ["response"]),
        (published.WAZUH, "POST", HOLES, {"size": 5, "query": {"bool": {"filter": []}}}, 200,
         hole(vulnerability={"id": "CVE-1", "score": {"base": 9.8}}), []),
        (published.WAZUH, "POST", HOLES, {"limit": 5}, 200, hole(), ["request"]),
        (published.WAZUH, "POST", HOLES, {"query": {"match_everything": {}}}, 200, hole(),
         ["request"]),
        (published.WAZUH, "POST", HOLES, {}, 200, hole(vulnerability={"cve": "CVE-1"}),
         ["response"]),
    ],
)  # fmt: skip
def test_what_is_written_down_from_pages_is_judged(
    vendor, method, url, body, status, answer, wrong
) -> None:
    found = [where for where, _ in judged(vendor, method, url, body, status, answer)]
    assert sorted(set(found)) == sorted(set(wrong))
