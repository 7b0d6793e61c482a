"""The demo's running commentary: new ledger entries, in plain words."""

import uuid
from collections.abc import Iterator

from msp.console import words
from tenants import scope
from tenants.models import LedgerEntry, Verdict

_WORDS = {
    "onboarding.finished": "brought in: every step is done",
    "case.opened": "case opened: {subject}",
    "case.merged": "made one case: {subject}",
    "question.asked": "asks “was this you?”: {subject}",
    "question.answered": "has its answer: {subject}",
    "known_good.created": "marked as expected: {subject}",
    "plan.proposed": "planned: {playbook}",
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
        line = ""
        for entry in entries:
            self._told.add(entry.id)
            before, line = line, f"  {self._names.get(entry.tenant_id, '?')}: {_words(entry)}"
            # What concerns two cases stands in the ledger for each.
            if line != before:
                yield line


def _words(entry: LedgerEntry) -> str:
    if entry.kind == "case.verdict":
        verdict = str(Verdict(entry.body["verdict"]).label).lower()
        return f"verdict: {verdict}. {entry.body['because']}"
    playbook = entry.body.get("playbook")
    return _WORDS[entry.kind].format(
        subject=words.ledger_subject(entry.kind, entry.subject),
        playbook=playbook["title"] if isinstance(playbook, dict) else "",
    )
