"""Asking a client's vendors, read-only and in parallel; each answer is kept as evidence.

What no connected vendor is asked, Holdfast's own rows may tell (`own_answers`).
"""

import datetime as dt
import math
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from integrations import catalog, connections, registry
from integrations.contract import Client, Json, Target
from integrations.errors import Throttled, UnknownAction, VendorError
from integrations.models import Connection
from playbooks.cases import subjects
from playbooks.errors import ConditionError
from playbooks.investigating import evidence_about, own_answers
from playbooks.investigating import facts as case_facts
from playbooks.language import PlaybookStep
from playbooks.targeting.targets import target_of
from tenants import evidence, scope, work
from tenants.canonical import jsonable
from tenants.errors import HoldfastError
from tenants.models import Account, Case, Evidence

_AT_ONCE = 4
# So long a vendor that asks to wait is waited for; then the rest is decided without its answers.
_PATIENCE = dt.timedelta(minutes=30)
_ASKING_SINCE = "asking_since"
# What leads to an alert happens shortly before it.
_BEFORE = dt.timedelta(hours=48)
_OLDEST = dt.timedelta(days=7)
# What happened longer ago than that is not among what vendors are asked about as recent.
ASKED_ABOUT = _BEFORE + _OLDEST
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True)
class _Question:
    """What a step asks, and whom about whom: mostly one vendor about one target.

    `own` is what Holdfast's own rows told, where they were asked instead; `why_not` says why
    nobody can be asked or, of several, one can't. It is not askable where no product of the
    client's, one whose connection is paused included, can ever tell.
    """

    step: PlaybookStep
    asks: tuple[tuple[Connection, Target], ...]
    inputs: Json
    why_not: str = ""
    own: Json | None = None
    is_askable: bool = True


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a question. Where there is a `reason`, there is no answer, or not the whole.

    `ask_again_in`: the seconds after which the vendor, busy now, may be asked; 0: it is not.
    `known` is what others told where one of several didn't answer.
    """

    question: _Question
    asked_at: dt.datetime
    facts: Json
    reason: str
    ask_again_in: float = 0
    known: Json = field(default_factory=dict)

    @property
    def is_available(self) -> bool:
        return not self.reason


def gather(
    tenant_id: uuid.UUID,
    case_id: uuid.UUID,
    steps: Sequence[PlaybookStep],
    *,
    retry: str,
    subject: subjects.Subject | None = None,
) -> bool:
    """Put the steps' questions and keep each answer as evidence of the case.

    `subject` is whom or what they are about, where that is not what the case is about first.

    Everything is written in one transaction at the end, so a killed worker's half is redone.
    False where a vendor asked to wait: the other answers are kept, and work of the kind `retry` is
    scheduled for the case, for half an hour at most.
    """
    began = timezone.now()
    with scope.tenant(tenant_id):
        case = _read(case_id)
        mine = subjects.narrowed(case, subject)
        facts = case_facts.of_case(case, subject)
        about = evidence_about.of_facts(facts)
        accounts = _accounts(subject.account if subject else case.account)
        connected = connections.by_connector()
        answered = _answered(case, about)
        questions = [
            _reaching_back(_own(_question(step, facts, connected, accounts), mine), case)
            for step in steps
            if (step.id, step.uses) not in answered
        ]
    answers = _ask_all(tenant_id, questions)
    work.renew()
    with scope.tenant(tenant_id):
        case = Case.objects.select_for_update().get(id=case_id)
        since = _asking_since(case) or began
        left = (since + _PATIENCE - timezone.now()).total_seconds()
        waits = [answer.ask_again_in for answer in answers if answer.ask_again_in]
        goes_on = bool(waits) and left > 0
        kept = [answer for answer in answers if not (goes_on and answer.ask_again_in)]
        evidence.keep([_evidence(case, one, about) for one in kept if not _comes_last(one)])
        mine = subjects.narrowed(case, subject)
        last = [_anew(one, mine) for one in kept if _comes_last(one)]
        evidence.keep([_evidence(case, one, about) for one in last])
        _note_asking(case, since if goes_on else None)
        if goes_on:
            work.schedule(retry, case_id, delay=min(max(waits), left))
    return not goes_on


def _read(case_id: uuid.UUID) -> Case:
    return Case.objects.select_related("account__person", "tenant").get(id=case_id)


def _asking_since(case: Case) -> dt.datetime | None:
    """Return when a vendor first asked to wait; what was broken off long ago begins anew."""
    told = case.verdict_detail.get(_ASKING_SINCE)
    since = dt.datetime.fromisoformat(told) if told else None
    return since if since and timezone.now() - since < 2 * _PATIENCE else None


def _answered(case: Case, about: Json) -> set[tuple[str, str]]:
    """Return the steps, with their question, that were answered while another vendor was busy."""
    since = _asking_since(case)
    if since is None:
        return set()
    rows = evidence.of_case(case).filter(answered_at__gte=since)
    told = rows.values_list("answer__step", "gatherer", "answer__about")
    return {(step, uses) for step, uses, of in told if of in (None, about.get("about"))}


def _note_asking(case: Case, since: dt.datetime | None) -> None:
    told = {key: value for key, value in case.verdict_detail.items() if key != _ASKING_SINCE}
    if since:
        told[_ASKING_SINCE] = since.isoformat()
    if told != case.verdict_detail:
        case.verdict_detail = told
        case.save(update_fields=["verdict_detail"])


def _accounts(account: Account | None) -> list[Account]:
    """Return the accounts of the person whose account is asked about."""
    if account is None or account.person is None:
        return []
    rows = Account.objects.filter(person=account.person, deleted_upstream_at=None)
    return list(rows.order_by("provider", "external_id"))


def _question(
    step: PlaybookStep,
    facts: dict[str, Any],
    connected: Mapping[str, Connection],
    accounts: Sequence[Account],
) -> _Question:
    try:
        target, provider = _target(step, facts)
        inputs = step.inputs(facts)
    except ConditionError as error:
        return _Question(step, (), {}, str(error))
    if catalog.get(step.uses).is_asked_everywhere:
        able = _able(step.uses, connected)
        targets = _everybody(target, accounts if step.target == "account" else ())
        asks = tuple((one, each) for one in able for each in targets)
        provider = ""
    else:
        connection = _connection(step.uses, provider, connected)
        asks = ((connection, target),) if connection else ()
    if not asks:
        lack = f" to {provider}" if provider else " that can tell"
        why_not = f"this client has no connection{lack}"
        return _Question(step, (), {}, why_not, is_askable=_is_askable(step.uses, provider))
    return _Question(step, asks, inputs, is_askable=_is_askable(step.uses, provider))


def _reaching_back(question: _Question, case: Case) -> _Question:
    """Have a question about an incident reach back as far from its beginning as from now.

    Else what an intruder did would be usual, or not seen any more, when a case is looked into late
    or again: their country, their way to sign in, the program that ran. Of what began longer ago
    than `_OLDEST` too little would be left to compare with. A burst stays as short as it was: the
    more ordinary days around it are looked at, the more usual it would seem.
    """
    if case.kind != Case.Kind.INCIDENT:
        return question
    now = timezone.now()
    began = min(now, max(case.first_activity_at, now - _OLDEST))
    age = now - began
    more = {"days": age / dt.timedelta(days=1), "hours": age / dt.timedelta(hours=1)}
    if catalog.get(question.step.uses).compares_amounts:
        more = {}
    inputs = {
        name: value + math.ceil(more[name]) if name in more and isinstance(value, int) else value
        for name, value in question.inputs.items()
    }
    return replace(question, inputs={**inputs, "since": (began - _BEFORE).isoformat()})


def _is_askable(question: str, provider: str) -> bool:
    """Whether any product of the client's, or the target's own, can answer a question at all."""
    connectors = [provider] if provider else connections.connectors()
    return any(registry.offers(one, question) for one in connectors)


def _own(question: _Question, case: Case) -> _Question:
    """Have Holdfast's own rows answer what no vendor can tell, or what they tell before one.

    They are looked through around the time of the case itself, so nothing has to reach back.
    """
    uses = question.step.uses
    can = any(registry.can_answer(asked.connector, uses) for asked, _ in question.asks)
    is_own_turn = own_answers.comes_first(uses) or not can
    if not own_answers.can_tell(uses) or not is_own_turn:
        return question
    try:
        since = (case.first_activity_at - _BEFORE).isoformat()
        told = own_answers.tell(uses, case, {**question.inputs, "since": since})
    except own_answers.NotTold as error:
        if can:
            return question
        return replace(question, asks=(), why_not=str(error))
    return replace(question, asks=(), own=jsonable(told))


def _comes_last(answer: _Answer) -> bool:
    asked = answer.question
    return asked.own is not None and own_answers.comes_last(asked.step.uses)


def _anew(answer: _Answer, case: Case) -> _Answer:
    """Return an answer of Holdfast's own with what others have told by now."""
    return replace(answer, facts=_own(answer.question, case).own or answer.facts)


def _everybody(target: Target, accounts: Sequence[Account]) -> list[Target]:
    """Return a target with the other accounts of the same person."""
    others = [
        Target(target.kind, str(one.id), one.external_id, one.username)
        for one in accounts
        if one.external_id != target.external_id
    ]
    return [target, *others]


def _target(step: PlaybookStep, facts: dict[str, Any]) -> tuple[Target, str]:
    """Return whom or what is asked about, and the connector that knows it."""
    kind = catalog.get(step.uses).target
    if kind == "tenant":
        return Target("tenant", "", facts["tenant"]["slug"], facts["tenant"]["slug"]), ""
    told = target_of(step, facts)
    return (
        Target(kind, told["id"], told["external_id"], told["name"], told["parent_external_id"]),
        told["provider"],
    )


def _connection(
    question: str, provider: str, connected: Mapping[str, Connection]
) -> Connection | None:
    """Return the connection that answers a question: the target's own, or any that can."""
    if provider:
        return connected.get(provider)
    return next(iter(_able(question, connected)), None)


def _able(question: str, connected: Mapping[str, Connection]) -> list[Connection]:
    """Return the connections that can answer a question."""
    able = (one for one in registry.CONNECTORS if registry.can_answer(one, question))
    return [connected[one] for one in able if one in connected]


def _ask_all(tenant_id: uuid.UUID, questions: list[_Question]) -> list[_Answer]:
    needed = {connection.id for question in questions for connection, _ in question.asks}
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
    others = tuple(ask for ask in question.asks if ask[0].id != connection_id)
    if len(others) == len(question.asks):
        return question
    left = question.why_not and f"{question.why_not} "
    return replace(question, asks=others, why_not=f"{left}{why}")


def _ask(question: _Question, clients: dict[uuid.UUID, Client]) -> _Answer:
    """Ask the vendor. Runs in a thread of its own: touches no database.

    Where several are asked and one doesn't answer, what the others tell is known, and no answer:
    nothing may be concluded from what is not in it.
    """
    asked_at = timezone.now()
    if question.own is not None:
        return _Answer(question, asked_at, question.own, "")
    facts: Json = {}
    wait = 0.0
    reasons = {uuid.UUID(int=0): question.why_not} if question.why_not else {}
    for connection, target in question.asks:
        if connection.id in reasons:
            continue
        try:
            gatherer = registry.gatherer(connection.connector, question.step.uses)
            told = gatherer.gather(clients[connection.id], target, question.inputs)
            facts = _joined(question.step.uses, facts, told, connection.connector)
        except Throttled as error:
            # Waiting is better than deciding without.
            wait = max(1, wait, error.retry_after)
            reasons[connection.id] = str(error)
        except (VendorError, UnknownAction) as error:
            reasons[connection.id] = str(error)
    if reasons:
        return _Answer(question, asked_at, {}, " ".join(reasons.values()), wait, known=facts)
    return _Answer(question, asked_at, facts, "")


def _joined(question: str, facts: Json, told: Json, provider: str) -> Json:
    """Return what is told with what others told before; what is told twice counts once."""
    asked = catalog.get(question)
    if not asked.is_asked_everywhere:
        return told
    joined = dict(told)
    for name in asked.lists:
        new = [{**item, "provider": provider} for item in told.get(name, ())]
        found = [*facts.get(name, ()), *new]
        joined[name] = list({(one["provider"], one["external_id"]): one for one in found}.values())
    return joined


def _evidence(case: Case, answer: _Answer, about: Json) -> Evidence:
    step = answer.question.step
    asked = {connection.connector: connection.name for connection, _ in answer.question.asks}
    return evidence.of_answer(
        case,
        gatherer=step.uses,
        question=catalog.get(step.uses).title,
        asked_of=", ".join(asked.values())[:_LONGEST_NAME] or _nobody(step.uses),
        asked_at=answer.asked_at,
        answer={
            "step": step.id,
            "facts": answer.facts,
            "reason": answer.reason,
            "is_askable": answer.question.is_askable,
            **({"known": answer.known} if answer.known else {}),
            "provider": next(iter(asked)) if len(asked) == 1 else "",
            **about,
        },
        is_available=answer.is_available,
        summary=_told(answer),
    )


def _nobody(question: str) -> str:
    return own_answers.ASKED_OF if own_answers.can_tell(question) else "nobody"


def _told(answer: _Answer) -> str:
    if not answer.known:
        return answer.reason or _summary(answer.facts)
    return f"Not whole: {answer.reason} Known so far: {_summary(answer.known)}."


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
