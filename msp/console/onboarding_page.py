"""What the pages for bringing clients in show."""

import json
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from integrations import problems, registry
from integrations.contract import Manifest
from msp.console import words
from msp.console.words import Word
from msp.onboarding import progress, shared
from msp.onboarding.errors import FieldProblem, OnboardingError
from msp.onboarding.models import ConsentRequest, Onboarding
from msp.onboarding.progress import Chosen, Progress
from msp.staff.models import Technician
from msp.staff.selectors import tenants_of
from playbooks.policy import rules as policies
from tenants import scope
from tenants.models import Tenant

Act = Callable[[], Any]
Problems = Sequence[FieldProblem]
ZONES: Final = sorted(
    one for one in zoneinfo.available_timezones() if "/" in one and not one.startswith("Etc/")
)
STEPS: Final = {
    "done": Word("Done", "good"),
    "now": Word("Next", "info"),
    "later": Word("Later", "quiet"),
    "problem": Word("Needs you", "warn"),
}
CONSENTS: Final = {
    ConsentRequest.State.ASKED: Word("Waits for the administrator", "warn"),
    ConsentRequest.State.RETURNED: Word("Consent arrived, being tried", "info"),
    ConsentRequest.State.CONNECTED: Word("Consented and connected", "good"),
    ConsentRequest.State.REFUSED: Word("Not connected", "bad"),
}
_SHOWN: Final = 50
_GOOGLE_PAGE: Final = "https://admin.google.com/ac/owl/domainwidedelegation"


@dataclass(frozen=True, slots=True)
class Delegation:
    """What is pasted into Google's page for domain-wide delegation; `client_id` if it is known."""

    page: str
    client_id: str
    scopes: str


def on_their_way(technician: Technician) -> tuple[list[Progress], int]:
    """Return the technician's clients that are not in yet, the newest first, and how many more."""
    rows = Onboarding.in_scope().filter(finished_at=None).select_related("tenant")
    seen = {tenant.id for tenant in tenants_of(technician)}
    own = [row for row in rows.order_by("-started_at") if row.tenant_id in seen]
    found = []
    for row in own[:_SHOWN]:
        with scope.reading([row.tenant_id]):
            found.append(progress.of(row.tenant))
    return found, max(0, len(own) - _SHOWN)


def before_start(told: Progress) -> list[str]:
    """Return the steps that have to be done before a client can start, in words."""
    return [
        step.title.lower()
        for step in told.steps
        if step.state != "done" and step.name not in ("inventory", "start")
    ]


def products(told: Progress) -> list[tuple[Manifest, bool, bool]]:
    """Return every connector: whether it is chosen, and whether it is connected already."""
    chosen = {one.manifest.id: one.report is not None for one in told.chosen}
    return [
        (manifest, manifest.id in chosen, chosen.get(manifest.id, False))
        for manifest in registry.CONNECTORS.values()
    ]


def connections(told: Progress) -> list[tuple[Chosen, Word]]:
    """Return what was chosen, with how each connection does."""
    return [
        (one, words.HEALTH[one.report.judged.status] if one.report else Word("Not yet", "quiet"))
        for one in told.chosen
    ]


def consent(told: Progress) -> tuple[ConsentRequest | None, Word | None]:
    """Return the newest request for consent, in words."""
    row = told.consent
    return (row, CONSENTS[ConsentRequest.State(row.state)]) if row else (None, None)


def rule_sources(technician: Technician, tenant: Tenant) -> list[Tenant]:
    """Return the technician's other clients that have rules of their own."""
    own = policies.own_rules()
    return [one for one in tenants_of(technician) if one.id in own and one.id != tenant.id]


def permissions(manifest: Manifest) -> list[tuple[str, str, str]]:
    """Return what is to be granted: name, how, and the vendor's page."""
    needed = problems.needed(manifest)
    return [
        (one.name, one.grant, one.documentation)
        for one in manifest.permissions
        if one.name in needed
    ]


def common(manifest: Manifest) -> tuple[list[str], Problems]:
    """Return what the MSP has for all clients, by name, or why that can't be read."""
    try:
        told = shared.of(manifest)
    except OnboardingError as error:
        return [], error.problems
    return (sorted({*told.settings, *told.secrets}) if told else []), ()


def delegation(manifest: Manifest) -> Delegation | None:
    """Return what is delegated at Google; None for other vendors."""
    if manifest.vendor != "Google":
        return None
    try:
        told = shared.of(manifest)
        key = json.loads(told.secrets["service_account_key"]) if told else {}
    except (OnboardingError, ValueError):
        key = {}
    client_id = str(key.get("client_id") or "") if isinstance(key, dict) else ""
    return Delegation(_GOOGLE_PAGE, client_id, ",".join(sorted(problems.needed(manifest))))
