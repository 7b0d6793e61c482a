"""How critical people and devices are: who may say it, and that it weighs in open cases at once."""

import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from msp.staff.models import Role
from playbooks.cases import scoring
from tenants import criticality, intake, scope
from tenants.models import Account, Case, Device, LedgerEntry, Tenant, Work
from tenants.records import DirectoryItem, SourceRecord
from tests.playbooks.test_triage import _alert, _arrive

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
NAME = "ann@acme.example"


def _told(connector: str = "microsoft365", uid: str = "u-1", **attributes: object) -> None:
    item = DirectoryItem("account", uid, NAME, attributes={"email": NAME, **attributes})
    intake.take(
        connector=connector,
        feed="users",
        records=[SourceRecord({"id": uid, **attributes})],
        normalise=lambda record: item,
    )


@pytest.fixture
def case(tenant: Tenant) -> Case:
    """An open case about Ann, and about a server that two products know."""
    with scope.tenant(tenant.id):
        _told()
        for provider in ("ninjaone", "defender_endpoint"):
            Device.objects.create(
                provider=provider, external_id=f"{provider}-1", hostname="FILES1.acme.lan",
                is_server=provider == "ninjaone",
            )  # fmt: skip
        _arrive(_alert("a", 0, f"account:{NAME}", "device:files1"))
        return Case.objects.get()


def _terms(case: Case) -> dict[str, tuple[int, str]]:
    """Do what is due for the scores, and return the terms of the case."""
    with scope.reading(scope.ALL):
        due = Work.objects.filter(kind="rescore", tenant=case.tenant_id)
        assert due.exists(), "open cases are not scored anew"
    scoring.rescore_open(case.tenant_id, case.tenant_id)
    with scope.tenant(case.tenant_id):
        case.refresh_from_db()
        due.delete()
    return {term["name"]: (term["points"], term["reason"]) for term in case.risk_terms}


def _post(browser, tenant: Tenant, role: Role = Role.TECHNICIAN, **form: str):
    web = browser(role, f"mira-{uuid.uuid4().hex[:6]}")
    return web.post(f"/admin/clients/{tenant.slug}/important/criticality/", form, follow=True)


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("criticality", *arguments, stdout=out)
    return out.getvalue()


PERSON = {"kind": "person", "critical_name": NAME, "level": "4", "critical_reason": "Pays wages"}


def test_a_technicians_word_on_a_person_weighs_in_open_cases(browser, tenant, case) -> None:
    before = case.risk
    page = _post(browser, tenant, **PERSON).content.decode()
    assert "is of criticality 4 now" in page
    assert "Pays wages" in page
    points, reason = _terms(case)["criticality"]
    assert (points, case.risk) == (10, before + 10)
    assert "is of criticality 4 of 4: Pays wages" in reason
    with scope.tenant(tenant.id):
        entry = LedgerEntry.objects.get(kind="account.criticality")
        assert (entry.subject, entry.body["level"]) == (NAME, 4)
        assert entry.body["reason"] == "Pays wages"
        rescored = LedgerEntry.objects.get(kind="case.rescored")
        assert (rescored.body["before"], rescored.body["risk"]) == (before, before + 10)
        # No feed says otherwise, and a second product's account of the same person has it too.
        _told(criticality=1)
        _told("google_workspace", "g-1")
        assert {row.criticality for row in Account.objects.all()} == {(4, "Pays wages")}
    _post(browser, tenant, **PERSON | {"critical_name": "u-1", "level": "as_told"})
    assert "criticality" not in _terms(case)


def test_a_reason_is_taken_back_with_its_word(tenant, case) -> None:
    with scope.tenant(tenant.id):
        for level, told in ((4, (4, "Pays wages")), (None, (2, ""))):
            criticality.mark_person(NAME, level, actor="mira", reason="Pays wages")
            assert Account.objects.get().criticality == told


def test_a_job_title_weighs_with_its_reason_until_a_technician_says_otherwise(tenant, case) -> None:
    with scope.tenant(tenant.id):
        _told(job_title="Bookkeeper")
        assert scoring.rescore([case.id]) == 1
        case.refresh_from_db()
        term = next(one for one in case.risk_terms if one["name"] == "criticality")
        assert term["points"] == 5
        assert "their directory calls them “Bookkeeper”" in term["reason"]
        # Whoever reached the directory could change a title: that takes nothing back.
        _told(job_title="Nurse")
        assert Account.objects.get().criticality[0] == 3
    assert "2 (normal): Part time" in _run(
        "person", tenant.slug, NAME, "normal", "--reason", "Part time"
    )
    assert "criticality" not in _terms(case)


def test_what_is_said_of_a_device_stands_above_what_it_is(browser, tenant, case) -> None:
    assert _said(case, "critical device") == (10, "FILES1.acme.lan is a server")
    told = {"kind": "device", "critical_name": "files1", "level": "4", "critical_reason": "Records"}
    assert (
        "FILES1.acme.lan is of criticality 4 now" in _post(browser, tenant, **told).content.decode()
    )
    points, reason = _terms(case)["critical device"]
    assert points == 20
    assert reason.endswith("FILES1.acme.lan is of criticality 4 of 4: Records")
    _post(browser, tenant, **told | {"level": "1", "critical_reason": "Prints only"})
    assert "critical device" not in _terms(case)
    assert "1 (low): Prints only" in _run("list", tenant.slug)
    # As its row on the page names it, by one connector's id.
    _post(browser, tenant, **told | {"level": "as_told", "critical_name": "ninjaone-1"})
    with scope.tenant(tenant.id):
        assert not Device.objects.exclude(criticality_by_hand=None).exists()
        # Defender's own word counts where nobody said otherwise.
        Device.objects.filter(provider="defender_endpoint").update(
            attributes={"device_value": "High"}
        )
    points, reason = _terms(case)["critical device"]
    assert (points, "Defender calls it High" in reason) == (15, True)


def _said(case: Case, name: str) -> tuple[int, str]:
    return next((one["points"], one["reason"]) for one in case.risk_terms if one["name"] == name)


def test_what_can_not_be_kept_is_refused_with_what_to_do(browser, tenant, case) -> None:
    def refused(**form: str) -> str:
        return _post(browser, tenant, **PERSON | form).content.decode()

    assert "Say why" in refused(critical_reason=" ")
    assert "is no level: choose 1 (low)" in refused(level="9")
    assert "The directory knows no account" in refused(critical_name="nobody")
    assert "The directory knows no device" in refused(kind="device")
    assert _post(browser, tenant, Role.VIEWER, **PERSON).status_code == 403
    with scope.tenant(tenant.id):
        assert not LedgerEntry.objects.filter(kind__endswith="criticality").exists()


def test_a_list_is_kept_whole_or_not_at_all(tenant, case, tmp_path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        f"kind,name,level,reason\nperson,{NAME},critical,Pays wages\nhouse,x,1,y\n"
        "device,files1,often,z\n"
    )
    with pytest.raises(CommandError, match=r"Line 3: the kind is person.*Line 4: “often” is no"):
        _run("import", tenant.slug, str(path))
    with scope.tenant(tenant.id):
        assert Account.objects.get().criticality_by_hand is None
    path.write_text(
        f"\ufeffkind,name,level,reason\r\nperson,{NAME},critical,Pays wages\r\n"
        "device,files1,3,Records\r\n"
    )
    assert "2 rows kept" in _run("import", tenant.slug, str(path))
    assert _terms(case)["criticality"][0] == 10
    path.write_text("name,level\n")
    with pytest.raises(CommandError, match="has to name the columns kind, name, level, reason"):
        _run("import", tenant.slug, str(path))
