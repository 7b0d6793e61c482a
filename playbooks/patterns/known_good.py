"""Known-good patterns: making, approving, renewing and ending them, and which one a case meets.

A pattern makes a case benign only where the case shows nothing beyond it: no other alert, no other
entity, no higher severity, nothing else that the verdict table says or sees in the evidence, and no
attack. It is scoped to a client.
"""

import datetime as dt
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from integrations.alerting.finding import FOLDED, PREFIX
from playbooks.cases import case_alerts, case_devices, involved
from playbooks.errors import ConditionError, PlaybookError
from playbooks.expressions.conditions import compile_condition
from playbooks.models import KnownGood, KnownGoodUse
from playbooks.questions import user_questions
from playbooks.verdicts import Result
from tenants import ledger, scope
from tenants.canonical import canonical_json
from tenants.models import Case, Finding, Verdict, new_id

LONGEST = dt.timedelta(days=366)
# What is another one in each alert, and says nothing of whom or what it is about.
PASSING = ("incident:", "session:", "threat:")
# Whom or what an alert is about: who may be attacked.
WHOM = ("account:", "account_id:", "mailbox:", "device:", "device_id:")
# What is said of more people at once nobody has looked at one by one.
_MOST_WHOM = 20
_SEVEREST = 6
# How a long list is kept with a verdict.
_LONG = re.compile(r"\d+ items")
_MARKS = ("is_suspicious", "is_recent", "is_risky", "is_malicious", "is_weaker")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a technician says is expected."""

    title: str
    alerts: Sequence[str]
    entities: Sequence[str]
    reason: str
    owner: str
    review_at: dt.datetime
    expires_at: dt.datetime
    condition: str = ""
    covers_privileged: bool = False


def create(case: Case, wish: Wish, *, actor: str) -> KnownGood:
    """Make a pattern out of a case of the scope's tenant; PlaybookError says what can't be kept."""
    _check(case, wish)
    findings = _findings(case)
    row = KnownGood.objects.create(
        tenant_id=scope.require_tenant_id(),
        pattern=new_id(),
        version=1,
        title=wish.title.strip(),
        alerts=sorted(set(wish.alerts)),
        sources=sorted({source(one) for one in findings if one.title in wish.alerts}),
        entities=sorted(set(wish.entities)),
        severity_id=max((_severity(one.severity_id) for one in findings), default=0),
        excuses=sorted(_said(case)),
        condition=wish.condition.strip(),
        covers_privileged=wish.covers_privileged,
        reason=wish.reason.strip(),
        owner=wish.owner.strip(),
        from_case=case,
        created_by=actor,
        actor=actor,
        created_at=timezone.now(),
        review_at=wish.review_at,
        expires_at=wish.expires_at,
    )
    _record("created", row, actor)
    return row


def approve(pattern: uuid.UUID, *, actor: str) -> KnownGood:
    """Let a pattern hold for privileged accounts, as a second technician; PlaybookError if not."""
    row = current(pattern)
    if not row.covers_privileged or row.approved_by:
        raise PlaybookError(["This pattern waits for nobody's approval."])
    if actor == row.created_by:
        raise PlaybookError(["You made this pattern: somebody else has to approve it."])
    return _next(row, actor, "approved", approved_by=actor)


def renew(pattern: uuid.UUID, expires_at: dt.datetime, *, actor: str, reason: str) -> KnownGood:
    """Let a pattern hold until another time; PlaybookError where there is no reason."""
    row = current(pattern)
    if not row.is_active:
        raise PlaybookError(["This pattern was ended: make it anew from a case that shows it."])
    if not reason.strip():
        raise PlaybookError(["Say why it is still expected: the reason is kept."])
    now = timezone.now()
    _check_times(now + (expires_at - now) / 2, expires_at)
    # What two had to agree on is not prolonged by one of them alone, nor by a command.
    is_second = actor.startswith("technician:") and actor != row.created_by
    approved_by = actor if is_second else ""
    return _next(
        row, actor, "renewed", reason=reason.strip(), expires_at=expires_at,
        review_at=now + (expires_at - now) / 2,
        approved_by=approved_by if row.covers_privileged else row.approved_by,
    )  # fmt: skip


def end(pattern: uuid.UUID, *, actor: str) -> KnownGood:
    """Let a pattern hold no more; PlaybookError where it does not any more."""
    row = current(pattern)
    if not row.is_active:
        raise PlaybookError(["This pattern has ended already."])
    return _next(row, actor, "ended", is_active=False)


def current(pattern: uuid.UUID) -> KnownGood:
    """Return a pattern's newest version; PlaybookError where the scope has none."""
    row = KnownGood.in_scope().filter(pattern=pattern).order_by("-version").first()
    if row is None:
        raise PlaybookError(["There is no such pattern."])
    return row


def newest() -> list[KnownGood]:
    """Return the newest version of each pattern that the scope shows, the oldest pattern first."""
    rows = KnownGood.in_scope().select_related("tenant", "from_case")
    return list(rows.order_by("pattern", "-version").distinct("pattern"))


def covers_doubts_only(row: KnownGood) -> bool:
    """Whether a pattern decides only what the table is unsure of: no words of it are kept with it.

    So it is where it was made before any table had spoken, or before its words were kept.
    """
    return not row.excuses


def due() -> int:
    """Return how many patterns that are in force have come to the day of their review."""
    now = timezone.now()
    newer = KnownGood.objects.filter(pattern=OuterRef("pattern"), version__gt=OuterRef("version"))
    rows = KnownGood.in_scope().filter(is_active=True, expires_at__gt=now, review_at__lte=now)
    return rows.filter(~Exists(newer)).count()


def decide(
    case: Case, facts: Mapping[str, Any], result: Result, *, playbook: str
) -> tuple[Result, KnownGood | None]:
    """Return the verdict that stands for a case, and the pattern that made it benign.

    `result` is what the table of the investigation `playbook` says.
    """
    if result.verdict not in (Verdict.SUSPICIOUS, Verdict.INSUFFICIENT_DATA):
        return result, None
    if user_questions.is_denied(case):
        return result, None
    told = _traits(playbook, result.rule, result.facts)
    row = next(
        (one for one in newest() if _excuses(one, told, result) and _meets(case, facts, one)), None
    )
    if row is None:
        return result, None
    because = f"A technician said that this is expected: {row.reason}"
    rule = f"known good: {row.title}, version {row.version}"
    return replace(
        result, verdict=Verdict.BENIGN.value, confidence="medium", rule=rule, because=because
    ), row


def note_use(row: KnownGood, case: Case, instead_of: str) -> None:
    """Keep that a pattern decided a case."""
    KnownGoodUse.objects.create(
        tenant_id=row.tenant_id, known_good=row, case=case, instead_of=instead_of,
        used_at=timezone.now(),
    )  # fmt: skip


def _said(case: Case) -> set[str]:
    """Return what the table had said of the case that a pattern is made from."""
    detail = case.verdict_detail
    # Where another pattern decided, what the table had said stands with it.
    rule = detail.get("known_good", {}).get("rule") or detail.get("rule", "")
    return _traits(detail.get("playbook", ""), rule, detail.get("facts", {})) if rule else set()


def _traits(playbook: str, rule: str, facts: Mapping[str, Any]) -> set[str]:
    """Return the rule that decided, and each marked thing that it saw in the evidence."""
    seen = {
        f"saw {path}: {one}"
        for path, value in facts.items()
        if path.startswith("evidence.")
        for one in _marked(value)
    }
    return {f"rule {playbook}: {rule}", *seen}


def _marked(value: Any) -> Iterator[str]:
    """Each thing of a list marked as harmful or new; of a long list only its number is known."""
    if isinstance(value, str) and _LONG.fullmatch(value):
        yield value
    if not isinstance(value, list):
        return
    for one in value:
        if not isinstance(one, Mapping):
            return
        if any(one.get(mark) for mark in _MARKS):
            yield str(one.get("external_id") or one.get("name") or canonical_json(one))


def _excuses(row: KnownGood, told: Set[str], result: Result) -> bool:
    """Whether the pattern was made knowing what the table says and sees."""
    return result.confidence == "low" if covers_doubts_only(row) else told <= set(row.excuses)


def _meets(case: Case, facts: Mapping[str, Any], row: KnownGood) -> bool:
    if not row.is_active or row.expires_at <= timezone.now():
        return False
    findings = _findings(case)
    named = {entity for one in findings for entity in one.entities if not _is_passing(entity)}
    is_within = (
        bool(findings)
        and all(map(_says_of_whom, findings))
        and {source(one) for one in findings} <= set(row.sources)
        and named <= set(row.entities)
        and all(_severity(one.severity_id) <= row.severity_id for one in findings)
    )
    if not is_within or not (_is_free_for(row) or not _touches_privileged(case, facts)):
        return False
    if not row.condition:
        return True
    try:
        return compile_condition(row.condition).holds(facts)
    except ConditionError:
        # What can't be told is not known to be good.
        return False


def _is_free_for(row: KnownGood) -> bool:
    """Whether the pattern holds for privileged accounts, as two technicians said."""
    return row.covers_privileged and row.approved_by not in ("", row.created_by)


def _touches_privileged(case: Case, facts: Mapping[str, Any]) -> bool:
    """Whether the case, or an alert of it, is about something privileged or protected.

    A person's other accounts count, and a device that nobody can tell from another may be one.
    """
    account = facts.get("account", {})
    if account.get("is_privileged") or account.get("is_protected"):
        return True
    return any(one.is_privileged or one.is_protected for one in involved.accounts_of(case)) or any(
        not device.rows or any(row.is_protected for row in device.rows)
        for device in case_devices.of_case(case)
    )


def source(finding: Finding) -> str:
    """Return an alert's title with the connector that told of it, and its rule if it was ours."""
    rule = finding.uid.removeprefix(PREFIX).rpartition(":")[0]
    of_rule = f", rule {rule}" if finding.uid.startswith(PREFIX) else ""
    return f"{finding.connector}{of_rule}: {finding.title}"


def _says_of_whom(finding: Finding) -> bool:
    """Whether an alert names something; what tells of many hits names only what they share."""
    is_named = any(not _is_passing(entity) for entity in finding.entities)
    return is_named and not finding.title.endswith(FOLDED)


def _is_passing(entity: str) -> bool:
    return entity.startswith(PASSING)


def _severity(severity_id: int) -> int:
    # OCSF's 99 is "other": it may be anything.
    return severity_id if severity_id <= _SEVEREST else _SEVEREST


def _findings(case: Case) -> list[Finding]:
    """Return the case's alerts; none where nobody has seen all of them."""
    return [] if case_alerts.is_flood(case) else case_alerts.of_case(case)


def _check(case: Case, wish: Wish) -> None:
    findings = _findings(case)
    titles = {one.title for one in findings}
    known = {entity for one in findings for entity in one.entities}
    problems = [
        (
            f"The case has more than {case_alerts.MOST:,} alerts: nobody has seen all of them, so "
            "they can't be called expected.",
            not findings,
        ),
        ("Give it a name.", not wish.title.strip()),
        ("Say why it is expected: the reason is kept.", not wish.reason.strip()),
        ("Say who answers for it.", not wish.owner.strip()),
        ("Choose at least one alert of the case.", not wish.alerts),
        ("Choose alerts of the case only.", not set(wish.alerts) <= titles),
        ("Choose whom or what it is about.", not wish.entities),
        ("Choose what the case's alerts name.", not set(wish.entities) <= known),
        (
            f"Choose at most {_MOST_WHOM} people and devices: a wider pattern would hide too much.",
            sum(one.startswith(WHOM) for one in set(wish.entities)) > _MOST_WHOM,
        ),
    ]
    told = [words for words, is_wrong in problems if is_wrong]
    if wish.condition.strip():
        try:
            compile_condition(wish.condition.strip())
        except ConditionError as error:
            told.append(str(error))
    if told:
        raise PlaybookError(told)
    _check_times(wish.review_at, wish.expires_at)


def _check_times(review_at: dt.datetime, expires_at: dt.datetime) -> None:
    now = timezone.now()
    if not now < expires_at <= now + LONGEST:
        raise PlaybookError(["It ends after today, and within a year: then it is looked at anew."])
    if not now <= review_at <= expires_at:
        raise PlaybookError(["It is looked at again between today and its end."])


def _next(row: KnownGood, actor: str, what: str, **changes: Any) -> KnownGood:
    """Keep another version of a pattern."""
    kept = {
        field.attname: getattr(row, field.attname)
        for field in KnownGood._meta.concrete_fields
        if field.attname != "id"
    }
    told = {**kept, "version": row.version + 1, "actor": actor, "created_at": timezone.now()}
    made = KnownGood.objects.create(**{**told, **changes})
    _record(what, made, actor)
    return made


def _record(what: str, row: KnownGood, actor: str) -> None:
    ledger.append(
        f"known_good.{what}",
        actor=actor,
        case_id=row.from_case_id,
        subject=row.title,
        body={
            "pattern": row.pattern, "version": row.version, "alerts": row.sources,
            "entities": row.entities, "excuses": row.excuses, "condition": row.condition,
            "reason": row.reason,
            "owner": row.owner, "expires_at": row.expires_at,
            "covers_privileged": row.covers_privileged, "approved_by": row.approved_by,
        },
    )  # fmt: skip
