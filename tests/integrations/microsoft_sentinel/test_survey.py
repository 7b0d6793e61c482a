"""What is read of a Sentinel workspace for an audit, and our rules run there."""

import datetime as dt
import json
from urllib.parse import urlsplit

import pytest

from integrations.connectors.microsoft_sentinel.client import QUERY, RULES, connect
from integrations.connectors.microsoft_sentinel.survey import run, survey, tables_of
from integrations.errors import ConnectionMisconfigured, PermissionMissing, Rejected, Unavailable
from integrations.siem.audit import audit
from integrations.siem.expected import expected
from integrations.siem.queries.converting import converted
from integrations.simulators.microsoft_sentinel import seeds
from tests.contracts.published import SENTINEL

SHOULD = expected("sentinel", ["microsoft365"])
NAMES = [name for one in SHOULD for name in one.names]
OLD_PROTOCOLS = converted(
    {"title": "Old protocols", "logsource": {"product": "azure", "service": "signinlogs"},
     "detection": {"s": {"ClientApp": ["IMAP4", "POP3"]}, "condition": "s"}}, "kql",
)  # fmt: skip


def test_the_audit_finds_each_kind_of_gap_that_the_workspace_has(client) -> None:
    found = survey(client, NAMES, 30)
    assert found.unread == ()
    assert {source.name: source.rows for source in found.sources} == {
        "SigninLogs": 40, "OfficeActivity": 1,
    }  # fmt: skip
    # Over pages of eight at Azure Resource Manager, too.
    assert len(found.rules) == 7
    told = {(str(gap.kind), gap.subject) for gap in audit(found, SHOULD)}
    assert told == {
        ("failing", seeds.BROKEN),
        ("missing", "AADNonInteractiveUserSignInLogs"),
        ("missing", "AuditLogs"),
        ("silent", "OfficeActivity"),
        ("stale", seeds.LEGACY),
        ("never_fired", seeds.TRAVEL),
        ("never_fired", seeds.AGAIN),
        ("duplicate", seeds.SPRAY),
        ("disabled", seeds.OFF),
    }


def test_all_that_an_audit_asks_keeps_to_the_published_contract(client, tmp_path) -> None:
    survey(client, NAMES, 30)
    client.standing()
    now = dt.datetime.now(dt.UTC)
    run(client, OLD_PROTOCOLS, now - dt.timedelta(days=1), now)
    with pytest.raises(Rejected):
        client.query("NoSuchTable_CL")
    recording = tmp_path / "exchanges.ndjson"
    assert SENTINEL(recording) > 8
    asked = {urlsplit(json.loads(line)["url"]).path.rpartition("/")[2]
             for line in recording.read_text("utf-8").splitlines()}  # fmt: skip
    assert {"query", "alertRules", "permissions", "token"} <= asked


def test_a_part_of_an_answer_is_no_answer(client, vendor) -> None:
    vendor.fault("partial")
    with pytest.raises(Unavailable, match="only a part"):
        client.query("SigninLogs")


def test_rules_come_over_several_pages(client, vendor) -> None:
    for number in range(20):
        record = seeds.rule(f"Rule {number}", "SigninLogs", dt.datetime.now(dt.UTC), True)
        vendor.act("put", collection="rules", record=record)
    assert len(client.rules()) == 27


def test_what_the_roles_do_not_allow_is_told_and_the_rest_is_read(vendor) -> None:
    vendor.grant([QUERY])
    client = vendor.connect()
    found = survey(client, NAMES, 30)
    assert found.rules == ()
    assert len(found.sources) == 2
    [unread] = found.unread
    assert RULES in unread.fix
    vendor.grant([RULES])
    client.close()
    poor = vendor.connect()
    with pytest.raises(PermissionMissing):
        survey(poor, NAMES, 30)
    poor.close()


def test_without_health_monitoring_it_is_said_how_to_switch_it_on(client, vendor) -> None:
    for own in vendor.records("SentinelHealth"):
        vendor.act("remove", collection="SentinelHealth", id=own)
    [unread] = survey(client, NAMES, 30).unread
    assert "health monitoring" in unread.fix


def test_one_of_our_rules_runs_there(client) -> None:
    now = dt.datetime.now(dt.UTC)
    hits = run(client, OLD_PROTOCOLS, now - dt.timedelta(days=1), now)
    assert hits.count == 10
    assert set(hits.ids) <= {seeds.sign_in(number, now)["Id"] for number in range(0, 40, 4)}
    # Half open: what stands at the very end belongs to the next time.
    assert (
        run(client, OLD_PROTOCOLS, now - dt.timedelta(days=9), now - dt.timedelta(days=8)).count
        == 0
    )


def test_a_query_that_the_service_refuses_says_so(client) -> None:
    with pytest.raises(Rejected):
        client.query("NoSuchTable\n| take 1")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SigninLogs\n| where X == 1", ("SigninLogs",)),
        ("New_CL | take 1", ("New_CL",)),
        ("let Window = 1d;\nAuditLogs | where A > ago(Window)", ("AuditLogs",)),
        ("union AuditLogs, SigninLogs | take 1", ("AuditLogs", "SigninLogs")),
        ("AuditLogs | join (Other_CL | take 1) on Id", ("AuditLogs", "Other_CL")),
        ("AuditLogs // SigninLogs\n| where A == 'SigninLogs'", ("AuditLogs",)),
        ("", ()),
    ],
)
def test_which_tables_a_query_reads(query, expected) -> None:
    assert tables_of(query, {"SigninLogs", "AuditLogs", "Window"}) == expected


def test_too_wide_a_role_is_told(vendor) -> None:
    for granted, covered, excessive in (
        ([QUERY, RULES], {QUERY, RULES}, set()),
        ([QUERY], {QUERY}, set()),
        (["*/read", "Microsoft.SecurityInsights/*"], {QUERY, RULES},
         {"Microsoft.SecurityInsights/*"}),
        (["*"], {QUERY, RULES}, {"*"}),
    ):  # fmt: skip
        vendor.grant(granted)
        client = vendor.connect()
        told = client.standing()
        client.close()
        assert (told.granted, told.excessive) == (covered, excessive)


@pytest.mark.parametrize(
    ("name", "value"),
    [("workspace_id", "law-example"), ("subscription_id", "x/../y"), ("resource_group", "a/b"),
     ("workspace_name", "a?b"), ("workspace_name", "")],
)  # fmt: skip
def test_settings_that_can_not_be_are_refused(vendor, name, value) -> None:
    with pytest.raises(ConnectionMisconfigured, match=name):
        connect({**vendor.settings, name: value}, vendor.secrets, allow_private=True)
