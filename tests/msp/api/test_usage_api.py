"""The billing API through HTTP."""

import csv
import datetime as dt
import io

import pytest
import yaml
from django.conf import settings
from django.test import Client
from django.utils import timezone
from drf_spectacular.validation import validate_schema
from jsonschema import Draft4Validator, FormatChecker
from jsonschema.validators import validator_for

from msp.staff.actions import create_api_key, revoke_api_key
from msp.staff.models import ApiKey
from tenants import scope
from tenants.models import Tenant
from tests.msp.licensing.rows import person, seats

URL = "/api/v1/licensing/usage"
PROBLEM = "application/problem+json"


@pytest.fixture
def key(db) -> str:
    """A key that may read the usage."""
    return create_api_key("billing", scopes=["licensing:read"])[1]


@pytest.fixture
def api(key) -> Client:
    """An HTTP client with the key."""
    return Client(headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def used(tenant) -> Tenant:
    """A client with two people on two days."""
    with scope.tenant(tenant.id):
        a, b = person("A"), person("B")
        seats(dt.date(2026, 11, 1), [a])
        seats(dt.date(2026, 11, 2), [a, b])
    return tenant


@pytest.fixture
def schema(client, db) -> dict:
    """The OpenAPI document as it is served to everybody."""
    response = client.get("/api/v1/schema/")
    assert response.status_code == 200
    return yaml.safe_load(response.content)


def problem(response, status: int) -> dict:
    """Check that the response is a problem of that status, and return it."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == PROBLEM
    told = response.json()
    assert set(told) == {"type", "title", "status", "detail", "instance"}
    assert told["status"] == status
    assert told["detail"]
    return told


def conforms(schema: dict, answer: object, content: dict) -> None:
    """Check an answer against a schema of the OpenAPI document."""
    resolved = {**content["schema"], "components": schema["components"]}
    Draft4Validator(resolved, format_checker=FormatChecker()).validate(answer)


def test_json_has_every_client_and_conforms_to_the_schema(api, used, other_tenant, schema):
    response = api.get(URL, {"period": "2026-11"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    told = response.json()
    by_slug = {one["slug"]: one for one in told["tenants"]}
    assert by_slug[used.slug]["seats"] == 2
    assert by_slug[used.slug]["seat_days"] == 3
    assert by_slug[other_tenant.slug]["seats"] == 0
    answers = schema["paths"][URL]["get"]["responses"]
    conforms(schema, told, answers["200"]["content"]["application/json"])


def test_one_client(api, used, other_tenant):
    told = api.get(URL, {"period": "2026-11", "tenant": used.slug}).json()
    assert [one["slug"] for one in told["tenants"]] == [used.slug]


@pytest.mark.parametrize(
    ("query", "headers"),
    [({"format": "csv"}, {}), ({}, {"Accept": "text/csv"})],
)
def test_csv(api, used, query, headers):
    response = api.get(URL, {"period": "2026-11", **query}, headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "usage-2026-11.csv" in response.headers["Content-Disposition"]
    (row,) = csv.DictReader(io.StringIO(response.content.decode()))
    assert (row["tenant"], row["seats"]) == (used.slug, "2")


def test_csv_runs_no_formula(api, db):
    Tenant.objects.create(slug="evil", name="=HYPERLINK(1)")
    content = api.get(URL, {"period": "2026-11", "format": "csv"}).content.decode()
    assert "'=HYPERLINK(1)" in content


def test_the_key_may_come_in_its_own_header(client, key):
    response = client.get(URL, {"period": "2026-11"}, headers={"X-API-Key": key})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer hf_wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic aGY6eA=="},
        {"Authorization": "hf_wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "hf_" + "x" * 5000},
        {"X-API-Key": "hf_\xfc"},
        {"Authorization": "Bearer hf_a", "X-API-Key": "hf_b"},
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/csv", "image/png"])
def test_without_a_good_key_it_is_401(client, key, schema, headers, accept):
    response = client.get(URL, {"period": "2026-11"}, headers={**headers, "Accept": accept})
    told = problem(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "hf_wrong" not in told["detail"]
    answers = schema["paths"][URL]["get"]["responses"]
    conforms(schema, told, answers["401"]["content"][PROBLEM])


def test_a_revoked_key_is_401(api):
    revoke_api_key("billing")
    assert "revoked" in problem(api.get(URL, {"period": "2026-11"}), 401)["detail"]


def test_an_expired_key_is_401(client):
    _, key = create_api_key(
        "old", scopes=["licensing:read"], expires_at=timezone.now() - dt.timedelta(seconds=1)
    )
    response = client.get(URL, {"period": "2026-11"}, headers={"X-API-Key": key})
    assert "expired" in problem(response, 401)["detail"]


def test_a_key_without_the_scope_is_403(api):
    ApiKey.objects.update(scopes=[])
    assert "licensing:read" in problem(api.get(URL, {"period": "2026-11"}), 403)["detail"]


@pytest.mark.parametrize("format", ["json", "csv"])
@pytest.mark.parametrize("query", [{}, {"period": ""}, {"period": "2026-13"}, {"period": "a\0b"}])
def test_a_bad_period_is_400(api, query, format):
    assert "period" in problem(api.get(URL, {**query, "format": format}), 400)["detail"]


def test_an_unknown_client_is_404(api, db):
    told = problem(api.get(URL, {"period": "2026-11", "tenant": "nobody"}), 404)
    assert "nobody" in told["detail"]


@pytest.mark.parametrize("slug", ["a\0b", "../x", "x" * 100, "é"])
def test_what_is_no_slug_is_400(api, slug):
    problem(api.get(URL, {"period": "2026-11", "tenant": slug}), 400)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_405(api, method):
    response = getattr(api, method)(URL)
    problem(response, 405)
    assert "GET" in response.headers["Allow"]


def test_an_unknown_format_is_406(api):
    assert "xml" in problem(api.get(URL, {"period": "2026-11", "format": "xml"}), 406)["detail"]
    problem(api.get(URL, {"period": "2026-11"}, headers={"Accept": "image/png"}), 406)


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/nothing", "/api/v1/licensing/usage/", "/api/v9/"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_is_404(client, db, path, method):
    told = problem(getattr(client, method)(path), 404)
    assert told["instance"] == path


def test_what_nobody_expected_is_500_without_details(api, used, owner_connection):
    role = settings.DATABASE_APP_ROLE
    owner_connection.execute(f"REVOKE SELECT ON licensing_seat FROM {role}")
    try:
        told = problem(api.get(URL, {"period": "2026-11"}), 500)
    finally:
        owner_connection.execute(f"GRANT SELECT ON licensing_seat TO {role}")
    assert "licensing_seat" not in str(told)


def test_the_use_of_a_key_is_noted_once_a_minute(api, db):
    api.get(URL, {"period": "2026-11"})
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    api.get(URL, {"period": "2026-11"})
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - dt.timedelta(minutes=2))
    api.get(URL, {"period": "2026-11"})
    assert ApiKey.objects.get().last_used_at >= first


def test_the_schema_is_public_and_complete(schema):
    operation = schema["paths"][URL]["get"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    assert operation["security"] == [{"bearerKey": []}, {"headerKey": []}]
    schemes = schema["components"]["securitySchemes"]
    assert schemes["bearerKey"]["scheme"] == "bearer"
    assert schemes["headerKey"]["name"] == "X-API-Key"
    for status in ("400", "401", "403", "404", "405", "406"):
        assert set(operation["responses"][status]["content"]) == {PROBLEM}
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert parameters["period"]["required"] is True
    assert set(schema["paths"]) == {URL, "/api/v1/measures", "/api/v1/in/{tenant}/{source}"}


def test_the_schema_is_valid_openapi(schema):
    validate_schema(schema)
    for component in schema["components"]["schemas"].values():
        validator_for(component, default=Draft4Validator).check_schema(component)
