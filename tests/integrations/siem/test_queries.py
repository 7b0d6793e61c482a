"""Our rules as queries: what they say, what is refused, and that both find the same events."""

import datetime as dt
import random
from typing import Any

import pytest
import yaml

from integrations.detection import loading
from integrations.detection.engine import Engine
from integrations.detection.errors import Unsupported
from integrations.siem.comparing import candidates
from integrations.siem.queries.converting import converted
from integrations.simulators.base import search_dsl
from integrations.simulators.microsoft_sentinel import kql
from integrations.simulators.microsoft_sentinel.seeds import COLUMNS, sign_in
from integrations.simulators.siem_query.spl import where

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
SIGN_INS = {"product": "azure", "service": "signinlogs"}
WAZUH = {"product": "wazuh", "service": "alerts"}


def rule(detection: str, source: dict[str, str] = SIGN_INS) -> dict[str, Any]:
    told = yaml.safe_load(detection)
    return {"title": "A rule", "id": "7f1b9a52-0000-4000-8000-000000000001", "logsource": source,
            "level": "low", "detection": {"condition": "s", **told}}  # fmt: skip


def condition(detection: str, source: dict[str, str] = SIGN_INS) -> Any:
    language: Any = "kql" if source is SIGN_INS else "opensearch"
    return converted(rule(detection, source), language).body


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ("s: {ResultType: '50126'}", 'ResultType =~ "50126"'),
        ("s: {ResultType: 50126}", 'ResultType == "50126"'),
        ("s: {UserAgent|contains: 'py\"x'}", r'UserAgent contains "py\"x"'),
        ("s: {UserAgent|startswith|cased: Py}", 'UserAgent startswith_cs "Py"'),
        ("s: {UserAgent|endswith: x}", 'UserAgent endswith "x"'),
        ("s: {ClientApp: [IMAP4, POP3]}", 'ClientAppUsed in~ ("IMAP4", "POP3")'),
        ("s: {UserAgent: 'a*b?c'}", r'UserAgent matches regex "(?is)^(?:a.*b.c)$"'),
        ("s: {UserAgent|re: '^a\\d+'}", r'UserAgent matches regex "^a\\d+"'),
        ("s: {UserAgent: null}", "isempty(UserAgent)"),
        ("s: {UserAgent|exists: true}", "isnotempty(UserAgent)"),
        ("s: {autonomousSystemNumber|gt: 10}", "todouble(tostring(AutonomousSystemNumber)) > 10"),
        ("s: {Location: GB, AppId: x}", '(Location =~ "GB" and AppId =~ "x")'),
        ("s: {Location: GB}\nt: {AppId: x}\ncondition: s and not t",
         '(Location =~ "GB" and not(AppId =~ "x"))'),
    ],
)  # fmt: skip
def test_what_a_rule_says_in_kql(detection, expected) -> None:
    assert condition(detection) == expected


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ("s: {srcip: 192.0.2.1}",
         {"term": {"data.srcip": {"value": "192.0.2.1", "case_insensitive": True}}}),
        ("s: {rule.description|contains: 'a*b\\\\?'}",
         {"wildcard": {"rule.description": {"value": "*a*b\\\\?*", "case_insensitive": True}}}),
        ("s: {rule.description|re: 'a.c'}",
         {"regexp": {"rule.description": {"value": ".*(a.c).*"}}}),
        ("s: {dstuser: null}", {"bool": {"must_not": [{"exists": {"field": "data.dstuser"}}]}}),
        ("s: {rule.level|gte: 7}", {"range": {"rule.level": {"gte": 7.0}}}),
    ],
)  # fmt: skip
def test_what_a_rule_says_in_opensearch(detection, expected) -> None:
    assert condition(detection, WAZUH) == expected


@pytest.mark.parametrize(
    ("detection", "source", "reason"),
    [
        ("s: {NoSuchField: x}", SIGN_INS, "no column of SigninLogs is known for its field"),
        ("s: [word]", SIGN_INS, "a word anywhere"),
        ("s: {IPAddress|cidr: 10.0.0.0/8}", SIGN_INS, "no exact query"),
        ("s: {IPAddress|fieldref: UserAgent}", SIGN_INS, "no exact query"),
        ("s: {UserAgent: x}", {"product": "plan9"}, "log source plan9"),
        ("s: {UserAgent: x}", {}, "log source any"),
        ("s: {rule.description|re: '\\d+'}", WAZUH, "differently than Sigma"),
        ("s: {rule.description|re: 'a+?'}", WAZUH, "differently than Sigma"),
        ("s: {rule.description|re: '^a|b'}", WAZUH, "differently than Sigma"),
    ],
)
def test_what_has_no_exact_query_is_refused_with_the_reason(detection, source, reason) -> None:
    language: Any = "opensearch" if source is WAZUH else "kql"
    with pytest.raises(Unsupported, match=reason):
        converted(rule(detection, source), language)


def test_a_correlation_is_refused() -> None:
    with pytest.raises(Unsupported, match="single events"):
        converted({"title": "x", "correlation": {}}, "kql")


def test_of_our_own_rules_most_cloud_rules_have_a_query_and_the_rest_a_reason() -> None:
    told = candidates("kql")
    assert sum(one.query is not None for one in told) >= 100
    assert all(one.query is not None or one.reason for one in told)
    for language, least in (("opensearch", 25), ("ecs", 80), ("spl", 80)):
        assert sum(one.query is not None for one in candidates(language)) >= least
    assert {one.reason for one in candidates("")} == {
        "the connection has nothing that answers queries"
    }


DETECTIONS = (
    "s: {ClientApp: [imap4, POP3]}",
    "s: {UserAgent|contains: 'B*'}\nt: {ResultType: 0}\ncondition: s and not t",
    "s: {UserAgent: 'a?b*'}",
    "s: {UserAgent|re: '[ab]+$'}",
    "s: {UserAgent|endswith|cased: B}\nt: {UserAgent: null}\ncondition: s or t",
    "s: {Location|startswith: g, RiskState|exists: true}",
    "s: {ResultType: [1, 50126]}\nt: {UserAgent|startswith: ['ab', 'x']}\ncondition: 1 of them",
)


@pytest.mark.parametrize("detection", DETECTIONS)
def test_a_query_finds_what_the_engine_finds(detection) -> None:
    """On random sign-ins, which are what the table keeps and what an export brings."""
    document, chance = rule(detection), random.Random(20261126)
    words = ["a", "aB", "ab", "aXb", "b*", "AABB", "a\nb", "ß", "x"]
    rows = []
    for number in range(200):
        row = sign_in(number, NOW) | {
            "UserAgent": chance.choice([*words, None]), "Location": chance.choice(["GB", "DE"]),
            "ResultType": chance.choice(["0", "50126"]),
            "RiskState": chance.choice(["none", None]), "Category": "SignInLogs",
        }  # fmt: skip
        rows.append(row)
    query = converted(document, "kql")
    there = kql.answer(query.text, {"SigninLogs": (COLUMNS["SigninLogs"], rows)}, NOW)
    engine = Engine(loading.loaded([("r.yml", yaml.safe_dump(document).encode())]))
    assert engine.pack.not_run == ()
    here = [row["Id"] for row in rows if engine.detect(row)]
    assert [row["Id"] for row in there] == here
    assert 0 < len(here) < len(rows)


@pytest.mark.parametrize("detection", DETECTIONS)
def test_splunk_finds_what_the_engine_finds(detection) -> None:
    """On random sign-ins as Graph tells them, which is what the add-on for Splunk keeps."""
    document, chance = rule(detection), random.Random(20261127)
    words = ["a", "aB", "ab", "aXb", "b*", "AABB", "a\nb", 'x"\\', "x", None]
    records = [
        {"id": str(number), "createdDateTime": "2026-11-26T09:00:00Z", "userId": "u",
         "userPrincipalName": "ann@acme.example", "appDisplayName": "Office",
         "clientAppUsed": chance.choice(["IMAP4", "pop3", "Browser"]),
         "userAgent": chance.choice(words), "status": {"errorCode": chance.choice([0, 50126])},
         "location": {"countryOrRegion": chance.choice(["GB", "DE"])},
         "riskState": chance.choice(["none", None]), "conditionalAccessStatus": "success"}
        for number in range(200)
    ]  # fmt: skip
    query = converted(document, "spl")
    there = [one["id"] for one in records if where(query.body)(one) is True]
    engine = Engine(loading.loaded([("r.yml", yaml.safe_dump(document).encode())]))
    here = [one["id"] for one in records if engine.detect(one)]
    assert there == here
    assert 0 < len(here) < len(records)


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ("s: {ResultType: 50126}", "'status.errorCode'=\"50126\""),
        ("s: {UserAgent: 'Py*\"x\\y'}", r"""match('userAgent', "(?is)^Py.*\"x\\\\y$")"""),
        ("s: {UserAgent|startswith: a.b}", r"""match('userAgent', "(?is)^a\\.b")"""),
        ("s: {UserAgent: null}", "(isnull('userAgent') OR 'userAgent'=\"\")"),
        ("s: {autonomousSystemNumber|gt: 10}", None),
    ],
)  # fmt: skip
def test_what_a_rule_says_in_splunks_language(detection: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(Unsupported, match="no column"):
            converted(rule(detection), "spl")
        return
    assert (
        converted(rule(detection), "spl").body.replace("^(?:Py", "^Py").replace("y)$", "y$")
        == expected
    )


@pytest.mark.parametrize(
    "detection",
    [
        "s: {rule.description|contains: LSASS}",
        "s: {srcip|startswith: '198.51.100.1'}\nt: {dstuser: null}\ncondition: s and not t",
        "s: {rule.description|re: 'fail[a-z]*'}",
        "s: {rule.id: ['5716', '92900']}",
        "s: {srcip: '198.51.?00.*'}",
    ],
)
def test_opensearch_finds_what_the_engine_finds(detection) -> None:
    chance = random.Random(20261126)
    document = rule(detection, WAZUH)
    records = [
        {"rule": {"id": chance.choice(["5716", "92900", "1"]),
                  "description": chance.choice(["LSASS process", "sshd: failed", "Lsass?", "x"])},
         "agent": {"id": "001"}, "id": str(number),
         "data": chance.choice([{}, {"dstuser": "ann", "srcip": f"198.51.100.{number}"},
                                {"srcip": f"198.51.200.{number}"}])}
        for number in range(200)
    ]  # fmt: skip
    body = converted(document, "opensearch").body
    there = [one["id"] for one in records if search_dsl.matches(one, body)]
    engine = Engine(loading.loaded([("r.yml", yaml.safe_dump(document).encode())]))
    assert there == [one["id"] for one in records if engine.detect(one)]
    assert there
