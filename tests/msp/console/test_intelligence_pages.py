"""What the pages about intelligence and threats show."""

import pytest

from integrations.intelligence import sightings, store
from integrations.intelligence.found import Found
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
    assert browser(Role.TECHNICIAN).post(address, {"sector": "law"}).status_code == 403
