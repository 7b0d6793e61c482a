"""Moving a step on: every change of its state is a row and a ledger entry, in one transaction."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from integrations import catalog
from playbooks.models import Step
from tenants import ledger

FINISHED = (
    Step.Status.VERIFIED,
    Step.Status.FAILED,
    Step.Status.UNKNOWN,
    Step.Status.SKIPPED,
    Step.Status.FORBIDDEN,
    Step.Status.ROLLED_BACK,
)
NOT_BEGUN = (Step.Status.PENDING, Step.Status.AWAITING_APPROVAL)
# Is with the vendor: its outcome is not known yet.
UNDER_WAY = (Step.Status.INTENDED, Step.Status.CALLED)
# What ended without having begun.
NEVER = (Step.Status.FORBIDDEN, Step.Status.SKIPPED)
# How the key of a step begins that undoes another one; a playbook's own ids hold no space.
UNDO = "undo "


def spoken(step: Step) -> str:
    """Return a step as sentences name it: its action, and whom or what it is for."""
    return f"“{catalog.get(step.action).title}” for {step.spoken_target}"


def change(
    step: Step,
    status: Step.Status,
    *,
    case_id: uuid.UUID | None = None,
    error: str = "",
    keep: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    kind: str = "",
) -> None:
    """Move a step on and write the ledger entry, in the current transaction.

    `keep` are columns that are written with it, `body` what the ledger tells besides.
    """
    changed = {"status": status, "error": error, **(keep or {})}
    if status in FINISHED:
        changed["finished_at"] = timezone.now()
    for name, value in changed.items():
        setattr(step, name, value)
    step.save(update_fields=list(changed))
    ledger.append(
        kind or f"step.{status}",
        actor="engine",
        case_id=case_id or step.run.plan.case_id,
        subject=f"{step.action} {step.target_name}",
        body={"step": step.key, "run": step.run_id, "error": error, **(body or {})},
    )


def changed_nothing(calls: int, answer: Mapping[str, Any]) -> bool:
    """Return whether a step's only call found what it was to do done already.

    Another plan or a person came before it, after its snapshot. Of several calls an earlier one
    may have done it, whose answer was lost.
    """
    return calls == 1 and (answer.get("was_gone") is True or answer.get("was_there") is True)
