"""The facts of a case while its run is carried out: read again when they are older than seconds.

The steps of a run follow each other in fractions of a second, and each is judged by what is known
then. What may not be a moment old (kill switch, protection, approvals) is never taken from here.
"""

import time
import uuid
from typing import Any

from playbooks.cases import looks, subjects
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan

FRESH_SECONDS = 3.0


class KnownFacts:
    """What is known of one run's case. Used by the one worker that carries the run."""

    def __init__(self) -> None:
        self._read: dict[tuple[uuid.UUID, str], tuple[float, dict[str, Any]]] = {}

    def of_plan(self, plan: Plan) -> dict[str, Any]:
        """Return the facts that a plan is judged by, at most FRESH_SECONDS old.

        Those of its case, or of what it is for of those that the case is about. Runs in the
        tenant's scope.
        """
        case = plan.case
        is_one_of_several = "about" in plan.document or looks.others(case)
        about = subjects.of_facts(case, plan.facts) if is_one_of_several else None
        key = case.id, about.key if about else ""
        read_at, facts = self._read.get(key, (0.0, {}))
        if not facts or time.monotonic() - read_at > FRESH_SECONDS:
            facts = case_facts.of_case(case, about)
            self._read[key] = (time.monotonic(), facts)
        return facts
