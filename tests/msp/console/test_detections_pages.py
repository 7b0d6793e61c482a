"""The pages about detections, on hits that came in as records."""

import pytest
from django.utils import timezone

from integrations.alerting import rulebook
from integrations.alerting.rows import RuleStage, StageDefault
from integrations.models import Connection, FeedState
from msp.staff.models import Role
from tenants import scope
from tenants.models import Case
from tests.integrations.alerting.rules import IDS, install, record, rule, take
from tests.pipeline import drain

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]


@pytest.fixture
def hit(tenant, other_tenant):
    install(rule("a", title="Rule <b>a</b>"))
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            take(record("a", UserId=f"somebody@{one.slug}.example"))
            drain(["triage"])
    return tenant


def _text(browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_and_a_rules_page(hit, other_tenant, browser) -> None:
    viewer = browser(Role.VIEWER, tenants=[hit])
    listed = _text(viewer, "/admin/detections/?show=hits")
    assert "Rule &lt;b&gt;a&lt;/b&gt;" in listed
    assert "1 / 1" in listed
    shown = _text(viewer, f"/admin/detections/rules/{IDS['a']}/")
    assert f"somebody@{hit.slug}.example" in shown
    assert other_tenant.slug not in shown
    assert "Test-a" in shown
    assert "T1110.003" in _text(viewer, f"/admin/coverage/?client={hit.slug}")
    assert viewer.get("/admin/detections/rules/none/").status_code == 404


def test_a_rule_of_ours_shows_the_records_that_prove_it(hit, browser) -> None:
    viewer = browser(Role.VIEWER, tenants=[hit])
    entries = rulebook.current().entries.values()
    plain = next(one for one in entries if one.file == "entra/guest_made_member.yml")
    shown = _text(viewer, f"/admin/detections/rules/{plain.id}/")
    assert "Test records on which it fires" in shown
    assert "&quot;newValue&quot;: &quot;[\\&quot;Member\\&quot;]&quot;" in shown
    counting = next(
        one for one in entries if one.file == "correlations/many_drive_files_deleted.yml"
    )
    assert "&quot;series&quot;" in _text(viewer, f"/admin/detections/rules/{counting.id}/")
    assert "/#proof" in _text(viewer, "/admin/coverage/")


def test_the_case_says_why_the_rule_matched(hit, browser) -> None:
    with scope.tenant(hit.id):
        case = Case.objects.get()
    page = _text(browser(Role.VIEWER), f"/admin/cases/{case.id}/")
    assert "Why the rule matched" in page
    assert "is &#x27;Test-a&#x27;" in page


def test_an_administrator_sets_a_stage(hit, browser) -> None:
    admin = browser(Role.ADMIN)
    address = f"/admin/detections/stage/{IDS['a']}/"
    admin.post(address, {"client": hit.slug, "stage": "shadow", "why": "Too loud here."})
    with scope.tenant(hit.id):
        row = RuleStage.objects.get()
    assert (row.stage, row.why) == ("shadow", "Too loud here.")
    assert row.actor.startswith("technician:")
    assert "Too loud here." in _text(admin, f"/admin/detections/rules/{IDS['a']}/")
    before = StageDefault.objects.count()
    admin.post(address, {"client": "", "stage": "off", "why": " "})
    assert StageDefault.objects.count() == before
    admin.post(address, {"client": "", "stage": "off", "why": "Gone."})
    assert StageDefault.objects.count() == before + 1


def test_who_sees_some_clients_sets_none_for_all(hit, other_tenant, browser) -> None:
    some = browser(Role.ADMIN, tenants=[hit])
    address = f"/admin/detections/stage/{IDS['a']}/"
    before = StageDefault.objects.count()
    some.post(address, {"client": "", "stage": "off", "why": "Gone."})
    assert StageDefault.objects.count() == before
    answer = some.post(address, {"client": other_tenant.slug, "stage": "off", "why": "Gone."})
    assert answer.status_code == 404


def test_rules_are_found_by_words_and_shown_a_page_at_a_time(hit, browser) -> None:
    viewer = browser(Role.VIEWER, tenants=[hit])
    listed = _text(viewer, "/admin/detections/")
    assert listed.count('href="/admin/detections/rules/') == 50
    assert "page 1 of" in listed
    found = _text(viewer, "/admin/detections/?q=T1003+windows")
    assert 0 < found.count('href="/admin/detections/rules/') < 50
    assert "Nothing here." in _text(viewer, "/admin/detections/?q=no+such+rule")


def test_coverage_says_what_to_connect_and_shows_what_is_asked_for(hit, browser) -> None:
    viewer = browser(Role.VIEWER, tenants=[hit])
    blind = _text(viewer, "/admin/coverage/?show=blind")
    assert "What to connect" in blind
    # No connection is there, so that each technique of the audit log waits for it.
    assert "Microsoft 365: Unified audit log: <b" in blind
    assert "T1110.003" in blind
    assert " blind</span></summary>" in blind
    covered = _text(viewer, "/admin/coverage/?show=covered")
    assert "Nothing here." in covered
    assert "What to connect" in covered


def test_a_rules_page_says_what_its_hits_share(hit, browser) -> None:
    with scope.tenant(hit.id):
        take(*(record("a", UserId="service@acme.example") for _ in range(4)))
        take(record("a", UserId="once@acme.example", ClientIP="198.51.100.1"))
    shown = _text(browser(Role.VIEWER, tenants=[hit]), f"/admin/detections/rules/{IDS['a']}/")
    shared = shown.split("What its newest hits share:")[1].split("</p>")[0]
    assert "who service@acme.example" in shared
    assert "in 4 of 6" in shared
    assert "address 203.0.113.9" in shared
    assert "once@acme.example" not in shared


def test_rules_that_never_fired_are_listed_where_their_source_comes(hit, browser) -> None:
    with scope.tenant(hit.id):
        connection = Connection.objects.create(connector="microsoft365", name="M365")
        FeedState.objects.create(
            connection=connection, feed="unified_audit", last_record_at=timezone.now()
        )
    viewer = browser(Role.VIEWER, tenants=[hit])
    never = _text(viewer, f"/admin/detections/?client={hit.slug}&show=never&q=m365")
    assert "It never fired, though its log source comes." in never
    assert IDS["a"] not in never
    assert f"?client={hit.slug}&amp;show=never" in never
