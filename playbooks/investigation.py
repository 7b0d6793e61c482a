"""Looking into a case: gather evidence, read-only and in parallel, and let the table decide."""

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from integrations import catalog, connections, registry
from integrations.contract import Client, Json, Target
from integrations.errors import Throttled, UnknownAction, VendorError
from integrations.models import Connection
from playbooks import facts as case_facts
from playbooks import library, planner, triage, verdicts
from playbooks.errors import ConditionError
from playbooks.language import Playbook, PlaybookStep
from playbooks.versions import remember
from tenants import evidence, ledger, scope, work
from tenants.errors import HoldfastError
from tenants.models import Case

_AT_ONCE = 4
# A new client's alerts may come before its directory has been read.
_DIRECTORY_SECONDS = 5.0
_DIRECTORY_PATIENCE = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Question:
    step: PlaybookStep
    target: Target | None
    inputs: Json
    connection: Connection | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    question: _Question
    asked_at: dt.datetime
    facts: Json
    reason: str

    @property
    def is_available(self) -> bool:
        return not self.reason


def investigate(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Reach a verdict on a case. Handler of work `investigate`.

    Everything is written in one transaction at the end, so a killed worker's half is redone.
    """
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
        playbook = library.choose_investigation(facts)
        if playbook is None:
            _nobody_looks(case)
            return
        Case.objects.filter(id=case_id).update(
            status=Case.Status.INVESTIGATING, acknowledged_at=case.acknowledged_at or timezone.now()
        )
        questions = [_question(step, case, facts) for step in playbook.steps]
    try:
        answers = _ask_all(tenant_id, questions)
    except Throttled as error:
        with scope.tenant(tenant_id):
            work.schedule("investigate", case_id, delay=error.retry_after)
        return
    work.renew()
    with scope.tenant(tenant_id):
        case = Case.objects.select_related("account__person", "tenant").get(id=case_id)
        for answer in answers:
            _keep(case, answer)
        _decide(case, playbook)


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


def _question(step: PlaybookStep, case: Case, facts: dict[str, Any]) -> _Question:
    try:
        target, provider = _target(step, facts)
        inputs = step.inputs(facts)
    except ConditionError as error:
        return _Question(step, None, {}, None, str(error))
    connection = _connection(step.uses, provider)
    if connection is None:
        return _Question(
            step,
            None,
            {},
            None,
            "this client has no connection" + (f" to {provider}" if provider else " that can tell"),
        )
    return _Question(step, target, inputs, connection)


def _target(step: PlaybookStep, facts: dict[str, Any]) -> tuple[Target, str]:
    """Return whom or what is asked about, and the connector that knows it."""
    kind = catalog.get(step.uses).target
    if kind == "tenant":
        return Target("tenant", "", facts["tenant"]["slug"], facts["tenant"]["slug"]), ""
    told = planner.target_of(step, facts)
    return (
        Target(kind, told["id"], told["external_id"], told["name"], told["parent_external_id"]),
        told["provider"],
    )


def _connection(question: str, provider: str) -> Connection | None:
    """Return the connection that answers a question: the target's own, or any that can."""
    if provider:
        return connections.for_connector(provider)
    for connector in registry.CONNECTORS:
        if registry.can_answer(connector, question):
            found = connections.for_connector(connector)
            if found is not None:
                return found
    return None


def _ask_all(tenant_id: uuid.UUID, questions: list[_Question]) -> list[_Answer]:
    needed = {q.connection.id for q in questions if q.connection is not None}
    clients: dict[uuid.UUID, Client] = {}
    for connection_id in needed:
        try:
            with connections.client(tenant_id, connection_id) as client:
                clients[connection_id] = client
        except HoldfastError as error:
            questions = [_without_connection(q, connection_id, str(error)) for q in questions]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:
        return list(threads.map(lambda question: _ask(question, clients), questions))


def _without_connection(question: _Question, connection_id: uuid.UUID, why: str) -> _Question:
    if question.connection is None or question.connection.id != connection_id:
        return question
    return _Question(question.step, None, {}, None, why)


def _ask(question: _Question, clients: dict[uuid.UUID, Client]) -> _Answer:
    """Ask the vendor. Runs in a thread of its own: touches no database."""
    asked_at = timezone.now()
    if question.connection is None or question.target is None:
        return _Answer(question, asked_at, {}, question.why_not)
    try:
        gatherer = registry.gatherer(question.connection.connector, question.step.uses)
        client = clients[question.connection.id]
        return _Answer(
            question, asked_at, gatherer.gather(client, question.target, question.inputs), ""
        )
    except Throttled:
        # Waiting is better than deciding without: the whole investigation is tried again.
        raise
    except (VendorError, UnknownAction) as error:
        return _Answer(question, asked_at, {}, str(error))


def _keep(case: Case, answer: _Answer) -> None:
    step = answer.question.step
    connection = answer.question.connection
    evidence.record(
        case,
        gatherer=step.uses,
        question=catalog.get(step.uses).title,
        asked_of=connection.name if connection else "nobody",
        asked_at=answer.asked_at,
        answer={"step": step.id, "facts": answer.facts, "reason": answer.reason},
        is_available=answer.is_available,
        summary=answer.reason or _summary(answer.facts),
    )


def _summary(facts: Json) -> str:
    """Say in one line what was found, such as ``3 rules (1 suspicious), forwards outside: no``."""
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        flat |= value if isinstance(value, dict) else {name: value}
    parts = [words for name, value in flat.items() if (words := _in_words(name, value))]
    return ", ".join(parts[:6])


def _in_words(name: str, value: Any) -> str:
    name = name.replace("_", " ")
    if isinstance(value, bool):
        return f"{name.removeprefix('is ')}: {'yes' if value else 'no'}"
    if isinstance(value, list):
        marked = sum(isinstance(item, dict) and bool(item.get("is_suspicious")) for item in value)
        return f"{len(value)} {name}" + (f" ({marked} suspicious)" if marked else "")
    return f"{name}: {value}" if isinstance(value, int) else ""


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
