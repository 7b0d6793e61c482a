"""What the connector can do: one class for each kind of change."""

from integrations.connectors.wazuh.actions.blocking import BlockIndicator
from integrations.connectors.wazuh.actions.groups import AddToGroup, RemoveFromGroup
from integrations.connectors.wazuh.actions.scans import Scan
from integrations.contract import Action

ACTIONS: tuple[Action, ...] = (AddToGroup(), RemoveFromGroup(), Scan(), BlockIndicator())
