"""What the pages about intelligence and threats show."""

import datetime as dt
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from integrations.intelligence import sightings, sources, store, warnings
from integrations.intelligence.found import Found
from integrations.models import Indicator, IndicatorSource, SourceQuality, WarningList
from msp.staff.models import Role
from tenants import scope
from tenants.models import Case
from tests.msp.console.rows import Rows

pytestmark = pytest.mark.usefixtures("no_mfa_demanded")

BAD = "ip:185.220.101.5"


def _keep(*entities: str, **told) -> store.Outcome:
    found = [Found(external_id=one, told=one, entity=one, **told) for one in entities]
    return store.keep("feed", found)


def test_the_pages_list_what_is_known_and_what_is_likely(browser, rows: Rows) -> None:
    _keep(BAD, "ip:10.0.0.1", title="Exit node")
    with scope.tenant(rows.tenant.id):
        Case.objects.filter(id=rows.case.id).update(entities=[BAD])
    sightings.look(rows.tenant.id, rows.tenant.id)
    web = browser(Role.ADMIN)
    page = web.get("/admin/intelligence/?q=ip").content.decode()
    for said in (BAD, "Exit node", "private or reserved network", "2 kept, 1 looked for"):
        assert said in page, said
    address = f"/admin/clients/{rows.tenant.slug}/threats/"
    web.post(address, {"sector": "health", "country": "GB", "tool": ["vpn"]})
    page = web.get(address).content.decode()
    for said in ("Health care", "T1133", "External Remote Services", "Breaches Survey 2025"):
        assert said in page, said
    web.post(address, {"sector": "health", "country": "JP"})
    assert "the country ranks nothing" in web.get(address).content.decode()
    assert browser(Role.VIEWER).post(address, {"sector": "law"}).status_code == 403


def test_a_technician_sets_who_may_attack_a_client_and_sees_what_to_do(browser, rows: Rows) -> None:
    _keep("domain:northwind.example", "net:185.220.101.0/24", title="Phishing site")
    web = browser(Role.TECHNICIAN)
    address = f"/admin/clients/{rows.tenant.slug}/threats/"
    told = {"sector": "law", "country": "GB", "own": "northwind.example\n185.220.101.0/25\n"}
    assert web.post(address, told).status_code == 302
    page = web.get(address).content.decode()
    for said in (
        "Law and accounting", "Mails that ask for a password", "Filter mail", "Until then:",
        "The client itself is called bad", "domain:northwind.example", "MITRE ATT&amp;CK, ©",
        "185.220.101.0/25", f"coverage/?client={rows.tenant.slug}",
    ):  # fmt: skip
        assert said in page, said
    web.post(address, {**told, "own": "not a name"})
    assert "no domain, address or network" in web.get(address).content.decode()


def test_the_page_says_what_ages_what_is_secret_and_what_keeps_out(browser, rows: Rows) -> None:
    now = timezone.now()
    _keep(BAD, confidence=80, tlp="red", about=("campaign: Winter",), also=("domain:bad.test",),
          seen_at=now - dt.timedelta(days=15))  # fmt: skip
    _keep("ip:40.97.1.1")
    file = b'{"name": "Our customers", "type": "hostname", "list": ["shop.test"]}'
    warnings.take_in(file, actor="technician:mira")
    _keep("domain:www.shop.test")
    with scope.tenant(rows.tenant.id):
        SourceQuality.objects.create(source="feed", harmless=9, attacks=1, counted_at=now)
    page = browser(Role.VIEWER).get("/admin/intelligence/").content.decode()
    for said in (
        "TLP:RED", "campaign: Winter", "and domain:bad.test", "40 %", "told 80 %",
        "Our customers", "it is on “Our customers”", "it is an address of Microsoft 365",
        "10 % of the decided ones were attacks", "It mostly warns of nothing", "Addresses change",
    ):  # fmt: skip
        assert said in page, said


def test_an_administrator_adds_pauses_and_removes_a_source(browser, settings, db) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    web = browser(Role.ADMIN)
    told = {
        "name": "isac",
        "kind": "url",
        "address": "http://127.0.0.1/a.csv?key=k",
        "secret": "s3",
    }
    refused = web.post("/admin/intelligence/sources/add/", {**told, "every_hours": "x"})
    page = refused.content.decode()
    assert "every 1 to 720 hours" in page
    assert 'value="isac"' in page
    assert "s3" not in page.partition("</form>")[0].partition("source_add")[2]
    assert web.post("/admin/intelligence/sources/add/", told).status_code == 302
    row = IndicatorSource.objects.get()
    sources.failed(sources.claim(row.id), "The vendor refused the credentials.")
    page = web.get("/admin/intelligence/").content.decode()
    for said in ("Could not be read", "refused the credentials", "every 24 hours", "a.csv,"):
        assert said in page, said
    assert "key=k" not in page
    change = f"/admin/intelligence/sources/{row.id}/change/"
    for do, said in (("pause", "isac is paused"), ("resume", "read again"), ("read", "read now")):
        assert said in web.post(change, {"do": do}, follow=True).content.decode()
    assert "can be told" in web.post(change, {"do": "x"}, follow=True).content.decode()
    assert "is removed" in web.post(change, {"do": "remove"}, follow=True).content.decode()
    assert not IndicatorSource.objects.exists()
    viewer = browser(Role.VIEWER).get("/admin/intelligence/").content.decode()
    assert "Add a source</a>" not in viewer


def test_who_does_not_see_every_client_changes_no_source(browser, rows: Rows) -> None:
    web = browser(Role.ADMIN, tenants=[rows.tenant])
    told = {"name": "isac", "kind": "url", "address": "https://feeds.example/a"}
    page = web.post("/admin/intelligence/sources/add/", told).content.decode()
    assert "every client" in page
    assert not IndicatorSource.objects.exists()


def test_an_administrator_takes_a_warning_list_in_and_forgets_it(browser, rows: Rows) -> None:
    _keep(BAD)
    told = {"name": "Exit nodes", "type": "cidr", "version": 3, "list": ["185.220.101.0/24", "?"]}
    web, address = browser(Role.ADMIN), "/admin/intelligence/warnings/add/"
    file = SimpleUploadedFile("list.json", json.dumps(told).encode())
    page = web.post(address, {"file": file}, follow=True).content.decode()
    assert "Exit nodes: 1 entry is never looked for" in page
    assert "these can’t be used: ?" in page
    assert WarningList.objects.get().author.startswith("technician:admin")
    assert "Exit nodes" in Indicator.objects.get().not_matched
    bad = SimpleUploadedFile("list.json", b"[]")
    assert (
        "no warning list in MISP" in web.post(address, {"file": bad}, follow=True).content.decode()
    )
    gone = f"/admin/intelligence/warnings/{WarningList.objects.get().id}/remove/"
    assert "is looked for again" in web.post(gone, follow=True).content.decode()
    assert Indicator.objects.get().not_matched == ""
