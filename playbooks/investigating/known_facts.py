"""The facts of a case while its run is carried out: read again when they are older than seconds.

The steps of a run follow each other in fractions of a second, and each is judged by what is known
then. What may not be a moment old (kill switch, protection, approvals) is never taken from here.
"""

import time
import uuid
from typing import Any

from playbooks.investigating import facts as case_facts
from tenants.models import Case

FRESH_SECONDS = 3.0


class KnownFacts:
    """What is known of one run's case. Used by the one worker that carries the run."""

    def __init__(self) -> None:
        self._read: dict[uuid.UUID, tuple[float, dict[str, Any]]] = {}

    def of_case(self, case: Case) -> dict[str, Any]:
        """Return the facts of `case`, at most FRESH_SECONDS old. Runs in the tenant's scope."""
        read_at, facts = self._read.get(case.id, (0.0, {}))
        if not facts or time.monotonic() - read_at > FRESH_SECONDS:
            facts = case_facts.of_case(case)
            self._read[case.id] = (time.monotonic(), facts)
        return facts
