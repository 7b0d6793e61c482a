"""The wizard: from nothing to a client in shadow, left and gone on with, by whom it may be."""

import html
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from integrations.models import Connection
from msp.onboarding.models import Onboarding
from msp.staff import actions as staff
from msp.staff.models import Role
from playbooks.policy import rules as policies
from tenants import scope, vault
from tenants.models import Account, LedgerEntry, PlaybookMode, Tenant
from tests.msp.onboarding.conftest import Microsoft, in_scope, of
from tests.pipeline import drain

pytestmark = pytest.mark.django_db
SECRET = "s3cret-that-nobody-may-read"
NEW = {"slug": "fabrikam", "name": "Fabrikam Farm", "time_zone": "Europe/London", "country": "gb"}


@pytest.fixture
def ada(settings) -> Client:
    settings.REQUIRE_MFA = False
    return _signed_in("ada", Role.ADMIN)


def _signed_in(name: str, role: Role, tenants: list[Tenant] | None = None) -> Client:
    client = Client()
    client.force_login(
        staff.create_technician(name, role=role, password="x" * 20 + "!7", tenants=tenants),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    return client


def _get(client: Client, path: str) -> str:
    answer = client.get(f"/admin/onboarding/{path}")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def _post(client: Client, path: str, form: dict | None = None) -> str:
    answer = client.post(f"/admin/onboarding/{path}", form or {}, follow=True)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def _app_form(microsoft: Microsoft, **changed: str) -> dict[str, str]:
    told = {**microsoft.own_app, **changed}
    secret = told.pop("client_secret")
    return {f"setting-{n}": v for n, v in told.items()} | {"secret-client_secret": secret}


def test_a_client_is_brought_in_from_nothing_to_shadow(ada, microsoft) -> None:
    page = _post(ada, "new/", NEW | {"contact_name": "Olive", "contact_email": "o@x.example"})
    assert "Fabrikam Farm is registered." in page
    assert "1 of 7 steps done" in page
    assert "Fabrikam Farm" in _get(ada, "")
    page = _post(ada, "fabrikam/products/", {"connector": ["microsoft365"]})
    assert "Still to be connected: Microsoft 365." in page
    assert "Connect at least one product first." in _post(ada, "fabrikam/start/")
    page = _post(ada, "fabrikam/connect/microsoft365/", _app_form(microsoft))
    assert "The first test is on its way." in page
    assert 'data-live="yes"' in page
    drain({"check"})
    page = _get(ada, "fabrikam/steps/")
    assert "Everything answers." in page
    assert "0 of " in page
    drain({"poll", "triage"})
    page = _get(ada, "fabrikam/steps/")
    with scope.tenant(Tenant.objects.get().id):
        accounts = Account.objects.count()
    assert accounts > 3
    assert f"{accounts} accounts" in page
    assert re.search(r'max="100" value="100"', page)
    assert "Choose the rules of engagement." in _post(ada, "fabrikam/start/")
    _post(ada, "fabrikam/rules/", {"rules": "msp"})
    assert "Fabrikam Farm has started" in _post(ada, "fabrikam/start/")
    tenant = Tenant.objects.get()
    assert (tenant.playbook_mode, tenant.country) == (PlaybookMode.SHADOW, "GB")
    assert "No client is half-way in." in _get(ada, "")
    with scope.tenant(tenant.id):
        kinds = set(LedgerEntry.objects.values_list("kind", flat=True))
        before = LedgerEntry.objects.count()
    assert {"tenant.created", "contact.added", "connection.created", "onboarding.finished"} <= kinds
    _post(ada, "fabrikam/start/")
    with scope.tenant(tenant.id):
        assert LedgerEntry.objects.count() == before


def test_a_secret_never_comes_back(ada, microsoft, begun) -> None:
    begun()
    wrong = _app_form(microsoft, client_secret=SECRET, tenant_id="!!")
    page = _post(ada, "fabrikam/connect/microsoft365/", wrong)
    assert "tenant_id must be" in page
    assert SECRET not in page
    page = _post(ada, "fabrikam/connect/microsoft365/", _app_form(microsoft, client_secret=SECRET))
    drain({"check"})
    pages = page + _get(ada, "fabrikam/connect/microsoft365/") + _get(ada, "fabrikam/steps/")
    assert "The vendor refuses the credentials." in pages
    assert SECRET not in pages
    # Left empty, what is kept stays.
    form = {**_app_form(microsoft), "secret-client_secret": ""}
    _post(ada, "fabrikam/connect/microsoft365/", form)
    with scope.tenant(Tenant.objects.get().id):
        secret = Connection.objects.select_related("secret").get().secret
        assert vault.open_secret(secret) == {"client_secret": SECRET}


def test_consent_is_asked_for_on_the_page_and_its_address_is_shown_once(ada, entra, begun) -> None:
    row = begun()
    _post(ada, "fabrikam/products/", {"connector": ["microsoft365"]})
    page = _post(ada, "fabrikam/consent/", {"expected": "nothing"})
    assert "Enter the client's tenant ID at Microsoft" in page
    page = _post(ada, "fabrikam/consent/", {"expected": entra.client["id"], "given": "no"})
    [url] = re.findall(r"<pre>(http\S+)</pre>", page)
    assert "state=" in url
    again = _get(ada, "fabrikam/steps/")
    assert "state=" not in again
    assert "Waits for the administrator" in again
    _post(ada, "fabrikam/relationship/")
    drain({"relationship"})
    assert "DelegatedAdminRelationship.Read.All" in _get(ada, "fabrikam/steps/")
    page = _post(ada, "fabrikam/consent/", {"expected": entra.client["id"], "given": "yes"})
    assert "is being tried" in page
    with in_scope(row):
        assert Onboarding.objects.get().connectors == ["microsoft365"]


def test_google_shows_what_to_paste_and_fills_in_the_msps_key(
    ada, begun, settings, tmp_path
) -> None:
    begun()
    key = tmp_path / "key.json"
    key.write_text('{"client_id": "1042", "private_key": "' + SECRET + '"}')
    settings.GOOGLE_KEY_FILE = str(key)
    page = _get(ada, "fabrikam/connect/google_workspace/")
    assert "<pre>1042</pre>" in page
    assert "https://www.googleapis.com/auth/admin.directory.user.readonly," in page
    assert SECRET not in page
    page = _post(ada, "fabrikam/connect/google_workspace/", {"setting-admin": "admin@x.example"})
    assert "is no key file of Google" in page
    assert SECRET not in page
    settings.GOOGLE_KEY_FILE = str(tmp_path / "gone.json")
    page = _post(ada, "fabrikam/connect/google_workspace/", {"setting-admin": "admin@x.example"})
    assert "HOLDFAST_GOOGLE_KEY_FILE can't be read" in page


def test_a_form_that_is_wrong_says_so_at_each_field_and_keeps_the_rest(ada) -> None:
    page = _post(ada, "new/", NEW | {"slug": "Fabrikam!", "time_zone": "Moon"})
    assert "small letters, digits and hyphens" in page
    assert "Enter a time zone" in page
    assert 'value="Fabrikam Farm"' in page
    assert not Tenant.objects.exists()


def test_a_file_is_brought_in_and_tells_each_row(ada) -> None:
    content = b"slug,name,time_zone\none,<b>One</b>,UTC\ntwo,Two,Mars\n"
    answer = ada.post("/admin/onboarding/file/", {"file": SimpleUploadedFile("c.csv", content)})
    page = answer.content.decode()
    assert "1 of 2 rows done" in page
    assert "Column time_zone" in page
    assert "<b>One</b>" not in page
    assert list(Tenant.objects.values_list("slug", flat=True)) == ["one"]
    bad = ada.post("/admin/onboarding/file/", {"file": SimpleUploadedFile("c.csv", b"a,b\n")})
    assert "must name this column" in bad.content.decode()
    large = SimpleUploadedFile("c.csv", b"x" * (3 * 2**20))
    assert (
        "Choose a CSV file" in ada.post("/admin/onboarding/file/", {"file": large}).content.decode()
    )
    assert "slug,name" in ada.get("/admin/onboarding/clients.csv").content.decode()


def test_whoever_sees_some_clients_sees_the_new_one_and_learns_of_no_other(
    settings, begun, db
) -> None:
    settings.REQUIRE_MFA = False
    begun("hidden", name="Hidden Ltd")
    mira = _signed_in("mira", Role.ADMIN, tenants=[])
    assert "Fabrikam Farm is registered." in _post(mira, "new/", NEW)
    assert "Hidden" not in _get(mira, "") + _get(mira, "fabrikam/steps/")
    page = _post(mira, "new/", NEW | {"slug": "hidden", "name": "Mine"})
    assert "Another client has this short name" in page
    assert "Hidden Ltd" not in page
    assert mira.get("/admin/onboarding/hidden/steps/").status_code == 404


def test_rules_of_another_client_are_copied(ada, begun) -> None:
    source, row = begun("source"), begun()
    document = {
        "extends": "msp", "rules": [{"id": "n", "title": "N", "tier": "client", "when": "true"}],
    }  # fmt: skip
    with in_scope(source):
        policies.save(document, actor="technician:ada")
    assert "A copy of Source" in _get(ada, "fabrikam/steps/")
    page = _post(ada, "fabrikam/rules/", {"rules": "source"})
    assert "Rules of its own hold." in page
    with in_scope(row):
        assert policies.newest_of_tenant().document["rules"] == document["rules"]
    with in_scope(source):
        assert policies.newest_of_tenant().version == 1
    assert of(row).slug == "fabrikam"


def test_a_second_factor_is_demanded(settings, db) -> None:
    settings.REQUIRE_MFA = True
    answer = _signed_in("ada", Role.ADMIN).get("/admin/onboarding/")
    assert (answer.status_code, answer.url) == (302, "/accounts/2fa/totp/activate/")
