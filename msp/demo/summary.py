"""What the demo came to, counted from the rows."""

from pathlib import Path
from typing import Any

from django.db.models import Sum

from integrations.models import FeedState
from msp.demo import seen
from msp.licensing.models import Seat
from playbooks.models import Step
from tenants import ledger, scope, work
from tenants.models import Case, Finding, RawRecord, Tenant

_UNSETTLED = (Case.Status.NEW, Case.Status.INVESTIGATING, Case.Status.RESPONDING)
_STAGES = [
    "triage", "investigate", "respond", "run", "close", "quality", "notify", "siem", "detect",
    "check",
]  # fmt: skip


def is_settled() -> bool:
    """Whether every feed was read once, and nothing goes on by itself any more."""
    with scope.reading(scope.ALL):
        return not (
            FeedState.objects.filter(last_success_at=None, last_error_at=None).exists()
            or work.waiting(_STAGES)
            or Case.objects.filter(status__in=_UNSETTLED).exists()
            or ledger.tenants_with_tail()
        )


def summary(reports: list[Path]) -> dict[str, Any]:
    """Return the demo's counts over all its tenants."""
    with scope.reading(scope.ALL):
        records = FeedState.objects.aggregate(total=Sum("records"))["total"] or 0
        steps = Step.objects.all()
        told = {
            "tenants": Tenant.objects.count(),
            "records_in": records,
            "findings": Finding.objects.count(),
            "duplicates": records - RawRecord.objects.count(),
            "quarantined": RawRecord.objects.filter(outcome=RawRecord.Outcome.QUARANTINED).count(),
            "cases": Case.objects.filter(merged_into=None).count(),
            "closed_with_proof": Case.objects.filter(closed_with_proof=True).count(),
            "awaiting_approval": Case.objects.filter(status=Case.Status.AWAITING_APPROVAL).count(),
            "actions_verified": steps.filter(status=Step.Status.VERIFIED).count(),
            "actions_failed": steps.filter(status=Step.Status.FAILED).count(),
        }
        told |= seen.counted()
        seats = Seat.objects.values("tenant_id", "person_id").distinct().count()
    return {
        **told,
        "ledger_ok": all(_verified(tenant) for tenant in Tenant.objects.all()),
        "seats": seats,
        "reports": [str(path) for path in reports],
    }


def _verified(tenant: Tenant) -> bool:
    with scope.tenant(tenant.id):
        return ledger.verify().is_ok


def problems(told: dict[str, Any]) -> list[str]:
    """Return what in a summary does not hold, in words; empty where all is well."""
    expected = {
        "clients connected": told["tenants"] >= 3,
        "all of them were brought in": told["onboarded"] == told["tenants"],
        "records came in": told["records_in"] > 0,
        "alerts became findings": told["findings"] > 0,
        "unreadable records were kept in quarantine": told["quarantined"] > 0,
        "cases were opened": told["cases"] > 0,
        "a case was closed with proof": told["closed_with_proof"] > 0,
        "a plan waits for approval": told["awaiting_approval"] > 0,
        "actions were read back": told["actions_verified"] > 0,
        "no action failed": told["actions_failed"] == 0,
        "every ledger verifies": told["ledger_ok"],
        "protected people were counted": told["seats"] > 0,
        "each client has its report": len(told["reports"]) == told["tenants"]
        and all(Path(path).stat().st_size > 0 for path in told["reports"]),
        **{words: told[name] > 0 for name, words in seen.WORDS.items()},
    }
    return [words for words, holds in expected.items() if not holds]
