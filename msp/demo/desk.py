"""What a colleague of the demo's technician did earlier in the shift, through the console.

Each thing is done once: what is done already, the demo finds so when it runs again.
"""

import datetime as dt
import re
from collections.abc import Mapping

import httpx
from django.utils import timezone

from msp.console import actions
from msp.demo import clients
from msp.demo.postbox import Postbox
from msp.staff.access import writing
from msp.staff.models import Technician
from playbooks.cases import case_alerts
from playbooks.models import Approval, KnownGood
from playbooks.patterns import known_good
from tenants import scope
from tenants.models import Case, Tenant, Verdict

SCRIPT = "Suspicious script was stopped"
BLOCKED = "Connection to a control server was blocked"
DOWNLOADS = "Unusual volume of file downloads"
TRAVELLER = "Lucía Fernández"
_LASTS = dt.timedelta(days=90)
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def begin(tenants: Mapping[str, Tenant], box: Postbox) -> None:
    """Join what belongs together, say what is expected, and let a client's contact answer."""
    casey = clients.colleague()
    _join(tenants["northwind-dental"], casey)
    _expect(tenants["mill-lane-bakery"], casey)
    _answer(tenants["mill-lane-bakery"], box)


def finish(tenants: Mapping[str, Tenant]) -> None:
    """Close what was found to be expected."""
    casey = clients.colleague()
    for case in _cases(tenants["mill-lane-bakery"], DOWNLOADS):
        if case.status == Case.Status.NEEDS_TECHNICIAN:
            note = "The backup reads all files anew. Marked as expected."
            actions.close_case(case, actor=casey, verdict=Verdict.BENIGN, note=note)


def _join(tenant: Tenant, casey: Technician) -> None:
    """Make one case of two alerts that share nothing by which a rule could join them."""
    found = [
        one
        for title in (SCRIPT, BLOCKED)
        for one in _cases(tenant, title)
        if one.merged_into_id is None and one.status != Case.Status.CLOSED
    ]
    if len(found) != 2:
        return
    first, second = found
    actions.take_case(first, actor=casey)
    actions.merge_cases(
        first, str(second.number), actor=casey,
        reason="10.20.0.17 was TOM-PC at that time, by the router's list of addresses.",
    )  # fmt: skip


def _expect(tenant: Tenant, casey: Technician) -> None:
    """Say that the backup may read so much, and reject what was planned against its account."""
    cases = _cases(tenant, DOWNLOADS)
    with writing(casey, tenant.id):
        if not cases or KnownGood.objects.exists():
            return
        case, now = cases[0], timezone.now()
        findings = case_alerts.of_case(case)
        wish = known_good.Wish(
            title="Nightly backup of the bakery's files",
            alerts=sorted({one.title for one in findings}),
            entities=sorted({entity for one in findings for entity in one.entities}),
            reason="The backup reads every file anew; the owner confirmed it by telephone.",
            owner="Casey, who looks after the bakery",
            review_at=now + _LASTS / 3,
            expires_at=now + _LASTS,
        )
        known_good.create(case, wish, actor=actions.actor_of(casey))
        asked = list(
            Approval.objects.filter(
                plan__case=case, decision=Approval.Decision.PENDING
            ).select_related("plan")
        )
    actions.take_case(case, actor=casey)
    for approval in asked:
        actions.decide(
            approval, actor=casey, approve=False, sha256=approval.plan.sha256,
            comment="It is the backup, which is expected.",
        )  # fmt: skip


def _answer(tenant: Tenant, box: Postbox) -> None:
    """Open the mail that asks the client's contact, and say that the journey is a holiday."""
    told = {
        "answer": "yes", "name": tenant.contact_name,
        "comment": "She is on holiday in Lisbon until Sunday; I spoke to her.",
    }  # fmt: skip
    for link in box.links(tenant.contact_email, TRAVELLER):
        with httpx.Client(timeout=60) as browser:
            page = browser.get(link)
            token = _TOKEN.search(page.text)
            # A link counts once: one that was used has no form any more.
            if token is not None:
                form = {**told, "csrfmiddlewaretoken": token[1]}
                browser.post(link, data=form, headers={"referer": link}).raise_for_status()


def _cases(tenant: Tenant, title: str) -> list[Case]:
    with scope.reading([tenant.id]):
        return list(
            Case.objects.filter(tenant=tenant, title__startswith=title)
            .order_by("number")
            .select_related("tenant")
        )
