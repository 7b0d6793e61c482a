"""Log lines and CEF: what a reader sees in them, and why the rest is quarantined."""

import datetime as dt
import socket
import subprocess

import pytest

from integrations import ocsf
from integrations.connectors.webhook import reading
from integrations.connectors.webhook.manifest import MANIFEST
from tenants.errors import Quarantine
from tenants.records import Event, Finding, SourceRecord, Unreadable

NOW = dt.datetime(2026, 1, 3, 12, 0, tzinfo=dt.UTC)
CEF = (
    "CEF:0|Acme \\| Sons|Fire\\\\Wall|1.0|100|worm stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232 "
    "suser=CORP\\\\ann msg=a \\= b and more act=blocked cs1Label=Rule name cs1=R 7 "
    "rt=1764064800000 fileHash=9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
)


def read(line: str | bytes, feed: str = "syslog", **settings: str):
    content = line.encode() if isinstance(line, str) else line
    (record,) = reading.lines(content, NOW)
    assert isinstance(record, SourceRecord)
    return MANIFEST.feed(feed).normaliser(settings)(record)


def code_of(line: str, feed: str = "syslog") -> str:
    with pytest.raises(Quarantine) as caught:
        read(line, feed)
    assert caught.value.reason.endswith(".")
    return caught.value.code


def test_rfc_5424() -> None:
    found = read(
        '<165>1 2003-10-11T22:14:15.003-07:00 host.example evntslog 12 ID47 [a@32473 iut="3" '
        'q="say \\"hi\\] \\\\"][b@32473 x=""] \ufeffAn event'
    )
    assert isinstance(found, Event)
    assert found.time.isoformat() == "2003-10-12T05:14:15.003000+00:00"
    assert (found.target, found.activity, found.severity_id) == ("host.example", "evntslog ID47", 2)
    assert found.ocsf["message"] == "An event"
    assert found.ocsf["unmapped"]["structured_data"] == {
        "a@32473": {"iut": "3", "q": 'say "hi] \\'}, "b@32473": {"x": ""},
    }  # fmt: skip
    assert (found.ocsf["unmapped"]["facility"], found.ocsf["unmapped"]["process_id"]) == (20, "12")


def test_a_line_that_says_nothing_of_itself() -> None:
    found = read("<14>1 - - - - - -")
    assert (found.time, found.target, found.severity_id) == (NOW, "", 1)


@pytest.mark.parametrize(
    ("line", "time", "host", "message"),
    [("<34>Oct 11 22:14:15 mymachine su: 'su root' failed", "2025-10-11T22:14:15", "mymachine",
      "'su root' failed"),
     ("Jan  3 01:02:03 gw kernel: up", "2026-01-03T01:02:03", "gw", "up"),
     ("Jan  4 01:02:03 gw kernel: a clock ahead", "2026-01-04T01:02:03", "gw", "a clock ahead"),
     ("Feb 29 01:02:03 gw x: leap", "2024-02-29T01:02:03", "gw", "leap"),
     ("<189>Oct 11 2024 22:14:15 asa : %ASA-6-302013: Built", "2024-10-11T22:14:15", "asa",
      ": %ASA-6-302013: Built"),
     ("2026-01-02T03:04:05.678901+01:00 web nginx[9]: GET /", "2026-01-02T02:04:05.678901", "web",
      "GET /"),
     ("<13>Use of a port", "2026-01-03T12:00:00", "", "Use of a port")],
)  # fmt: skip
def test_rfc_3164_as_it_is_in_the_wild(line, time, host, message) -> None:
    found = read(line)
    assert found.time.isoformat() == f"{time}+00:00"
    assert (found.target, found.ocsf["message"]) == (host, message)


def test_a_zone_of_its_own_counts_for_times_without_one() -> None:
    line = "<34>Jul 11 22:14:15 mymachine su: x"
    assert read(line, time_zone="America/New_York").time.hour == 2
    assert read("<34>1 2025-07-11T22:14:15Z h a - - - x", time_zone="Asia/Tokyo").time.hour == 22


@pytest.mark.parametrize(
    ("message", "success", "account"),
    [("Accepted publickey for ann from 203.0.113.9 port 50022 ssh2: ED25519 SHA256:x", True,
      "account:web1\\ann"),
     ("Failed password for invalid user admin from 203.0.113.9 port 22 ssh2", False,
      "account:web1\\admin"),
     ("Failed password for root from 203.0.113.9 port 22 ssh2", False, "")],
)  # fmt: skip
def test_sign_ins_by_ssh(message, success, account) -> None:
    found = read(f"<38>Jan  1 00:00:01 web1 sshd[77]: {message}")
    assert (found.class_uid, found.is_success) == (ocsf.AUTHENTICATION, success)
    assert set(found.entities) == {"ip:203.0.113.9", "device:web1", account} - {""}


@pytest.mark.parametrize(
    ("line", "code"),
    [("no head at all", "not_syslog"), ("<999>x", "bad_priority"), ("<x>", "not_syslog"),
     ("<34>1 yesterday h a - - - x", "bad_time"), ("<34>Jan 32 00:00:00 h a: x", "bad_time"),
     ("<34>Foo 12 00:00:00 h a: x", "bad_time"), ("2026-13-01T00:00:00Z h a: x", "bad_time"),
     ('<34>1 - h a - - [x y="1" z', "bad_structured_data"),
     ("<34>1 - h a - - nothing", "bad_structured_data"),
     ('<34>1 - h a - - [x y="1"]x', "bad_structured_data")],
)  # fmt: skip
def test_a_line_that_can_not_be_read_is_quarantined(line, code) -> None:
    assert code_of(line) == code


def test_lines_are_kept_as_they_came_and_empty_ones_are_none() -> None:
    found = list(reading.lines(b"\xef\xbb\xbf<13>a\r\n\n  \n\xff<13>b\n<13>\xc3\xa9\x00\n", NOW))
    assert [one.body for one in found] == [{"line": "<13>a"}, b"\xff<13>b", {"line": "<13>é"}]
    assert isinstance(found[1], Unreadable)


def test_a_line_is_the_same_line_on_another_day() -> None:
    line = b"<34>Oct 11 22:14:15 mymachine su: x"
    (one,), (two,) = (reading.lines(line, NOW + dt.timedelta(days=days)) for days in (0, 200))
    assert one == two


@pytest.mark.parametrize("form", ["--rfc5424", "--rfc3164"])
def test_what_debians_logger_writes(form) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        port = str(listener.getsockname()[1])
        subprocess.run(
            ["/usr/bin/logger", form, "--server", "127.0.0.1", "--port", port, "--udp",
             "-t", "holdfast", "-p", "auth.warning", "--id=77", "a “quoted” word"],
            check=True,
        )  # fmt: skip
        written = listener.recv(4096)
    (record,) = reading.lines(written, dt.datetime.now(dt.UTC))
    found = MANIFEST.feed("syslog").normalise(record)
    assert isinstance(found, Event)
    assert found.ocsf["message"] == "a “quoted” word"
    told = found.ocsf["unmapped"]
    assert (told["program"], told["facility"], found.severity_id) == ("holdfast", 4, 3)
    assert found.target


def test_cef_is_taken_apart() -> None:
    found = read(CEF, "cef")
    assert isinstance(found, Finding)
    assert (found.title, found.severity_id, found.vendor_status) == ("worm stopped", 5, "")
    assert found.ocsf["unmapped"]["act"] == "blocked"
    assert found.time.isoformat() == "2025-11-25T10:00:00+00:00"
    assert (found.actor, found.description) == ("CORP\\ann", "a = b and more")
    assert found.ocsf["metadata"]["product"] == {
        "name": "Fire\\Wall", "vendor_name": "Acme | Sons", "version": "1.0",
    }  # fmt: skip
    assert found.ocsf["unmapped"]["Rule name"] == "R 7"
    assert set(found.entities) == {
        "account:corp\\ann", "ip:10.0.0.1", "ip:2.1.2.2",
        "file:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("severity", "settings", "kind", "level"),
    [("9", {}, Finding, 5), ("7", {}, Finding, 4), ("6", {}, Event, 3), ("0", {}, Event, 2),
     ("High", {}, Finding, 4), ("Very-High", {}, Finding, 5), ("Unknown", {}, Event, 0),
     ("Medium", {"alert_from": "4"}, Finding, 3), ("10", {"alert_from": "11"}, Event, 5)],
)  # fmt: skip
def test_what_counts_as_an_alert(severity, settings, kind, level) -> None:
    found = read(f"CEF:0|A|B|1|2|n|{severity}|rt=1764064800000", "cef", **settings)
    assert (type(found), found.severity_id) == (kind, level)


@pytest.mark.parametrize(
    ("rt", "expected"),
    [("Nov 25 2025 10:00:00", "2025-11-25T10:00:00"),
     ("Nov 25 2025 10:00:00.123 UTC", "2025-11-25T10:00:00.123000"),
     ("Nov 25 2025 10:00:00 +0200", "2025-11-25T08:00:00"), ("1764064800", "2025-11-25T10:00:00")],
)  # fmt: skip
def test_times_of_cef(rt, expected) -> None:
    found = read(f"CEF:0|A|B|1|2|n|3|rt={rt} src=1.2.3.4 dst=5.6.7.8 outcome=failure", "cef")
    assert found.time.isoformat() == f"{expected}+00:00"
    assert (found.class_uid, found.is_success) == (ocsf.NETWORK_ACTIVITY, False)


def test_cef_behind_a_syslog_header_has_its_time_and_host_in_both_feeds() -> None:
    line = "Sep 19 08:26:10 fw1 CEF:0|Security|threatmanager|1.0|100|worm|10|src=10.0.0.1"
    for feed in ("cef", "syslog"):
        found = read(line, feed)
        assert isinstance(found, Finding)
        assert found.time.isoformat() == "2025-09-19T08:26:10+00:00"
        assert found.ocsf["device"]["hostname"] == "fw1"
    for feed in ("cef", "syslog"):
        assert read("CEF:0|A|B|1|2|n|3|", feed).time == NOW


@pytest.mark.parametrize(
    ("more", "devices"),
    [("", {"device:fw1"}), ("dvchost=fw9", {"device:fw9"}), ("suser=ann", {"device:fw1"}),
     ("shost=pc-7 dvchost=fw1", {"device:pc-7"}),
     ("src=10.0.0.7 dst=198.51.100.9 dvchost=fw1", {"device:10.0.0.7"}),
     ("src=198.51.100.9 dst=10.0.0.8", {"device:10.0.0.8"}),
     ("src=10.0.0.7 dst=10.0.0.8 dhost=files", {"device:files"}),
     # Some devices pad their numbers, which no address has.
     ("src=010.001.002.003 dst=10.0.0.8", {"device:10.0.0.8"}),
     ("src=198.51.100.9 dst=203.0.113.4", set()), ("src=10.0.0.7 suser=ann@x.example", set()),
     # A host that protects itself, as its address tells.
     ("dvchost=web1 dvc=10.0.0.8 src=198.51.100.9 dst=10.0.0.8", {"device:web1"})],
)  # fmt: skip
def test_what_only_passes_an_alert_on_is_no_device_of_it(more, devices) -> None:
    """All of a client's alerts come by its firewall: by that they don't belong together."""
    found = read(f"Sep 19 08:26:10 fw1 CEF:0|A|B|1|2|n|9|{more}", "cef")
    assert {one for one in found.entities if one.startswith("device:")} == devices


def test_numbers_that_each_appliance_counts_for_itself_are_not_mixed_up() -> None:
    lines = [f"CEF:0|A|B|1|2|n|9|externalId=7 {more}" for more in
             ("dvchost=fw1", "dvchost=fw2", "deviceExternalId=S1", "")]  # fmt: skip
    found = [read(line, "cef", connection="the source").uid for line in lines]
    assert found == ["A B fw1 7", "A B fw2 7", "A B S1 7", "A B the source 7"]


def test_of_two_reports_of_one_alert_the_later_is_the_newer() -> None:
    told = read("CEF:0|A|B|1|2|n|9|externalId=7 rt=1764064800000", "cef")
    assert told.ocsf["finding_info"]["modified_time"] == 1764064800000


@pytest.mark.parametrize(
    ("line", "code"),
    [("CEF:0|A|B|1|2", "cef_cut_off"), ("CEF:0|A|B|1|2|n|11|", "bad_severity"),
     ("CEF:0|A|B|1|2|n||", "bad_severity"), ("CEF:7|A|B|1|2|n|1|", "not_cef"),
     ("<13>hello", "not_cef"), ("CEF:0|A|B|1|2|n|1|rt=soon", "bad_time"),
     ("LEEF:1.0|", "not_cef"), ("no head at all", "not_cef")],
)  # fmt: skip
def test_cef_that_can_not_be_read_is_quarantined(line, code) -> None:
    assert code_of(line, "cef") == code
