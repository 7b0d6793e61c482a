"""Rows of a client's March 2026, as the pipeline leaves them."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from integrations import registry
from integrations.models import Connection, FeedState
from msp.licensing.models import Seat, SeatCount
from playbooks.models import Approval, Plan, PlaybookVersion, Run, Step
from tenants import evidence, ledger
from tenants.models import (
    Account,
    Case,
    DirectoryObject,
    Finding,
    Person,
    RawRecord,
    Tenant,
    Verdict,
)

ZONE = ZoneInfo("Europe/London")
MADE_AT = dt.datetime(2026, 4, 1, 8, 30, tzinfo=dt.UTC)


def at(day: int, hour: int = 9, minute: int = 0, *, month: int = 3) -> dt.datetime:
    """Return a local time of the client's month."""
    return dt.datetime(2026, month, day, hour, minute, tzinfo=ZONE)


def account(name: str, **fields: Any) -> Account:
    """Make a person with one account."""
    mail = name.lower().replace(" ", ".") + "@contoso-clinic.example"
    kind = fields.get("kind", Account.Kind.MEMBER)
    person = Person.objects.create(display_name=name) if kind == Account.Kind.MEMBER else None
    told = {"is_enabled": True, "is_mfa_registered": True, **fields}
    return Account.objects.create(
        person=person, provider="microsoft365", external_id=f"id-{mail}", username=mail,
        display_name=name, **told,
    )  # fmt: skip


def method(owner: Account, kind: str) -> DirectoryObject:
    """Register a sign-in method for an account."""
    return DirectoryObject.objects.create(
        provider=owner.provider, kind="auth_method", external_id=f"{owner.external_id}/{kind}",
        parent=owner.external_id, name=kind, attributes={"kind": kind},
    )  # fmt: skip


def raw(when: dt.datetime, outcome: str = "event", feed: str = "sign_ins") -> RawRecord:
    """Make a raw record as it came."""
    return RawRecord(
        connector="microsoft365", feed=feed, received_at=when, body=b"{}", content_hash="0" * 64,
        outcome=outcome,
    )  # fmt: skip


def alert(title: str, when: dt.datetime, case: Case | None = None) -> Finding:
    """Make an alert."""
    record = raw(when, "finding", "alerts")
    record.save()
    number = Finding.objects.count()
    return Finding.objects.create(
        raw=record, case=case, connector="microsoft365", uid=f"alert-{number}", class_uid=2004,
        title=title, time=when - dt.timedelta(minutes=2), severity_id=4, ocsf={},
        content_hash="0" * 64, received_at=when, updated_at=when,
    )  # fmt: skip


def case(number: int, title: str, when: dt.datetime, **fields: Any) -> Case:
    """Make a case with its first alert."""
    made = Case.objects.create(
        number=number, title=title, opened_at=when,
        first_activity_at=fields.pop("first_activity_at", when), last_activity_at=when, **fields,
    )  # fmt: skip
    alert(title, when, made)
    return made


def answer(of: Case, gatherer: str, facts: Mapping[str, Any], when: dt.datetime) -> None:
    """Make an answer to a question of the investigation."""
    evidence.record(
        of, gatherer=gatherer, question=gatherer, asked_of="Microsoft 365", asked_at=when,
        answer={"step": gatherer, "facts": facts, "reason": ""}, is_available=True,
    )  # fmt: skip


def plan(of: Case, tier: str = "automatic", **fields: Any) -> Run:
    """Make a plan being carried out."""
    version, _ = PlaybookVersion.objects.get_or_create(
        sha256="0" * 64,
        defaults={"playbook_id": "contain-cloud-account", "version": "1", "kind": "response"},
    )
    made = Plan.objects.create(
        case=of, playbook=version, engagement_version=0, facts={}, document={"steps": []},
        sha256=f"{Plan.objects.count():064}", tier=tier, **fields,
    )  # fmt: skip
    return Run.objects.create(plan=made, started_at=of.opened_at)


def step(run: Run, action: str, target: Account | str, **fields: Any) -> Step:
    """Make a step; a verified one unless `status` says otherwise."""
    position = run.steps.count()
    is_account = isinstance(target, Account)
    verified = fields.get("verified_at")
    told = {
        "status": Step.Status.VERIFIED if verified else Step.Status.PENDING,
        "tier": "automatic",
        "read_back": {"holds": True} if verified else {},
        "connection_id": Connection.objects.values_list("id", flat=True).first(),
        "target_kind": "account" if is_account else "mailbox_rule",
    }
    return Step.objects.create(
        run=run, position=position, key=f"{run.plan.sha256[-2:]}-{position}", action=action,
        target_external_id=target.external_id if is_account else f"rule-{position}",
        target_name=target.username if is_account else target, **{**told, **fields},
    )  # fmt: skip


def connect(*, since: dt.datetime, last_data: dt.datetime) -> Connection:
    """Make a connection all of whose polled feeds brought data."""
    connection = Connection.objects.create(connector="microsoft365", name="Microsoft 365")
    Connection.objects.filter(id=connection.id).update(created_at=since)
    for feed in registry.connector("microsoft365").feeds:
        if feed.fetch is not None and feed.name != "directory_audit":
            FeedState.objects.create(
                connection=connection, feed=feed.name, last_success_at=last_data
            )
    return connection


def a_month(tenant: Tenant) -> None:
    """Fill the scope's tenant with a month in which something happened."""
    connect(since=at(1, month=2), last_data=at(1, 7, month=4))
    priya = account("Priya Shah")
    tom = account("Tom Ellis", is_privileged=True, is_mfa_registered=False)
    people = [account(name) for name in ("Ana Costa", "Ben Wood", "Chloe Ng", "Deepak Rao")]
    people += [priya, tom, account("Zoe Lane", is_mfa_registered=False)]
    account("Front Desk", kind=Account.Kind.SHARED)
    account("Outside Auditor", kind=Account.Kind.GUEST)
    account("Old Starter", is_enabled=False)
    RawRecord.objects.bulk_create(
        [raw(at(1 + n % 31, n % 24)) for n in range(1240)]
        + [raw(at(14, 3), "quarantined", "alerts") for _ in range(2)]
    )
    _takeover(priya)
    _administrator(tom)
    _small_ones(people)
    for day in range(1, 31):
        seats(day, people)
    for kind in ("case.opened", "step.verified", "case.closed"):
        ledger.append(kind, actor="engine", subject="a case")


def seats(day: int, people: list[Account]) -> None:
    """Count seats by hand, as of a day of the month."""
    told = {"day": dt.date(2026, 3, day), "counted_at": at(day)}
    Seat.objects.bulk_create(Seat(person=one.person, basis=[], **told) for one in people)
    SeatCount.objects.create(
        seats=len(people), not_counted={"disabled": 1, "guest": 1, "shared": 1}, **told
    )


def _takeover(priya: Account) -> None:
    """An attack that was contained at once, without anybody's approval."""
    made = case(
        11, "Suspicious inbox manipulation rule", at(12, 14, 2), account=priya,
        verdict=Verdict.TRUE_POSITIVE, status=Case.Status.CLOSED, closed_with_proof=True,
        first_activity_at=at(12, 13, 41), decided_at=at(12, 14, 3), contained_at=at(12, 14, 5),
        closed_at=at(12, 14, 5),
        verdict_detail={"because": "Somebody signed in as Priya Shah in a suspicious way."},
    )  # fmt: skip
    alert("Anonymous IP address", at(12, 14, 3), made)
    asked = at(12, 14, 2)
    answer(
        made, "identity.list_sign_ins",
        {
            "suspicious_successes": 2, "countries": ["GB"], "unusual_countries": ["NG"],
            "first_suspicious_at": at(12, 13, 41).isoformat(),
            "sign_ins": [
                {"country": "NG", "is_suspicious": True, "is_success": True, "is_anonymised": True}
            ],
        },
        asked,
    )  # fmt: skip
    answer(
        made, "mailbox.list_inbox_rules",
        {"rules": [{
            "name": "..", "is_suspicious": True, "forwards_to": ["drop@mail-box.example"],
            "moves_to": "RSS Feeds", "deletes": False,
        }]},
        asked,
    )  # fmt: skip
    answer(
        made, "identity.list_auth_methods",
        {"methods": [{"kind": "phone", "name": "+234 …", "is_recent": True, "is_removable": True}]},
        asked,
    )  # fmt: skip
    run = plan(made)
    step(run, "identity.disable_sign_in", priya, verified_at=at(12, 14, 4))
    step(run, "identity.reset_password", priya, verified_at=at(12, 14, 4))
    step(
        run, "identity.remove_auth_method", "+234 …", verified_at=at(12, 14, 4),
        target_kind="auth_method",
    )  # fmt: skip
    step(run, "identity.revoke_sessions", priya, verified_at=at(12, 14, 5))
    step(run, "mailbox.disable_inbox_rule", "..", verified_at=at(12, 14, 5))


def _administrator(tom: Account) -> None:
    """An attack on an administrator, whose containment the client had to agree to."""
    made = case(
        15, "Sign-in from an unfamiliar country", at(23, 9, 10), account=tom,
        verdict=Verdict.TRUE_POSITIVE, status=Case.Status.AWAITING_APPROVAL,
        decided_at=at(23, 9, 11), contained_at=at(23, 9, 52),
    )  # fmt: skip
    answer(
        made, "identity.list_sign_ins",
        {"suspicious_successes": 1, "countries": ["GB", "IE"], "unusual_countries": ["BR"]},
        at(23, 9, 10),
    )  # fmt: skip
    run = plan(made, "client")
    Approval.objects.create(
        plan=run.plan, tier="client", decision=Approval.Decision.APPROVED,
        requested_at=at(23, 9, 12), decided_at=at(23, 9, 49), expires_at=at(25, 9, 12),
        decided_by="technician:sam",
    )  # fmt: skip
    step(run, "identity.revoke_sessions", tom, verified_at=at(23, 9, 51), tier="client")
    step(run, "identity.disable_sign_in", tom, verified_at=at(23, 9, 52), tier="client")
    other = plan(made, "client")
    Approval.objects.create(
        plan=other.plan, tier="client", decision=Approval.Decision.PENDING,
        requested_at=at(31, 17), expires_at=at(2, 17, month=4),
    )  # fmt: skip
    step(
        other, "mailbox.remove_forwarding", tom, status=Step.Status.AWAITING_APPROVAL,
        tier="client", target_kind="mailbox",
    )  # fmt: skip


def _small_ones(people: list[Account]) -> None:
    """What turned out to be nothing, what isn't decided, and what needed no case."""
    for number, day in ((9, 3), (10, 9), (13, 18)):
        case(
            number, "Impossible travel", at(day, 11), account=people[number % 4],
            verdict=Verdict.FALSE_POSITIVE, status=Case.Status.CLOSED, closed_with_proof=True,
        )  # fmt: skip
    case(
        14, "Unusual volume of deleted files", at(20, 16), account=people[0],
        verdict=Verdict.SUSPICIOUS, status=Case.Status.NEEDS_TECHNICIAN,
    )  # fmt: skip
    for day in (2, 9, 9, 19, 26):
        alert("Phishing mail removed after delivery", at(day, 8))
