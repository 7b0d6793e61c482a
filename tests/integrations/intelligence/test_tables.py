"""Tables and lists as vendors write them, and what is broken in the midst of a file."""

import gzip
import io
import json
import time
import zipfile

import pytest

from integrations.intelligence import reading
from integrations.intelligence.found import Found, moment

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _read(content: str | bytes) -> list[Found]:
    return list(reading.read(content.encode() if isinstance(content, str) else content))


def _entities(content: str | bytes) -> list[str]:
    return [one.entity for one in _read(content)]


URLHAUS = """\
################################################################
# abuse.ch URLhaus Database Dump (CSV - recent URLs only)      #
# Last updated: 2026-11-20 10:00:00 (UTC)                      #
################################################################
#
# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter
"38","2026-11-19 16:02:21","http://bad.test/bin.sh","online","2026-11-20 16:02:21","malware_download","elf,Mozi","https://urlhaus.abuse.ch/url/38/","a"
"37","2026-11-18 16:02:21","http://185.220.101.5:3000/i","offline","","malware_download","None","https://urlhaus.abuse.ch/url/37/","b"
"""
THREATFOX = """\
# ThreatFox IOCs: recent additions - CSV format                #
# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","is_compromised","reference","tags","anonymous","reporter"
"2026-11-01 10:00:00", "1", "185.220.101.5:443", "ip:port", "botnet_cc", "win.x", "None", "Cobalt Strike", "", "75", "0", "None", "c2", "0", "r"
"2026-11-01 10:00:00", "2", "bad.test", "domain", "botnet_cc", "unknown", "None", "Unknown malware", "2026-11-05 10:00:00", "100", "0", "None", "c2", "0", "r"
# Number of entries: 2
"""  # noqa: E501
BAZAAR = f"""\
# "first_seen_utc","sha256_hash","md5_hash","sha1_hash","reporter","file_name","file_type_guess","mime_type","signature","clamav","vtpercent","imphash","ssdeep","tlsh"
"2026-11-01 10:00:00", "{SHA}", "{SHA[:32]}", "{SHA[:40]}", "r", "a.exe", "exe", "application/x", "AgentTesla", "n/a", "n/a", "n/a", "n/a", "n/a"
"""  # noqa: E501


def test_the_exports_of_abuse_ch_are_read_by_their_remarked_line_of_names() -> None:
    first, second = _read(URLHAUS)
    assert (first.entity, first.external_id) == ("url:http://bad.test/bin.sh", "38")
    assert first.seen_at is not None
    assert (first.seen_at.day, second.entity) == (20, "url:http://185.220.101.5:3000/i")
    address, name = _read(THREATFOX)
    assert (address.entity, address.confidence) == ("ip:185.220.101.5", 75)
    assert (address.about, name.about) == (("malware: Cobalt Strike",), ())
    assert (name.entity, name.seen_at and name.seen_at.day) == ("domain:bad.test", 5)
    assert _entities(BAZAAR) == [f"file:{SHA}", f"file:{SHA[:32]}", f"file:{SHA[:40]}"]
    assert {one.about for one in _read(BAZAAR)} == {("malware: AgentTesla",)}


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("; Spamhaus DROP List\n185.220.100.0/22 ; SBL256894\n", ["net:185.220.100.0/22"]),
        ("# bad ones\nbad[.]test\n185.220.101.5\nhxxps://bad.test/a\n",
         ["domain:bad.test", "ip:185.220.101.5", "url:https://bad.test/a"]),
        ("indicator\nbad.test\n185.220.101.5:443\n", ["domain:bad.test", "ip:185.220.101.5"]),
        ("Indicator type,Indicator,Description\nFileHash-MD5," + SHA[:32] + ",x\nCIDR,"
         "185.220.101.0/24,y\n", [f"file:{SHA[:32]}", "net:185.220.101.0/24"]),
        ("first_seen_utc|dst_ip|dst_port\n2026-01-01|185.220.101.5|443\n", ["ip:185.220.101.5"]),
        ("type,value\nip,0.0.0.0/0\n", [""]),
    ],
)  # fmt: skip
def test_plain_lists_and_other_tables_are_read(text: str, entities: list[str]) -> None:
    assert _entities(text) == entities


def test_a_broken_line_is_kept_and_stops_none_behind_it() -> None:
    text = (
        "type,value,title\ndomain,a.test,one\ndomain\n"
        'domain,b.test,"never closed\ndomain,c.test,"two\nlines"\n'
        "domain,d.test,four\n" + "x" * 200_000 + ",e.test,long\n"
    )
    found = _read(text)
    assert [one.entity for one in found if one.entity] == [
        "domain:a.test", "domain:c.test", "domain:d.test",
    ]  # fmt: skip
    left = [one for one in found if not one.entity]
    assert [one.told[:22] for one in left] == [
        "domain", 'domain,b.test,"never c', "x" * 22,
    ]  # fmt: skip
    assert all("can’t be read" in one.not_matched for one in left)


def _stix(number: int) -> dict:
    return {
        "type": "indicator", "id": f"indicator--{number}", "pattern_type": "stix",
        "pattern": f"[domain-name:value = 'bad{number}.test']",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"type": "bundle", "objects": [_stix(1), _stix(2)]})[:-2]
        + ', {"type": "indicator", "id": nonsense, "pattern": "x"}, '
        + json.dumps(_stix(3)) + "]}",
        json.dumps({"type": "bundle", "objects": [_stix(1), _stix(2), _stix(3)]})[:-2]
        + ', {"type": "indic',
        f'{json.dumps(_stix(1))}\n{{"type": "indicator", "id": \n{json.dumps(_stix(2))}\n'
        f"{json.dumps(_stix(3))}\n",
    ],
    ids=["in the midst", "cut off", "a line"],
)  # fmt: skip
def test_of_broken_json_the_rest_is_read(text: str) -> None:
    found = _read(text)
    assert [one.entity for one in found if one.entity] == [
        f"domain:bad{number}.test" for number in (1, 2, 3)
    ]
    [left] = [one for one in found if not one.entity]
    assert left.told.startswith('{"type": "indi')
    assert "JSON" in left.not_matched


def test_a_gap_in_broken_json_costs_no_time() -> None:
    before = time.process_time()
    with pytest.raises(reading.Unreadable, match="not whole"):
        _read('{"objects": [{"a": "}' + " " * 40_000 + "x")
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("told", "day"),
    [("20261101", "2026-11-01"), ("1793491200", "2026-11-01"), ("1793491200000", "2026-11-01"),
     (1793491200000, "2026-11-01"), ("2026-11-01 00:00:00 UTC", "2026-11-01")],
)  # fmt: skip
def test_a_day_is_read_however_it_is_written(told, day) -> None:
    assert moment(told).date().isoformat() == day


def _zipped(text: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("full.csv", text)
    return held.getvalue()


LIST = "type,value,title\ndomain,bad.test,Müller\n"


@pytest.mark.parametrize(
    "content",
    [LIST.encode("utf-16"), LIST.encode("latin-1"), LIST.encode("utf-8-sig"),
     gzip.compress(LIST.encode()), _zipped(LIST),
     gzip.compress(LIST[:10].encode()) + gzip.compress(LIST[10:].encode())],
    ids=["utf-16", "latin-1", "with a mark", "gzip", "zip", "gzip in parts"],
)  # fmt: skip
def test_other_encodings_and_packed_files_are_read(content: bytes) -> None:
    [found] = _read(content)
    assert (found.entity, found.title) == ("domain:bad.test", "Müller")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<?xml version="1.0"?><stix:STIX_Package>', "STIX 2.1"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"abc\0def", "no text"),
        (b"\x1f\x8bnonsense", "unpacked"),
        (gzip.compress(LIST.encode())[:-12], "cut off"),
        (b"hello there\nwhat a day\n", "type and value"),
    ],
    # Packed content tells the time, so no name can be made of it.
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_no_list_says_what_to_give(content: bytes, said: str) -> None:
    with pytest.raises(reading.Unreadable, match=said):
        _read(content)


def test_what_unpacks_to_too_much_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 2**20)
    with pytest.raises(reading.Unreadable, match="more than 1 MB"):
        _read(gzip.compress(b" " * (2**20 + 2)))


def test_misp_tells_what_is_proposed_disputed_common_deleted_and_secret() -> None:
    def row(number: int, **more: object) -> dict:
        return {
            "uuid": str(number), "type": "domain", "value": f"{number}.test", "to_ids": True, **more
        }  # fmt: skip

    event = {
        "info": "Wave",
        "Tag": [{"name": 'misp-galaxy:threat-actor="APT 28"'}, {"name": "tlp:green"},
                {"name": 'misp:confidence-level="usually-confident"'}],
        "Attribute": [
            row(1, Tag=[{"name": "tlp:red"}], last_seen="2026-11-01T00:00:00+00:00",
                ShadowAttribute=[row(6)]),
            row(2, disable_correlation=True), row(3, deleted="1"),
            row(4, Sighting=[{"type": "1", "date_sighting": "1790000000"}]),
            row(5, Sighting=[{"type": "2", "date_sighting": "1790000000"}]),
        ],
    }  # fmt: skip
    found = {one.external_id: one for one in _read(json.dumps([event]))}
    assert (found["1"].tlp, found["5"].tlp, found["1"].confidence) == ("red", "green", 75)
    assert found["1"].about == ("threat-actor: APT 28",)
    assert found["1"].seen_at is not None
    assert [one.external_id for one in found.values() if one.entity] == ["1", "3", "5"]
    assert found["3"].is_revoked
    assert found["5"].expires_at is not None
    for number, said in (("2", "too common"), ("4", "false alarm"), ("6", "proposal")):
        assert said in found[number].not_matched
    [one] = _read(json.dumps({"response": {"Attribute": [row(1, Event={"info": "Wave"})]}}))
    assert (one.entity, one.title) == ("domain:1.test", "Wave")


def test_the_catalogue_of_used_holes_says_which_ransomware_uses() -> None:
    row = {"cveID": "CVE-2026-1234", "knownRansomwareCampaignUse": "Known"}
    [found] = _read(json.dumps({"vulnerabilities": [row]}))
    assert found.about == ("campaign: ransomware uses it",)
