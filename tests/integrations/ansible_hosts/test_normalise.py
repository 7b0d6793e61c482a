"""What the normalisers make of hosts' reports, and how hosts are written down."""

import datetime as dt
from pathlib import Path

import pytest

from integrations.connectors.ansible_hosts import inventory, ssh
from integrations.connectors.ansible_hosts.client import connect
from integrations.connectors.ansible_hosts.inventory import Host, hosts_of, kept_addresses
from integrations.connectors.ansible_hosts.manifest import MANIFEST
from integrations.connectors.ansible_hosts.normalise.updates import manager_of, rows_of
from integrations.errors import ConnectionMisconfigured, NotFound
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, SourceRecord

_PEM = "OPENSSH PRIVATE KEY-----"
KEY = f"-----BEGIN {_PEM}\nc2VjcmV0\n-----END {_PEM}"
STATE = [
    "boot_id 6a1f", "booted_at 1795647531", "needs_restart yes", "can_isolate yes", "isolated no",
    "firewall inet filter", "updating no", "manager apt",
    "Inst openssl [3.0.1-1] (3.0.2-1 Debian-Security:12/stable-security [amd64])",
    "Inst tzdata [2026a-0] (2026b-0 Debian:12.15/stable [all]) []",
    "Inst libnew (1.0 Debian:12.15/stable [amd64])",
    "2026-11-19 06:25:01 upgrade curl:amd64 7.88.1-1 7.88.1-2",
]  # fmt: skip
REPORT = {
    "host": "web-1", "is_reachable": True, "ring": "pilot",
    "state": [
        *STATE, "hostname web-1", "fqdn web-1.example.example", "system Debian 12.11",
        "kernel 6.1.0", "address 127.0.0.1", "address 2001:db8::4", "address 192.0.2.4",
        "mac_address 00:00:5e:00:53:04", "unit nginx.service running", "unit cron.service stopped",
    ],
}  # fmt: skip


def read(body: dict, feed: str = "hosts", **context):
    return MANIFEST.feed(feed).normalise(SourceRecord(body, context))


def test_a_host_is_a_directory_item() -> None:
    found = read(REPORT)
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.external_id, found.name) == ("device", "web-1", "web-1")
    told = found.attributes
    assert (told["operating_system"], told["is_server"], told["is_online"]) == (
        "Debian 12.11", True, True,
    )  # fmt: skip
    assert (told["is_isolated"], told["can_isolate"], told["needs_restart"]) == (False, True, True)
    assert told["booted_at"] == dt.datetime.fromtimestamp(1795647531, dt.UTC)
    assert (told["local_ip"], told["ring"]) == ("192.0.2.4", "pilot")
    assert (told["services_running"], told["services"]) == (["nginx.service"], 2)
    assert told["firewall"] == ["inet filter"]
    assert (told["kernel"], told["dns_name"]) == ("6.1.0", "web-1.example.example")
    assert told["mac_address"] == "00:00:5e:00:53:04"


def test_a_host_that_does_not_answer_is_told_as_such() -> None:
    body = {"host": "web-1", "is_reachable": False, "error": "no connection", "ring": ""}
    told = read(body).attributes
    assert (told["is_online"], told["last_error"]) == (False, "no connection")
    # What was known of it stays: nothing is said of that.
    assert "is_isolated" not in told
    assert "operating_system" not in told


def test_updates_are_told_from_aptitudes_and_dpkgs_lines() -> None:
    rows = {row["package"]: row for row in rows_of(Fields(REPORT))}
    # A package that comes new with an update is none itself.
    assert set(rows) == {"openssl", "tzdata", "curl"}
    assert (rows["openssl"]["is_security"], rows["tzdata"]["is_security"]) == (True, False)
    assert (rows["openssl"]["current"], rows["openssl"]["candidate"]) == ("3.0.1-1", "3.0.2-1")
    assert rows["curl"]["state"] == "installed"
    assert manager_of(Fields(REPORT)) == "apt"


def test_an_update_lies_below_its_host() -> None:
    rows = {row["package"]: row for row in rows_of(Fields(REPORT))}
    found = read({"host": "web-1", **rows["openssl"]}, "updates")
    assert (found.kind, found.external_id, found.parent) == ("patch", "web-1:openssl", "web-1")
    assert (found.attributes["state"], found.attributes["severity"]) == ("approved", "security")
    done = read({"host": "web-1", **rows["curl"]}, "updates").attributes
    assert (done["state"], done["installed_at"].day) == ("installed", 19)


def test_what_is_no_report_is_refused() -> None:
    for body, code in (
        ({}, "not_recognised"), ({"colour": "red"}, "not_recognised"),
        ({"is_reachable": True}, "missing_id"), ({"package": "x", "host": ""}, "missing_id"),
    ):  # fmt: skip
        with pytest.raises(Quarantine) as caught:
            read(body)
        assert caught.value.code == code


def test_hosts_are_a_line_each() -> None:
    assert hosts_of("web-1 192.0.2.10\n db-1  db.example.example:2222 ring:pilot\n\n") == (
        Host("db-1", "db.example.example", 2222, "pilot"), Host("web-1", "192.0.2.10"),
    )  # fmt: skip
    assert hosts_of("a [2001:db8::1]:22; b [2001:db8::2]") == (
        Host("a", "2001:db8::1"), Host("b", "2001:db8::2"),
    )  # fmt: skip
    assert Host("db-1", "db.example", 2222).known_as == "[db.example]:2222"


@pytest.mark.parametrize(
    "setting",
    ["", "web-1", "web-1 192.0.2.1:99999", "web-1 192.0.2.1:0", "-x 192.0.2.1",
     "web-1 -oProxyCommand=sh", "web-1 a\nweb-1 b", "web/1 192.0.2.1", "web-1 192.0.2.1;'"],
)  # fmt: skip
def test_hosts_that_can_not_be_meant_are_refused(setting) -> None:
    with pytest.raises(ConnectionMisconfigured, match="hosts"):
        hosts_of(setting)


def test_addresses_that_keep_access() -> None:
    assert kept_addresses("192.0.2.9, 2001:db8::/64\n10.1.2.3/24") == [
        "192.0.2.9/32", "2001:db8::/64", "10.1.2.0/24",
    ]  # fmt: skip
    assert kept_addresses(" ") == []
    with pytest.raises(ConnectionMisconfigured, match="management_addresses"):
        kept_addresses("192.0.2.9; drop")


def test_only_the_connections_own_hosts_are_known() -> None:
    with pytest.raises(NotFound, match="no host db-1"):
        inventory.one(hosts_of("web-1 192.0.2.10"), "db-1")


def test_the_keys_that_were_entered_are_trusted_and_no_others() -> None:
    told = ssh.options(Host("web-1", "web.example", 2222), Path("/place"))
    assert set(told[::2][:-1]) == {"-o"}
    assert set(told[1::2]) >= {
        "HostKeyAlias=[web.example]:2222", "StrictHostKeyChecking=yes", "BatchMode=yes",
        "UserKnownHostsFile=/place/known_hosts", "GlobalKnownHostsFile=/dev/null",
    }  # fmt: skip
    assert told[-2:] == ["-F", "/dev/null"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"known_hosts": "k"}, "hosts"), ({"hosts": "web-1 192.0.2.1"}, "known_hosts"),
     ({"hosts": "web-1 192.0.2.1", "known_hosts": "k", "at_once": "many"}, "at_once"),
     ({"hosts": "web-1 192.0.2.1", "known_hosts": "k", "at_once": "0"}, "at_once"),
     ({"hosts": "web-1 192.0.2.1", "known_hosts": "k", "user": "-o Proxy"}, "user is")],
)  # fmt: skip
def test_settings_that_can_not_work_are_named(settings, named) -> None:
    with pytest.raises(ConnectionMisconfigured, match=named):
        connect(settings, {"private_key": KEY})


@pytest.mark.parametrize("key", ["key", KEY + "x", KEY.partition("-----END")[0], KEY[1:]])
def test_a_key_that_was_not_pasted_whole_is_told(key) -> None:
    settings = {"hosts": "web-1 192.0.2.1", "known_hosts": "k"}
    with pytest.raises(ConnectionMisconfigured, match="private_key") as caught:
        connect(settings, {"private_key": key})
    assert "c2VjcmV0" not in str(caught.value)
    assert "c2VjcmV0" not in repr(vars(connect(settings, {"private_key": KEY})))


def test_ansible_is_a_program_and_never_a_part_of_ours() -> None:
    """Ansible is under the GPL, Holdfast isn't."""
    root = Path(__file__).resolve().parents[3]
    rooms = ("tenants", "integrations", "playbooks", "msp")
    sources = [path for room in rooms for path in (root / room).rglob("*.py")]
    assert len(sources) > 100
    for path in sources:
        lines = [line.lstrip() for line in path.read_text("utf-8").splitlines()]
        imports = ("import ansible", "from ansible")
        assert not [line for line in lines if line.startswith(imports)], path
