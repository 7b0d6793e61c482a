"""The questions that Falcon can answer about a host: one class for each read-only action.

Falcon's API tells of programs what alerts name, not all that ran: an answer says what was found,
and an empty one only that Falcon found nothing.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.crowdstrike.actions.containment import READ as HOSTS
from integrations.connectors.crowdstrike.actions.containment import read_host
from integrations.connectors.crowdstrike.actions.files import READ as QUARANTINE
from integrations.connectors.crowdstrike.actions.files import is_quarantined
from integrations.connectors.crowdstrike.client import FalconClient, pages, quoted
from integrations.connectors.crowdstrike.normalise.alerts import severity_of
from integrations.connectors.crowdstrike.normalise.hosts import (
    is_isolated,
    is_server,
    operating_system,
)
from integrations.contract import Gatherer, Json, Target
from integrations.endpoints import account_name, base_name, digest
from integrations.values import Fields, techniques

ALERTS, ASSETS, VULNERABILITIES = "Alerts: Read", "Assets: Read", "Vulnerabilities: Read"
_MOST = 500
_PAGE = 100
_HIGH = 4
# What Falcon did that ends a program, of pattern_disposition_details.
_ENDING = ("process_blocked", "kill_process", "kill_subprocess", "operation_blocked")
_YES = frozenset({"yes", "true"})


def _since(inputs: Json, name: str, default: int, most: int) -> str:
    told = inputs.get(name)
    wanted = told if isinstance(told, int) and not isinstance(told, bool) else default
    unit = dt.timedelta(days=1) if name == "days" else dt.timedelta(hours=1)
    moment = dt.datetime.now(dt.UTC) - unit * min(max(wanted, 1), most)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _alerts(client: FalconClient, target: Target, since: str) -> list[Fields]:
    """The newest alerts about a host, at most 500; those found false are left out."""
    told = f"device.device_id:{quoted(target.external_id)}+created_timestamp:>={quoted(since)}"
    found = pages(
        client, "/alerts/queries/alerts/v2", ALERTS,
        most=_MOST, limit=_PAGE, filter=told, sort="created_timestamp|desc",
    )  # fmt: skip
    ids = [str(one) for page in found for one in page.items]
    path = "/alerts/entities/alerts/v2"
    alerts = map(Fields, client.entities(path, ALERTS, ids, name="composite_ids"))
    return [alert for alert in alerts if alert.word("resolution") != "false_positive"]


def _time(fields: Fields, *names: str) -> str | None:
    found = fields.time(*names)
    return found.isoformat().replace("+00:00", "Z") if found else None


def _techniques(alert: Fields) -> list[str]:
    mapped = [one.text("technique_id") for one in alert.objects("mitre_attack")]
    return list(techniques([*alert.texts("technique_id"), *mapped]))


def _alert(alert: Fields) -> dict[str, Any]:
    return {
        "id": alert.text("composite_id"),
        "title": alert.text("display_name", "name"),
        "severity_id": severity_of(alert),
        "status": alert.word("status"),
        "techniques": _techniques(alert),
        "time": _time(alert, "created_timestamp"),
    }


def _process(alert: Fields) -> dict[str, Any]:
    disposition = alert.nested("pattern_disposition_details")
    was_ended = any(disposition.truth(name) for name in _ENDING) or alert.time("process_end_time")
    device = alert.nested("device")
    return {
        "external_id": alert.text("triggering_process_graph_id", "process_id"),
        "name": alert.text("filename"),
        "sha256": digest(alert.text("sha256")),
        "command_line": alert.text("cmdline"),
        "user": account_name(
            alert.text("user_name"), alert.text("logon_domain"), device.text("hostname")
        ),
        "started_at": _time(alert, "process_start_time", "context_timestamp"),
        "is_suspicious": True,
        "is_running": not was_ended,
    }


@dataclass(frozen=True, slots=True)
class GetDevice:
    """The host and its state."""

    name: str = "endpoint.get_device"
    permissions: tuple[str, ...] = (HOSTS,)

    def gather(self, client: FalconClient, target: Target, inputs: Json) -> Json:
        """Return ``device`` as the catalog states."""
        host = read_host(client, target.external_id)
        status = host.word("status")
        return {
            "device": {
                "external_id": host.text("device_id"),
                "hostname": host.text("hostname"),
                "os": operating_system(host),
                "is_server": is_server(host),
                "is_managed": True,
                "is_isolated": is_isolated(status),
                "status": status,
                "last_seen_at": _time(host, "last_seen"),
                "last_user": host.text("last_login_user"),
                "domain": host.text("machine_domain"),
                "is_agent_reduced": host.truth("reduced_functionality_mode"),
            }
        }


@dataclass(frozen=True, slots=True)
class ListAlerts:
    """Alerts about the host."""

    name: str = "endpoint.list_alerts"
    permissions: tuple[str, ...] = (ALERTS,)

    def gather(self, client: FalconClient, target: Target, inputs: Json) -> Json:
        """Return alerts of the last `days` (7), newest first, and how many are high or worse."""
        found = [_alert(a) for a in _alerts(client, target, _since(inputs, "days", 7, 90))]
        high = sum(_HIGH <= alert["severity_id"] <= 6 for alert in found)
        return {"alerts": found, "count": len(found), "high": high}


@dataclass(frozen=True, slots=True)
class ListProcesses:
    """Programs that alerts name."""

    name: str = "endpoint.list_processes"
    permissions: tuple[str, ...] = (ALERTS,)

    def gather(self, client: FalconClient, target: Target, inputs: Json) -> Json:
        """Return each program of the last `hours` (24) once. All are suspicious: Falcon alerted."""
        alerts = _alerts(client, target, _since(inputs, "hours", 24, 2160))
        found = {p["external_id"]: p for p in map(_process, alerts) if p["name"]}
        return {"processes": list(found.values())}


@dataclass(frozen=True, slots=True)
class ListCredentialAccess:
    """Attempts to read stored passwords (ATT&CK T1003 and its kin)."""

    name: str = "endpoint.list_credential_access"
    permissions: tuple[str, ...] = (ALERTS,)

    def gather(self, client: FalconClient, target: Target, inputs: Json) -> Json:
        """Return the attempts of the last `hours` (24)."""
        alerts = _alerts(client, target, _since(inputs, "hours", 24, 2160))
        found = [
            {**_alert(alert), "program": alert.text("filename")}
            for alert in alerts
            if any(t.startswith(("T1003", "T1555", "T1558")) for t in _techniques(alert))
        ]
        return {"accesses": found, "count": len(found)}


@dataclass(frozen=True, slots=True)
class ListFiles:
    """Harmful files that Falcon knows from its quarantine, released ones too."""

    name: str = "endpoint.list_files"
    permissions: tuple[str, ...] = (QUARANTINE,)

    def gather(self, client: FalconClient, target: Target, inputs: Json) -> Json:
        """Return the files of the last `hours` (24)."""
        since = Fields({"at": _since(inputs, "hours", 24, 2160)}).time("at")
        found = pages(
            client, "/quarantine/queries/quarantined-files/v1", QUARANTINE,
            most=_MOST, limit=_PAGE, sort="date_updated|desc",
            filter=f"device.device_id:{quoted(target.external_id)}",
        )  # fmt: skip
        ids = [str(one) for page in found for one in page.items]
        path = "/quarantine/entities/quarantined-files/GET/v1"
        files = [_file(Fields(one)) for one in client.entities(path, QUARANTINE, ids)]
        return {"files": [told for told, at in files if at is None or since is None or at >= since]}


def _file(fields: Fields) -> tuple[dict[str, Any], dt.datetime | None]:
    path = next((one.text("path") for one in fields.objects("paths")), "")
    name = next((one.text("filename") for one in fields.objects("paths")), "") or base_name(path)
    told = {
        "external_id": fields.text("id"),
        "name": name,
        "path": path,
        "sha256": digest(fields.text("sha256")),
        "state": fields.word("state"),
        "is_malicious": True,
        "is_quarantined": is_quarantined(fields.word("state")),
    }
    return told, fields.time("date_updated", "date_created")


@dataclass(frozen=True, slots=True)
class ListLoggedOnUsers:
    """Users who signed in on the host lately, as Falcon Discover knows them."""

    name: str = "endpoint.list_logged_on_users"
    permissions: tuple[str, ...] = (ASSETS,)

    def gather(self, client: FalconClient, target: Target, inputs: Json) -> Json:
        """Return each user once, with whether it has administrator rights, newest first."""
        told = f"aid:{quoted(target.external_id)}+login_status:'Successful'"
        page = client.get(
            "/discover/queries/logins/v1", ASSETS,
            limit=_PAGE, filter=told, sort="login_timestamp|desc",
        )  # fmt: skip
        if not page.items:
            return {"users": []}
        logins = client.get(
            "/discover/entities/logins/v1", ASSETS, ids=[str(one) for one in page.items]
        )
        users: dict[str, dict[str, Any]] = {}
        for login in (Fields(one) for one in logins.items if isinstance(one, dict)):
            name = account_name(
                login.text("username", "account_name"), login.text("login_domain"),
                login.text("hostname"), login.text("user_sid"),
            )  # fmt: skip
            is_admin = bool(
                {login.word("admin_privileges"), login.word("local_admin_privileges")} & _YES
            )
            if name:
                seen = users.setdefault(name, _user(login, name))
                seen["is_privileged"] = seen["is_privileged"] or is_admin
        return {"users": list(users.values())}


def _user(login: Fields, name: str) -> dict[str, Any]:
    return {
        "external_id": login.text("user_sid") or name,
        "name": name,
        "is_privileged": False,
        "signed_in_at": _time(login, "login_timestamp"),
    }


@dataclass(frozen=True, slots=True)
class ListMissing:
    """What would close the holes that are open on the host."""

    name: str = "patch.list_missing"
    permissions: tuple[str, ...] = (VULNERABILITIES,)

    def gather(self, client: FalconClient, target: Target, inputs: Json) -> Json:
        """Return each remedy once, with the holes (CVE) that it closes."""
        told = f"aid:{quoted(target.external_id)}+status:['open','reopen']"
        patches: dict[str, dict[str, Any]] = {}
        after, seen = "", 0
        while seen < 10 * _MOST:
            page = client.get(
                "/spotlight/combined/vulnerabilities/v1", VULNERABILITIES,
                filter=told, facet=["cve", "remediation"], limit=_MOST, after=after or None,
            )  # fmt: skip
            for hole in (Fields(one) for one in page.items if isinstance(one, dict)):
                _add_patches(patches, hole)
            seen += len(page.items)
            after = str(page.pagination.get("after") or "")
            if not after:
                break
        return {"patches": list(patches.values())}


def _add_patches(patches: dict[str, dict[str, Any]], hole: Fields) -> None:
    cve = hole.nested("cve").text("id")
    for fix in hole.nested("remediation").objects("entities"):
        told = patches.setdefault(
            fix.text("id"),
            {
                "external_id": fix.text("reference", "id"),
                "name": fix.text("action", "title"),
                "cves": [],
            },
        )
        if cve and cve not in told["cves"]:
            told["cves"].append(cve)


GATHERERS: tuple[Gatherer, ...] = (
    GetDevice(), ListAlerts(), ListProcesses(), ListCredentialAccess(), ListFiles(),
    ListLoggedOnUsers(), ListMissing(),
)  # fmt: skip
