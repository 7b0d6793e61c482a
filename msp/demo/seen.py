"""What the demo has to show of detection, triage and investigation, counted from the rows."""

from integrations.alerting.rows import RuleHit, Stage
from integrations.models import SiemAudit, Sighting
from msp.onboarding.models import Onboarding
from playbooks.models import KnownGoodUse, UserQuestion
from playbooks.patterns import known_good, known_good_practice
from playbooks.quality import case_quality
from tenants.models import Case, CaseChange, Verdict

# By the name that it has in the summary; none of these may be 0.
WORDS = {
    "merged_by_hand": "two cases were merged by hand",
    "known_good_uses": "a known-good pattern decided a case",
    "known_good_proposed": "a pattern was proposed",
    "questions_answered": "a client said whether it was them",
    "questions_waiting": "a client is asked whether it was them",
    "insufficient_data": "a verdict says what it lacks",
    "shadow_hits": "a rule in shadow matched",
    "sightings": "a client met something that is known of attackers",
    "siem_gaps": "the audit of a SIEM found something",
    "second_looks": "a closed case waits for a second technician",
}


def counted() -> dict[str, int]:
    """Return how often each was there. Runs in a scope that reads all tenants."""
    cases = Case.objects.filter(merged_into=None)
    questions = UserQuestion.objects.all()
    return {
        "onboarded": Onboarding.objects.exclude(finished_at=None).count(),
        "merged_by_hand": CaseChange.objects.filter(
            kind=CaseChange.Kind.MERGE, undone_at=None, actor__startswith="technician:"
        ).count(),
        "known_good_uses": KnownGoodUse.objects.count(),
        "known_good_proposed": len(known_good_practice.proposals(known_good.newest())),
        "questions_answered": questions.exclude(answered_at=None).count(),
        "questions_waiting": questions.filter(answered_at=None).count(),
        "insufficient_data": cases.filter(verdict=Verdict.INSUFFICIENT_DATA).count(),
        "shadow_hits": RuleHit.objects.filter(stage=Stage.SHADOW).count(),
        "sightings": Sighting.objects.filter(is_draft=False).count(),
        "siem_gaps": sum(len(one.gaps) for one in SiemAudit.objects.all()),
        "second_looks": case_quality.second_looks(),
    }
