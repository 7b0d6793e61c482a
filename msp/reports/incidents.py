"""The month's real attacks, each as a short story from the rows of its case."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from integrations import catalog, registry
from integrations.errors import UnknownAction, UnknownConnector
from integrations.models import Connection
from msp.reports import evidence, words
from msp.reports.content import Done, Incident, Left, Moment, Span
from playbooks.cases import case_alerts, unread
from playbooks.models import Approval, Plan, Step, Tier
from playbooks.quality import measures
from playbooks.quality.measures import CaseMeasures
from tenants.models import Account, Case, Evidence, Finding, Verdict

_QUOTED = ("mailbox_rule", "auth_method")
_REASONS = {
    Step.Status.FAILED: ("Did not work; we see to it by hand", False),
    Step.Status.FORBIDDEN: ("Not allowed to us by your rules; we talk to you about it", False),
    Step.Status.SKIPPED: ("Not done; we talk to you about whether it should be", False),
    Step.Status.PENDING: ("Under way, and not proven yet", False),
    Step.Status.INTENDED: ("Under way, and not proven yet", False),
    Step.Status.CALLED: ("Under way, and not proven yet", False),
}
_BLOCK, _UNBLOCK = "identity.disable_sign_in", "identity.enable_sign_in"


@dataclass(frozen=True, slots=True)
class _Names:
    """How people and vendors are called: by external id of an account, by id of a connection."""

    people: Mapping[str, str]
    vendors: Mapping[object, str]

    def target(self, step: Step) -> str:
        if step.target_kind in _QUOTED:
            return f"“{step.target_name}”"
        return self.people.get(step.target_external_id) or step.target_name

    def vendor(self, step: Step) -> str:
        return self.vendors.get(step.connection_id, "the provider")


def real_cases(span: Span) -> QuerySet[Case]:
    """Return the cases opened in the span that were real attacks."""
    return Case.objects.filter(
        opened_at__gte=span.start,
        opened_at__lt=span.until,
        verdict=Verdict.TRUE_POSITIVE,
        merged_into=None,
    )


def incidents(span: Span, measured: Mapping[uuid.UUID, CaseMeasures]) -> list[Incident]:
    """Return the span's real attacks as stories, in the order in which they came.

    `measured` has each of them, by the case's id.
    """
    cases = list(
        real_cases(span)
        .select_related("account__person")
        .prefetch_related("evidence", "merged__evidence", "plans__approvals", "plans__run__steps")
        .order_by("opened_at", "number")
    )
    names, told = _names(cases), case_alerts.first_of(cases)
    return [
        _incident(case, told.get(case.id, []), names, span, measured[case.id].times)
        for case in cases
    ]


def person_of(account: Account | None) -> str:
    """Return how the account's owner is called."""
    if account is None:
        return ""
    if account.person is not None:
        return account.person.display_name
    return account.display_name or account.username


def plans_of(case: Case) -> list[Plan]:
    """Return the case's plans, oldest first."""
    return sorted(case.plans.all(), key=lambda plan: (plan.created_at, plan.id))


def steps_of(plans: Iterable[Plan]) -> list[Step]:
    """Return the steps of the plans' runs, in order."""
    runs = [run for run in (getattr(plan, "run", None) for plan in plans) if run is not None]
    return [
        step for run in runs for step in sorted(run.steps.all(), key=lambda step: step.position)
    ]


def _names(cases: list[Case]) -> _Names:
    ids = {step.target_external_id for case in cases for step in steps_of(plans_of(case))}
    accounts = Account.objects.filter(external_id__in=ids).select_related("person")
    return _Names(
        people={account.external_id: person_of(account) for account in accounts},
        vendors={row.id: vendor_of(row.connector) for row in Connection.ever.all()},
    )


def vendor_of(connector: str) -> str:
    """Return the vendor's name behind a connector."""
    try:
        return registry.connector(connector).vendor
    except UnknownConnector:
        return connector


def _incident(
    case: Case, findings: Sequence[Finding], names: _Names, span: Span,
    times: Mapping[str, measures.Took],
) -> Incident:  # fmt: skip
    who = person_of(case.account)
    traces = evidence.read(_answers(case))
    plans = plans_of(case)
    steps = steps_of(plans)
    first_alert = findings[0].received_at if findings else case.opened_at
    took = times.get("contain")
    taken = dt.timedelta(seconds=took.seconds) if took else None
    waiting = dt.timedelta(seconds=took.seconds - took.without_waiting) if took else None
    told = evidence.sentences(traces, who)
    reason = str(case.verdict_detail.get("because") or "")
    alerts = words.listed(list(dict.fromkeys(f"“{f.title}”" for f in findings)), 2)
    sources = words.listed(list(dict.fromkeys(vendor_of(f.connector) for f in findings)), 3)
    if alerts:
        told.append(f"We learned of it from {sources}: {alerts}.")
    return Incident(
        number=case.number,
        headline=evidence.headline(traces, who, case.title),
        who=who,
        first_alert_at=first_alert,
        contained_at=case.contained_at,
        to_containment=taken,
        of_it_waiting=waiting,
        speed=_speed(taken, waiting),
        state=_state(case),
        happened=tuple(told if len(told) > 1 or not reason else [reason, *told]),
        course=tuple(_course(case, plans, first_alert, traces, span)),
        done=tuple(_done(steps, names, first_alert, span)),
        left=tuple(_left(case, steps, names)),
        blocked=tuple(_blocked(steps, names)),
    )


def _answers(case: Case) -> list[Evidence]:
    """Return the case's evidence, with that of what was merged into it, in order."""
    rows = [row for one in (case, *case.merged.all()) for row in one.evidence.all()]
    return sorted(rows, key=lambda row: row.asked_at)


def _speed(taken: dt.timedelta | None, waiting: dt.timedelta | None) -> str:
    if taken is None:
        return ""
    told = f"contained within {words.duration(taken)} of the first alert"
    if waiting and waiting >= dt.timedelta(minutes=1):
        told += f", {words.duration(waiting)} of it waiting for somebody’s answer"
    return told


def _state(case: Case) -> str:
    if case.status == Case.Status.CLOSED and case.closed_with_proof:
        return "Closed, and every step checked"
    if case.status == Case.Status.CLOSED:
        return "Closed"
    return "Contained, not closed yet" if case.contained_at else "Not contained yet"


def _course(
    case: Case,
    plans: list[Plan],
    first_alert: dt.datetime,
    traces: evidence.Traces,
    span: Span,
) -> list[Moment]:
    moments = [Moment(first_alert, "The first alert reached us.")]
    began = _first_sign(case, traces)
    if began < first_alert - dt.timedelta(minutes=1):
        moments.append(Moment(began, "First sign of the intruder, as seen afterwards."))
    if sure_since := unread.sure_since(case):
        asked = sum(row.asked_at <= sure_since for row in _answers(case))
        from_what = f", after {words.count(asked, 'check')}" if asked else ""
        moments.append(Moment(sure_since, f"We were sure that it was real{from_what}."))
    moments += [moment for plan in plans for moment in _asked(plan)]
    if case.contained_at:
        moments.append(Moment(case.contained_at, "Contained, and checked."))
    if case.closed_at:
        moments.append(Moment(case.closed_at, "Closed."))
    return sorted((m for m in moments if m.at <= span.made_at), key=lambda moment: moment.at)


def _first_sign(case: Case, traces: evidence.Traces) -> dt.datetime:
    text = traces.sign_ins.get("first_suspicious_at")
    try:
        seen = dt.datetime.fromisoformat(str(text)) if text else case.first_activity_at
    except ValueError:
        seen = case.first_activity_at
    return seen if seen.tzinfo else seen.replace(tzinfo=dt.UTC)


def _asked(plan: Plan) -> Iterable[Moment]:
    decided = {
        Approval.Decision.APPROVED: "agreed to it",
        Approval.Decision.REJECTED: "decided against it",
    }
    for approval in plan.approvals.all():
        person = "You" if approval.tier == Tier.CLIENT else "Our technician"
        if approval.tier == Tier.CLIENT:
            yield Moment(approval.requested_at, "We asked you whether we may act.")
        if approval.decided_at is None:
            continue
        if approval.decision in decided:
            told = decided[Approval.Decision(approval.decision)]
            yield Moment(approval.decided_at, f"{person} {told}.")
        elif approval.decision == Approval.Decision.EXPIRED:
            yield Moment(approval.decided_at, "Nobody had agreed in time, so it was not done.")


def _done(steps: list[Step], names: _Names, beside: dt.datetime, span: Span) -> Iterable[Done]:
    for step in steps:
        if step.verified_at is None or step.status not in (
            Step.Status.VERIFIED, Step.Status.ROLLED_BACK
        ):  # fmt: skip
            continue
        when = words.moment(step.verified_at, span.zone, beside)
        check = f"Checked afterwards with {names.vendor(step)} at {when}."
        if step.status == Step.Status.ROLLED_BACK:
            check += " Undone again later, on purpose."
        elif step.read_back.get("holds") is False:
            check += " A later check showed that it no longer holds."
        yield Done(_owner_words(step, names), check)


def _owner_words(step: Step, names: _Names) -> str:
    try:
        return catalog.get(step.action).owner_words.format(target=names.target(step))
    except UnknownAction:
        return f"{step.action} for {names.target(step)}."


def _title(step: Step, names: _Names) -> str:
    """Return what a step does, in the middle of a sentence: ``reset the password (Anna Berg)``."""
    try:
        title = catalog.get(step.action).title
    except UnknownAction:
        title = step.action
    return f"{title[:1].lower()}{title[1:]} ({names.target(step)})"


def _left(case: Case, steps: list[Step], names: _Names) -> Iterable[Left]:
    by_reason: dict[tuple[str, bool], list[str]] = {}
    for step in steps:
        found = _not_done(step)
        if found is not None:
            by_reason.setdefault(found, []).append(_title(step, names))
    for (reason, is_for_client), titles in by_reason.items():
        yield Left(f"{reason}: {words.listed(titles, 12)}.", is_for_client)
    for who in _blocked(steps, names):
        yield Left(
            f"Sign-in for {who} is still blocked. Call us together with {who}: when we know that "
            "it is the right person, we open it again.",
            True,
        )
    if case.status == Case.Status.NEEDS_TECHNICIAN:
        yield Left("Our technician still has to finish this case.", False)


def _not_done(step: Step) -> tuple[str, bool] | None:
    """Return why a step isn't done or doesn't hold, and whether the client has to act."""
    status = Step.Status(step.status)
    if status == Step.Status.AWAITING_APPROVAL:
        if step.tier == Tier.CLIENT:
            return "Waiting for your agreement", True
        return "Waiting for our technician’s release", False
    if status == Step.Status.VERIFIED and step.read_back.get("holds") is False:
        return "Undone by somebody since; we look into it", False
    return _REASONS.get(status)


def _blocked(steps: list[Step], names: _Names) -> list[str]:
    """Return whose sign-in was blocked and not opened again since."""
    newest: dict[str, Step] = {}
    for step in steps:
        if step.action in (_BLOCK, _UNBLOCK) and step.status == Step.Status.VERIFIED:
            newest[step.target_external_id] = step
    return [names.target(step) for step in newest.values() if step.action == _BLOCK]
