"""The measures through the API."""

import datetime as dt
from typing import Any

import pytest
import yaml
from django.test import Client
from jsonschema import Draft4Validator, FormatChecker

from msp.staff.actions import create_api_key
from msp.staff.models import ApiKey
from tenants import scope
from tenants.models import Tenant
from tests.playbooks.cases import make_account, make_case

URL = "/api/v1/measures"
OPENED = dt.datetime(2026, 11, 3, 8, tzinfo=dt.UTC)


def _as_json_schema(told: Any) -> Any:
    """Say OpenAPI 3.0's `nullable` as JSON Schema does."""
    if isinstance(told, list):
        return [_as_json_schema(one) for one in told]
    if not isinstance(told, dict):
        return told
    said = {name: _as_json_schema(one) for name, one in told.items() if name != "nullable"}
    return {**said, "type": [said["type"], "null"]} if told.get("nullable") is True else said


@pytest.fixture
def api(db) -> Client:
    """An HTTP client with a key that may read."""
    key = create_api_key("board", scopes=["measures:read"])[1]
    return Client(headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def measured(tenant: Tenant) -> Tenant:
    """A client with a case that was contained after half an hour."""
    with scope.tenant(tenant.id):
        make_case(make_account(), opened_at=OPENED, contained_at=OPENED + dt.timedelta(minutes=30))
    return tenant


def test_every_client_and_all_together_as_the_schema_says(api, measured, other_tenant) -> None:
    response = api.get(URL, {"period": "2026-11"})
    assert response.status_code == 200
    told = response.json()
    by_slug = {one["slug"]: one for one in told["tenants"]}
    for one in (told, by_slug[measured.slug]):
        assert one["cases"] == 1
        assert one["times"]["contain"]["median"] == 1800
        assert one["times"]["acknowledge"]["p90"] is None
    assert by_slug[other_tenant.slug]["cases"] == 0
    assert by_slug[other_tenant.slug]["minutes_saved"] is None
    schema = yaml.safe_load(Client().get("/api/v1/schema/").content)
    answer = schema["paths"][URL]["get"]["responses"]["200"]["content"]["application/json"]
    resolved = _as_json_schema({**answer["schema"], "components": schema["components"]})
    Draft4Validator(resolved, format_checker=FormatChecker()).validate(told)


def test_one_client_and_another_month(api, measured, other_tenant) -> None:
    told = api.get(URL, {"period": "2026-11", "tenant": other_tenant.slug}).json()
    assert ([one["slug"] for one in told["tenants"]], told["cases"]) == ([other_tenant.slug], 0)
    assert api.get(URL, {"period": "2026-10"}).json()["cases"] == 0


def test_the_month_is_the_clients_own(api, measured) -> None:
    with scope.tenant(measured.id):
        make_case(
            make_account("b@acme.example"), opened_at=dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)
        )
    assert api.get(URL, {"period": "2026-11"}).json()["cases"] == 2
    Tenant.objects.filter(id=measured.id).update(time_zone="Asia/Tokyo")
    assert api.get(URL, {"period": "2026-11"}).json()["cases"] == 1


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400), ({"period": "2026-13"}, 400), ({"period": "2026-11", "tenant": "nobody"}, 404),
        ({"period": "2026-11", "tenant": "a\0b"}, 400),
    ],
)  # fmt: skip
def test_bad_questions_are_refused(api, query: dict[str, str], status: int) -> None:
    response = api.get(URL, query)
    assert response.status_code == status
    assert response.json()["detail"]


def test_without_a_key_or_its_scope_nothing_is_told(api, client) -> None:
    assert client.get(URL, {"period": "2026-11"}).status_code == 401
    ApiKey.objects.update(scopes=[])
    assert api.get(URL, {"period": "2026-11"}).status_code == 403


def test_a_key_for_billing_reads_no_measures(measured) -> None:
    key = create_api_key("billing", scopes=["licensing:read"])[1]
    told = Client(headers={"Authorization": f"Bearer {key}"}).get(URL, {"period": "2026-11"})
    assert told.status_code == 403
    assert "measures:read" in told.json()["detail"]
