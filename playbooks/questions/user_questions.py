"""“Was this you?”: a signed link to somebody who can tell, and an answer that is evidence.

Whoever has the account in doubt reads its mail, so nobody whom the case is about is asked; their
manager and the client's contacts are, who ask by word of mouth. Only where no account is in doubt
is the owner of the computer asked. A link counts once and for a time; opening it answers nothing,
since mail scanners do that too. Nothing waits for the answer: it is weighed when it comes, also
when the engine has closed the case by then. What came by a link that a technician saw decides
nothing alone.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from playbooks import triage
from playbooks.adoption import activation
from playbooks.authoring.playbook import Playbook
from playbooks.cases import case_devices, involved, subjects, unread
from playbooks.errors import LinkError, PlaybookError
from playbooks.models import UserQuestion
from playbooks.people import named
from playbooks.plans import standing
from playbooks.questions import chat_channels, managers
from playbooks.signed_links import Address, SignedLinks
from tenants import evidence, ledger, scope, work
from tenants.models import Case, Contact, LedgerEntry, Verdict

ASKS = "person.get_word"
# The step of the library's investigations that reads the answer.
STEP = "word"
LASTS = dt.timedelta(hours=24)
_LINKS = SignedLinks("user-question")
# What people said, where only links that a technician saw were answered.
UNCONFIRMED = "unconfirmed"
_OPEN = (Case.Status.NEW, Case.Status.INVESTIGATING, Case.Status.NEEDS_TECHNICIAN)
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who may be asked: `key` tells them apart."""

    key: str
    name: str
    email: str
    contact: Contact | None = None


def token(question: UserQuestion) -> str:
    """Return the question's token. Never log it, and keep it nowhere."""
    return _LINKS.token(question.tenant_id, question.id)


def address(given: str) -> Address:
    """Return where a token leads; LinkError where this installation did not sign it."""
    return _LINKS.address(given)


def about(case: Case) -> str:
    """Return who may have done what the case tells of, in words; empty where nobody knows."""
    account = case.account
    if account is not None:
        name = account.person.display_name if account.person else account.display_name
        is_named = name and name != account.username
        return f"{name} ({account.username})" if is_named else account.username
    device = case_devices.about(case)
    owner = next((row.owner for row in device.rows if row.owner), None) if device else None
    return f"{owner.display_name} ({device})" if owner else str(device or "")


def people(case: Case) -> list[Somebody]:
    """Return who may be asked, the first to ask first: never by mail that may be in doubt."""
    found: list[Somebody] = []
    if case.account is None and (device := case_devices.about(case)) is not None:
        owner = next((row.owner for row in device.rows if row.owner), None)
        is_in_doubt = triage.names_an_account(case)
        if owner is not None and owner.primary_email and not is_in_doubt:
            found.append(Somebody(str(owner.id), owner.display_name, owner.primary_email))
    doubted = involved.of_case(case)
    if (manager := managers.of_case(case)) is not None:
        name, email = managers.name_and_address(manager)
        if not doubted.has(name, email):
            found.append(Somebody(str(manager.id), name, email))
    rows = Contact.in_scope().filter(tenant_id=case.tenant_id, is_active=True)
    return found + [
        Somebody(str(one.id), one.name, one.email, one)
        for one in rows.order_by("position", "name")
        if not doubted.include(one)
    ]


def ask(case: Case, key: str, *, actor: str, way: str) -> UserQuestion:
    """Ask one of `people`; PlaybookError where they may not be asked, or nothing is to be asked.

    By a link to copy, `actor` sees the link: that is kept, and the answer decides nothing alone.
    """
    somebody = next((one for one in people(case) if one.key == key), None)
    if somebody is None:
        raise PlaybookError(["Choose somebody whose mail is not in doubt."])
    if case.status == Case.Status.CLOSED or case.kind == Case.Kind.ROUTINE:
        raise PlaybookError(["This case asks for nobody's word any more."])
    if not about(case):
        raise PlaybookError(["Nobody knows whom the case is about, so nobody can be asked."])
    if way == UserQuestion.Way.CHAT and not in_chat(case, somebody):
        raise PlaybookError(["The chat is read by somebody else, or not to be used for this case."])
    now = timezone.now()
    waiting = case.user_questions.filter(answered_at=None, expires_at__gt=now)
    # A newer link for the same person takes the place of an earlier one.
    waiting.filter(recipient=somebody.email).update(expires_at=now)
    question = UserQuestion.objects.create(
        tenant_id=scope.require_tenant_id(), case=case, contact=somebody.contact,
        recipient=somebody.email, name=somebody.name, about=about(case)[:320], way=way,
        seen_by=actor if way == UserQuestion.Way.LINK else "",
        created_by=actor, created_at=now, expires_at=now + LASTS,
    )  # fmt: skip
    record("asked", question, actor)
    if way != UserQuestion.Way.LINK:
        work.schedule("notify", question.id)
    return question


def ask_by_itself(case: Case, playbook: Playbook) -> UserQuestion | None:
    """Ask the first who may be asked, once a case, where the word could change the verdict.

    Only where the client's playbooks may do more than watch (no client in shadow gets mail).
    """
    asks = any(step.uses == ASKS for step in playbook.steps)
    is_open = case.verdict in (Verdict.SUSPICIOUS, Verdict.INSUFFICIENT_DATA)
    if not asks or not is_open or case.user_questions.exists() or activation.only_watches():
        return None
    able = people(case) if about(case) else []
    if not able:
        return None
    in_theirs = next((one for one in able if in_chat(case, one)), None)
    way = UserQuestion.Way.CHAT if in_theirs else UserQuestion.Way.MAIL
    return ask(case, (in_theirs or able[0]).key, actor="engine", way=way)


def in_chat(case: Case, somebody: Somebody) -> bool:
    """Whether somebody may be asked in the client's chat channel, which only contacts read."""
    return somebody.contact is not None and chat_channels.may_ask(case) is not None


def find(where: Address) -> UserQuestion:
    """Return what a token leads to, while it counts; LinkError otherwise. Runs in its scope."""
    rows = UserQuestion.objects.select_related(
        "case__account__person", "case__merged_into__account__person", "contact", "tenant"
    )
    question = rows.filter(id=where.row_id).first()
    if question is None:
        raise LinkError("unknown", "This link is not known here.")
    if question.answered_at is not None:
        raise LinkError("used", "This link was used already.")
    case = _whole(question)
    if question.expires_at <= timezone.now() or _is_over(case):
        raise LinkError("expired", "The time for this answer is over.")
    if not any(one.email == question.recipient for one in people(case)):
        raise LinkError("withdrawn", "You are not asked any more.")
    return question


def opened(question: UserQuestion) -> None:
    """Note that somebody, or a mail scanner, looked at the page for the first time."""
    rows = UserQuestion.objects.filter(id=question.id, opened_at=None)
    if rows.update(opened_at=timezone.now()):
        record("opened", question, "engine")


def answer(where: Address, *, answer: str, name: str, comment: str = "") -> UserQuestion:
    """Keep an answer, once, as evidence, and have the case looked into with it.

    LinkError where the link counts no more, PlaybookError where the answer can't be taken.
    """
    name = " ".join(name.split())[:_LONGEST_NAME]
    if answer not in UserQuestion.Answer.values:
        raise PlaybookError(["Please choose one of the answers."])
    if len(name) < 2:
        raise PlaybookError(["Please type your name."])
    _check_who(find(where), name)
    # Two who answer at once follow each other.
    UserQuestion.objects.select_for_update().get(id=where.row_id)
    question = find(where)
    question.answer, question.comment = answer, f"{name}: {comment.strip()}".rstrip(": ")
    question.answered_at = timezone.now()
    question.save(update_fields=["answer", "comment", "answered_at"])
    record("answered", question, f"client:{question.recipient}", answer=answer)
    _keep(question)
    _look_again(question)
    return question


def _check_who(question: UserQuestion, name: str) -> None:
    """PlaybookError where whoever is in doubt answers: the link was passed on to them."""
    account = _whole(question).account
    if account is None or question.is_self:
        return
    doubted = {account.display_name, account.username, account.email}
    doubted |= {account.person.display_name} if account.person else set()
    if name.casefold() in {one.casefold() for one in doubted} - {question.name.casefold()}:
        raise PlaybookError(
            [
                f"This question is for {question.name}. Somebody else may have got into your "
                f"account, so please let {question.name} answer, who has asked you in person."
            ]
        )


def _whole(question: UserQuestion) -> Case:
    """Return the case that a question is about by now: its own may be part of another."""
    return question.case.merged_into or question.case


def _is_over(case: Case) -> bool:
    """Whether somebody has closed the case: what only the engine closed, an answer may reopen."""
    if case.status != Case.Status.CLOSED:
        return False
    closings = LedgerEntry.objects.filter(
        tenant_id=case.tenant_id, case_id=case.id, kind="case.closed"
    )
    last = closings.order_by("-id").first()
    return last is None or last.actor != "engine"


def _keep(question: UserQuestion) -> None:
    case = _whole(question)
    evidence.record(
        case, gatherer=ASKS, question=question.words,
        asked_of=f"{question.name} <{question.recipient}>"[:256], asked_at=question.created_at,
        answer={"step": STEP, "facts": word(case), "reason": "", "provider": ""},
        is_available=True,
        summary=f"{question.comment.partition(':')[0]} says: "
        f"{UserQuestion.Answer(question.answer).label}{_passed_on(question)}{_seen(question)}.",
    )  # fmt: skip


def _passed_on(question: UserQuestion) -> str:
    """Say that somebody of another name answered; empty where a part of the name is the same."""
    typed = question.comment.partition(":")[0]
    parts = ({part.casefold() for part in one.split()} for one in (typed, question.name))
    is_same = bool(set.intersection(*parts))
    return "" if is_same else f", by the link that {question.name} was sent"


def _seen(question: UserQuestion) -> str:
    """Return the technician who could have answered as well, in words; empty if nobody."""
    if not question.seen_by:
        return ""
    return f", by a link that {named(question.seen_by)} saw, so it decides nothing alone"


def word(case: Case) -> dict[str, object]:
    """Return what people said of a case: one “no” outweighs any “yes”, and all is told.

    `answer` is yes, no, not_sure, or: unconfirmed (only by a link that a technician saw, or denied
    by one), waiting, no_answer (the time is over), not_asked. Where a case is about several, what
    was asked about another of them does not count.
    """
    asked = UserQuestion.objects.filter(Q(case=case) | Q(case__merged_into=case))
    if asked.exists() and subjects.further(case):
        asked = asked.filter(about=about(case)[:320])
    rows = list(asked.order_by("created_at"))
    said = [one for one in rows if one.answer]
    return {
        "answer": _weighed(rows, said),
        "asked": len(rows),
        "said": [
            {
                "name": one.name, "answer": one.answer, "comment": one.comment, "way": one.way,
                **({"link_seen_by": named(one.seen_by)} if one.seen_by else {}),
            }
            for one in said
        ],
    }  # fmt: skip


def _weighed(rows: Sequence[UserQuestion], said: Sequence[UserQuestion]) -> str:
    confirmed = [one.answer for one in said if not one.seen_by]
    if UserQuestion.Answer.NO in confirmed:
        return UserQuestion.Answer.NO.value
    if said and (not confirmed or any(one.answer == UserQuestion.Answer.NO for one in said)):
        return UNCONFIRMED
    if confirmed:
        return confirmed[-1]
    if not rows:
        return "not_asked"
    return "waiting" if rows[-1].expires_at > timezone.now() else "no_answer"


def is_denied(case: Case) -> bool:
    """Whether anybody said that it was somebody else, whoever saw the link."""
    asked = UserQuestion.objects.filter(Q(case=case) | Q(case__merged_into=case))
    return asked.filter(answer=UserQuestion.Answer.NO).exists()


def _look_again(question: UserQuestion) -> None:
    """Have the case decided with the answer, where nothing has begun that it could not stop.

    A “no” counts also when the case was closed, or is being answered, for a lesser verdict.
    """
    rows = Case.objects.select_for_update(of=("self",))
    case = rows.get(id=_whole(question).id)
    is_new = question.answer == UserQuestion.Answer.NO and case.verdict != Verdict.TRUE_POSITIVE
    has_begun = not standing.has_begun_nothing(case)
    if case.status in _OPEN:
        work.schedule("investigate", case.id)
    elif case.status == Case.Status.CLOSED and is_new:
        unread.look_again(case, "Somebody said that it was not them.")
    elif case.status == Case.Status.AWAITING_APPROVAL and not has_begun:
        unread.look_again(case, "Somebody answered whether it was them.")
    elif case.status == Case.Status.RESPONDING and is_new and not has_begun:
        unread.look_again(case, "Somebody said that it was not them.")
    elif case.status != Case.Status.CLOSED and is_new:
        _leave(case, question)


def _leave(case: Case, question: UserQuestion) -> None:
    """Leave a “no” for a technician, where what was planned has begun already."""
    words = f"{question.name} says that it was somebody else: see what more has to be done."
    told = [*case.verdict_detail.get("left_before", []), words]
    case.verdict_detail = {**case.verdict_detail, "left_before": told}
    case.save(update_fields=["verdict_detail"])


def record(what: str, question: UserQuestion, actor: str, **body: str) -> None:
    """Write what happened to a question into the ledger; its token is not part of it."""
    ledger.append(
        f"question.{what}", actor=actor, case_id=question.case_id,
        subject=f"{question.recipient}: {question.words}",
        body={
            "question": question.id, "expires_at": question.expires_at, "way": question.way,
            "link_seen_by": question.seen_by, **body,
        },
    )  # fmt: skip
