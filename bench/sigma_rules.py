"""Sigma rules as public packs have them, from a seed: as many, as varied and as filtered.

How often each kind of condition comes follows SigmaHQ's rules for the same log sources: names of
operations for clouds; program, command line and parent for processes, a third with filters.
"""

from random import Random
from typing import Any
from uuid import UUID

import yaml

from integrations.detection import loading
from integrations.detection.rules import Pack

PROVIDERS = (
    "Compute", "Network", "Storage", "KeyVault", "Authorization", "Sql", "Insights", "Security",
    "ContainerService", "Web", "Automation", "RecoveryServices", "DocumentDB", "EventHub", "Logic",
)  # fmt: skip
RESOURCES = (
    "virtualMachines", "snapshots", "disks", "networkSecurityGroups", "firewallPolicies", "vaults",
    "roleAssignments", "policyAssignments", "locks", "servers", "databases", "managedClusters",
    "sites", "runbooks", "webhooks", "diagnosticSettings", "actionGroups", "storageAccounts",
)  # fmt: skip
ACTIONS = ("write", "delete", "action", "start/action", "listKeys/action", "regenerateKey/action")
THINGS = (
    "user", "group", "device", "application", "service principal", "policy", "role", "domain",
    "consent", "certificate", "owner", "member", "password", "authentication method", "named place",
)  # fmt: skip
VERBS = ("Add", "Update", "Delete", "Remove", "Disable", "Enable", "Reset", "Consent to", "Set")
NOUNS = (
    "Mailbox", "InboxRule", "TransportRule", "MailboxPermission", "AntiPhishPolicy", "DlpPolicy",
    "SafeLinksPolicy", "RoleGroupMember", "Connector", "RetentionPolicy", "ComplianceSearch",
)  # fmt: skip
GOOGLE = ("CHANGE", "CREATE", "DELETE", "ASSIGN", "GRANT", "SUSPEND", "TOGGLE", "ADD", "REMOVE")
GOOGLE_THINGS = (
    "USER", "ROLE", "APPLICATION_SETTING", "DOMAIN", "GROUP_SETTING", "API_ACCESS", "TWO_STEP",
    "PASSWORD", "DEVICE", "ALIAS", "ORG_UNIT", "DELEGATION", "CERTIFICATE",
)  # fmt: skip
PROGRAMS = (
    "powershell", "cmd", "rundll32", "regsvr32", "mshta", "wmic", "certutil", "bitsadmin", "net",
    "schtasks", "reg", "sc", "cscript", "wscript", "msiexec", "installutil", "regasm", "msbuild",
    "odbcconf", "nltest", "whoami", "vssadmin", "wbadmin", "bcdedit", "wevtutil", "procdump",
    "psexec", "rclone", "ngrok", "adfind", "dsquery", "esentutl", "ntdsutil", "cmstp", "hh",
    "forfiles", "pcalua", "mavinject", "finger", "curl", "tar", "expand", "makecab", "print",
)  # fmt: skip
PARENTS = ("winword", "excel", "outlook", "w3wp", "sqlservr", "wmiprvse", "services", "mmc")
SWITCHES = (
    "encodedcommand", "windowstyle hidden", "executionpolicy bypass", "urlcache", "transfer",
    "javascript:", "scrobj.dll", "comsvcs", "minidump", "process call create", "shadowcopy",
    "delete shadows", "create /sc", "add hklm", "currentversion\\run", "localgroup administrators",
    "domain_trusts", "downloadstring", "frombase64string", "iex(", "sekurlsa", "lsadump",
    "failurereason", "save hklm\\sam", "recoveryenabled no", "clear-eventlog", "stop-service",
    "add-mppreference", "exclusionpath", "invoke-webrequest", "start-bitstransfer", "hidden -nop",
)  # fmt: skip


def cloud(count: int, seed: int) -> Pack:
    """Return rules for Azure, Entra, Microsoft 365 and Google Workspace."""
    rng = Random(seed)  # noqa: S311
    makers = (_activity, _activity, _audit, _office, _google, _sign_in)
    return _pack([makers[number % len(makers)](rng) for number in range(count)], rng)


def processes(count: int, seed: int) -> Pack:
    """Return rules for processes on Windows."""
    rng = Random(seed)  # noqa: S311
    return _pack([_process(rng) for _ in range(count)], rng)


def operation(rng: Random) -> str:
    """Return the name of an operation of Azure's resource manager."""
    return f"Microsoft.{rng.choice(PROVIDERS)}/{rng.choice(RESOURCES)}/{rng.choice(ACTIONS)}"


def directory_operation(rng: Random) -> str:
    """Return the name of an operation of Entra's audit log."""
    return f"{rng.choice(VERBS)} {rng.choice(THINGS)} {rng.choice(('', 'to role', 'from group'))}"


def office_operation(rng: Random) -> str:
    """Return the name of an operation of Microsoft 365's audit log."""
    return f"{rng.choice(('New', 'Set', 'Remove', 'Add', 'Disable'))}-{rng.choice(NOUNS)}"


def google_operation(rng: Random) -> str:
    """Return the name of one of Google's admin events."""
    return f"{rng.choice(GOOGLE)}_{rng.choice(GOOGLE_THINGS)}"


def _pack(told: list[dict[str, Any]], rng: Random) -> Pack:
    for number, one in enumerate(told):
        one.update(
            title=f"Generated {number}", id=str(UUID(int=rng.getrandbits(128))), level="high"
        )
    pack = loading.loaded([("generated.yml", yaml.safe_dump_all(told).encode()[:])])
    if pack.not_run:
        raise ValueError(f"A generated rule can't be run: {pack.not_run[0].reason}.")
    return pack


def _some(rng: Random, make: Any, most: int) -> Any:
    found = [make(rng) for _ in range(rng.randint(1, most))]
    return found[0] if len(found) == 1 else found


def _rule(product: str, service: str, selection: dict[str, Any]) -> dict[str, Any]:
    return {
        "logsource": {"product": product, "service": service},
        "detection": {"selection": selection, "condition": "selection"},
    }


def _activity(rng: Random) -> dict[str, Any]:
    told = _rule("azure", "activitylogs", {"operationName": _some(rng, operation, 4)})
    if rng.random() < 0.5:
        told["detection"]["selection"]["status"] = ["Success", "Succeeded"]
    if rng.random() < 0.2:
        told["detection"]["filter"] = {"caller|endswith": "@automation.example"}
        told["detection"]["condition"] = "selection and not filter"
    return told


def _audit(rng: Random) -> dict[str, Any]:
    selection: dict[str, Any] = {"OperationName": _some(rng, directory_operation, 3)}
    if rng.random() < 0.3:
        selection["TargetUserName|contains"] = rng.choice(("#EXT#", "admin", "svc"))
    if rng.random() < 0.3:
        selection["result"] = "success"
    return _rule("azure", "auditlogs", selection)


def _sign_in(rng: Random) -> dict[str, Any]:
    selection: dict[str, Any] = {"ResultType": rng.choice((50053, 50074, 50126, 53003, 70043, 0))}
    selection["AppDisplayName|contains"] = f"{rng.choice(THINGS)} {rng.choice(NOUNS)}"
    if rng.random() < 0.5:
        selection["ClientAppUsed"] = rng.choice(("IMAP4", "POP3", "Authenticated SMTP"))
    return _rule("azure", "signinlogs", selection)


def _office(rng: Random) -> dict[str, Any]:
    selection: dict[str, Any] = {"Operation": _some(rng, office_operation, 3)}
    if rng.random() < 0.4:
        selection["Parameters|contains"] = rng.choice(("Forward", "Delete", "FullAccess", "False"))
    return _rule("m365", "audit", selection)


def _google(rng: Random) -> dict[str, Any]:
    selection: dict[str, Any] = {"eventName": _some(rng, google_operation, 3)}
    if rng.random() < 0.4:
        selection["NEW_VALUE"] = rng.choice(("true", "false", "ALLOW", "ANYONE"))
    return _rule("google_workspace", "activity", selection)


def _process(rng: Random) -> dict[str, Any]:
    detection: dict[str, Any] = {}
    kind = rng.random()
    programs = [f"\\{name}.exe" for name in rng.sample(PROGRAMS, rng.randint(1, 3))]
    if kind < 0.7:
        detection["image"] = [
            {"Image|endswith": programs},
            {"OriginalFileName": [name[1:] for name in programs]},
        ]
    elif kind < 0.85:
        parents = [f"\\{name}.exe" for name in rng.sample(PARENTS, 2)]
        detection["parent"] = {"ParentImage|endswith": parents, "Image|endswith": programs}
    switches = rng.sample(SWITCHES, rng.randint(1, 3))
    if rng.random() < 0.1:
        pattern = f"(?i){switches[0].replace('(', '.').split(chr(92))[0]}\\s+[a-z0-9]{{3,}}"
        detection["line"] = {"CommandLine|re": pattern}
    elif rng.random() < 0.4:
        detection["line"] = {"CommandLine|contains|all": switches}
    else:
        detection["line"] = {"CommandLine|contains": switches}
    detection["condition"] = "all of them"
    if rng.random() < 0.35:
        detection["filter_main"] = {"ParentImage|contains": rng.choice(("\\Program Files", "ccm"))}
        names = [name for name in detection if name not in ("condition", "filter_main")]
        detection["condition"] = f"{' and '.join(names)} and not filter_main"
    return {
        "logsource": {"product": "windows", "category": "process_creation"},
        "detection": detection,
    }
