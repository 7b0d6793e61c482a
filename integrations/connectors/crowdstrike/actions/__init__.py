"""What the connector can do: one class for each changing action of the catalog."""

from integrations.connectors.crowdstrike.actions.containment import SwitchContainment
from integrations.connectors.crowdstrike.actions.files import SwitchQuarantine
from integrations.connectors.crowdstrike.actions.indicators import BlockIndicator, UnblockIndicator
from integrations.connectors.crowdstrike.actions.scans import Scan
from integrations.contract import Action

ACTIONS: tuple[Action, ...] = (
    SwitchContainment("endpoint.isolate", to_isolated=True),
    SwitchContainment("endpoint.release", to_isolated=False),
    Scan(),
    SwitchQuarantine("endpoint.quarantine_file", to_quarantined=True),
    SwitchQuarantine("endpoint.restore_file", to_quarantined=False),
    BlockIndicator(),
    UnblockIndicator(),
)
