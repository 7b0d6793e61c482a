"""Audits of a client's SIEM: done by reading only, kept for the client, planned once a day."""

import datetime as dt
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import connections, registry
from integrations.errors import SiemError
from integrations.models import Connection, SiemAudit
from integrations.siem import acceptance, auditing
from integrations.simulators.microsoft_sentinel import seeds
from tenants import intake, scope
from tenants.models import Event, LedgerEntry, Tenant, Work
from tenants.records import SourceRecord
from tests.integrations.conformance.subject import Simulated
from tests.integrations.microsoft_sentinel.subject import SUBJECT

pytestmark = pytest.mark.django_db


@pytest.fixture
def vendor(tmp_path, settings) -> Iterator[Simulated]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def row(vendor: Simulated, tenant: Tenant) -> Connection:
    with scope.tenant(tenant.id):
        return connections.create(
            connector="microsoft_sentinel", name="Sentinel", settings=vendor.settings,
            secrets=vendor.secrets, actor="test",
        )  # fmt: skip


def siem(*arguments: str) -> tuple[str, int]:
    out, code = io.StringIO(), 0
    try:
        call_command("siem", *arguments, stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    return out.getvalue(), code


def test_an_audit_is_kept_for_the_client_and_for_no_other(row, other_tenant) -> None:
    made = auditing.run(row)
    assert made.error == ""
    assert (made.rules, made.rules_enabled, made.sources) == (7, 6, 1)
    assert {gap["kind"] for gap in made.gaps} >= {"failing", "stale", "duplicate", "disabled"}
    # Nothing else is connected, so nothing is expected to arrive.
    assert not [gap for gap in made.gaps if gap["kind"] in ("missing", "late", "silent")]
    with scope.tenant(row.tenant_id):
        assert auditing.newest([row])[row.id] == made
    with scope.tenant(other_tenant.id):
        assert not SiemAudit.objects.exists()


def test_audits_are_thinned_to_the_last_of_each_month(row, tenant) -> None:
    now = timezone.now()
    ages = [0, 1, 20, *range(75, 140), 300, 401, 800]
    with scope.tenant(tenant.id):
        SiemAudit.objects.bulk_create(
            SiemAudit(connection=row, at=now - dt.timedelta(days=age), days=30) for age in ages
        )
    auditing.handle(tenant.id, row.id)
    with scope.tenant(tenant.id):
        kept = [round((now - one.at).total_seconds() / 86400) for one in SiemAudit.objects.all()]
        old = [age for age in kept if age > 66]
        months = {f"{now - dt.timedelta(days=age):%Y-%m}" for age in old}
        assert kept[:4] == [0, 0, 1, 20]
        assert (len(months), max(kept)) == (len(old), 300)
        entry = LedgerEntry.objects.get(kind="siem.audits_removed")
        assert entry.body["removed"] == len(ages) + 1 - len(kept)


def test_clients_who_left_are_not_audited(row, tenant) -> None:
    assert auditing.plan() == 1
    Work.objects.all().delete()
    Tenant.objects.filter(id=tenant.id).update(is_active=False)
    assert auditing.plan() == 0
    auditing.handle(tenant.id, row.id)
    with scope.tenant(tenant.id):
        assert not SiemAudit.objects.exists()


def test_nothing_is_changed_at_the_siem(row, vendor) -> None:
    auditing.run(row)
    assert {line["method"] for line in vendor.requests()} <= {"GET", "POST"}
    for line in vendor.requests("POST"):
        assert line["path"].endswith(("/query", "/token"))
    assert not vendor.served.control.effects()


def test_what_should_arrive_follows_from_what_else_is_connected(row) -> None:
    with scope.tenant(row.tenant_id):
        Connection.objects.create(connector="microsoft365", name="M365")
    kinds = {gap["subject"]: gap["kind"] for gap in auditing.run(row).gaps}
    assert kinds["AuditLogs"] == "missing"
    assert kinds["OfficeActivity"] == "silent"
    assert "SigninLogs" not in kinds


def test_a_siem_that_can_not_be_asked_is_kept_as_that(row, vendor) -> None:
    vendor.fault("refuse", status=403)
    made = auditing.run(row)
    assert made.error
    assert made.gaps == []
    told, code = siem("audit", row.tenant.slug)
    assert code == 1
    assert "could not be asked" in told


def test_it_is_planned_once_and_then_every_day(row) -> None:
    assert auditing.plan() == 1
    assert auditing.plan() == 0
    Work.objects.filter(kind="siem").delete()
    auditing.handle(row.tenant_id, row.id)
    [work] = Work.objects.filter(kind="siem")
    ahead = (work.due_at - dt.datetime.now(dt.UTC)).total_seconds()
    assert 0.9 * 86_400 < ahead < 1.1 * 86_400
    with scope.tenant(row.tenant_id):
        assert SiemAudit.objects.count() == 1
        connections.set_paused(row.id, paused=True, actor="test")
    auditing.handle(row.tenant_id, row.id)
    Work.objects.filter(kind="siem").delete()
    assert auditing.plan() == 0
    with scope.tenant(row.tenant_id):
        assert SiemAudit.objects.count() == 1


RULE = """
title: Old protocols
id: 7f1b9a52-0000-4000-8000-000000000001
logsource: {product: azure, service: signinlogs}
detection: {s: {ClientApp: [IMAP4, POP3]}, condition: s}
level: low
"""


def _took_in(tenant: Tenant, numbers: list[int], at: dt.datetime) -> None:
    """Sign-ins as Graph tells them, of which we have only these."""
    for number in numbers:
        told = seeds.sign_in(number, at)
        body = {
            "id": told["Id"], "createdDateTime": told["CreatedDateTime"],
            "userPrincipalName": told["UserPrincipalName"], "userId": "u-1",
            "appDisplayName": told["AppDisplayName"], "clientAppUsed": told["ClientAppUsed"],
            "conditionalAccessStatus": "notApplied", "ipAddress": told["IPAddress"],
            "status": {"errorCode": 0},
        }  # fmt: skip
        with scope.tenant(tenant.id):
            _store(body)


def _store(body: dict[str, Any]) -> None:
    intake.take(
        connector="microsoft365", feed="sign_ins", records=[SourceRecord(body)],
        normalise=registry.connector("microsoft365").feed("sign_ins").normalise,
    )  # fmt: skip


def test_hits_there_and_here_are_set_side_by_side(row, vendor, tenant, tmp_path) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=6)
    for number in range(40):
        own = seeds.sign_in(number, at)["Id"]
        changed = {**vendor.records("SigninLogs")[own], "TimeGenerated": seeds.stamp(at)}
        changed["ClientAppUsed"] = "IMAP4" if number < 4 else "Browser"
        vendor.act("put", collection="SigninLogs", record={**changed, "id": own})
    # Numbers 0 and 8 were told to us, 0 and 4 by an old protocol there.
    _took_in(tenant, [0, 8, 1], at)
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    told, code = siem("compare", tenant.slug, "--rules", str(path), "--json")
    assert code == 0
    [one] = json.loads(told)
    here = {seeds.sign_in(number, at)["Id"] for number in (0, 8)}
    there = {seeds.sign_in(number, at)["Id"] for number in range(4)}
    assert (one["there"], one["here"], one["same"]) == (4, 2, False)
    assert set(one["only_there"]) == there - here
    assert set(one["only_here"]) == here - there
    # One came here with another client program, two never came; the SIEM holds what it didn't find.
    assert set(one["absent_here"]) == {seeds.sign_in(number, at)["Id"] for number in (2, 3)}
    assert one["absent_there"] == []
    with scope.tenant(tenant.id):
        assert Event.objects.count() == 3
    told, _ = siem("compare", tenant.slug, "--rules", str(path))
    assert "differs       4 there      2 here  Old protocols" in told


def test_what_stands_at_another_time_in_one_of_both_is_no_difference(
    row, vendor, tenant, tmp_path
) -> None:
    """Events that came late there, and one that the vendor told us of with another time."""
    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=6)
    long_ago = at - dt.timedelta(hours=30)
    for own, record in vendor.records("SigninLogs").items():
        quiet = {**record, "id": own, "ClientAppUsed": "Browser", "TimeGenerated": seeds.stamp(at)}
        vendor.act("put", collection="SigninLogs", record=quiet)
    for number, moment in ((0, long_ago), (4, at)):
        told = seeds.sign_in(number, at)
        record = {**told, "id": told["Id"], "ClientAppUsed": "IMAP4"}
        vendor.act("put", collection="SigninLogs",
                   record={**record, "TimeGenerated": seeds.stamp(moment)})  # fmt: skip
    _took_in(tenant, [0], at)
    _took_in(tenant, [4], long_ago)
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    [one] = json.loads(siem("compare", tenant.slug, "--rules", str(path), "--json")[0])
    assert (one["there"], one["here"], one["same"]) == (1, 1, True)
    assert (one["only_here"], one["only_there"]) == ([], [])


def test_gaps_have_a_history(row, vendor) -> None:
    first, again = auditing.run(row), auditing.run(row)
    assert {gap["first_seen"] for gap in first.gaps} == {first.gaps[0]["first_seen"]}
    assert [gap["first_seen"] for gap in again.gaps] == [gap["first_seen"] for gap in first.gaps]
    assert again.gone == []
    # Somebody deletes the rules: what was wrong with them is gone.
    for own in vendor.records("rules"):
        vendor.act("remove", collection="rules", id=own)
    third = auditing.run(row)
    assert {gap["subject"] for gap in third.gone} == {gap["subject"] for gap in first.gaps}
    assert all(gap["first_seen"] for gap in third.gone)


def test_what_could_not_be_read_is_not_put_right(row, vendor) -> None:
    auditing.run(row)
    vendor.fault("refuse", status=403, path="alertRules")
    made = auditing.run(row)
    assert "unread" in {gap["kind"] for gap in made.gaps}
    assert made.gone == []


def test_a_rule_that_sentinel_gave_up_is_failing_not_just_off(row, vendor) -> None:
    own, rule = next(
        (own, one) for own, one in vendor.records("rules").items() if one["properties"]["enabled"]
    )
    properties = {
        **rule["properties"], "enabled": False, "displayName": "AUTO DISABLED Impossible travel",
        "description": "The alert rule was disabled due to too many consecutive failures.",
    }  # fmt: skip
    vendor.act("put", collection="rules", record={**rule, "id": own, "properties": properties})
    told = {gap["subject"]: gap for gap in auditing.run(row).gaps}
    gap = told["AUTO DISABLED Impossible travel"]
    assert gap["kind"] == "failing"
    assert "The SIEM switched it off" in gap["words"]


def test_a_gap_is_accepted_for_a_time_and_with_a_reason(row, other_tenant) -> None:
    made, today = auditing.run(row), timezone.now().date()
    gap = next(gap for gap in made.gaps if gap["kind"] == "disabled")
    wanted: dict[str, Any] = {
        "reason": "It is for tests.", "until": today + dt.timedelta(days=30), "actor": "t:m",
    }  # fmt: skip
    with scope.tenant(row.tenant_id):
        for wrong in ({"reason": " "}, {"until": today}, {"until": today + dt.timedelta(days=400)}):
            with pytest.raises(SiemError):
                acceptance.accept(row, gap["kind"], gap["subject"], **{**wanted, **wrong})
        with pytest.raises(SiemError, match="no longer there"):
            acceptance.accept(row, gap["kind"], "nothing", **wanted)
        acceptance.accept(row, gap["kind"], gap["subject"], **wanted)
        one = acceptance.accept(row, gap["kind"], gap["subject"], **wanted)
        now = timezone.now()
        assert list(acceptance.in_force([row], now)) == [(row.id, gap["kind"], gap["subject"])]
        assert not acceptance.in_force([row], now + dt.timedelta(days=31))
        # A report of the past tells what held then.
        acceptance.end(one.id, actor="t:m")
        assert not acceptance.in_force([row], timezone.now())
        assert acceptance.in_force([row], now)
        with pytest.raises(SiemError, match="any more"):
            acceptance.end(one.id, actor="t:m")
        assert LedgerEntry.objects.filter(kind__startswith="siem.gap_").count() == 3
    with scope.tenant(other_tenant.id):
        assert not acceptance.in_force([row], now)


def test_the_command_prints_gaps_with_what_to_do(row) -> None:
    told, code = siem("audit", row.tenant.slug)
    assert code == 0
    assert "failing      Rare process: Its last run failed" in told
    assert "Open the rule, run its query by hand" in told
    [one] = json.loads(siem("audit", row.tenant.slug, "--json")[0])
    assert (one["siem"], one["rules"], one["error"]) == ("Sentinel", 7, "")
    assert len(one["comparisons"]) == auditing.MOST_COMPARED
    # What arrives there goes first.
    first = [compared["query"].partition("\n")[0] for compared in one["comparisons"]]
    assert first[0] == "SigninLogs"


def test_a_table_that_is_not_there_is_told_and_stops_no_other_rule(row, tmp_path) -> None:
    path = tmp_path / "rules.yml"
    other = RULE.replace("signinlogs", "auditlogs").replace("0001", "0002")
    elsewhere = RULE.replace("azure", "plan9").replace("0001", "0003")
    path.write_text("---".join((other.replace("ClientApp", "Result"), elsewhere, RULE)))
    told = json.loads(siem("compare", row.tenant.slug, "--rules", str(path), "--json")[0])
    assert [(one["there"], one["reason"]) for one in told] == [
        (None, "Not run there: the SIEM refused the query, as it does where it has no AuditLogs."),
        (None, "Not run there: it is for the log source plan9/signinlogs, which has no known place "
         "there."),
        (told[2]["there"], ""),
    ]  # fmt: skip
    assert told[2]["there"] is not None


def test_who_has_no_siem_is_told(tenant) -> None:
    with pytest.raises(CommandError, match="has no SIEM connected"):
        siem("audit", tenant.slug)
    with pytest.raises(CommandError, match="There is no client"):
        siem("audit", "nobody")


def test_the_command_marks_gaps_that_are_accepted(row) -> None:
    gap = auditing.run(row).gaps[0]
    until = timezone.now().date() + dt.timedelta(days=30)
    with scope.tenant(row.tenant_id):
        acceptance.accept(
            row, gap["kind"], gap["subject"], reason="Known.", until=until, actor="t:m"
        )
    told, _ = siem("audit", row.tenant.slug)
    assert ", 1 of them accepted" in told
    assert told.count(f"Accepted until {until}: Known.") == 1
    [one] = json.loads(siem("audit", row.tenant.slug, "--json")[0])
    marked = [each for each in one["gaps"] if each["accepted"]]
    assert [(each["kind"], each["subject"]) for each in marked] == [(gap["kind"], gap["subject"])]
    assert marked[0]["accepted"] == {"by": "t:m", "reason": "Known.", "until": until.isoformat()}
