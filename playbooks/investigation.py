"""Looking into a case: gather evidence, read-only, and let the verdict table decide."""

import datetime as dt
import uuid

from django.utils import timezone

from playbooks import activation, triage, verdicts
from playbooks import facts as case_facts
from playbooks.gathering import gather
from playbooks.language import Playbook
from playbooks.versions import remember
from tenants import ledger, scope, work
from tenants.models import Case

# A new client's alerts may come before its directory has been read.
_DIRECTORY_SECONDS = 5.0
_DIRECTORY_PATIENCE = dt.timedelta(minutes=10)


def investigate(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Reach a verdict on a case. Handler of work `investigate`."""
    with scope.tenant(tenant_id):
        case = Case.objects.select_related("account__person", "tenant").get(id=case_id)
        if case.status not in (
            Case.Status.NEW, Case.Status.INVESTIGATING, Case.Status.NEEDS_TECHNICIAN
        ):  # fmt: skip
            return
        if _directory_lags(case):
            work.schedule("investigate", case_id, delay=_DIRECTORY_SECONDS)
            return
        facts = case_facts.of_case(case)
        playbook = activation.choose_investigation(facts)
        if playbook is None:
            _nobody_looks(case)
            return
        Case.objects.filter(id=case_id).update(
            status=Case.Status.INVESTIGATING, acknowledged_at=case.acknowledged_at or timezone.now()
        )
    if not gather(tenant_id, case_id, playbook.steps, retry="investigate"):
        return
    with scope.tenant(tenant_id):
        _decide(Case.objects.select_related("account__person", "tenant").get(id=case_id), playbook)


def _directory_lags(case: Case) -> bool:
    """Look again for the account; True where the directory may only not have been read yet."""
    if case.account is None:
        case.account = triage.find_account(case)
        case.save(update_fields=["account"])
    waited = timezone.now() - case.opened_at
    return case.account is None and triage.names_an_account(case) and waited < _DIRECTORY_PATIENCE


def _nobody_looks(case: Case) -> None:
    case.status = Case.Status.NEEDS_TECHNICIAN
    case.acknowledged_at = case.acknowledged_at or timezone.now()
    case.needs = "No investigation playbook knows this kind of alert: look into it by hand."
    case.save(update_fields=["status", "needs", "acknowledged_at"])
    ledger.append("case.needs_technician", actor="engine", case_id=case.id, subject=case.needs)


def _decide(case: Case, playbook: Playbook) -> None:
    version = remember(playbook)
    result = verdicts.decide(playbook, case_facts.of_case(case))
    case.verdict = result.verdict
    case.decided_at = timezone.now()
    case.verdict_detail = {
        "playbook": playbook.id,
        "version": playbook.version,
        "playbook_sha256": version.sha256,
        **result.as_json(),
        "evidence": [
            {"id": str(row.id), "step": row.answer.get("step"), "sha256": row.sha256}
            for row in case.evidence.order_by("asked_at")
        ],
    }
    case.save(update_fields=["verdict", "decided_at", "verdict_detail"])
    ledger.append(
        "case.verdict",
        actor="engine",
        case_id=case.id,
        subject=f"{result.verdict} ({result.confidence})",
        body=case.verdict_detail,
    )
    work.schedule("respond", case.id)
