"""What the connector can do: one class for each way in which an action works."""

from integrations.connectors.defender_endpoint.actions.indicators import (
    BlockIndicator,
    UnblockIndicator,
)
from integrations.connectors.defender_endpoint.actions.machines import (
    ISOLATION,
    RESTRICTION,
    RunOnce,
    Switch,
)
from integrations.contract import Action

ACTIONS: tuple[Action, ...] = (
    Switch("endpoint.isolate", ISOLATION, is_on=True),
    Switch("endpoint.release", ISOLATION, is_on=False),
    Switch("endpoint.restrict_apps", RESTRICTION, is_on=True),
    Switch("endpoint.unrestrict_apps", RESTRICTION, is_on=False),
    RunOnce(
        "endpoint.scan", "runAntiVirusScan", "RunAntiVirusScan", "Machine.Scan",
        {"ScanType": "Full"},
    ),
    RunOnce(
        "endpoint.collect_package", "collectInvestigationPackage", "CollectInvestigationPackage",
        "Machine.CollectForensics",
    ),
    RunOnce(
        "endpoint.quarantine_file", "StopAndQuarantineFile", "StopAndQuarantineFile",
        "Machine.StopAndQuarantine", is_of_file=True,
    ),
    BlockIndicator(),
    UnblockIndicator(),
)  # fmt: skip
