"""The questions that the connector answers: one class for each read-only action of the catalog."""

from integrations.connectors.google_workspace.gatherers.accounts import (
    GetAccount,
    ListAuthMethods,
    ListGrants,
    ListGroups,
    ListInactiveAccounts,
    ListPrivilegedAccounts,
    ListRoleAssignments,
)
from integrations.connectors.google_workspace.gatherers.activity import (
    ListDirectoryChanges,
    ListFileActivity,
    ListPrompts,
    ListRiskDetections,
    ListSignIns,
    ListSourceActivity,
)
from integrations.connectors.google_workspace.gatherers.mail import (
    FindCopies,
    GetForwarding,
    GetMessage,
    ListDelegates,
    ListInboxRules,
)
from integrations.connectors.google_workspace.gatherers.mail_log import (
    ListInteractions,
    TraceSentMail,
)
from integrations.contract import Gatherer

GATHERERS: tuple[Gatherer, ...] = (
    GetAccount(),
    ListSignIns(),
    ListAuthMethods(),
    ListRiskDetections(),
    ListDirectoryChanges(),
    ListPrompts(),
    ListSourceActivity(),
    ListGrants(),
    ListRoleAssignments(),
    ListGroups(),
    ListPrivilegedAccounts(),
    ListInactiveAccounts(),
    ListInboxRules(),
    GetForwarding(),
    ListDelegates(),
    GetMessage(),
    FindCopies(),
    ListInteractions(),
    TraceSentMail(),
    ListFileActivity(),
)
