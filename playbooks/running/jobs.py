"""A step taken out of the database, and speaking to its vendor about it."""

import datetime as dt
import logging
import secrets
import string
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.utils import timezone

from integrations import catalog, connections, registry
from integrations.contract import Action, Client, Intention, ReadBack, Target
from integrations.errors import (
    ConnectionMisconfigured,
    OutcomeUnknown,
    Throttled,
    Unauthorised,
    Unavailable,
    UnknownAction,
)
from integrations.models import Connection
from playbooks.models import Step
from playbooks.targeting import replaced
from tenants import scope, vault
from tenants.errors import HoldfastError, VaultError

_log = logging.getLogger(__name__)

# A parked run looks again this often whether the connection is back.
_PARKED_SECONDS = 60.0
_TARGET_FIELDS = ("kind", "id", "external_id", "name", "parent_external_id")


@dataclass(frozen=True, slots=True)
class Job:
    """A step, out of the database: what its vendor calls need.

    `verify_within` is how long (seconds) an effect may take to show before the step has failed.
    """

    step_id: uuid.UUID
    run_id: uuid.UUID
    case_id: uuid.UUID
    tenant_id: uuid.UUID
    status: str
    connection_id: uuid.UUID
    action: Action
    intention: Intention
    intended_at: dt.datetime | None
    unanswered_at: dt.datetime | None
    called_at: dt.datetime | None
    calls: int
    verify_within: float


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask or tell the job's vendor. `may_change`: it changes something there."""

    job: Job
    put: Callable[[Any], Any]
    may_change: bool = False


class Wait(Exception):
    """The step can't go on now; the run is looked at again in `seconds`."""

    def __init__(self, seconds: float, note: str) -> None:
        super().__init__(note)
        self.seconds = seconds
        self.note = note


class OutOfReach(Wait):
    """The vendor can't be asked now: it is away or busy, or its connection needs attention."""


class HeldBack(Wait):
    """A guardrail holds the step; `is_for_long`: it will for longer than anybody should wait."""

    def __init__(self, seconds: float, note: str, is_for_long: bool) -> None:
        super().__init__(seconds, note)
        self.is_for_long = is_for_long


class NoAnswer(Wait):
    """No answer came: the step stays intended, and is settled by reading back."""

    def __init__(self, note: str) -> None:
        super().__init__(1, note)


class Failed(Exception):
    """The step has failed for good, with a reason in plain words."""


class LeftBehind(Failed):
    """The step is of an organisation that its connection reads no more."""


def load(tenant_id: uuid.UUID, step_id: uuid.UUID) -> Job:
    """Take a step out of the database for its vendor calls; Failed where it can't be done."""
    with scope.tenant(tenant_id):
        return of_step(Step.objects.select_related("run__plan").get(id=step_id))


def of_step(step: Step) -> Job:
    """Return what the step's vendor calls need; Failed where it can't be done.

    Runs in the tenant's scope, with the step's plan at hand.
    """
    if step.connection_id is None:
        raise Failed(
            "This client has no connection that could do it, or it is paused. Do it by hand."
        )
    plan = step.run.plan
    row = Connection.ever.only(*replaced.NEEDED).get(id=step.connection_id)
    told = next(told for told in plan.document["steps"] if told["id"] == step.key)
    reason = replaced.why_not(step, row)
    if reason:
        raise LeftBehind(reason)
    try:
        action = registry.action(row.connector, step.action)
    except UnknownAction as error:
        raise Failed(str(error)) from None
    return Job(
        step_id=step.id,
        run_id=step.run_id,
        case_id=plan.case_id,
        tenant_id=step.tenant_id,
        status=step.status,
        connection_id=step.connection_id,
        action=action,
        intention=_intention(step, told),
        intended_at=step.intended_at,
        unanswered_at=step.unanswered_at,
        called_at=step.called_at,
        calls=step.calls,
        verify_within=told.get("timeout_seconds") or catalog.get(step.action).verify_within_seconds,
    )


def moved_on(job: Job, step: Step) -> Job:
    """Return the job after its step has moved on. Runs in the tenant's scope."""
    now_known = replace(
        job.intention,
        since=step.intended_at or job.intention.since,
        snapshot=step.snapshot,
        secrets=_step_secrets(step) if step.intended_at else {},
    )
    return replace(
        job,
        status=step.status,
        intention=now_known,
        intended_at=step.intended_at,
        unanswered_at=step.unanswered_at,
        called_at=step.called_at,
        calls=step.calls,
    )


def target_of(told: Mapping[str, Any]) -> Target:
    """Return the target of a step as its plan tells it; judging it needs more than doing it."""
    return Target(**{name: told[name] for name in _TARGET_FIELDS if name in told})


def _intention(step: Step, told: Mapping[str, Any]) -> Intention:
    target = Target(
        kind=step.target_kind,
        id=step.target_id,
        external_id=step.target_external_id,
        name=step.target_name,
        parent_external_id=told["target"].get("parent_external_id", ""),
    )
    return Intention(
        target=target,
        inputs=told["inputs"],
        since=step.intended_at or timezone.now(),
        snapshot=step.snapshot,
        secrets=_step_secrets(step) if step.intended_at else {},
    )


def _step_secrets(step: Step) -> Mapping[str, str]:
    """Return what the step must know and nobody may read: made once, kept in the vault."""
    if step.action != "identity.reset_password":
        return {}
    return vault.get_or_put(f"step/{step.id}", {"new_password": _new_password()})


def _new_password() -> str:
    """Return 24 random characters with every class that Microsoft's complexity rule wants."""
    alphabet = string.ascii_letters + string.digits + "!#%+-_=?"
    return "Hf9!" + "".join(secrets.choice(alphabet) for _ in range(20))


def open_client(job: Job) -> Client:
    """Return the client of the job's connection; Wait where it needs attention first."""
    try:
        with connections.client(job.tenant_id, job.connection_id) as client:
            return client
    except HoldfastError as error:
        raise _in_words(job, error) from None


def ask(question: Question) -> Any:
    """Put one question to the vendor, and turn its errors into waiting or failing."""
    client = open_client(question.job)
    try:
        return question.put(client)
    except Exception as error:
        raise understood(question, error) from None


def understood(question: Question, error: Exception) -> Wait | Failed:
    """Turn what went wrong with a question into Wait or Failed."""
    if isinstance(error, HoldfastError):
        return _in_words(question.job, error)
    # The connector met what it does not know: one step's trouble, not the run's. The message may
    # hold what the vendor said, so only the place is told.
    where = traceback.extract_tb(error.__traceback__)[-1]
    words = (
        f"{question.job.action.name}: the vendor answered in a way that Holdfast does not know "
        f"({type(error).__name__} in {Path(where.filename).name}, line {where.lineno})."
    )
    _log.error(words)
    return NoAnswer(words) if question.may_change else Failed(words)


def _in_words(job: Job, error: HoldfastError) -> Wait | Failed:
    if isinstance(error, Throttled):
        return OutOfReach(error.retry_after, str(error))
    if isinstance(error, Unavailable):
        return OutOfReach(10, str(error))
    if isinstance(error, OutcomeUnknown):
        return NoAnswer(str(error))
    if isinstance(error, Unauthorised | ConnectionMisconfigured | VaultError):
        with scope.tenant(job.tenant_id):
            connections.mark_broken(job.connection_id, error)
        return OutOfReach(_PARKED_SECONDS, f"The connection needs attention: {error}")
    # What is missing, refused or not allowed does not change by asking again.
    return Failed(str(error))


def as_json(seen: ReadBack) -> dict[str, Any]:
    """Return a read-back as a step keeps it, with the time of asking."""
    return {
        "holds": seen.holds,
        "observed": dict(seen.observed),
        "explanation": seen.explanation,
        "at": timezone.now().isoformat(),
    }
