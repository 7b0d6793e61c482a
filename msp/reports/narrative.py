"""Sentences of the report that sum up. Pure."""

from msp.reports import words
from msp.reports.content import Numbers, Span
from msp.reports.incidents import person_of
from playbooks.models import Approval, UserQuestion
from tenants.models import Case, Verdict


def summary(client: str, span: Span, numbers: Numbers, needs: int) -> tuple[str, ...]:
    """Return the month in three sentences: what we looked at, what was real, what needs you."""
    month = f"{span.start:%B %Y}"
    so_far = " so far" if span.is_preliminary else ""
    return (
        _looked_at(client, month, so_far, numbers),
        _what_was_real(numbers),
        _what_needs_you(needs, is_open=numbers.contained < numbers.real),
    )


def _looked_at(client: str, month: str, so_far: str, numbers: Numbers) -> str:
    if not numbers.has_data:
        return f"In {month}{so_far} no data about {client} reached us."
    of_them = (
        f"{words.count(numbers.alerts, 'was an alert', 'were alerts')}, which we looked into as "
        f"{words.count(numbers.cases, 'case')}"
        if numbers.alerts
        else f"none was an alert, and we looked into {words.count(numbers.cases, 'case')}"
    )
    return (
        f"In {month}{so_far} we looked at {words.count(numbers.signals, 'event')} at {client} "
        f"(sign-ins, changes and alerts); {of_them}."
    )


def _what_was_real(numbers: Numbers) -> str:
    if not numbers.has_data:
        return "So this report can’t say whether there was an attack."
    if not numbers.real:
        doubt = (
            f", but {words.count(numbers.undecided, 'case is', 'cases are')} not decided yet"
            if numbers.undecided
            else ""
        )
        return f"We found no real attack{doubt}."
    was = words.sentence(words.count(numbers.real, "was a real attack", "were real attacks"))
    if numbers.contained == numbers.real and numbers.median is not None:
        fast = f"within {words.duration(numbers.median)} of the first alert"
        if numbers.real == 1:
            return f"{was}: it was contained {fast}, and checked afterwards."
        return f"{was}: all were contained, typically {fast}, and checked afterwards."
    if numbers.real == 1:
        return "One was a real attack, which is not contained yet."
    has = "has" if numbers.contained < 2 else "have"
    how_many = words.number(numbers.contained) if numbers.contained else "none"
    still_open = words.count(numbers.real - numbers.contained, "is", "are")
    return f"{was}; {how_many} {has} been contained and checked, and {still_open} still open."


def _what_needs_you(needs: int, *, is_open: bool) -> str:
    if not needs and is_open:
        return "We are dealing with what is still open, and call you if we need you."
    if not needs:
        return "Nothing needs you at the moment."
    return f"{words.sentence(words.count(needs, 'thing needs', 'things need'))} you: see below."


def undecided(case: Case) -> str:
    """Return what a case without a clear answer is about, and where it stands."""
    who = person_of(case.account)
    about = f"“{case.title}”" + (f", about {who}" if who else "")
    if case.verdict == Verdict.SUSPICIOUS:
        stands = "it was unusual, but there is no proof of an attack"
    elif case.verdict == Verdict.INSUFFICIENT_DATA:
        stands = "there was not enough data to decide"
    else:
        stands = "we are looking into it"
    if case.status == Case.Status.CLOSED:
        return f"{about}: {stands}. Closed."
    if case.status == Case.Status.NEEDS_TECHNICIAN:
        return f"{about}: {stands}. Our technician decides."
    return f"{about}: {stands}."


def waiting(approval: Approval, span: Span) -> str:
    """Return what the client is asked to agree to, and until when."""
    case = approval.plan.case
    who = person_of(case.account)
    until = approval.expires_at.astimezone(span.zone)
    return (
        f"What we want to do about “{case.title}”"
        + (f" ({who})" if who else "")
        + f": please answer by {until:%H:%M} on {until.day} {until:%B}."
    )


def question(asked: UserQuestion, span: Span) -> str:
    """Return who of the client is asked what, and until when."""
    until = asked.expires_at.astimezone(span.zone)
    return (
        f"{words.printable(asked.name)}: “{words.printable(asked.words)}” "
        f"Please answer by {until:%H:%M} on {until.day} {until:%B}."
    )
