"""The named seeds: what the simulated organisation starts with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, stable_id

PERMISSIONS = (
    "agent:read", "agent:modify_group", "syscollector:read", "rootcheck:run", "rootcheck:read",
    "active-response:command", "syscheck:read", "rules:read", "manager:read",
    "Indexer: read wazuh-alerts-*",
    "Indexer: read wazuh-states-vulnerabilities-*",
)  # fmt: skip
USER, INDEXER_USER = "holdfast", "holdfast_reader"
GROUP, OTHER_GROUP, EMPTY_GROUP = "example", "another-client", "watched"
LAPTOPS = "laptops"
_COMPUTERS = 5
_ALERTS = 25


def agent_id(number: int) -> str:
    """An agent's id: three digits."""
    return f"{number:03d}"


def demo(store: Store, now: datetime, seed: int) -> None:
    """A manager with a client's group of computers, and one computer of another client."""
    tenant = store.add_tenant(f"wazuh-{seed}", "Example Ltd", "example.example")
    for user in (USER, INDEXER_USER):
        secret = f"sim-{stable_id('wazuh', user, seed)}"
        tenant.apps[user] = App(user, user, secret, list(PERMISSIONS))
    for group in (GROUP, OTHER_GROUP, EMPTY_GROUP, LAPTOPS, "default"):
        tenant.put("groups", {"id": group})
    for number in range(1, _COMPUTERS + 1):
        tenant.put("agents", agent(number, now, [GROUP, LAPTOPS]))
        for record in (*packages(number, now), *hotfixes(number, now)):
            tenant.put(record["collection"], record)
        tenant.put("watched", watched(number, now))
        for hole in range(3):
            tenant.put("vulnerabilities", vulnerability(number, hole, now))
    tenant.put("agents", agent(90, now, [OTHER_GROUP]))
    tenant.put("agents", agent(91, now, [GROUP]) | {"status": "never_connected"})
    for record in (*rules(), *logs(now)):
        tenant.put(record["collection"], record)
    for number in range(_ALERTS):
        tenant.put("alerts", alert(number, number % _COMPUTERS + 1, now))
    tenant.put("alerts", alert(30, 90, now))


def rules() -> list[Record]:
    """The manager's rules: two of Wazuh's own, and those that somebody wrote."""
    shared = {"if_sid": "5716", "frequency": "8", "timeframe": "120"}
    told: tuple[tuple[int, str, str, dict[str, str]], ...] = (
        (5716, "sshd: authentication failed.", "enabled", {"decoded_as": "sshd"}),
        (92900, "LSASS process was accessed.", "enabled", {"if_group": "sysmon"}),
        (100001, "Many failed sign-ins by SSH", "enabled", shared),
        (100002, "Failed sign-ins by SSH, many", "enabled", shared),
        (100003, "Old firewall: denied", "enabled", {"decoded_as": "old-firewall"}),
        (100004, "Test rule", "disabled", {"if_sid": "5716", "match": "test"}),
    )
    return [
        {
            "id": number, "filename": "local_rules.xml" if number > 100000 else "0095-sshd.xml",
            "relative_dirname": "etc/rules" if number > 100000 else "ruleset/rules",
            "level": 10, "status": status, "details": details, "description": title,
            "groups": ["local"], "mitre": ["T1110"] if "if_sid" in details else [],
            "pci_dss": [], "gpg13": [], "gdpr": [], "hipaa": [], "nist_800_53": [], "tsc": [],
            "collection": "rules",
        }
        for number, title, status, details in told
    ]  # fmt: skip


def logs(now: datetime) -> list[Record]:
    """What the manager's log says of its rules."""
    return [{
        "id": "1", "collection": "logs", "timestamp": instant(now - timedelta(hours=5)),
        "tag": "wazuh-analysisd", "level": "error",
        "description": " (1226): Error reading XML file 'etc/rules/broken.xml'.",
    }]  # fmt: skip


def agent(number: int, now: datetime, groups: list[str]) -> Record:
    """A computer; the first runs Windows Server, the second Windows, all others Linux."""
    windows = {1: "Microsoft Windows Server 2022 Standard", 2: "Microsoft Windows 11 Pro"}
    os = (
        {"name": windows[number], "platform": "windows", "version": "10.0.20348", "arch": "x86_64"}
        if number in windows
        else {"name": "Ubuntu", "platform": "ubuntu", "version": "22.04.4 LTS", "arch": "x86_64"}
    )
    scanned = now - timedelta(days=1)
    return {
        "id": agent_id(number),
        "name": f"PC-{number:03d}",
        "ip": f"10.40.0.{number}",
        "registerIP": "any",
        "status": "active",
        "status_code": 0,
        "group": groups,
        "group_config_status": "synced",
        "manager": "wazuh-manager",
        "node_name": "node01",
        "version": "Wazuh v4.14.1",
        "dateAdd": instant(now - timedelta(days=90)),
        "lastKeepAlive": instant(now - timedelta(minutes=number)),
        "os": os,
        "_rootcheck": {"start": instant(scanned), "end": instant(scanned + timedelta(minutes=2))},
        "_blocked": [],
        "_scans": 0,
    }


def watched(number: int, now: datetime) -> Record:
    """A document that the file integrity monitoring watches on a computer."""
    path = r"c:\users\ann\documents\plan.docx" if number < 3 else "/home/ann/plan.odt"
    return {
        "id": f"{agent_id(number)}-{path}", "_agent": agent_id(number), "file": path,
        "type": "file",
        "changes": 1, "date": instant(now), "size": 82, "uid": "0", "gid": "0", "uname": "ann",
        "gname": "ann", "perm": "100644", "inode": 14, "mtime": instant(now), "md5": "0" * 32,
        "sha1": "0" * 40, "sha256": "0" * 64, "attributes": "",
    }  # fmt: skip


def change(path: str, event: str, computer: int, moment: datetime, number: int) -> Record:
    """An alert about a file that was added, modified or deleted."""
    rules = {"added": ("554", 5), "modified": ("550", 7), "deleted": ("553", 7)}
    rule = {
        "id": rules[event][0], "level": rules[event][1], "description": f"File {event}.",
        "groups": ["ossec", "syscheck", f"syscheck_entry_{event}", "syscheck_file"],
        "firedtimes": 1, "mail": False,
    }  # fmt: skip
    made = alert_of(f"{int(moment.timestamp())}.8{number:05d}", computer, moment, rule, {})
    made["_source"] |= {
        "syscheck": {"path": path, "event": event, "mode": "realtime"},
        "decoder": {"name": "syscheck_integrity_changed"}, "location": "syscheck",
    }  # fmt: skip
    return made


def packages(number: int, now: datetime) -> list[Record]:
    """Programs on a computer."""
    return [
        {
            "id": f"{number}-{name}", "collection": "packages", "agent_id": agent_id(number),
            "name": name, "version": version, "architecture": "amd64", "vendor": "Example",
            "format": "win" if number < 3 else "deb", "size": 1024, "description": name,
            "scan": {"id": 0, "time": instant(now)}, "install_time": instant(now), "location": "",
        }
        for name, version in (("openssl", "3.0.2"), ("curl", "7.81.0"), ("sudo", "1.9.9"))
    ]  # fmt: skip


def hotfixes(number: int, now: datetime) -> list[Record]:
    """Updates on a computer with Windows."""
    return [
        {"id": f"{number}-{name}", "collection": "hotfixes", "agent_id": agent_id(number),
         "hotfix": name, "scan": {"id": 0, "time": instant(now)}}
        for name in (("KB5050001", "KB5050002") if number < 3 else ())
    ]  # fmt: skip


def vulnerability(number: int, hole: int, now: datetime) -> Record:
    """A hole, as the indexer keeps it."""
    cve = f"CVE-2025-{10_000 + hole}"
    name = ("openssl", "curl", "sudo")[hole]
    return {
        "id": f"{agent_id(number)}_{stable_id(number, hole)}_{cve}",
        "_source": {
            "agent": {"id": agent_id(number), "name": f"PC-{number:03d}", "type": "Wazuh",
                      "version": "v4.14.1"},
            "host": {"os": {"full": "Ubuntu 22.04.4 LTS", "name": "Ubuntu", "platform": "ubuntu"}},
            "package": {"name": name, "version": "1.0", "architecture": "amd64", "type": "deb"},
            "vulnerability": {
                "id": cve, "enumeration": "CVE", "classification": "CVSS", "category": "Packages",
                "severity": ("Critical", "Medium", "-")[hole],
                "score": {"base": 9.8 - hole, "version": "3.1"},
                "description": f"A hole in {name}.", "reference": "https://nvd.nist.gov/",
                "detected_at": (now - timedelta(hours=number)).isoformat(timespec="milliseconds"),
                "published_at": instant(now - timedelta(days=30)),
                "under_evaluation": hole == 2,
                "scanner": {"vendor": "Wazuh", "source": "Canonical Security Tracker",
                            "condition": "Package less than 1.1" if hole == 0 else ""},
            },
            "wazuh": {"cluster": {"name": "wazuh"}, "schema": {"version": "1.0.0"}},
        },
    }  # fmt: skip


def alert(number: int, computer: int, now: datetime) -> Record:
    """An alert: failed sign-ins by SSH, every fifth a dump of passwords."""
    moment = now - timedelta(hours=number)
    is_dump = number % 5 == 0
    rule = (
        {"id": "92900", "level": 12, "description": "LSASS process was accessed.",
         "groups": ["sysmon", "windows"], "firedtimes": 1, "mail": True,
         "mitre": {"id": ["T1003.001"], "tactic": ["Credential Access"],
                   "technique": ["LSASS Memory"]}}
        if is_dump
        else {"id": "5716", "level": 5, "description": "sshd: authentication failed.",
              "groups": ["syslog", "sshd", "authentication_failed"], "firedtimes": 1,
              "mail": False, "mitre": {"id": ["T1110"], "tactic": ["Credential Access"],
                                       "technique": ["Brute Force"]}}
    )  # fmt: skip
    return alert_of(f"{int(moment.timestamp())}.{number}", computer, moment, rule, {
        "srcip": f"198.51.100.{number % 200}", "dstuser": "ann",
    })  # fmt: skip


def alert_of(own: str, computer: int, moment: datetime, rule: Record, data: Record) -> Record:
    """An alert as the indexer keeps it."""
    return {
        "id": own,
        "_source": {
            "id": own,
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "@timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "input": {"type": "log"},
            "rule": rule,
            "agent": {"id": agent_id(computer), "name": f"PC-{computer:03d}",
                      "ip": f"10.40.0.{computer}"},
            "manager": {"name": "wazuh-manager"},
            "decoder": {"name": "sshd"},
            "data": data,
            "full_log": f"Example log line {own}",
            "location": "journald",
        },
    }  # fmt: skip


SEEDS: Mapping[str, Seed] = {"demo": demo}
