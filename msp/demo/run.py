"""Starting, watching and stopping the demo."""

import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from msp.appliance import demo_settings
from msp.appliance.postgres import revive_embedded_database
from msp.appliance.processes import Supervisor, only_one
from msp.demo import clients, desk, knowledge, postbox, programs, senders, summary
from msp.demo.news import News
from msp.demo.postbox import Postbox
from msp.licensing.actions import count_seats
from msp.onboarding.errors import OnboardingError
from msp.reports.actions import make_outcome_report
from tenants.models import Tenant

_SETTLE_SECONDS = 300.0
Say = Callable[[str], None]


def run(*, once: bool, say: Say) -> int:
    """Run the demo; return the exit code. Without `once` it serves until Ctrl-C."""
    folder = settings.VAR_DIR / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    demo_settings.write(settings.VAR_DIR)
    # This process began before they were kept.
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with ExitStack() as until_the_end:
        until_the_end.enter_context(only_one(folder / "demo.lock"))
        box = until_the_end.enter_context(postbox.opened(folder / "mail"))
        supervisor = until_the_end.enter_context(_supervisor())
        say("Preparing the database …")
        call_command("setup", stdout=io.StringIO())
        tenants = _bring_in(supervisor, folder, say)
        passwords = clients.technicians()
        say("Starting workers, scheduler and web …")
        address = programs.start_product(supervisor, box.port)
        shift = _Shift(supervisor, tenants, address, box, say)
        if once:
            shift.work()
            return _judge(_report_all(supervisor, tenants, folder, say), folder, say)
        _greet(address, passwords, say)
        shift.work()
        _report_all(supervisor, tenants, folder, say)
        _show_around(address, folder, say)
        supervisor.run()
    return 0


def _supervisor() -> Supervisor:
    return Supervisor(max_failures=5, each_second=revive_embedded_database)


def _bring_in(supervisor: Supervisor, folder: Path, say: Say) -> list[Tenant]:
    say("Starting the simulated Microsoft 365 of three clients, and a SIEM …")
    microsoft = programs.start_simulator(supervisor, folder, "microsoft365", port=100)
    sentinel = programs.start_simulator(
        supervisor, folder, "microsoft_sentinel", port=200, seed="harbour_law"
    )
    knowledge.take_in()
    tenants = clients.connect_all(microsoft, sentinel)
    knowledge.profile(tenants)
    return tenants


class _Shift:
    """One shift: what goes by itself, what people do meanwhile, and what goes on from there."""

    def __init__(
        self, supervisor: Supervisor, tenants: list[Tenant], web: str, box: Postbox, say: Say
    ) -> None:
        self._supervisor = supervisor
        self._tenants = {tenant.slug: tenant for tenant in tenants}
        self._web = web
        self._box = box
        self._say = say
        self._news = News({tenant.id: tenant.name for tenant in tenants})

    def work(self) -> None:
        """Let the whole shift pass."""
        self._say("Reading the clients' Microsoft 365; watch what is found:")
        self._settle()
        try:
            clients.start_all(list(self._tenants.values()))
        except OnboardingError as error:
            self._say(str(error))
        self._send(senders.FIRST)
        self._settle()
        self._say("Casey, a colleague, works on the queue …")
        desk.begin(self._tenants, self._box)
        self._settle()
        desk.finish(self._tenants)
        self._send(senders.LATER)
        self._settle()
        knowledge.count_sightings(list(self._tenants.values()))

    def _send(self, alerts: tuple[senders.Alert, ...]) -> None:
        for alert in alerts:
            senders.send(alert, self._tenants[alert.client], self._web)

    def _settle(self) -> None:
        """Wait until everything that goes by itself has gone."""
        if not self._supervisor.wait_until(self._is_settled, timeout=_SETTLE_SECONDS):
            self._say("Not everything was finished in time; the logs are in var/log/.")

    def _is_settled(self) -> bool:
        clients.name_special_accounts(list(self._tenants.values()))
        for line in self._news.lines():
            self._say(line)
        return summary.is_settled()


def _report_all(
    supervisor: Supervisor, tenants: list[Tenant], folder: Path, say: Say
) -> dict[str, Any]:
    say("Counting protected people and writing the reports …")
    reports = [_report(tenant, folder) for tenant in tenants]
    supervisor.wait_until(summary.is_settled, timeout=30)
    told = summary.summary(reports)
    connections.close_all()
    return told


def _report(tenant: Tenant, folder: Path) -> Path:
    today = dt.datetime.now(dt.UTC).date()
    count_seats(tenant.id, today)
    report = make_outcome_report(tenant.id, today.strftime("%Y-%m"))
    path = folder / f"{tenant.slug}-{report.period}.pdf"
    path.write_bytes(bytes(report.pdf))
    return path


def _judge(told: dict[str, Any], folder: Path, say: Say) -> int:
    text = json.dumps(told, indent=2)
    (folder / "summary.json").write_text(text + "\n")
    say(text)
    wrong = summary.problems(told)
    for problem in wrong:
        say(f"Does not hold: {problem}.")
    return 1 if wrong else 0


def _greet(address: str, passwords: Mapping[str, str], say: Say) -> None:
    first, second = passwords
    say(
        f"\n  Open      {address}\n"
        f"  Sign in   {first} / {passwords[first]}\n"
        f"  Or as     {second} / {passwords[second]}\n"
        "            Who asks to undo something can't approve it: that is for the other one,\n"
        "            in another browser or a private window.\n"
        "  Stop      Ctrl-C\n"
    )


def _show_around(address: str, folder: Path, say: Say) -> None:
    say(
        f"\n  All is done that goes by itself. Look, at {address}, at\n"
        "    the work queue: the plans for Harbour Law wait for your Approve;\n"
        "    the closed case of Northwind Dental: what was found, done and read back, and there\n"
        "    “Undo”, which the second technician approves;\n"
        "    Daniel Meyer's journey at Harbour Law: the client was asked “was this you?”;\n"
        "    Known good, Intelligence, Detections, Quality and the SIEM of Harbour Law;\n"
        f"    the owners' reports: {folder}/*.pdf, and the mails: {folder}/mail/*.eml\n"
    )
