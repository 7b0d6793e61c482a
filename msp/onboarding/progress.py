"""How far a client is brought in, read from what is there: so it can be left and gone on with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from integrations import health_report, problems, registry
from integrations.contract import Manifest
from integrations.health import Status
from integrations.health_report import Report
from msp.onboarding import shared
from msp.onboarding.models import ConsentRequest, Onboarding
from playbooks.policy.rules import newest_of_tenant
from tenants.models import Account, Device, Mailbox, Tenant

StepState = Literal["done", "now", "later", "problem"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, its title, how it stands, and what is to be said of it."""

    name: str
    title: str
    state: StepState
    words: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A connector that is connected or to be; `by_consent`: by consent to the MSP's application."""

    manifest: Manifest
    report: Report | None
    by_consent: bool


@dataclass(frozen=True, slots=True)
class Inventory:
    """The first reading: feeds read to their end, those that can't be, and what was found."""

    feeds: int
    read: int
    stuck: int
    records: int
    accounts: int
    devices: int
    mailboxes: int

    @property
    def percent(self) -> int:
        """Share of the feeds that are through, one way or the other."""
        return round(100 * (self.read + self.stuck) / self.feeds) if self.feeds else 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a client is."""

    tenant: Tenant
    onboarding: Onboarding
    steps: Sequence[Step]
    chosen: Sequence[Chosen]
    consent: ConsentRequest | None
    inventory: Inventory

    @property
    def done(self) -> int:
        """How many steps are done."""
        return sum(step.state == "done" for step in self.steps)

    @property
    def is_live(self) -> bool:
        """Whether something goes on by itself that a page should follow."""
        trying = self.consent is not None and self.consent.state == ConsentRequest.State.RETURNED
        unchecked = any(
            one.report is not None and one.report.connection.checked_at is None
            for one in self.chosen
        )
        reading = bool(self.inventory.feeds) and self.inventory.percent < 100
        return trying or unchecked or reading


def of(tenant: Tenant) -> Progress:
    """Return how far the scope's tenant is; nothing is changed."""
    onboarding = Onboarding.objects.filter(tenant=tenant).first() or Onboarding(tenant=tenant)
    reports = {one.connection.connector: one for one in health_report.of_scope(tenant.id)}
    wanted = {*onboarding.connectors, *reports} & set(registry.CONNECTORS)
    chosen = [_chosen(one, reports.get(one)) for one in registry.CONNECTORS if one in wanted]
    inventory = _inventory(list(reports.values()))
    told: tuple[tuple[str, str, StepState, str], ...] = (
        ("client", "Client", "done", tenant.name),
        ("connectors", "Products", *_of_choice(chosen)),
        ("connect", "Connection and consent", *_of_connecting(chosen)),
        ("test", "Live test", *_of_test(chosen)),
        ("inventory", "First inventory", *_of_inventory(inventory)),
        ("rules", "Rules of engagement", *_of_rules(onboarding)),
        ("start", "Start in shadow", *_of_start(onboarding)),
    )
    steps = [Step(*one) for one in told]
    first = next((at for at, step in enumerate(steps) if step.state == "later"), None)
    if first is not None:
        steps[first] = Step(steps[first].name, steps[first].title, "now", steps[first].words)
    consent = ConsentRequest.objects.filter(tenant=tenant).order_by("-asked_at").first()
    return Progress(tenant, onboarding, steps, chosen, consent, inventory)


def _chosen(connector: str, report: Report | None) -> Chosen:
    manifest = registry.connector(connector)
    return Chosen(manifest, report, shared.needs_consent(manifest))


def _of_choice(chosen: Sequence[Chosen]) -> tuple[StepState, str]:
    names = ", ".join(one.manifest.title for one in chosen)
    return ("done", names) if chosen else ("later", "Choose what the client uses.")


def _of_connecting(chosen: Sequence[Chosen]) -> tuple[StepState, str]:
    waiting = [one.manifest.title for one in chosen if one.report is None]
    if waiting:
        return "later", f"Still to be connected: {', '.join(waiting)}."
    return ("done", "Everything that was chosen is connected.") if chosen else ("later", "")


def _of_test(chosen: Sequence[Chosen]) -> tuple[StepState, str]:
    reports = [one.report for one in chosen if one.report is not None]
    if not reports or len(reports) < len(chosen):
        return "later", ""
    broken = [one for one in reports if one.judged.status == Status.BROKEN]
    if broken:
        return "problem", f"{broken[0].title}: {broken[0].judged.words}"
    if any(one.connection.last_healthy_at is None for one in reports):
        return "later", "The first test is on its way."
    lacking = sum(len(one.missing) for one in reports)
    untried = sum(len(one.untried) for one in reports)
    words = f"Everything answers, but {lacking} permission(s) are missing." if lacking else ""
    later = f" Of {untried} permission(s) the first use will show: the vendor doesn't tell."
    return "done", (words or "Everything answers.") + (later if untried else "")


def _of_inventory(told: Inventory) -> tuple[StepState, str]:
    if not told.feeds:
        return "later", ""
    words = f"{told.read} of {told.feeds} feeds are read to their end; {told.records} records."
    if told.read + told.stuck < told.feeds:
        return "later", words
    if told.stuck:
        return "problem", f"{words} {told.stuck} can't be read: see the connection's page."
    return "done", words


def _of_rules(onboarding: Onboarding) -> tuple[StepState, str]:
    if not onboarding.rules:
        return "later", ""
    label = str(Onboarding.Rules(onboarding.rules).label)
    return "done", f"{label[:1].upper()}{label[1:]} hold."


def _of_start(onboarding: Onboarding) -> tuple[StepState, str]:
    if onboarding.finished_at is None:
        return "later", ""
    return "done", f"Started on {onboarding.finished_at:%Y-%m-%d}."


def _inventory(reports: list[Report]) -> Inventory:
    feeds = [feed for one in reports for feed in one.feeds if not feed.is_pushed]
    read = [feed for feed in feeds if feed.state.caught_up_at is not None]
    stuck = [
        feed
        for feed in feeds
        if feed.state.caught_up_at is None and feed.state.problem in problems.FOR_A_PERSON
    ]
    return Inventory(
        feeds=len(feeds), read=len(read), stuck=len(stuck),
        records=sum(feed.state.records for feed in feeds),
        accounts=Account.in_scope().count(), devices=Device.in_scope().count(),
        mailboxes=Mailbox.in_scope().count(),
    )  # fmt: skip


def has_own_rules() -> bool:
    """Whether the scope's tenant has rules of engagement of its own."""
    return newest_of_tenant() is not None


def as_json(progress: Progress) -> dict[str, Any]:
    """Return the progress for machines."""
    consent = progress.consent
    return {
        "client": progress.tenant.slug,
        "name": progress.tenant.name,
        "mode": progress.tenant.playbook_mode,
        "finished": progress.onboarding.finished_at is not None,
        "steps": [
            {"name": one.name, "state": one.state, "words": one.words} for one in progress.steps
        ],
        "consent": {"state": consent.state, "expected": consent.expected, "words": consent.words}
        if consent
        else None,
        "inventory": {
            name: getattr(progress.inventory, name)
            for name in ("feeds", "read", "stuck", "records", "accounts", "devices", "mailboxes")
        },
        "connections": [
            health_report.as_json(one.report) for one in progress.chosen if one.report is not None
        ],
    }
