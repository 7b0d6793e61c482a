"""Rows of one client as the pipeline leaves them: a case that waits for an approval, and more."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from integrations import catalog
from integrations.models import (
    Connection,
    FeedDay,
    FeedState,
    HealthAlarm,
    Problem,
    SiemAudit,
)
from integrations.siem import acceptance
from integrations.siem.comparing import Comparison
from integrations.siem.records import Gap, Kind
from msp.onboarding.models import ConsentRequest, Onboarding
from msp.reports.models import Report
from playbooks import library, routines
from playbooks.adoption import activation, agreement
from playbooks.investigating import open_questions
from playbooks.models import (
    Approval,
    CaseQuality,
    KnownGood,
    Plan,
    PlaybookVersion,
    Run,
    Step,
    Tier,
)
from playbooks.patterns import known_good
from playbooks.planner import plan_sha256
from playbooks.policy import rules
from playbooks.quality import case_quality
from tenants import (
    contacts,
    directory,
    evidence,
    excluded_devices,
    ledger,
    match_decisions,
    scope,
    vault,
    vips,
    work,
)
from tenants.models import (
    Account,
    Case,
    CaseChange,
    Contact,
    Device,
    Evidence,
    Finding,
    MatchDecision,
    MatchDoubt,
    Person,
    RawRecord,
    Severity,
    Tenant,
    Verdict,
)
from tenants.records import DirectoryItem

HOSTILE = "<script>alert('case')</script>"


@dataclass
class Rows:
    """What `fill` made."""

    tenant: Tenant
    account: Account
    case: Case
    quiet_case: Case
    evidence: Evidence
    finding: Finding
    approval: Approval
    plan: Plan
    connection: Connection
    alarm: HealthAlarm
    quarantined: RawRecord
    report: Report
    contact: Contact
    doubt: MatchDoubt
    match: MatchDecision
    device: Device
    known_good: KnownGood
    quality: CaseQuality
    change: CaseChange
    secret: str = "connection/northwind/secret-name"


def fill(tenant: Tenant) -> Rows:
    """Give `tenant` one of everything that the console shows."""
    with scope.tenant(tenant.id):
        account = _account()
        raw = _raw()
        case = _case(tenant, account)
        finding = _finding(raw, case)
        proof = _evidence(case)
        _stand_on(case)
        plan, approval = _plan(case, account)
        connection = _connection()
        alarm = _alarms(connection)
        quarantined = _quarantined()
        report = Report.objects.create(
            kind="outcome",
            period="2026-11",
            made_at=timezone.now(),
            sha256="0" * 64,
            pdf=b"%PDF-1.7 " + tenant.slug.encode(),
        )
        ledger.append("case.opened", actor="engine", case_id=case.id, subject=str(case))
        ledger.append(
            "step.verified",
            actor="engine",
            case_id=case.id,
            subject=f"identity.revoke_sessions {account.username}",
            body={"read_back": {"holds": True, "explanation": "No session is older than 09:14."}},
        )
        ledger.seal()
        ledger.append(
            "approval.requested",
            actor="engine",
            case_id=case.id,
            subject=f"{Tier.TECHNICIAN.label} for plan {plan.sha256[:12]}",
        )
        quiet = _quiet_case(account)
        _onboarding(tenant)
        contact = Contact.objects.create(name="Olive Owner", email=f"olive@{tenant.slug}.example")
        doubt, match = _matches(tenant)
        device = _excluded_device()
        pattern = _known_good(case)
        checked = _quality(tenant)
        change = _undone_split(case, quiet, finding)
    return Rows(
        tenant, account, case, quiet, proof, finding, approval, plan, connection, alarm,
        quarantined, report, contact, doubt, match, device, pattern, checked, change,
    )  # fmt: skip


def _undone_split(case: Case, other: Case, finding: Finding) -> CaseChange:
    return CaseChange.objects.create(
        kind=CaseChange.Kind.SPLIT, case=case, other=other, findings=[finding.id],
        actor="technician:mira", reason="Another person's phone.", at=timezone.now(),
        undone_at=timezone.now(), undone_by="technician:mira", undone_why="It was hers.",
    )  # fmt: skip


def _account() -> Account:
    person = Person.objects.create(
        display_name="Priya Shah", job_title="Practice manager", is_vip=True, criticality=4
    )
    return Account.objects.create(
        person=person,
        provider="microsoft365",
        external_id="5b1c9d1e-0000-4000-8000-000000000001",
        username="priya.shah@northwind-dental.example",
        display_name="Priya Shah",
        is_enabled=True,
        is_mfa_registered=False,
        risk_level="high",
    )


def _excluded_device() -> Device:
    device = Device.objects.create(
        provider="defender_endpoint", external_id="x-ray", hostname="XRAY-01", is_server=True
    )
    until = timezone.now() + dt.timedelta(days=30)
    reason = "The maker's contract forbids changes to the machine beside the patient."
    return excluded_devices.exclude(device, actor="technician:mira", reason=reason, until=until)


def _matches(tenant: Tenant) -> tuple[MatchDoubt, MatchDecision]:
    """Two doubts as feeds leave them, one of them decided."""
    domain = f"{tenant.slug}.example"
    told = [
        _directory_account("jo", f"jo.reed@{domain}", "Jo Reed"),
        _directory_account("jo-admin", f"adm-jo@{domain}", "Jo Reed (admin)", f"jo.reed@{domain}"),
        _directory_account("kim", f"kim@{domain}", "Kim Hale"),
        _directory_account("kim-new", f"kim.hale@{domain}", "Kim Hale", f"kim@{domain}"),
    ]
    directory.apply("microsoft365", [(item, item.external_id) for item in told])
    kim, jo = MatchDoubt.objects.select_related("first", "second").order_by("-first__username")
    sides = [*match_decisions.side(kim.first), *match_decisions.side(kim.second)]
    decision = match_decisions.decide(
        kim.id, is_same=False, actor="technician:mira", comment="Kim's father has the same name.",
        seen=tuple(str(row.id) for row in sides),
    )  # fmt: skip
    return jo, decision


def _directory_account(
    external_id: str, username: str, name: str, email: str = ""
) -> DirectoryItem:
    return DirectoryItem(
        "account", external_id, username,
        attributes={"username": username, "email": email or username, "display_name": name},
    )  # fmt: skip


def _raw() -> RawRecord:
    return RawRecord.objects.create(
        connector="microsoft365",
        feed="alerts",
        received_at=timezone.now(),
        body=b"{}",
        content_hash="1" * 64,
        outcome=RawRecord.Outcome.FINDING,
    )


def _case(tenant: Tenant, account: Account) -> Case:
    now = timezone.now()
    return Case.objects.create(
        number=1,
        title="Suspicious inbox manipulation rule after sign-in from an unfamiliar country",
        status=Case.Status.AWAITING_APPROVAL,
        severity_id=Severity.HIGH,
        risk=85,
        risk_terms=[
            {"name": "severity", "points": 40, "reason": "“Suspicious inbox rule” is High"},
            {"name": "several signals", "points": 10, "reason": "3 different alerts agree"},
            {"name": "criticality", "points": 20, "reason": "Priya Shah is marked as important"},
            {"name": "provider's own risk", "points": 15, "reason": "rated as high"},
        ],
        account=account,
        entities=[f"account:{account.username}"],
        verdict=Verdict.TRUE_POSITIVE,
        verdict_detail={
            "playbook": "investigate-account-takeover",
            "version": 1,
            "rule": "foreign-sign-in-then-hidden-rule",
            "confidence": "high",
            "because": "A sign-in from a country never seen before was followed within 12 minutes "
            f"by an inbox rule that hides mail about invoices. {HOSTILE}",
            "missing": [{"step": "risk_detections", "reason": "the permission is missing"}],
            "facts": {"evidence.rules.rules": [{"name": "..", "is_suspicious": True}]},
            "untested": [
                {
                    "rule": "risk",
                    "verdict": "true_positive",
                    "because": "The identity provider rates the risk of the account as high.",
                    "needs": ["risk_detections"],
                }
            ],
            "would_change": [
                {
                    "rule": "suspicious-forwarding",
                    "verdict": "suspicious",
                    "because": "The mailbox forwards to an address outside the organisation.",
                    "when": "evidence.forwarding.forwards_outside",
                }
            ],
        },
        needs="Approve or reject 1 plan.",
        opened_at=now - dt.timedelta(minutes=42),
        first_activity_at=now - dt.timedelta(minutes=71),
        last_activity_at=now - dt.timedelta(minutes=44),
    )


def _quiet_case(account: Account) -> Case:
    now = timezone.now()
    return Case.objects.create(
        number=2,
        title="Impossible travel",
        status=Case.Status.NEEDS_TECHNICIAN,
        severity_id=Severity.MEDIUM,
        risk=95,
        account=account,
        verdict=Verdict.INSUFFICIENT_DATA,
        verdict_detail={
            "because": "The evidence that could be had is not enough to decide.",
            "rule": "not-enough",
            "playbook": "investigate-suspicious-sign-in",
            "version": 3,
            "missing": [{"step": "sign_ins", "uses": "identity.list_sign_ins", "reason": "busy"}],
            "questions": open_questions.of_missing(
                [{"step": "sign_ins", "uses": "identity.list_sign_ins"}], is_suspect=True
            ),
        },
        needs="The evidence was not enough to decide: see what was missing.",
        opened_at=now - dt.timedelta(hours=3),
        first_activity_at=now - dt.timedelta(hours=4),
        last_activity_at=now - dt.timedelta(hours=3),
    )


def _finding(raw: RawRecord, case: Case) -> Finding:
    now = timezone.now()
    return Finding.objects.create(
        raw=raw,
        case=case,
        connector="microsoft365",
        uid=f"alert-{case.id}",
        class_uid=2004,
        title="Suspicious inbox manipulation rule",
        description="A rule was set that moves messages with the word “invoice” to RSS Feeds.",
        time=now - dt.timedelta(minutes=50),
        severity_id=Severity.HIGH,
        techniques=["T1564.008", "T1114.003"],
        entities=[*case.entities, "ip:203.0.113.9"],
        ocsf={},
        content_hash="2" * 64,
        received_at=now,
        updated_at=now,
    )


def _evidence(case: Case) -> Evidence:
    now = timezone.now()
    evidence.record(
        case,
        gatherer="identity.list_risk_detections",
        question="Risk detections of the provider",
        asked_of="Microsoft 365",
        asked_at=now,
        answer={"step": "risk_detections", "facts": {}, "reason": "the permission is missing"},
        is_available=False,
        summary="The permission IdentityRiskEvent.Read.All is missing.",
    )
    return evidence.record(
        case,
        gatherer="mailbox.list_inbox_rules",
        question="Inbox rules",
        asked_of="Microsoft 365",
        asked_at=now,
        answer={
            "step": "rules",
            "facts": {
                "rules": [
                    {"name": "..", "is_suspicious": True, "why": ["deletes the mail"]},
                    {"name": "Newsletters", "is_suspicious": False, "why": []},
                ]
            },
        },
        is_available=True,
        summary="2 rules",
    )


def _quality(tenant: Tenant) -> CaseQuality:
    now = timezone.now()
    case = Case.objects.create(
        number=90, title="Sign-in from a new country", status=Case.Status.CLOSED,
        verdict=Verdict.BENIGN, closed_at=now, opened_at=now - dt.timedelta(days=4),
        first_activity_at=now, last_activity_at=now, closing_note="She was on a journey.",
    )  # fmt: skip
    case_quality.set_process({"sample_percent": 100}, actor="technician:mira")
    case_quality.check_closed(tenant.id, case.id)
    return CaseQuality.objects.get()


def _known_good(case: Case) -> KnownGood:
    now = timezone.now()
    wish = known_good.Wish(
        title="The backup service signs in from the data centre",
        alerts=["Suspicious inbox manipulation rule"],
        entities=[f"account:{case.account}"],
        reason="The provider of the backup confirmed it in writing.",
        owner="mira",
        review_at=now + dt.timedelta(days=30),
        expires_at=now + dt.timedelta(days=90),
        covers_privileged=True,
    )
    return known_good.create(case, wish, actor="technician:mira")


def _stand_on(case: Case) -> None:
    """Let the verdict name the evidence that it was reached on, as an investigation does."""
    case.verdict_detail["evidence"] = [
        {"id": str(row.id), "step": row.answer["step"], "sha256": row.sha256}
        for row in case.evidence.order_by("asked_at")
    ]
    case.save(update_fields=["verdict_detail"])


def _told(key: str, action: str, target: dict[str, str], tier: str, why: str) -> dict[str, Any]:
    return {
        "id": key,
        "action": action,
        "title": catalog.get(action).title,
        "target": target,
        "inputs": {},
        "why": {
            "words": why,
            "condition": "account.is_enabled != false && verdict.value == 'true_positive'",
            "facts": {
                "account.is_enabled": True,
                "evidence.methods": {"methods": [{"id": "28c10230-6103-485e-b985-444c60001490"}]},
            },
        },
        "on_failure": "stop",
        "needs": [],
        "reversal": {"action": "", "reason": ""},
        "tier": tier,
        "tier_rule": {"id": "rule", "title": "Important people are touched only with consent"},
    }


def _plan(case: Case, account: Account) -> tuple[Plan, Approval]:
    target = {
        "kind": "account",
        "id": str(account.id),
        "external_id": account.external_id,
        "name": account.username,
        "parent_external_id": "",
    }
    document = {
        "format": 1,
        "playbook": {"id": "contain-cloud-account", "title": "Contain a cloud account"},
        "case": str(case.id),
        "subject": account.username,
        "steps": [
            _told("revoke", "identity.revoke_sessions", target, "automatic", "Ends the session."),
            _told("disable", "identity.disable_sign_in", target, "technician", "Keeps them out."),
            _told("reset", "identity.reset_password", target, "technician", "It may be known."),
        ],
        "skipped": [{"step": "methods", "why": "there is nothing to do it to"}],
        "tier": "technician",
        "objects": 1,
    }
    version, _ = PlaybookVersion.objects.get_or_create(
        sha256="3" * 64,
        defaults={
            "playbook_id": "contain-cloud-account",
            "version": "1",
            "kind": "response",
            "source": "",
        },
    )
    plan = Plan.objects.create(
        case=case,
        playbook=version,
        engagement_version=1,
        facts={
            "account": {
                "is_privileged": False,
                "is_vip": True,
                "is_protected": False,
                "source_of_authority": "cloud",
            },
            "verdict": {"value": "true_positive", "confidence": "high"},
        },
        document=document,
        sha256=plan_sha256(document),
        tier=Tier.TECHNICIAN,
        status=Plan.Status.AWAITING_APPROVAL,
    )
    _run(plan, account)
    approval = Approval.objects.create(
        plan=plan,
        tier=Tier.TECHNICIAN,
        requested_at=timezone.now(),
        expires_at=timezone.now() + dt.timedelta(hours=24),
    )
    work.schedule("expire", approval.id, delay=24 * 3600)
    return plan, approval


def _run(plan: Plan, account: Account) -> None:
    now = timezone.now()
    run = Run.objects.create(
        plan=plan, status=Run.Status.WAITING, note="Waiting for an approval.", started_at=now
    )
    for position, told in enumerate(plan.document["steps"]):
        is_done = told["tier"] == Tier.AUTOMATIC
        Step.objects.create(
            run=run,
            position=position,
            key=told["id"],
            action=told["action"],
            target_kind="account",
            target_id=str(account.id),
            target_external_id=account.external_id,
            target_name=account.username,
            tier=told["tier"],
            status=Step.Status.VERIFIED if is_done else Step.Status.AWAITING_APPROVAL,
            read_back={"holds": True, "explanation": "No session is older than 09:14."}
            if is_done
            else {},
            intended_at=now if is_done else None,
            called_at=now if is_done else None,
            verified_at=now if is_done else None,
            finished_at=now if is_done else None,
        )


def _connection() -> Connection:
    connection = Connection.objects.create(
        connector="microsoft365",
        name="Microsoft 365",
        secret=vault.put(Rows.secret, {"client_secret": "nobody may read this"}),
        state=Connection.State.BROKEN,
        problem=Problem.CREDENTIALS,
        error="The client secret has expired: make a new one in Entra and enter it.",
        settings={"tenant_id": "northwind-dental.example", "client_id": "5b1c9d1e"},
        failing_since=timezone.now() - dt.timedelta(hours=3),
        checked_at=timezone.now(),
        last_healthy_at=timezone.now() - dt.timedelta(hours=3),
        granted=["User.Read.All", "AuditLog.Read.All"],
        excessive=["Sites.FullControl.All", HOSTILE],
        standing_at=timezone.now() - dt.timedelta(hours=4),
        expires_at=timezone.now() + dt.timedelta(days=5),
    )
    alerts = FeedState.objects.create(
        connection=connection, feed="alerts", records=12, last_success_at=timezone.now(),
        caught_up_at=timezone.now(), last_record_at=timezone.now(),
    )  # fmt: skip
    FeedState.objects.create(
        connection=connection, feed="sign_ins", problem=Problem.PERMISSION,
        error="GET graph.microsoft.com/v1.0/auditLogs/signIns: not allowed (Forbidden).",
    )  # fmt: skip
    for back in range(1, 20):
        day = timezone.now().date() - dt.timedelta(days=back)
        FeedDay.objects.create(state=alerts, day=day, records=40 + back % 7 * 15)
    return connection


def _alarms(connection: Connection) -> HealthAlarm:
    now = timezone.now()
    HealthAlarm.objects.create(
        connection=connection, kind=HealthAlarm.Kind.EXPIRY, began_at=now,
        words="The credentials run out in 5 days.", accepted_by="technician:sam",
        accepted_why="New ones come on Monday.",
        fix="Make new credentials at the vendor now.",
    )  # fmt: skip
    HealthAlarm.objects.create(
        connection=connection, kind=HealthAlarm.Kind.LATE, began_at=now, ended_at=now,
        words="Groups: not read to the end for 3 hours.",
    )  # fmt: skip
    return HealthAlarm.objects.create(
        connection=connection, kind=HealthAlarm.Kind.CANARY, began_at=now,
        words="The vendor refuses the credentials.", tell_error="No mail server is set.",
        fix="Make new ones at the vendor and enter them on the connection's page.",
    )  # fmt: skip


def _not_told_of_news(connection: Connection) -> None:
    FeedState.objects.create(
        connection=connection, feed="users", last_success_at=timezone.now(),
        caught_up_at=timezone.now(),
    )  # fmt: skip
    HealthAlarm.objects.create(
        connection=connection, feed="users", kind=HealthAlarm.Kind.NOTICES,
        began_at=timezone.now(),
        words="Users: the vendor does not say when there is something new, so it is only looked "
        "for every 5 minutes. It answered: POST graph.microsoft.com/v1.0/subscriptions: refused "
        "(ValidationError).",
        fix="Let this installation be reached from the internet by its name.",
    )  # fmt: skip


def siem_audit() -> SiemAudit:
    """A client's SIEM with a gap of each kind, in hostile words, and hits that differ."""
    siem = Connection.objects.create(connector="microsoft_sentinel", name="Microsoft Sentinel")
    now = timezone.now()
    gaps = [
        Gap(kind, f"Rule {HOSTILE}", f"What is wrong: {HOSTILE}", f"What to do: {HOSTILE}", now)
        for kind in Kind
    ]
    gaps.append(Gap(
        Kind.MISSING, "AADNonInteractiveUserSignInLogs",
        "AADNonInteractiveUserSignInLogs brought nothing in 30 days, although the client uses "
        "Microsoft 365. Rules that read it see nothing.", "Connect Microsoft 365 to the SIEM.",
    ))  # fmt: skip
    differs = Comparison(
        "id", f"Sign-in by an old protocol {HOSTILE}", 2, 4, ("3fa087a7-6daa-5db1-8444",),
        ("dc8adc50-051a-5cd7-8931", HOSTILE), "Only the newest 50,000 events were looked at.",
        'SigninLogs\n| where ClientAppUsed in~ ("IMAP4", "POP3")', absent_here=(HOSTILE,),
        is_by_id=True,
    )  # fmt: skip
    same = Comparison("id2", "The same everywhere", 3, 3)
    seen = (now - dt.timedelta(days=9)).isoformat(timespec="seconds")
    return SiemAudit.objects.create(
        connection=siem, at=now, days=30, sources=12, rules=40, rules_enabled=31,
        gaps=[{**gap.as_json(), "first_seen": seen} for gap in gaps],
        gone=[{"kind": "silent", "subject": f"OfficeActivity {HOSTILE}", "words": "x"}],
        comparisons=[differs.as_json(), same.as_json()],
    )  # fmt: skip


def _onboarding(tenant: Tenant) -> None:
    Onboarding.objects.create(
        tenant=tenant, connectors=["microsoft365", "google_workspace"],
        started_by="technician:mira",
        relationship={
            "status": "active", "client": tenant.name, "ends_at": "2027-03-01T00:00:00+00:00",
            "may_consent": False,
        },
    )  # fmt: skip
    ConsentRequest.objects.create(
        expected="northwind-dental.example", nonce_sha256="0" * 64, asked_by="technician:mira",
        state=ConsentRequest.State.REFUSED, expires_at=timezone.now(),
        words="The administrator consented in another organisation than the expected one.",
    )  # fmt: skip


def _quarantined() -> RawRecord:
    return RawRecord.objects.create(
        connector="microsoft365",
        feed="alerts",
        received_at=timezone.now(),
        body=b'{"title": "' + HOSTILE.encode() + b'", "broken": \x00\xff' + b"x" * 30_000,
        content_hash="4" * 64,
        outcome=RawRecord.Outcome.QUARANTINED,
        reason_code="not_json",
        reason="The line is no JSON: it ends in the middle. Ask for the export again.",
    )


def fill_more(rows: Rows) -> Case:
    """Give the client of `rows` what an MSP makes by and by; return a routine still to begin.

    Rules of its own, more contacts, playbooks in several modes, practice with one of them.
    """
    with scope.tenant(rows.tenant.id):
        for name, email, can_approve in (
            ("Sam Second", "sam@northwind-dental.example", True),
            ("The front desk, which may be told and asked nothing", "desk@x.example", False),
        ):
            contacts.add(name=name, email=email, can_approve=can_approve, actor="technician:mira")
        rules.save(
            {
                "extends": "msp",
                "without": ["wide"],
                "rules": [{"id": "own", "title": "Nights", "tier": "client", "when": "hour < 7"}],
                "freezes": [{"title": "Christmas", "from": "2026-12-24", "to": "2026-12-26"}],
                "approvals": {"client": {"hours": 12, "on_timeout": "reversible_part"}},
            },
            actor="technician:mira",
        )
        contain = library.get("contain-cloud-account")
        activation.set_mode(contain.id, "shadow", actor="technician:mira", reason="A new client.")
        version = PlaybookVersion.objects.get(sha256=contain.source_sha256)
        shadow = Plan.objects.create(
            case=rows.quiet_case, playbook=version, engagement_version=1, facts={},
            document=rows.plan.document, sha256="5" * 64, tier=Tier.TECHNICIAN,
            status=Plan.Status.SHADOW, mode="shadow",
        )  # fmt: skip
        agreement.record(
            shadow, "overridden", actor="technician:mira",
            detail={"words": "Not done by hand: Reset the password (priya.shah)", "steps": [
                {"title": "Reset the password", "target": "priya.shah@northwind-dental.example",
                 "holds": False, "words": "The password is the old one."}]},
        )  # fmt: skip
        _not_told_of_news(rows.connection)
        acceptance.accept(
            siem_audit().connection, "missing", "AADNonInteractiveUserSignInLogs",
            reason=f"The client has no licence for it. {HOSTILE}", actor="technician:mira",
            until=timezone.now().date() + dt.timedelta(days=90),
        )  # fmt: skip
        vips.mark(
            rows.account.username, is_vip=True, actor="technician:mira", reason="Runs the clinic."
        )
        at = timezone.now() + dt.timedelta(days=3)
        return routines.start(
            "offboard-leaver", actor="technician:mira", account=rows.account, at=at
        )
