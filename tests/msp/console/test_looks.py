"""The pages in a real browser, on a wide and on a narrow screen.

With HOLDFAST_SCREENSHOTS=1 pictures are written to `var/screenshots`, to be looked at.
"""

import datetime as dt
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from integrations.intelligence import profiles, sightings, store
from integrations.intelligence.found import Found
from integrations.ocsf import VULNERABILITY_FINDING
from msp.staff import actions
from msp.staff.models import Role
from playbooks.models import Plan, Step
from tenants import contacts, scope
from tenants.models import Case, Event, RawRecord, Tenant
from tests.integrations.alerting.rules import IDS, correlation, install, record, rule, take
from tests.msp.console import rows as seeded

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PASSWORD = "correct horse battery staple"
SCREENS = {"wide": (1280, 900), "narrow": (390, 844)}
SCREENSHOTS = os.environ.get("HOLDFAST_SCREENSHOTS") == "1"

pytestmark = [
    pytest.mark.longest,
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

# Elements that stick out of the window, and texts with too little contrast (WCAG 2.2, 1.4.3).
OUTSIDE = """() => [...document.querySelectorAll('.hf *')]
  .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1
      && e.getBoundingClientRect().width > 0 && !e.closest('pre') && !e.closest('.hf-cards thead'))
  .map(e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60))"""
PALE = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const known = {};
  const rgba = text => known[text] ??= (canvas.clearRect(0, 0, 1, 1), canvas.fillStyle = text,
    canvas.fillRect(0, 0, 1, 1), [...canvas.getImageData(0, 0, 1, 1).data]);
  const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => { const v = c[i] / 255;
    return sum + weight * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
  const under = new Map([[null, [255, 255, 255, 255]]]);
  const behind = e => { if (!under.has(e)) {
    const c = rgba(getComputedStyle(e).backgroundColor);
    under.set(e, c[3] === 255 ? c : behind(e.parentElement)); }
    return under.get(e); };
  return [...document.querySelectorAll('.hf *, nav *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
        && e.getClientRects().length && getComputedStyle(e).visibility === 'visible')
    .map(e => { const a = light(rgba(getComputedStyle(e).color)), b = light(behind(e));
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e]; })
    .filter(([ratio]) => ratio < 4.5)
    .map(([ratio, e]) => ratio.toFixed(2) + ' ' + e.className + ': '
        + e.textContent.trim().slice(0, 40)); }"""

# In a colour scheme, as the page's own script sets it, and at once: all in one question, since each
# takes a while.
LOOK = f"""scheme => {{
  document.documentElement.classList.toggle('dark', scheme === 'dark');
  return [({OUTSIDE})(), ({PALE})(), document.documentElement.scrollWidth]; }}"""
AT_ONCE = "*, *::before, *::after { transition: none !important; }"

# What is folded has to fit as well when somebody opens it.
OPEN_ALL = """() => { const all = [...document.querySelectorAll('.hf details:not([open])')];
  all.forEach(one => { one.open = true; }); return all.length; }"""


@pytest.fixture
def server(committed_database, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """The product's web side in a thread, on the committed rows."""
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["*"])
    live = LiveServer("127.0.0.1")
    yield live
    live.stop()


@pytest.fixture
def rows(server: LiveServer, make_tenant: Callable[..., Tenant]) -> seeded.Rows:
    """Two clients with one of everything, and an approver."""
    seeded.fill(make_tenant("harbour-law"))
    actions.create_technician("mira", role=Role.ADMIN, password=PASSWORD)
    return seeded.fill(make_tenant("northwind-dental"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, in which Django would refuse to work.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _detections(rows: seeded.Rows) -> None:
    """Records that a rule matches so often that it is folded, and one that counts."""
    install(rule("a"), rule("b"), correlation("d", "event_count", "b"))
    with scope.tenant(rows.tenant.id):
        take(*(record("a") for _ in range(35)), *(record("b") for _ in range(4)))


def _intelligence(rows: seeded.Rows) -> None:
    """Indicators in each state, one that a case met, and a hole that is used."""
    now = timezone.now()
    told = [
        (
            "ip:185.220.101.5",
            {
                "title": "Exit node",
                "confidence": 80,
                "tlp": "red",
                "seen_at": now - dt.timedelta(days=6),
                "about": ("campaign: Winter", "threat-actor: Bear"),
            },
        ),
        ("net:185.220.102.0/24", {"confidence": 60, "tlp": "green"}),
        ("domain:northwind.example", {"title": "Phishing site"}),
        ("ip:10.0.0.1", {}),
        ("domain:old.test", {"expires_at": now - dt.timedelta(days=1)}),
        ("url:https://login-northwind.test/verify/session/" + "a" * 200, {"is_revoked": True}),
        ("cve:cve-2024-21887", {"title": "Ivanti Connect Secure: Command Injection"}),
    ]
    store.keep("feed", [Found(one, one, one, **more) for one, more in told])
    with scope.tenant(rows.tenant.id):
        Case.objects.filter(id=rows.case.id).update(entities=["ip:185.220.101.5"])
        raw = RawRecord.objects.create(
            connector="wazuh", feed="v", received_at=now, body=b"", content_hash="", outcome="event"
        )
        Event.objects.create(
            raw=raw, connector="wazuh", uid="1", class_uid=VULNERABILITY_FINDING, time=now,
            target="NWD-LT-1", entities=["device:nwd-lt-1", "cve:cve-2024-21887"],
            ocsf={"activity_id": 1},
        )  # fmt: skip
        profiles.keep(
            "health", "GB", ["microsoft365", "windows"], own=["northwind.example"],
            actor="technician:mira",
        )  # fmt: skip
    sightings.look(rows.tenant.id, rows.tenant.id)


def _looks_right(page: Page, name: str) -> None:
    """On each screen in either colour scheme; the page stays light."""
    page.evaluate("document.fonts.ready")
    page.add_style_tag(content=AT_ONCE)
    for screen, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("dark", "light"):
            _fits(page, f"{name}-{scheme}, {screen}", scheme, width)


def _fits(page: Page, name: str, scheme: str, width: int) -> None:
    outside, pale, needed = page.evaluate(LOOK, scheme)
    if SCREENSHOTS:
        folder = Path(settings.VAR_DIR) / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name.replace(', ', '-')}.png", full_page=True)
    assert outside == [], f"{name}: sticks out"
    assert pale == [], f"{name}: too little contrast"
    assert needed <= width, f"{name}: the page scrolls sideways"


def test_pages_fit_and_can_be_read(
    chromium: Browser, server: LiveServer, rows: seeded.Rows, settings
) -> None:
    settings.REQUIRE_MFA = False
    settings.DEMO_SETTINGS = {"HOLDFAST_REQUIRE_MFA": "0"}
    settings.PUBLIC_URL = "https://holdfast.example"
    settings.ENTRA_APP = {"client_id": "5b1c9d1e", "client_secret": "nobody may read this"}
    routine = seeded.fill_more(rows)
    _detections(rows)
    _intelligence(rows)
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "response",
        lambda answer: (
            errors.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        ),
    )
    page.goto(f"{server.url}/")
    _looks_right(page, "login")
    page.fill("[name=login]", "mira")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/queue/")
    page.wait_for_selector("html.dark", state="attached")
    page.emulate_media(color_scheme="light")
    for name, address in {
        "queue": "queue/",
        "case": f"cases/{rows.case.id}/",
        "case-needs": f"cases/{rows.quiet_case.id}/",
        "case-closed": f"cases/{rows.quality.case_id}/",
        "known-good": "known-good/",
        "known-good-new": f"cases/{rows.case.id}/known-good/",
        "quality": f"quality/?client={rows.tenant.slug}",
        "measures": f"measures/?client={rows.tenant.slug}",
        "baselines": "measures/by-hand/",
        "intelligence": "intelligence/",
        "source-add": "intelligence/sources/add/",
        "threats": f"clients/{rows.tenant.slug}/threats/",
        "plan": f"plans/{rows.plan.id}/",
        "evidence": f"evidence/{rows.evidence.id}/",
        "playbooks": "playbooks/",
        "playbooks-of-client": f"playbooks/?client={rows.tenant.slug}",
        "playbook": "playbooks/contain-cloud-account/",
        "playbook-routine": "playbooks/break-glass-test/",
        "practice": f"playbooks/contain-cloud-account/{rows.tenant.slug}/",
        "spread": f"playbooks/contain-cloud-account/{rows.tenant.slug}/spread/",
        "siem": f"clients/{rows.tenant.slug}/siem/",
        "routines": f"routines/?client={rows.tenant.slug}",
        "routine-start": f"clients/{rows.tenant.slug}/routines/offboard-leaver/",
        "routine-list-input": f"clients/{rows.tenant.slug}/routines/patch-ring/",
        "case-routine": f"cases/{routine.id}/",
        "protected": f"clients/{rows.tenant.slug}/protected/",
        "important": f"clients/{rows.tenant.slug}/important/",
        "own-identities": "own-identities/",
        "chat-channel": f"clients/{rows.tenant.slug}/chat/",
        "contact-add": f"clients/{rows.tenant.slug}/contacts/add/",
        "contact": f"clients/{rows.tenant.slug}/contacts/{rows.contact.id}/",
        "approvals": "approvals/",
        "ledger": f"ledger/{rows.tenant.slug}/?verify=1",
        "tenants": "clients/",
        "connectors": "connectors/",
        "tenant": f"clients/{rows.tenant.slug}/",
        "rules": f"clients/{rows.tenant.slug}/rules/",
        "rules-form": f"clients/{rows.tenant.slug}/rules/edit/",
        "msp-rules": "rules/",
        "msp-rules-form": "rules/edit/",
        "rules-yaml": f"clients/{rows.tenant.slug}/rules/edit/?as=yaml",
        "matches": "matches/",
        "detections": "detections/",
        "detection": f"detections/rules/{IDS['a']}/",
        "detection-correlation": f"detections/rules/{IDS['d']}/",
        "coverage": f"coverage/?client={rows.tenant.slug}",
        "quarantine": "quarantine/",
        "quarantined": f"quarantine/{rows.quarantined.id}/",
        "cases": "tenants/case/",
        "finding": f"tenants/finding/{rows.finding.id}/",
        "api-keys": "staff/apikey/",
        "connections": "integrations/connection/",
        "onboarding": "onboarding/",
        "onboarding-new": "onboarding/new/",
        "onboard": f"onboarding/{rows.tenant.slug}/steps/",
        "onboard-microsoft": f"onboarding/{rows.tenant.slug}/connect/microsoft365/",
        "onboard-google": f"onboarding/{rows.tenant.slug}/connect/google_workspace/",
        "health": "health/",
        "health-connection": f"health/{rows.connection.id}/",
        "health-change": f"health/{rows.connection.id}/change/",
        "health-remove": f"health/{rows.connection.id}/remove/",
        "connection": f"integrations/connection/{rows.connection.id}/",
    }.items():
        page.goto(f"{server.url}/admin/{address}")
        _looks_right(page, name)
        if page.evaluate(OPEN_ALL):
            _looks_right(page, f"{name}-open")
    with scope.tenant(rows.tenant.id):
        Step.objects.filter(key="disable").update(
            status=Step.Status.UNKNOWN,
            error="It is not known: called 3 times without an answer or an effect to be seen.",
        )
        Plan.objects.filter(id=rows.plan.id).update(status=Plan.Status.FAILED)
    page.goto(f"{server.url}/admin/plans/{rows.plan.id}/")
    _looks_right(page, "plan-unknown")
    page.goto(f"{server.url}/admin/onboarding/")
    content = (
        b"slug,name,time_zone,microsoft365.tenant_id\none,One,UTC,one.example\ntwo,Two,Mars,\n"
    )
    page.set_input_files(
        "[name=file]", {"name": "c.csv", "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="Bring these clients in").click()
    page.wait_for_selector("text=1 of 2 rows done")
    page.evaluate(OPEN_ALL)
    _looks_right(page, "onboarding-rows")
    page.goto(f"{server.url}/accounts/2fa/")
    _looks_right(page, "second-factor")
    assert errors == []
    context.close()


def test_a_technician_approves_a_plan_with_two_clicks(
    chromium: Browser, server: LiveServer, rows: seeded.Rows, settings
) -> None:
    settings.REQUIRE_MFA = False
    page = chromium.new_page()
    page.goto(f"{server.url}/admin/queue/")
    page.fill("[name=login]", "mira")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.click(f"tr:has-text('{rows.tenant.name}') a.hf-strong:has-text('{rows.case.title}')")
    page.click("button:has-text('Approve')")
    page.wait_for_selector("text=Approved. The plan goes on now.")
    assert page.locator("text=technician:").count() == 0
    assert page.locator("text=by mira").count() == 1


def test_health_answers_over_http(server: LiveServer) -> None:
    with urllib.request.urlopen(f"{server.url}/healthz") as answer:
        assert answer.read() == b'{"status": "ok"}'


def test_the_page_of_a_plan_follows_it_by_itself(
    chromium: Browser, server: LiveServer, rows: seeded.Rows, settings
) -> None:
    settings.REQUIRE_MFA = False
    page = chromium.new_page()
    page.goto(f"{server.url}/admin/plans/{rows.plan.id}/")
    page.fill("[name=login]", "mira")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("#live[data-live=yes]")
    with scope.tenant(rows.tenant.id):
        Plan.objects.filter(id=rows.plan.id).update(status=Plan.Status.DONE)
        Step.objects.filter(run__plan=rows.plan).update(status=Step.Status.VERIFIED)
    page.wait_for_selector("#live[data-live=no] >> text=Done and read back")


def test_the_page_of_a_case_follows_it_and_leaves_alone_what_somebody_writes(
    chromium: Browser, server: LiveServer, rows: seeded.Rows, settings
) -> None:
    settings.REQUIRE_MFA = False
    page = _signed_in(chromium, server, f"cases/{rows.case.id}/")
    page.fill("textarea[id^=comment-]", "I am asking her first.")
    with scope.tenant(rows.tenant.id):
        Step.objects.filter(run__plan=rows.plan).update(status=Step.Status.VERIFIED)
        Plan.objects.filter(id=rows.plan.id).update(status=Plan.Status.DONE)
        rows.approval.decision = "approved"
        rows.approval.save()
        Case.objects.filter(id=rows.case.id).update(
            status=Case.Status.NEEDS_TECHNICIAN, needs="Look at the mailbox."
        )
    page.wait_for_selector("#live-plans[data-live=no] >> text=3 of 3 actions read back")
    page.wait_for_selector("#live-head >> text=Look at the mailbox.")
    assert page.input_value("textarea[id^=comment-]") == "I am asking her first."


def test_contacts_are_put_in_order_by_keyboard(
    chromium: Browser, server: LiveServer, rows: seeded.Rows, settings
) -> None:
    settings.REQUIRE_MFA = False
    page = _signed_in(chromium, server, f"clients/{rows.tenant.slug}/contacts/add/")
    page.get_by_label("Name").fill("Ada First")
    page.get_by_label("E-mail address").fill("ada@northwind-dental.example")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Ask Ada First earlier").press("Enter")
    page.wait_for_selector("tr:has-text('Ada First') td:has-text('1')")
    with scope.tenant(rows.tenant.id):
        assert [one.name for one in contacts.ordered()] == ["Ada First", "Olive Owner"]


def test_a_routine_is_started_for_later_and_its_case_says_when(
    chromium: Browser, server: LiveServer, rows: seeded.Rows, settings
) -> None:
    settings.REQUIRE_MFA = False
    page = _signed_in(chromium, server, f"routines/?client={rows.tenant.slug}")
    page.get_by_role("link", name="Start: Take a leaver off").click()
    page.get_by_label("Account").fill(rows.account.username)
    tomorrow = timezone.now() + dt.timedelta(days=1)
    page.get_by_label("Begin at").fill(f"{tomorrow:%Y-%m-%dT17:00}")
    page.get_by_role("button", name="Start it").click()
    page.wait_for_selector("text=Nothing is asked or done before.")
    page.get_by_label("Why (kept in the ledger)").fill("She stays.")
    page.get_by_role("button", name="Cancel the routine").click()
    page.wait_for_selector("text=Cancelled before it began: She stays.")


def _signed_in(chromium: Browser, server: LiveServer, address: str) -> Page:
    page = chromium.new_page()
    page.goto(f"{server.url}/admin/{address}")
    page.fill("[name=login]", "mira")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"**/admin/{address}")
    return page
