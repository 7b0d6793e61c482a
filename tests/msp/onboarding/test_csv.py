"""Many clients from one file: each row succeeds or says why, none blocks another."""

import csv
import io
import logging
import random
from typing import Any

import pytest

from integrations.models import Connection
from msp.onboarding import csv_file
from msp.onboarding.csv_file import Row
from msp.onboarding.errors import OnboardingError
from msp.onboarding.models import ConsentRequest
from msp.staff import actions as staff
from msp.staff.models import Role
from playbooks.policy import rules as policies
from tenants import scope, vault
from tenants.models import Contact, LedgerEntry, PlaybookMode, Tenant
from tests.msp.onboarding.conftest import Microsoft, in_scope
from tests.pipeline import drain

pytestmark = pytest.mark.django_db
SECRET = "s3cret-that-nobody-may-read"
M = "microsoft365."


def _csv(*rows: dict[str, str], separator: str = ",") -> bytes:
    header = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="", delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def _take(*rows: dict[str, str], **options: Any) -> list[Row]:
    return csv_file.take(_csv(*rows), actor="technician:ada", **options)


def _client(slug: str, **more: str) -> dict[str, str]:
    return {"slug": slug, "name": slug.title(), "time_zone": "Europe/London", **more}


def _with_app(slug: str, microsoft: Microsoft, **more: str) -> dict[str, str]:
    return _client(slug, **{f"{M}{name}": told for name, told in microsoft.own_app.items()}, **more)


def _problems(row: Row) -> dict[str, str]:
    return {one.field: one.words for one in row.problems}


def test_each_row_succeeds_or_says_which_column_and_what_to_do(microsoft) -> None:
    good = _with_app("good", microsoft, contact_name="Olive", contact_email="olive@x.example")
    rows = _take(
        _client("Bad Slug", time_zone="Nowhere", country="GBR", contact_email="olive"),
        good,
        _client("no-secret", **{f"{M}tenant_id": "x.example", f"{M}client_id": "abc"}),
        _client("odd", **{f"{M}tenant_id": "!!", f"{M}client_id": "a", f"{M}client_secret": "b"}),
        _client("plain", rules="nobody"),
        _client("last"),
    )
    assert [row.is_ok for row in rows] == [False, True, False, False, False, True]
    assert [row.number for row in rows] == [2, 3, 4, 5, 6, 7]
    told = _problems(rows[0])
    assert set(told) == {"slug", "time_zone", "country", "contact_name", "contact_email"}
    assert "Europe/London" in told["time_zone"]
    assert "Enter it: A client secret" in _problems(rows[2])[f"{M}client_secret"]
    assert "tenant_id must be" in _problems(rows[3])[f"{M}tenant_id"]
    assert "Enter msp" in _problems(rows[4])["rules"]
    assert set(Tenant.objects.values_list("slug", flat=True)) == {"good", "last"}
    tenant = Tenant.objects.get(slug="good")
    assert tenant.playbook_mode == PlaybookMode.SHADOW
    with scope.tenant(tenant.id):
        assert Contact.objects.get().can_approve
        assert Connection.objects.get().connector == "microsoft365"
    drain({"check"})
    with scope.tenant(tenant.id):
        assert Connection.objects.get().seen.startswith("Connected to Fabrikam Farm")


def test_the_same_file_again_changes_nothing(microsoft) -> None:
    row = _with_app("good", microsoft)
    _take(row)
    with scope.tenant(Tenant.objects.get().id):
        before = LedgerEntry.objects.count()
    [again] = _take(row)
    assert again.did == ["registered already", "Microsoft 365 unchanged"]
    with scope.tenant(Tenant.objects.get().id):
        assert LedgerEntry.objects.count() == before
        assert Connection.objects.count() == 1


def test_a_column_that_is_left_out_changes_nothing(db) -> None:
    _take(_client("good", country="GB"))
    [row] = _take({"slug": "good", "name": "Better"})
    assert row.is_ok
    tenant = Tenant.objects.get()
    assert (tenant.name, tenant.time_zone, tenant.country) == ("Better", "Europe/London", "GB")


def test_a_corrected_row_corrects_the_connection(microsoft) -> None:
    row = _with_app("good", microsoft)
    _take({**row, f"{M}client_secret": "wrong"})
    [again] = _take(row)
    assert "Microsoft 365 corrected" in again.did
    drain({"check"})
    with scope.tenant(Tenant.objects.get().id):
        assert Connection.objects.get().problem == ""


def test_secrets_stand_in_the_vault_and_nowhere_else(microsoft, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    [row] = _take(_with_app("good", microsoft) | {f"{M}client_secret": SECRET})
    assert row.is_ok
    assert SECRET not in repr(row) + str(row.as_json())
    with scope.tenant(Tenant.objects.get().id):
        connection = Connection.objects.select_related("secret").get()
        assert vault.open_secret(connection.secret)["client_secret"] == SECRET
        assert SECRET not in str(connection.__dict__)
        assert SECRET not in str(list(LedgerEntry.objects.values()))
    [bad] = _take(_with_app("bad", microsoft) | {f"{M}tenant_id": "", f"{M}client_secret": SECRET})
    assert SECRET not in str(bad.as_json())
    assert SECRET not in caplog.text


def test_a_row_that_fails_by_a_mistake_of_ours_blocks_no_other(
    microsoft, caplog, monkeypatch
) -> None:
    def broken(*args: object, **more: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(policies, "newest_of_tenant", broken)
    first, second = _take(_client("one", rules="msp"), _client("two"))
    assert (first.is_ok, second.is_ok) == (False, True)
    assert "RuntimeError" in first.problems[0].words
    assert SECRET not in caplog.text + str(first.as_json())
    assert list(Tenant.objects.values_list("slug", flat=True)) == ["two"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "slug"),
        (b"name\nx\n", "slug"),
        (b"slug,name,slug\na,b,c\n", "twice"),
        (b"slug,name,colour\na,b,c\n", "colour: There is no such column"),
        (b"slug,name\n\xff,x\n", "UTF-8"),
        (b'slug,name\n"a,b\n', "quotation mark"),
        (b"slug,name\n" + b"x" * csv_file.LARGEST_BYTES, "larger"),
        (b"slug,name\n" + b"a,b\n" * 2001, "more than 2000"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(content, told) -> None:
    with pytest.raises(OnboardingError) as raised:
        csv_file.take(content, actor="x")
    assert told in str(raised.value)
    assert not Tenant.objects.exists()


def test_any_bytes_are_answered_by_rows_or_by_a_reason(db) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    letters = 'slugname,;"\n\r\t =+@-\x00é\N{PILE OF POO}'
    for _ in range(60):
        body = "".join(draw.choice(letters) for _ in range(draw.randrange(80)))
        try:
            rows = csv_file.take(f"slug,name\n{body}".encode(), actor="x")
        except OnboardingError:
            continue
        assert all(row.is_ok or row.problems[0].words for row in rows)


def test_a_spreadsheets_separator_and_more_cells_than_columns(db) -> None:
    [row] = csv_file.take(_csv(_client("semi"), separator=";"), actor="x")
    assert row.is_ok
    [row] = csv_file.take(b"slug,name\na,b,c\n", actor="x")
    assert "more cells" in row.problems[0].words


def test_what_the_msp_has_for_all_clients_is_filled_in_by_consent(entra) -> None:
    rows = _take(
        _client("asked", **{f"{M}tenant_id": entra.client["domain"]}),
        _client("given", **{f"{M}tenant_id": entra.msp["id"], f"{M}consented": "yes"}),
        _client("none", **{f"{M}tenant_id": "not a domain"}),
    )
    assert [row.is_ok for row in rows] == [True, True, False]
    assert rows[0].consent_url.startswith(entra.simulator.base_url)
    assert rows[0].did[-1] == "Microsoft 365 waits for consent"
    assert rows[1].consent_url == ""
    assert f"{M}tenant_id" in _problems(rows[2])
    drain({"consent"})
    tenant = Tenant.objects.get(slug="given")
    with scope.tenant(tenant.id):
        assert ConsentRequest.objects.get().state == ConsentRequest.State.CONNECTED
        assert Connection.objects.get().settings["tenant_id"] == entra.msp["id"]


def test_rules_are_copied_from_a_client_that_the_technician_sees(begun, db) -> None:
    source = begun("source")
    with in_scope(source):
        policies.save(
            {
                "extends": "msp",
                "rules": [{"id": "n", "title": "N", "tier": "client", "when": "true"}],
            },
            actor="technician:ada",
        )
    mira = staff.create_technician("mira", role=Role.ADMIN, password="x" * 20 + "!7", tenants=[])
    [row] = _take(_client("copy", rules="source"), technician=mira)
    assert "rules" in _problems(row)
    [row] = _take(_client("copy", rules="source"))
    assert row.is_ok
    with scope.tenant(Tenant.objects.get(slug="copy").id):
        assert policies.newest_of_tenant().document["rules"][0]["id"] == "n"


def test_the_template_names_columns_that_exist(db) -> None:
    header = csv_file.template().strip().split(",")
    assert set(header) <= set(csv_file.columns())
    assert {"slug", "name", f"{M}tenant_id", "google_workspace.admin"} <= set(header)
