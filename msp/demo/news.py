"""The demo's running commentary: new ledger entries, in plain words."""

import uuid
from collections.abc import Iterator

from msp.console import words
from tenants import scope
from tenants.models import LedgerEntry, Verdict

_WORDS = {
    "case.opened": "case opened: {subject}",
    "plan.proposed": "planned: {subject}",
    "approval.requested": "asks for approval: {subject}",
    "step.verified": "done and read back: {subject}",
    "step.failed": "FAILED: {subject}",
    "case.closed": "closed: {subject}",
    "case.needs_technician": "needs a technician: {subject}",
}


class News:
    """Remembers what was told already."""

    def __init__(self, names: dict[uuid.UUID, str]) -> None:
        self._names = names
        with scope.reading(scope.ALL):
            # What an earlier run of the demo did is no news.
            self._told = set(LedgerEntry.objects.values_list("id", flat=True))

    def lines(self) -> Iterator[str]:
        """Yield a line for each thing that has happened since the last call."""
        with scope.reading(scope.ALL):
            entries = list(
                LedgerEntry.objects.filter(kind__in=[*_WORDS, "case.verdict"])
                .exclude(id__in=self._told)
                .order_by("id")
            )
        for entry in entries:
            self._told.add(entry.id)
            yield f"  {self._names.get(entry.tenant_id, '?')}: {_words(entry)}"


def _words(entry: LedgerEntry) -> str:
    if entry.kind == "case.verdict":
        verdict = Verdict(entry.body["verdict"]).label
        return f"verdict: {verdict}. {entry.body['because']}"
    subject = words.ledger_subject(entry.kind, entry.subject)
    return _WORDS[entry.kind].format(subject=subject)
