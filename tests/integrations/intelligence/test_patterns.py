"""STIX patterns are opened into what single events name; what they cannot tell says why."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.intelligence import stix
from integrations.intelligence.naming import with_parents
from integrations.intelligence.patterns import Alternative, Unsearchable, alternatives

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MD5 = SHA[:32]


@pytest.mark.parametrize(
    ("pattern", "looked_for"),
    [
        ("[ipv4-addr:value ISSUBSET '185.220.101.0/24']", [("net:185.220.101.0/24",)]),
        ("[ipv4-addr:value = '185.220.101.9/24']", [("net:185.220.101.0/24",)]),
        ("[ipv4-addr:value = '185.220.101.9/32']", [("ip:185.220.101.9",)]),
        ("[ipv6-addr:value ISSUBSET '2a00:1:2::/48']", [("net:2a00:1:2::/48",)]),
        ("[domain-name:value IN ('a.test', 'b.test')]", [("domain:a.test",), ("domain:b.test",)]),
        ("[domain-name:value LIKE '%.bad.test']", [("domain:bad.test",)]),
        ("[url:value = 'https://bad.test/a\\'b']", [("url:https://bad.test/a'b",)]),
        (
            "[domain-name:value = 'b.test' AND ipv4-addr:value = '185.220.101.5']",
            [("ip:185.220.101.5", "domain:b.test")],
        ),
        (
            "[ipv4-addr:value = '185.220.101.5' AND (url:value = 'http://a.test/' OR "
            "domain-name:value = 'b.test')]",
            [("url:http://a.test/", "ip:185.220.101.5"), ("ip:185.220.101.5", "domain:b.test")],
        ),
        (
            "[network-traffic:dst_ref.value = '185.220.101.5' AND network-traffic:dst_port = 443"
            " AND network-traffic:protocols[*] = 'tcp']",
            [("ip:185.220.101.5",)],
        ),
        (
            f"[file:name = 'a.exe' AND file:hashes.'SHA-256' = '{SHA}' AND file:size = 17]",
            [(f"file:{SHA}",)],
        ),
        (
            f"[file:hashes.'SHA-256' = '{SHA}' AND file:hashes.MD5 = '{MD5}']",
            [(f"file:{SHA}",), (f"file:{MD5}",)],
        ),
        (f"[process:binary_ref.hashes.MD5 = '{MD5}']", [(f"file:{MD5}",)]),
        (
            "([ipv4-addr:value = '185.220.101.5'] OR [domain-name:value = 'b.test']) "
            "WITHIN 300 SECONDS",
            [("ip:185.220.101.5",), ("domain:b.test",)],
        ),
    ],
)
def test_what_an_event_has_to_name_is_looked_for(pattern: str, looked_for: list) -> None:
    assert [(one.entity, *one.also) for one in alternatives(pattern)] == looked_for


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[ipv4-addr:value ISSUBSET '128.0.0.0/2']", "wider than /12"),
        ("[file:name = 'a.exe']", "no event that Holdfast reads has file:name"),
        ("[ipv4-addr:value = '1.2.3.4'] FOLLOWEDBY [domain-name:value = 'b.test']", "one after"),
        ("[domain-name:value MATCHES '.*']", "compares by MATCHES"),
        ("[url:value LIKE 'http://%']", "compares by LIKE"),
        ("[ipv4-addr:value NOT = '185.220.101.5']", "compares by NOT"),
        ("[ipv4-addr:value = '185.220.101.5'] START t'2026-01-01T00:00:00Z'", "certain time"),
        ("[network-traffic:dst_port = 443]", "nothing that an event names"),
        ("[" + "(" * 5000 + "url:value = 'x'", "nested too deep"),
        (f"[{' AND '.join(['(a:b = 1 OR a:c = 2)'] * 30)}]", "too many alternatives"),
    ],
)
def test_what_no_event_can_tell_says_why(pattern: str, why: str) -> None:
    try:
        told = [one.why for one in alternatives(pattern)]
    except Unsearchable as error:
        told = [str(error)]
    assert why in told[0]


@given(st.lists(st.sampled_from(
    ["[", "]", "(", ")", "'a'", "=", "IN", "AND", "OR", "ipv4-addr:value", "'1.2.3.4/24'", ",", "5"]
)))  # fmt: skip
@settings(max_examples=150, derandomize=True, deadline=None)
def test_no_sequence_of_words_breaks_the_parser(words: list[str]) -> None:
    try:
        found = alternatives(" ".join(words))
    except Unsearchable:
        return
    assert all(isinstance(one, Alternative) and bool(one.entity) != bool(one.why) for one in found)


def test_an_address_is_met_by_each_network_around_it_and_no_other() -> None:
    names = with_parents(["ip:185.220.101.9", "url:http://[2a00:1:2::5]/x"])
    assert {"net:185.220.101.0/24", "net:185.220.101.8/31", "net:185.208.0.0/12"} <= names
    assert {"ip:2a00:1:2::5", "net:2a00:1:2::/48"} <= names
    assert "net:185.220.102.0/24" not in names
    assert len(names) < 130


def _bundle(*objects: dict) -> dict:
    return {"type": "bundle", "id": "bundle--1", "objects": list(objects)}


def _indicator(**more: object) -> dict:
    return {
        "type": "indicator", "id": "indicator--1", "pattern_type": "stix",
        "pattern": "[domain-name:value = 'bad.test']", "created": "2026-01-01T00:00:00Z",
        "modified": "2026-01-05T00:00:00Z", "valid_from": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def _relation(source: str, target: str) -> dict:
    return {
        "type": "relationship", "id": f"relationship--{source}-{target}",
        "relationship_type": "indicates", "source_ref": source, "target_ref": target,
    }  # fmt: skip


def test_an_indicator_names_the_campaign_and_the_technique_that_it_points_at() -> None:
    [found] = stix.read(
        _bundle(
            _indicator(object_marking_refs=[
                "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
            ]),
            {"type": "campaign", "id": "campaign--1", "name": "Winter"},
            {"type": "attack-pattern", "id": "attack-pattern--1", "name": "Phishing",
             "external_references": [{"source_name": "mitre-attack", "external_id": "T1566"}]},
            _relation("indicator--1", "campaign--1"),
            _relation("indicator--1", "attack-pattern--1"),
            _relation("indicator--1", "malware--unknown"),
            {"type": "sighting", "id": "sighting--1", "sighting_of_ref": "indicator--1",
             "last_seen": "2026-02-01T00:00:00Z"},
        )
    )  # fmt: skip
    assert found.about == ("attack-pattern: T1566 Phishing", "campaign: Winter")
    assert found.tlp == "red"
    assert found.seen_at is not None
    assert found.seen_at.month == 2


def test_what_its_source_calls_benign_is_not_looked_for() -> None:
    [found] = stix.read(_bundle(_indicator(indicator_types=["benign"])))
    assert (found.entity, found.not_matched) == ("", "its source calls it benign")


@pytest.mark.parametrize(
    ("marking", "level"),
    [
        ({"definition_type": "tlp", "definition": {"tlp": "amber"}}, "amber"),
        ({"name": "TLP:AMBER+STRICT", "extensions": {"extension-definition--60a3c5c5-0d10-413e-"
          "aab3-9e08dde9e88d": {"tlp_2_0": "amber+strict"}}}, "amber+strict"),
        ({"name": "TLP:AMBER STRICT"}, "amber+strict"), ({"name": "TLP:RED (US only)"}, "red"),
        ({"name": "tlp:ex:chr"}, "red"), ({"name": "TLP:WHITE"}, "clear"),
        ({"definition_type": "statement", "definition": {"statement": "(c)"}}, ""),
    ],
)  # fmt: skip
def test_a_marking_of_the_sources_own_holds_for_the_whole_of_what_it_marks(marking, level) -> None:
    own = {"type": "marking-definition", "id": "marking-definition--own", **marking}
    part = {"marking_ref": "marking-definition--own", "selectors": ["name"]}
    [found] = stix.read(_bundle(_indicator(granular_markings=[part]), own))
    assert found.tlp == level
