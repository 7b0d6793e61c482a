"""``manage.py onboard``: the same steps from the command line."""

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command

from integrations.models import Connection
from integrations.simulators.microsoft365.seed import DEFAULT_PERMISSIONS
from tenants import scope
from tenants.models import Tenant
from tests.msp.onboarding.conftest import Microsoft
from tests.pipeline import drain

pytestmark = pytest.mark.django_db


def _onboard(*arguments: str) -> tuple[str, int]:
    out, code = io.StringIO(), 0
    try:
        call_command("onboard", *arguments, stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    return out.getvalue(), code


def _connect(microsoft: Microsoft, path) -> str:
    told = dict(microsoft.own_app)
    path.write_text(json.dumps({"client_secret": told.pop("client_secret")}))
    pairs = [word for name, value in told.items() for word in ("--setting", f"{name}={value}")]
    return _onboard("connect", "fab", "microsoft365", *pairs, "--secrets", str(path))[0]


def test_a_client_is_brought_in_step_by_step(microsoft, tmp_path) -> None:
    assert _onboard("register", "fab", "--name", "Fabrikam") == ("Fabrikam is registered.\n", 0)
    assert "already registered" in _onboard("register", "fab", "--name", "Fabrikam")[0]
    assert _connect(microsoft, tmp_path / "s") == "microsoft365 of Fabrikam: connected.\n"
    assert _connect(microsoft, tmp_path / "s") == "microsoft365 of Fabrikam: unchanged.\n"
    told, code = _onboard("test", "fab", "--json")
    [one] = json.loads(told)
    assert one["seen"].startswith("Connected to Fabrikam Farm")
    by = {tried["permission"]: tried for tried in one["permissions"]}
    assert by["User.Read.All"]["outcome"] == "granted"
    assert {tried["outcome"] for tried in by.values()} == {"granted"}
    assert code == 0
    drain({"poll", "check", "triage"})
    assert _onboard("rules", "fab", "msp")[1] == 0
    assert _onboard("start", "fab")[0] == "Fabrikam has started in shadow.\n"
    told = json.loads(_onboard("status", "fab", "--json")[0])
    assert told["finished"]
    assert told["inventory"]["accounts"] > 3
    assert told["inventory"]["read"] + told["inventory"]["stuck"] == told["inventory"]["feeds"]
    assert "Start in shadow" in _onboard("status", "fab")[0]


def test_a_product_is_disconnected_only_after_it_was_said_what_stops(microsoft, tmp_path) -> None:
    _onboard("register", "fab", "--name", "Fabrikam")
    _connect(microsoft, tmp_path / "s")
    told, _ = _onboard("disconnect", "fab", "microsoft365")
    assert "read no more: " in told
    assert "Nothing is removed yet" in told
    with pytest.raises(CommandError, match="Say why"):
        _onboard("disconnect", "fab", "microsoft365", "--yes")
    with pytest.raises(CommandError, match="0 such connections"):
        _onboard("disconnect", "fab", "wazuh", "--yes", "--reason", "Gone.")
    told, _ = _onboard("disconnect", "fab", "microsoft365", "--yes", "--reason", "Gone.", "--json")
    assert json.loads(told)["removed"] is True
    with scope.tenant(Tenant.objects.get(slug="fab").id):
        assert not Connection.objects.exists()
    assert _connect(microsoft, tmp_path / "s") == "microsoft365 of Fabrikam: connected.\n"


def test_a_permission_that_is_missing_is_named_with_what_to_do(microsoft, tmp_path) -> None:
    granted = [name for name in DEFAULT_PERMISSIONS if not name.startswith("SecurityAlert.")]
    microsoft.simulator.control.permissions(granted, microsoft.client["id"])
    _onboard("register", "fab", "--name", "Fabrikam")
    _connect(microsoft, tmp_path / "s")
    told, code = _onboard("test", "fab", "--json")
    [one] = json.loads(told)
    lacking = [tried for tried in one["permissions"] if tried["outcome"] != "granted"]
    assert [(tried["permission"], tried["outcome"]) for tried in lacking] == [
        ("SecurityAlert.Read.All", "missing")
    ]
    assert "grant admin consent" in lacking[0]["words"]
    assert code == 1
    assert "Everything answers, but 1 permission(s) are missing." in _onboard("status", "fab")[0]


def test_wrong_credentials_are_said_by_the_test(microsoft, tmp_path) -> None:
    _onboard("register", "fab", "--name", "Fabrikam")
    microsoft.client["apps"][0]["secret"] = "wrong-one"
    _connect(microsoft, tmp_path / "s")
    told, code = _onboard("test", "fab")
    assert "AADSTS7000215" in told
    assert "wrong-one" not in told
    assert code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("register", "A B", "--name", "x"), "slug: Enter a short name"),
        (("status", "nobody"), "There is no client"),
        (("connect", "fab", "nothing"), "There is no connector"),
        (("connect", "fab", "microsoft365"), "microsoft365.client_secret: Enter it"),
        (("connect", "fab", "microsoft365", "--setting", "x"), "is not NAME=VALUE"),
        (("connect", "fab", "microsoft365", "--secrets", "/nowhere"), "can't be read"),
        (("start", "fab"), "Connect at least one product first."),
        (("consent", "fab", "x.example"), "HOLDFAST_ENTRA_CLIENT_ID"),
        (("relationships",), "HOLDFAST_ENTRA_TENANT_ID"),
        (("file", "/nowhere"), "can't be read"),
    ],
)
def test_what_can_not_be_done_is_one_clear_sentence(db, arguments, told) -> None:
    _onboard("register", "fab", "--name", "Fabrikam")
    with pytest.raises(CommandError, match=told.replace(".", r"\.")) as raised:
        _onboard(*arguments)
    assert raised.value.returncode == 2


def test_a_file_comes_by_standard_input_and_says_what_is_left(monkeypatch, db) -> None:
    content = b"slug,name,time_zone\none,One,UTC\ntwo,Two,Mars\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    told, code = _onboard("file", "-", "--json")
    rows = json.loads(told)
    assert code == 1
    assert [row["ok"] for row in rows] == [True, False]
    assert rows[1]["problems"][0]["column"] == "time_zone"
    assert _onboard("template")[0].startswith("slug,name,time_zone")
    assert list(Tenant.objects.values_list("slug", flat=True)) == ["one"]


def test_consent_and_renewal(entra, begun) -> None:
    row = begun("fab")
    assert _onboard("consent", "fab", entra.client["id"])[0].startswith(entra.simulator.base_url)
    _onboard("consent", "fab", entra.msp["id"], "--given")
    drain({"consent"})
    with scope.tenant(row.tenant_id):
        assert Connection.objects.get().connector == "microsoft365"
    assert _onboard("renew")[0] == "0 connections renewed.\n"


def test_each_row_of_a_file_is_tested_where_that_is_asked_and_ready_clients_start_together(
    microsoft, tmp_path
) -> None:
    told = dict(microsoft.own_app)
    names = ["slug", "name", *(f"microsoft365.{name}" for name in told), "rules"]
    good = ["fab", "Fabrikam", *told.values(), "msp"]
    wrong = ["con", "Contoso", *(told | {"client_secret": "wrong"}).values(), "msp"]
    wrong[names.index("microsoft365.tenant_id")] = "66666666-7777-8888-9999-000000000000"
    path = tmp_path / "clients.csv"
    path.write_text("\n".join(",".join(row) for row in (names, good, wrong)))
    out, code = _onboard("file", str(path), "--test", "--json")
    fine, broken = json.loads(out)
    assert fine["ok"], fine
    assert "microsoft365 tested: Connected to" in fine["did"][-1]
    assert not broken["ok"]
    assert broken["problems"][0]["column"] == "microsoft365"
    assert code == 1
    drain({"check"})
    with pytest.raises(CommandError, match="con: test: Microsoft 365 has not been seen to work"):
        _onboard("start", "fab", "con")
    assert Tenant.objects.get(slug="fab").playbook_mode == "shadow"
