"""Records to run rules on, from a seed: no two are the same, and few fulfil a rule.

What vendors send all day, and close calls: the cases of our own rules and the public labelled
records, of which most fulfil all but one condition of a rule. A record's numbers, names and command
lines are changed each time, so that nothing that was seen before answers for what is new.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from bench import sigma_rules
from integrations.detection import loading

PUBLIC = Path(__file__).resolve().parents[2] / "shared" / "records"
_ONE_IN = 50
_COMMAND_LINES = ("commandline", "processcommandline", "parentcommandline")
_EVERYDAY = (
    "svchost", "chrome", "msedge", "explorer", "teams", "outlook", "onedrive", "winword", "excel",
    "conhost", "taskhostw", "runtimebroker", "searchindexer", "msmpeng", "backgroundtaskhost",
    "dllhost", "wuauclt", "git", "python", "node", "java", "code", "zoom", "acrobat", "notepad",
)  # fmt: skip

Record = dict[str, Any]


def mixed(count: int, seed: int) -> list[Record]:
    """Return what all vendors send: one in ten is a close call, one in fifty fulfils a rule."""
    everyday = [*of_clouds(count // 2, seed), *of_processes(count - count // 2, seed)]
    Random(seed).shuffle(everyday)  # noqa: S311
    close = close_calls(count // 10 + 1, seed)
    return [close[n // 10] if n % 10 == 0 else record for n, record in enumerate(everyday)]


def close_calls(count: int, seed: int) -> list[Record]:
    """Return the rules' own cases and the public records, one in five a positive case."""
    rng = Random(seed)  # noqa: S311
    positive, negative = [], []
    for file in sorted(loading.OUR_RULES.rglob("*.cases.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        positive += told["positive"]
        negative += told["negative"]
    negative += _public()
    return [
        _changed(rng.choice(positive if number % 5 == 0 else negative), rng)
        for number in range(count)
    ]


def of_clouds(count: int, seed: int) -> list[Record]:
    """Return records of Azure, Entra, Microsoft 365 and Google Workspace."""
    rng = Random(seed)  # noqa: S311
    kinds: tuple[Callable[[Random, bool], Record], ...] = (_activity, _audit, _office, _google)
    return [kinds[number % 4](rng, number % _ONE_IN < 4) for number in range(count)]


def of_processes(count: int, seed: int) -> list[Record]:
    """Return started processes in the shapes of Sysmon, Windows and CrowdStrike."""
    rng = Random(seed)  # noqa: S311
    return [_process(rng, number) for number in range(count)]


def _public() -> Iterator[Record]:
    for file in sorted(PUBLIC.rglob("*.ndjson")):
        for line in file.read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            if isinstance(told, dict) and told.get("expected_match") is False:
                yield told["log"]


def _changed(record: Any, rng: Random, key: str = "") -> Any:
    """A copy that has not been seen before, with the same meaning."""
    if isinstance(record, dict):
        return {name: _changed(value, rng, name.lower()) for name, value in record.items()}
    if isinstance(record, list):
        return [_changed(value, rng, key) for value in record]
    if isinstance(record, str) and key in _COMMAND_LINES and record:
        return f"{record} {rng.getrandbits(48):x}"
    if isinstance(record, str) and ("time" in key or key.endswith("id")) and "-" in record:
        return f"{record[:-6]}{rng.getrandbits(24):06x}"
    return record


def _ids(rng: Random) -> str:
    return f"{rng.getrandbits(128):032x}"


def _who(rng: Random) -> str:
    return f"{rng.choice(('ida', 'jo', 'kim', 'lee'))}.{rng.randint(1, 5_000)}@fabrikam.example"


def _address(rng: Random) -> str:
    return f"203.0.113.{rng.randint(1, 254)}"


def _activity(rng: Random, is_told: bool) -> Record:
    name = sigma_rules.operation(rng) if is_told else f"Microsoft.Web/things/{rng.randint(1, 900)}"
    scope = f"/SUBSCRIPTIONS/{_ids(rng)}/RESOURCEGROUPS/RG{rng.randint(1, 99)}"
    return {
        "time": f"2026-10-05T08:12:{rng.randint(10, 59)}.1234567Z",
        "resourceId": f"{scope}/PROVIDERS/MICROSOFT.WEB/SITES/S{rng.randint(1, 999)}",
        "operationName": name.upper(),
        "category": "Administrative",
        "resultType": rng.choice(("Start", "Success", "Failure")),
        "resultSignature": "Accepted.",
        "durationMs": rng.randint(0, 900),
        "callerIpAddress": _address(rng),
        "correlationId": _ids(rng),
        "identity": {
            "authorization": {"scope": scope, "action": name, "evidence": {"role": "Contributor"}},
            "claims": {"aud": "https://management.core.windows.net/", "name": _who(rng)},
        },
        "level": "Information",
        "properties": {"entity": scope, "message": name, "hierarchy": _ids(rng)},
    }


def _audit(rng: Random, is_told: bool) -> Record:
    name = sigma_rules.directory_operation(rng) if is_told else f"Sync {rng.randint(1, 900)}"
    return {
        "time": f"2026-10-05T08:12:{rng.randint(10, 59)}Z",
        "resourceId": f"/tenants/{_ids(rng)}/providers/Microsoft.aadiam",
        "operationName": name,
        "category": "AuditLogs",
        "resultSignature": "None",
        "tenantId": _ids(rng),
        "correlationId": _ids(rng),
        "properties": {
            "id": _ids(rng),
            "category": "UserManagement",
            "loggedByService": "Core Directory",
            "result": "success",
            "activityDisplayName": name,
            "initiatedBy": {"user": {"userPrincipalName": _who(rng), "ipAddress": _address(rng)}},
            "targetResources": [
                {
                    "id": _ids(rng),
                    "type": "User",
                    "userPrincipalName": _who(rng),
                    "modifiedProperties": [
                        {"displayName": "Included", "oldValue": None, "newValue": '"x"'}
                    ],
                }
            ],
            "additionalDetails": [{"key": "User-Agent", "value": "Mozilla/5.0"}],
        },
    }


def _office(rng: Random, is_told: bool) -> Record:
    told = {
        "CreationTime": f"2026-10-05T08:12:{rng.randint(10, 59)}",
        "Id": _ids(rng),
        "Operation": rng.choice(("MailItemsAccessed", "FileAccessed", "UserLoggedIn", "Update")),
        "OrganizationId": _ids(rng),
        "RecordType": rng.choice((1, 2, 50)),
        "ResultStatus": "Succeeded",
        "UserKey": _ids(rng),
        "UserType": 0,
        "Workload": "Exchange",
        "ClientIP": _address(rng),
        "ClientInfoString": "Client=MSExchangeRPC",
        "UserId": _who(rng),
        "ObjectId": _who(rng),
    }
    if not is_told:
        return told
    parameters = [
        {"Name": "Identity", "Value": _who(rng)},
        {"Name": "Enabled", "Value": rng.choice(("True", "False"))},
    ]
    return {**told, "Operation": sigma_rules.office_operation(rng), "Parameters": parameters}


def _google(rng: Random, is_told: bool) -> Record:
    return {
        "kind": "admin#reports#activity",
        "id": {
            "time": f"2026-10-05T08:12:{rng.randint(10, 59)}.000Z",
            "uniqueQualifier": str(rng.getrandbits(62)),
            "applicationName": "admin" if is_told else "drive",
            "customerId": "C0abc123",
        },
        "actor": {"callerType": "USER", "email": _who(rng), "profileId": str(rng.getrandbits(60))},
        "ipAddress": _address(rng),
        "events": [
            {
                "type": "SETTINGS" if is_told else "access",
                "name": sigma_rules.google_operation(rng) if is_told else "view",
                "parameters": [
                    {"name": "DOC_ID", "value": _ids(rng)},
                    {"name": "NEW_VALUE", "value": rng.choice(("true", "false", "x"))},
                ],
            }
        ],
    }


def _process(rng: Random, number: int) -> Record:
    is_tool = number % 10 == 0
    name = rng.choice(sigma_rules.PROGRAMS if is_tool else _EVERYDAY)
    image = f"C:\\Windows\\System32\\{name}.exe"
    line = f'"{image}" --type={rng.choice(("a", "renderer", "k"))} /id:{_ids(rng)} -p {number}'
    if number % _ONE_IN == 0:
        line += f" {' '.join(rng.sample(sigma_rules.SWITCHES, 2))}"
    parent = f"C:\\Windows\\{rng.choice(('explorer', 'services', 'svchost', 'cmd'))}.exe"
    data = {
        "UtcTime": f"2026-10-05 08:12:{rng.randint(10, 59)}.123",
        "ProcessGuid": _ids(rng),
        "ProcessId": str(rng.randint(100, 99_999)),
        "Image": image,
        "FileVersion": "10.0.19041.1",
        "OriginalFileName": f"{name.upper()}.EXE",
        "CommandLine": line,
        "CurrentDirectory": "C:\\Windows\\system32\\",
        "User": f"FABRIKAM\\{rng.choice(('ida', 'jo', 'kim'))}{rng.randint(1, 900)}",
        "IntegrityLevel": "High",
        "Hashes": f"SHA256={_ids(rng)}{_ids(rng)}",
        "ParentImage": parent,
        "ParentCommandLine": f'"{parent}" -k netsvcs {rng.getrandbits(32)}',
    }
    if number % 3 == 0:
        return {
            "EventID": 1,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "Computer": "PC",
            **data,
        }
    if number % 3 == 1:
        system = {
            "eventID": "1",
            "channel": "Microsoft-Windows-Sysmon/Operational",
            "computer": "PC",
        }
        rule = {
            "level": 3,
            "id": "61603",
            "groups": ["sysmon", "windows"],
            "description": "Process",
        }
        lower = {key[0].lower() + key[1:]: value for key, value in data.items()}
        return {
            "data": {"win": {"system": system, "eventdata": lower}},
            "agent": {"id": "7"},
            "rule": rule,
        }
    return {
        "event_simpleName": "ProcessRollup2", "event_platform": "Win", "aid": _ids(rng),
        "ImageFileName": image, "CommandLine": line, "ParentBaseFileName": parent[11:],
        "TargetProcessId": str(rng.getrandbits(40)), "SHA256HashData": _ids(rng),
        "timestamp": str(rng.getrandbits(40)),
    }  # fmt: skip
