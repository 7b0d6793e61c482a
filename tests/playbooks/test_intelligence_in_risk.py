"""What our own intelligence is sure of counts in a case's risk."""

import pytest

from integrations.intelligence import store
from integrations.intelligence.found import Found
from playbooks.cases import case_signals
from tenants.models import Finding, RawRecord
from tests.playbooks.cases import make_account, make_case


@pytest.mark.parametrize(
    ("entity", "confidence", "named", "counted"),
    [
        ("ip:185.220.101.5", 80, ["ip:185.220.101.5"], 1),
        ("domain:bad.test", 80, ["url:https://www.bad.test/login", "domain:bad.test"], 1),
        ("ip:185.220.101.5", 80, ["ip:185.220.101.5", "indicator:hash"], 2),
        ("ip:185.220.101.5", 50, ["ip:185.220.101.5"], 0),
        ("ip:8.8.8.8", 100, ["ip:8.8.8.8"], 0),
        ("cve:cve-2024-1", 100, ["cve:cve-2024-1"], 0),
    ],
)
def test_what_is_surely_known_counts(in_tenant, entity, confidence, named, counted) -> None:
    store.keep("feed", [Found(entity, entity, entity, confidence=confidence)])
    store.keep("other feed", [Found(entity, entity, entity, confidence=confidence)])
    case = make_case(make_account(), entities=named)
    at = case.opened_at
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=at, body=b"", content_hash="", outcome="finding"
    )
    Finding.objects.create(
        raw=raw, case=case, connector="c", uid="1", class_uid=2004, title="Alert", severity_id=3,
        ocsf={}, content_hash="", time=at, received_at=at, updated_at=at,
    )  # fmt: skip
    assert case_signals.of_cases([case])[case.id].signals.indicators == counted
