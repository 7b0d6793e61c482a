"""What is read of a Wazuh manager for an audit, and our rules run on its alerts."""

import datetime as dt

import pytest

from integrations.connectors.wazuh.survey import MANAGER, RULES, run, survey
from integrations.errors import Unavailable
from integrations.siem.audit import audit
from integrations.siem.queries.converting import converted
from tests.contracts.published import WAZUH

ONE_DAY = dt.timedelta(days=1)


def test_the_audit_finds_each_kind_of_gap_that_the_manager_has(vendor, client, tmp_path) -> None:
    vendor.act("put", collection="agents", record={
        **vendor.records("agents")["003"], "status": "disconnected",
        "lastKeepAlive": "2026-01-01T00:00:00Z",
    })  # fmt: skip
    told = [(str(gap.kind), gap.subject) for gap in audit(survey(client, (), 30), [])]
    assert told == [
        ("failing", "Analysis of events"),
        ("missing", "Agent PC-091"),
        ("silent", "Agent PC-003"),
        ("blind", "100003 Old firewall: denied"),
        ("never_fired", "100001 Many failed sign-ins by SSH"),
        ("never_fired", "100002 Failed sign-ins by SSH, many"),
        ("duplicate", "100001 Many failed sign-ins by SSH"),
        ("disabled", "100004 Test rule"),
    ]
    WAZUH(tmp_path / "exchanges.ndjson")


def test_the_managers_log_is_read_only_where_it_has_one_client(vendor) -> None:
    client = vendor.connect(group="")
    subjects = [gap.subject for gap in survey(client, (), 30).gaps]
    client.close()
    assert "The manager's rules and decoders" in subjects
    assert vendor.requests(path="/manager/logs")


def test_alerts_of_another_client_count_nowhere(client) -> None:
    [sshd] = survey(client, (), 90).sources
    assert (sshd.name, sshd.rows) == ("sshd", 25)


def test_without_rights_and_indexer_it_is_said_what_is_not_known(vendor) -> None:
    vendor.grant(["agent:read"])
    client = vendor.connect(indexer="", indexer_username="", indexer_password="")
    found = survey(client, (), 30)
    client.close()
    fixes = " ".join(one.fix for one in found.unread)
    assert len(found.unread) == 3
    assert RULES in fixes
    assert MANAGER in fixes


def test_one_of_our_rules_runs_on_the_alerts(client) -> None:
    query = converted(
        {"title": "LSASS", "logsource": {"product": "wazuh", "service": "alerts"},
         "detection": {"s": {"rule.description|contains": "lsass"}, "condition": "s"}},
        "opensearch",
    )  # fmt: skip
    now = dt.datetime.now(dt.UTC)
    hits = run(client, query, now - 30 * ONE_DAY, now + ONE_DAY)
    assert hits.count == len(hits.ids) == 5
    assert run(client, query, now + ONE_DAY, now + 2 * ONE_DAY).count == 0


def test_a_part_of_the_indexers_answer_is_no_answer(vendor, client) -> None:
    """Feeds would take what it holds for all there is, and go on behind what is missing."""
    vendor.fault("partial", path="_search")
    with pytest.raises(Unavailable, match="only a part"):
        survey(client, (), 30)
