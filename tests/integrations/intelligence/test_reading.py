"""Each kind of file is recognised, and what can't be looked for is kept with its reason."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.intelligence import reading, stix, warning_lists
from integrations.intelligence.found import Found, entity_of

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _read(document: Any) -> list[Found]:
    content = document if isinstance(document, str) else json.dumps(document)
    return list(reading.read(content.encode()))


def _indicator(pattern: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": "indicator--1", "pattern": pattern,
        "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def _bundle(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"type": "bundle", "id": "bundle--1", "objects": list(objects)}


@pytest.mark.parametrize(
    ("pattern", "entities"),
    [
        ("[ipv4-addr:value = '185.220.101.5']", ["ip:185.220.101.5"]),
        ("[ipv6-addr:value='2001:4860::5']", ["ip:2001:4860::5"]),
        ("[domain-name:value = 'Bad.Test']", ["domain:bad.test"]),
        ("[url:value = 'https://bad.test/a']", ["url:https://bad.test/a"]),
        ("[email-addr:value = 'a@bad.test']", ["sender:a@bad.test"]),
        ("[email-message:from_ref.value = 'a@bad.test']", ["sender:a@bad.test"]),
        ("[network-traffic:dst_ref.value = '185.220.101.5']", ["ip:185.220.101.5"]),
        (
            "[network-traffic:src_ref.type = 'ipv4-addr' AND "
            "network-traffic:src_ref.value = '185.220.101.5']",
            ["ip:185.220.101.5"],
        ),
        (f"[file:hashes.'SHA-256' = '{SHA}']", [f"file:{SHA}"]),
        (f"[file:hashes.\"SHA-256\" = '{SHA}']", [f"file:{SHA}"]),
        (f"[file:hashes.MD5 = '{SHA[:32]}']", [f"file:{SHA[:32]}"]),
        (
            "[ipv4-addr:value = '185.220.101.5' OR domain-name:value = 'bad.test']",
            ["ip:185.220.101.5", "domain:bad.test"],
        ),
        (
            "[ipv4-addr:value = '185.220.101.5'] OR [ipv4-addr:value = '185.220.101.6']",
            ["ip:185.220.101.5", "ip:185.220.101.6"],
        ),
    ],
)
def test_values_joined_by_or_are_looked_for(pattern: str, entities: list[str]) -> None:
    found = _read(_bundle(_indicator(pattern)))
    assert [one.entity for one in found] == entities
    assert not any(one.not_matched for one in found)


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value = '1.2.3.4'] FOLLOWEDBY [domain-name:value = 'bad.test']",
        "[ipv4-addr:value = '1.2.3.4'] AND [domain-name:value = 'bad.test']",
        "[process:command_line MATCHES '.*']",
        "[ipv4-addr:value = '185.0.0.0/8']",
        "[ipv4-addr:value != '185.220.101.5']",
        "[process:name = 'evil.exe']",
        "[ipv4-addr:value = '185.220.101.5'",
        "[ipv4-addr:value = '185.220.101.5'] REPEATS 5 TIMES",
        "", "[", "]", "[]",
    ],
)  # fmt: skip
def test_other_patterns_are_kept_and_say_why(pattern: str) -> None:
    (found,) = _read(_bundle(_indicator(pattern)))
    assert found.entity == ""
    assert found.not_matched
    assert found.told == pattern


def test_what_else_stix_tells_is_kept() -> None:
    (found,) = _read(
        _bundle(
            {"type": "malware", "id": "malware--1"},
            _indicator(
                "[domain-name:value = 'bad.test']", name="Loader", confidence=85, revoked=True,
                valid_until="2026-03-01T00:00:00Z",
            ),
        )
    )  # fmt: skip
    assert (found.title, found.confidence, found.is_revoked) == ("Loader", 85, True)
    assert found.expires_at is not None
    (other,) = _read(_bundle(_indicator("rule x", pattern_type="yara")))
    assert other.not_matched == "its pattern is in yara, not STIX"


def test_a_misp_export_is_read_with_its_objects() -> None:
    event = {
        "info": "Phishing wave",
        "Attribute": [
            {"uuid": "1", "type": "ip-dst", "value": "185.220.101.5", "to_ids": True},
            {"uuid": "2", "type": "filename|sha256", "value": f"a.exe|{SHA}", "to_ids": True},
            {"uuid": "3", "type": "domain", "value": "seen.test", "to_ids": False},
            {"uuid": "4", "type": "mutex", "value": "x", "to_ids": True},
        ],
        "Object": [{"Attribute": [{"uuid": "5", "type": "domain|ip", "value": "b.test|1.2.3.4"}]}],
    }  # fmt: skip
    for document in ({"Event": event}, {"response": [{"Event": event}]}, [{"Event": event}]):
        found = {one.external_id: one for one in _read(document)}
        assert found["1"].entity == "ip:185.220.101.5"
        assert found["1"].title == "Phishing wave"
        assert found["2"].entity == f"file:{SHA}"
        assert "to_ids" in found["3"].not_matched
        assert "mutex" in found["4"].not_matched
        assert found["5"].entity == "domain:b.test"


def test_the_kev_catalogue_is_read() -> None:
    row = {
        "cveID": "CVE-2026-1234", "vendorProject": "Acme", "product": "Gate",
        "vulnerabilityName": "Injection", "dateAdded": "2026-05-01",
    }  # fmt: skip
    (found,) = _read({"catalogVersion": "1", "vulnerabilities": [row, {}]})
    assert (found.entity, found.confidence) == ("cve:cve-2026-1234", 100)
    assert found.title == "Acme Gate: Injection"


def test_a_table_is_read_by_its_first_line() -> None:
    found = _read(
        "type, value, confidence, expires, title\n"
        "ip, 185.220.101.5, 90, 2027-01-01, Scanner\n"
        "colour, red, , ,\n"
    )
    assert (found[0].entity, found[0].confidence) == ("ip:185.220.101.5", 90)
    assert found[0].expires_at is not None
    assert "colour" in found[1].not_matched


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n", "type and value"),
        (b'{"a": 1}', "no STIX"),
        (b'{"a"', "not whole"),
        (b"\xff\xfe", "empty"),
        (b"[" * 100_000, "not whole"),
    ],
)
def test_what_can_not_be_read_says_what_to_give(content: bytes, said: str) -> None:
    with pytest.raises(reading.Unreadable, match=said):
        list(reading.read(content))


@given(st.text(alphabet="[]()='\\ ORANDipv4-addr:value1.2", max_size=80))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_no_pattern_breaks_the_reader(pattern: str) -> None:
    for one in stix.read(_bundle(_indicator(pattern))):
        assert bool(one.entity) != bool(one.not_matched)


@pytest.mark.parametrize(
    ("entity", "is_listed"),
    [
        ("ip:10.1.2.3", True), ("ip:8.8.8.8", True), ("ip:185.220.101.5", False),
        ("ip:fe80::1", True), ("domain:login.microsoftonline.com", True),
        ("domain:sharepoint.com", True), ("domain:acme.sharepoint.com", False),
        ("domain:hotmail.com", True), ("domain:co.uk", True), ("domain:bad.co.uk", False),
        ("domain:phish.blob.core.windows.net", False), ("domain:core.windows.net", True),
        ("domain:evilmicrosoft.com", False), ("url:https://drive.google.com/", True),
        ("url:https://drive.google.com/file/d/evil", False), ("url:https://www.bing.com/x", True),
        ("url:http://10.0.0.1/x", True), ("sender:someone@gmail.com", False),
        ("sender:ceo@microsoft.com", True), ("cve:cve-2026-1", False),
        ("file:d41d8cd98f00b204e9800998ecf8427e", True),
    ],
)  # fmt: skip
def test_what_everybody_meets_is_never_looked_for(entity: str, is_listed: bool) -> None:
    assert bool(warning_lists.why_not(entity)) is is_listed


@pytest.mark.parametrize(
    ("kind", "value", "entity"),
    [
        ("url", "hxxps[:]//Bad[.]test/a[1]", "url:https://bad.test/a[1]"),
        ("url", "hXXp://bad(dot)test/", "url:http://bad.test/"),
        ("domain", "bad[.]evil{.}test", "domain:bad.evil.test"),
        ("ip-dst", "185[.]220[.]101[.]5", "ip:185.220.101.5"),
        ("ip-dst", "::ffff:185.220.101.5", "ip:185.220.101.5"),
        ("ip-dst", "2001:4860:0:0:0:0:0:0005", "ip:2001:4860::5"),
        ("email", "a[@]bad[dot]test", "sender:a@bad.test"),
        ("email", " a (at) bad [.] evil\t[dot] test ", "sender:a@bad.evil.test"),
        ("url", " hxxps[://]bad [.] test/x y", "url:https://bad.test/x y"),
    ],
)
def test_what_was_written_so_that_nobody_clicks_is_looked_for(kind, value, entity) -> None:
    assert entity_of(kind, value) == (entity, "")


@pytest.mark.parametrize("blanks", [1_900, 200_000])
def test_a_value_of_blanks_costs_no_time(blanks) -> None:
    before = time.process_time()
    _, why = entity_of("domain", "a" + " " * blanks + "b")
    assert why
    assert time.process_time() - before < 1


def test_a_value_too_long_for_any_event_is_kept_and_listed() -> None:
    [found] = _read(f"type,value\ndomain,{'a' * 2001}.test\n")
    assert (found.entity, found.not_matched) == ("", "it is longer than 2,000 characters")
    [longest] = _read(f"type,value\nip,185.220.101.5{'[.]' * 660}\n")
    assert longest.not_matched == "it is no address"


@pytest.mark.parametrize(
    "table",
    [
        "# Made today\r\n\r\nIOC_Type;IOC_Value\r\ndomain;bad[.]test\r\n",
        "Indicator\tIndicator_Type\nbad.test\tdomain\n",
        '\ufeff"type", "value"\n"domain", "bad.test"\n',
    ],
)
def test_tables_of_others_are_read(table) -> None:
    assert [one.entity for one in _read(table)] == ["domain:bad.test"]


def test_a_misp_table_says_what_is_not_for_looking_for() -> None:
    table = "uuid,event_id,category,type,value,comment,to_ids,date\n"
    rows = "1,9,x,domain,bad.test,Loader,1,2026\n2,9,x,domain,seen.test,,0,2026\n"
    found = _read(table + rows)
    assert [(one.external_id, one.entity, one.title) for one in found] == [
        ("1", "domain:bad.test", "Loader"), ("2", "", ""),
    ]  # fmt: skip
    assert "to_ids" in found[1].not_matched
