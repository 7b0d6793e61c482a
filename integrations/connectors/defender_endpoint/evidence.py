"""What Defender's alerts say ran and lay on a computer: programs, files, password theft.

The API tells of programs and files what alerts name, not all that there were: an answer says what
was found, and an empty one only that Defender found nothing.
Sources: https://learn.microsoft.com/defender-endpoint/api/get-alerts, …/alerts,
https://learn.microsoft.com/graph/api/resources/security-detectionstatus.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integrations.connectors.defender_endpoint.actions.history import read_actions
from integrations.connectors.defender_endpoint.client import READ_MACHINES, DefenderClient
from integrations.connectors.defender_endpoint.feeds import ALERTS
from integrations.contract import Json, Target
from integrations.endpoints import account_name, digest
from integrations.microsoft.odata import address, literal
from integrations.values import Fields, techniques

_MOST = 1_000
_LONGEST_HOURS = 30 * 24
# Alerts that the vendor or a technician has settled as harmless don't count.
_HARMLESS = frozenset({"falsepositive", "informational, expected activity",
                       "informationalexpectedactivity"})  # fmt: skip
_STOPPED = frozenset({"blocked", "prevented"})
_ABOUT_MALWARE = frozenset({"malware", "ransomware"})
# OS credential dumping, passwords from stores, Kerberos tickets.
_THEFT = ("T1003", "T1555", "T1558")


def is_harmless(alert: Fields) -> bool:
    """Whether the alert was classified as false, or as something expected."""
    return alert.word("classification") in _HARMLESS


def last_event(alert: Fields) -> dt.datetime | None:
    """When what the alert is about happened last."""
    return alert.time("lastEventTime", "lastUpdateTime", "alertCreationTime")


def shown_time(told: Fields, *names: str) -> str | None:
    """The first of these times, as answers have them."""
    found = told.time(*names)
    return found.isoformat().replace("+00:00", "Z") if found else None


def shown_alert(told: Fields) -> dict[str, Any]:
    """An alert as answers have it."""
    return {
        "id": told.text("id"),
        "title": told.text("title"),
        "severity": told.word("severity"),
        "status": told.text("status"),
        "category": told.text("category"),
        "techniques": told.texts("mitreTechniques"),
        "time": shown_time(told, "alertCreationTime", "firstEventTime"),
        "is_harmless": is_harmless(told),
    }


def _alerts(client: DefenderClient, target: Target, inputs: Json) -> list[Fields]:
    """The computer's alerts of the last `hours` (24) with their evidence, but no harmless ones."""
    told = inputs.get("hours")
    hours = told if isinstance(told, int) and not isinstance(told, bool) else 24
    hours = min(max(hours, 1), _LONGEST_HOURS)
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    condition = f"lastUpdateTime ge {literal(since)}"
    path = address("/alerts", filter=condition, expand="evidence", top=_MOST)
    found = [Fields(alert) for alert in client.all(path, ALERTS, _MOST)]
    return [a for a in found if a.text("machineId") == target.external_id and _counts(a, since)]


def _counts(alert: Fields, since: dt.datetime) -> bool:
    last = last_event(alert)
    return not is_harmless(alert) and (last is None or last >= since)


def _of_kind(alerts: list[Fields], kind: str) -> Iterator[tuple[Fields, Fields]]:
    """Each piece of evidence of this kind, with its alert."""
    for alert in alerts:
        for item in alert.objects("evidence"):
            if item.word("entityType") == kind:
                yield alert, item


def _is_stopped(alert: Fields, item: Fields) -> bool:
    is_remediated = alert.word("investigationState") == "successfullyremediated"
    return is_remediated or item.word("detectionStatus") in _STOPPED


@dataclass(frozen=True, slots=True)
class ListProcesses:
    """Programs that alerts name."""

    name: str = "endpoint.list_processes"
    permissions: tuple[str, ...] = (ALERTS,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return each program of the last `hours` (24) once: all suspicious, as they are named.

        One counts as running while Defender tells of nothing that stopped it.
        """
        found = {
            told["external_id"]: told
            for told in (
                _process(alert, item)
                for alert, item in _of_kind(_alerts(client, target, inputs), "process")
            )
            if told["name"]
        }
        return {"processes": list(found.values())}


def _process(alert: Fields, item: Fields) -> dict[str, Any]:
    started, user = shown_time(item, "processCreationTime"), alert.nested("relatedUser")
    return {
        "external_id": "/".join(
            (alert.text("machineId"), item.text("processId"), started or item.text("fileName"))
        ),
        "name": item.text("fileName"),
        "path": item.text("filePath"),
        "sha256": digest(item.text("sha256")),
        "command_line": item.text("processCommandLine"),
        "user": account_name(
            user.text("userName"), user.text("domainName"), alert.text("computerDnsName")
        ),
        "started_at": started,
        "is_suspicious": True,
        "is_running": not _is_stopped(alert, item),
    }


@dataclass(frozen=True, slots=True)
class ListFiles:
    """Files that alerts name."""

    name: str = "endpoint.list_files"
    permissions: tuple[str, ...] = (ALERTS, READ_MACHINES)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return each file of the last `hours` (24) once, by the id that locks it away.

        Malicious are those of alerts about malware: other alerts name documents and system
        programs too.
        """
        named = list(_of_kind(_alerts(client, target, inputs), "file"))
        locked = _locked_away(client, target.external_id) if named else set()
        files: dict[str, dict[str, Any]] = {}
        for alert, item in named:
            told = _file(alert, item, locked)
            before = files.setdefault(told["external_id"], told)
            before["is_malicious"] = before["is_malicious"] or told["is_malicious"]
            before["is_quarantined"] = before["is_quarantined"] or told["is_quarantined"]
        return {"files": list(files.values())}


def _locked_away(client: DefenderClient, machine_id: str) -> set[str]:
    return {
        action.nested("relatedFileInfo").word("fileIdentifier")
        for action in read_actions(client, machine_id)
        if action.word("type") == "stopandquarantinefile" and action.word("status") == "succeeded"
    }


def _file(alert: Fields, item: Fields, locked: set[str]) -> dict[str, Any]:
    sha1, sha256 = digest(item.text("sha1")), digest(item.text("sha256"))
    key = sha1 or sha256 or "/".join((item.text("filePath"), item.text("fileName")))
    return {
        "external_id": f"{alert.text('machineId')}/{key}",
        "name": item.text("fileName") or key,
        "path": item.text("filePath"),
        "sha1": sha1,
        "sha256": sha256,
        "threat": alert.text("threatName", "threatFamilyName"),
        "is_malicious": _is_about_malware(alert),
        "is_quarantined": _is_stopped(alert, item) or sha1 in locked,
    }


def _is_about_malware(alert: Fields) -> bool:
    return (
        alert.has_any("threatName", "threatFamilyName")
        or alert.word("category") in _ABOUT_MALWARE
        or alert.word("detectionSource") == "windowsdefenderav"
    )


@dataclass(frozen=True, slots=True)
class ListCredentialAccess:
    """Attempts to read stored passwords."""

    name: str = "endpoint.list_credential_access"
    permissions: tuple[str, ...] = (ALERTS,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return the attempts of the last `hours` (24), with the program where one is named."""
        found = [
            {**shown_alert(alert), "program": _program(alert)}
            for alert in _alerts(client, target, inputs)
            if alert.word("category") == "credentialaccess"
            or any(t.startswith(_THEFT) for t in techniques(alert.texts("mitreTechniques")))
        ]
        return {"accesses": found, "count": len(found)}


def _program(alert: Fields) -> str:
    return next((item.text("fileName") for _, item in _of_kind([alert], "process")), "")
