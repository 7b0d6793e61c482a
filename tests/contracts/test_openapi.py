"""The contract checker finds what is wrong, says where, and lets real recordings pass."""

from __future__ import annotations

import json

import pytest

from tests.contracts.openapi import Violation
from tests.contracts.published import (
    GRAPH_CONTRACT,
    WHY_ABSENT,
    assert_conforms,
    graph_contract,
)

pytestmark = pytest.mark.skipif(not GRAPH_CONTRACT.exists(), reason=WHY_ABSENT)
USERS = "https://graph.microsoft.com/v1.0/users"
RECORDINGS = GRAPH_CONTRACT.parents[1] / "records/microsoft-graph/recorded-http"


def only(found: list[Violation]) -> Violation:
    assert len(found) == 1, [str(violation) for violation in found]
    return found[0]


@pytest.mark.parametrize(
    ("record", "pointer", "expected", "found"),
    [
        ({"accountEnabled": "yes"}, "/value/0/accountEnabled", "boolean", '"yes"'),
        ({"acountEnabled": True}, None, None, None),
        ({"createdDateTime": "yesterday"}, "/value/0/createdDateTime", "date-time", "yesterday"),
        ({"assignedLicenses": [{"skuId": 7}]}, "/value/0/assignedLicenses/0/skuId", "string", "7"),
    ],
)
def test_a_wrong_field_is_named_by_its_pointer(record, pointer, expected, found):
    answer = {"value": [{"id": "1", **record}]}
    violations = graph_contract().check_exchange("GET", USERS, None, 200, answer)
    if pointer is None:  # microsoft.graph.user is an open type: tenants add properties to it
        assert violations == []
        return
    violation = only(violations)
    assert violation.pointer == pointer
    assert expected in violation.expected
    assert found in violation.found


def test_a_misspelt_property_of_a_closed_type_is_named():
    url = f"{USERS}/1/mailFolders/inbox/messageRules/2"
    body = {"isEnable": False}
    answer = {"id": "2", "isEnabled": True}
    violation = only(graph_contract().check_exchange("PATCH", url, body, 200, answer))
    assert (violation.where, violation.pointer) == ("request", "/isEnable")


def test_a_value_outside_an_enumeration_and_a_null_where_none_may_be():
    answer = {"value": [{"id": "1", "severity": "catastrophic", "status": None}]}
    url = "https://graph.microsoft.com/v1.0/security/alerts_v2"
    found = graph_contract().check_exchange("GET", url, None, 200, answer)
    assert [violation.pointer for violation in found] == ["/value/0/severity", "/value/0/status"]


def test_evidence_is_judged_by_its_type():
    evidence = {
        "@odata.type": "#microsoft.graph.security.userEvidence",
        "userAccount": {"userPrincipalName": 5},
    }
    url = "https://graph.microsoft.com/v1.0/security/alerts_v2/1"
    answer = {"id": "1", "evidence": [evidence]}
    violation = only(graph_contract().check_exchange("GET", url, None, 200, answer))
    assert violation.pointer == "/evidence/0/userAccount/userPrincipalName"


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "answer", "where"),
    [
        ("GET", f"{USERS}?$select=id,acountEnabled", None, 200, {"value": []}, "query"),
        ("GET", f"{USERS}?$nonsense=1", None, 200, {"value": []}, "query"),
        ("GET", f"{USERS}?$top=many", None, 200, {"value": []}, "query"),
        ("PATCH", f"{USERS}/1", {"accountEnabled": False}, 200, {"id": "1"}, "response"),
        ("PATCH", f"{USERS}/1", None, 204, None, "request"),
        ("DELETE", f"{USERS}/1", None, 204, {"done": True}, "response"),
        ("GET", f"{USERS}/1", None, 404, {"message": "no"}, "response"),
        ("PUT", f"{USERS}/1", {}, 200, {}, "request"),
        ("GET", "https://graph.microsoft.com/v1.0/unheard/of", None, 200, {}, "request"),
    ],
)
def test_each_part_of_an_exchange_is_judged(method, url, body, status, answer, where):
    found = graph_contract().check_exchange(method, url, body, status, answer)
    assert found
    assert found[0].where == where


def test_a_batch_is_looked_into():
    requests = [{"id": "a", "method": "GET", "url": "/users/1"}]
    answer = {"responses": [{"id": "a", "status": 200, "body": {"id": 1}}]}
    url = "https://graph.microsoft.com/v1.0/$batch"
    found = graph_contract().check_exchange("POST", url, {"requests": requests}, 200, answer)
    assert (only(found).path, only(found).pointer) == ("/users/1", "/id")


def test_a_recording_with_a_wrong_field_fails_and_an_empty_one_too(tmp_path):
    recording = tmp_path / "exchanges.ndjson"
    exchange = {"method": "GET", "url": USERS, "request_body": None, "status": 200, "headers": {}}
    recording.write_text(json.dumps({**exchange, "body": {"value": [{"id": 1}]}}) + "\n")
    with pytest.raises(AssertionError, match="/value/0/id"):
        assert_conforms(recording)
    recording.write_text("")
    with pytest.raises(AssertionError, match="holds no exchange"):
        assert_conforms(recording)


def test_real_recordings_conform_where_the_contract_covers_them():
    judged, found = 0, []
    for path in sorted(RECORDINGS.glob("*.ndjson")):
        for line in path.read_text().splitlines():
            exchange = json.loads(line)
            address = exchange["url"].split("?")[0]
            known = graph_contract().covers(address) and graph_contract().template(
                address.removeprefix("https://graph.microsoft.com/v1.0")
            )
            if known:
                judged += 1
                found += graph_contract().check_exchange(
                    exchange["method"], exchange["url"], exchange["request_body"],
                    exchange["status"], exchange["body"],
                )  # fmt: skip
    assert judged > 30
    # The service gave a value there that its own metadata does not list.
    assert {violation.path for violation in found} <= {"/identity/conditionalAccess/templates"}
