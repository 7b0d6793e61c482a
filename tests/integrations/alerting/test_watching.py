"""Rules on telemetry as it comes in: each match once, as a finding, a hit, or not at all."""

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction

from integrations import registry
from integrations.alerting import finding as findings
from integrations.alerting import stages
from integrations.alerting.rows import RuleDay, RuleHit
from integrations.alerting.watching import RuleWatch
from integrations.errors import DetectionError
from tenants import intake, scope
from tenants.models import Event, Finding, LedgerEntry, Severity
from tenants.records import SourceRecord
from tests.integrations.alerting.rules import IDS, install, record, rule, take
from tests.pipeline import drain

pytestmark = pytest.mark.django_db


def test_a_match_becomes_a_finding_that_says_why(in_tenant) -> None:
    install(rule("a"))
    told = record("a")
    outcome = take(told, record("none"))
    assert (outcome.events, outcome.detections) == (2, 1)
    found = Finding.objects.get()
    event = Event.objects.get(uid__contains=told["Id"])
    assert (found.title, found.severity_id, found.class_uid) == ("Rule a", Severity.HIGH, 2004)
    assert found.techniques == ["T1110.003"]
    assert found.category == "CredentialAccess"
    assert (found.connector, found.raw_id, found.actor) == (
        "microsoft365", event.raw_id, event.actor,
    )  # fmt: skip
    assert found.entities == event.entities != []
    assert found.ocsf["unmapped"]["why"] == [
        {"field": "Operation", "value": "Test-a", "condition": "is 'Test-a'"}
    ]
    assert found.ocsf["finding_info"]["analytic"]["uid"] == IDS["a"]


def test_a_rule_says_what_holds_for_the_whole_company(in_tenant) -> None:
    """By its tag; a rule without it by its name, as alerts of other authors do."""
    tags = ["attack.collection", "attack.t1114.003"]
    install(
        rule("a", tags=[*tags, "holdfast.company-wide"]), rule("b", tags=tags),
        rule("c", tags=tags, title="CA Policy Removed by Non Approved Actor"),
        rule("d", tags=tags, title="Sign-in was stopped by conditional access"),
    )  # fmt: skip
    take(*map(record, "abcd"))
    told = dict(Finding.objects.values_list("title", "is_company_wide"))
    assert list(told.values()) == [title in ("Rule a", "CA Policy Removed by Non Approved Actor")
                                   for title in told]  # fmt: skip
    assert len(told) == 4


def test_the_same_event_is_never_told_of_twice(in_tenant) -> None:
    install(rule("a"))
    told = record("a")
    assert take(told, told).detections == 1
    before = Finding.objects.values().get()
    assert take(told).detections == 0
    # Told anew in other words it is another event, but what it tells of is known.
    assert take({**told, "ResultStatus": "Failed"}).events == 1
    assert Finding.objects.values().get() == before
    assert RuleHit.objects.count() == 1


def test_findings_of_rules_are_triaged_like_a_vendors(in_tenant) -> None:
    install(rule("a"))
    take(record("a"), record("a"))
    drain(["triage"])
    cases = {found.case_id for found in Finding.objects.all()}
    assert len(cases) == 1
    assert None not in cases


@pytest.mark.parametrize(
    ("stage", "hits", "made"), [("off", 0, 0), ("test", 0, 0), ("shadow", 1, 0), ("live", 1, 1)]
)
def test_how_far_a_rule_may_go(in_tenant, stage, hits, made) -> None:
    install(rule("a"), stage=stage)
    assert take(record("a")).detections == made
    assert (RuleHit.objects.count(), Finding.objects.count()) == (hits, made)
    assert sum(day.hits for day in RuleDay.objects.all()) == hits


def test_an_imported_rule_begins_in_shadow(in_tenant) -> None:
    install(rule("a"), stage="")
    take(record("a"))
    assert RuleHit.objects.get().stage == "shadow"
    assert not Finding.objects.exists()


def test_a_client_may_have_a_stage_of_its_own(tenant, other_tenant) -> None:
    install(rule("a"))
    with scope.tenant(tenant.id):
        stages.set_for_tenant(IDS["a"], "shadow", actor="technician:mira", why="Too loud here.")
        assert take(record("a")).detections == 0
        entry = LedgerEntry.objects.filter(kind="detection.stage").latest("id")
        assert entry.body["stage_before"] == "live"
        assert entry.body["stage"] == "shadow"
        assert entry.body["reason"] == "Too loud here."
        assert entry.actor == "technician:mira"
    with scope.tenant(other_tenant.id):
        assert take(record("a")).detections == 1
    with scope.tenant(tenant.id):
        stages.set_for_tenant(IDS["a"], "", actor="technician:mira", why="Mended.")
        assert take(record("a")).detections == 1


@pytest.mark.parametrize(
    ("rule_id", "stage", "why"),
    [("no such rule", "live", "x"), (IDS["a"], "loud", "x"), (IDS["a"], "live", " ")],
)
def test_a_stage_is_not_changed_without_rule_stage_and_reason(in_tenant, rule_id, stage, why):
    install(rule("a"), stage="")
    with pytest.raises(DetectionError):
        stages.set_for_tenant(rule_id, stage, actor="test", why=why)


def test_a_flood_is_folded_into_one_finding_and_nothing_is_lost(in_tenant) -> None:
    install(rule("a"))
    room = findings.FINDINGS_AN_HOUR
    many = [record("a", UserId=f"user{n}@acme.example") for n in range(room + 500)]
    take(*many[: room + 200])
    take(*many[room + 200 :])
    assert Finding.objects.count() == room + 1
    folded = Finding.objects.get(title__endswith="many more in one hour")
    assert folded.ocsf["count"] == 500
    assert "500 matches" in folded.description
    assert not any(entity.startswith("account:") for entity in folded.entities)
    assert RuleHit.objects.count() == room + 500
    assert RuleHit.objects.filter(finding=folded).count() == 500
    day = RuleDay.objects.get()
    assert (day.hits, day.findings, day.folded) == (room + 500, room, 500)
    drain(["triage"])
    assert Finding.objects.filter(case=None).count() == 0


def test_what_was_found_is_kept_with_the_event_or_not_at_all(in_tenant) -> None:
    install(rule("a"))
    with scope.tenant(in_tenant.id), transaction.atomic():
        assert take(record("a")).detections == 1
        transaction.set_rollback(True)
    assert not Event.objects.exists()
    assert not RuleHit.objects.exists()
    assert not Finding.objects.exists()


def test_whatever_takes_records_in_runs_the_rules() -> None:
    for folder in ("integrations", "msp"):
        for file in (Path(settings.BASE_DIR) / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "intake.take":
                    assert "watch" in {one.arg for one in call.keywords}, file


def test_a_vendors_alert_is_not_run_through_rules(in_tenant) -> None:
    anything = {"all": {"id": "*"}, "condition": "all"}
    install(rule("a", detection=anything, logsource={"product": "m365"}))
    feed = registry.connector("microsoft365").feed("alerts")
    outcome = intake.take(
        connector="microsoft365", feed="alerts",
        records=[SourceRecord({
            "id": "alert-1", "title": "Suspicious inbox rule", "severity": "high",
            "serviceSource": "microsoftDefenderForCloudApps", "status": "new",
            "createdDateTime": "2026-11-20T09:00:00Z", "category": "Persistence",
        })],
        normalise=feed.normaliser({}), watch=RuleWatch(),
    )  # fmt: skip
    assert (outcome.findings, outcome.detections) == (1, 0)
    assert Finding.objects.get().title == "Suspicious inbox rule"
