"""The named seeds: which organisations a simulator starts with, and what befell them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from integrations.simulators.base.store import Store

from .defender import seed as defender
from .intune import seed as intune
from .seed import organisation


def demo(store: Store, now: datetime, seed: int) -> None:
    """Three clients: a compromised mailbox, a compromised administrator, and an ordinary month.

    Beside that each has what fills a technician's day: false alarms, journeys, doubtful mail.
    """
    _dental(store, now, seed)
    _law(store, now, seed + 1)
    _bakery(store, now, seed + 2)


def _dental(store: Store, now: datetime, seed: int) -> None:
    dental = organisation(
        store, "northwind-dental.example", name="Northwind Dental", people=9, now=now, seed=seed
    )
    dental.business_email_compromise("priya.shah", at=now - timedelta(hours=3))
    # The same again and again, days apart: each time nothing is wrong.
    for hours in (7, 55, 103):
        dental.false_alarm("anna.berg", at=now - timedelta(hours=hours))
    defender.enrol(dental.tenant, now)
    intune.enrol(dental.tenant, now)


def _law(store: Store, now: datetime, seed: int) -> None:
    law = organisation(
        store, "harbour-law.example", name="Harbour Law", people=12, now=now, seed=seed,
        is_hybrid=True,
    )  # fmt: skip
    law.vip_compromise(at=now - timedelta(hours=2))
    law.false_alarm("omar.haddad", at=now - timedelta(hours=20))
    law.travel("daniel.meyer", at=now - timedelta(hours=5))
    law.malformed_records()
    law.deliver(
        ["grace.nolan"], subject="Court fee 20941 unpaid", sender="accounts@courtfees-pay.example",
        message_id="<fee-1@courtfees-pay.example>",
        authentication="spf=fail dkim=none dmarc=fail", is_reported=True,
    )  # fmt: skip


def _bakery(store: Store, now: datetime, seed: int) -> None:
    bakery = organisation(
        store, "mill-lane-bakery.example", name="Mill Lane Bakery", people=5, now=now, seed=seed
    )
    bakery.false_alarm("marta.kowalska", at=now - timedelta(hours=30))
    bakery.travel("lucia.fernandez", at=now - timedelta(hours=6))
    # The backup reads everything anew, which is more than it reads on other nights.
    bakery.take_files("svc.backup", 400)


def bec(store: Store, now: datetime, seed: int) -> None:
    """One client with one compromised mailbox."""
    org = organisation(store, "contoso-clinic.example", name="Contoso Clinic", now=now, seed=seed)
    org.business_email_compromise("priya.shah", at=now - timedelta(hours=3))


def endpoints(store: Store, now: datetime, seed: int) -> None:
    """One client whose computers Defender for Endpoint watches and Intune manages."""
    org = organisation(
        store, "contoso-clinic.example", name="Contoso Clinic", people=16, now=now, seed=seed
    )
    defender.enrol(org.tenant, now, alerts=230)
    intune.enrol(org.tenant, now)


def quiet(store: Store, now: datetime, seed: int) -> None:
    """Two clients, nothing wrong with either."""
    organisation(store, "contoso-clinic.example", name="Contoso Clinic", now=now, seed=seed)
    organisation(store, "fabrikam-farm.example", name="Fabrikam Farm", people=4, now=now, seed=seed)


def empty(store: Store, now: datetime, seed: int) -> None:
    """No tenant at all."""


SEEDS: dict[str, Callable[[Store, datetime, int], None]] = {
    "demo": demo,
    "bec": bec,
    "endpoints": endpoints,
    "quiet": quiet,
    "empty": empty,
}
