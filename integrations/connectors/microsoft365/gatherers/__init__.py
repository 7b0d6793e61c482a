"""The questions that a playbook asks: one class for each read-only action of the catalog."""

from integrations.connectors.microsoft365.gatherers.access import (
    ListGrants,
    ListGroups,
    ListLicences,
    ListRoleAssignments,
)
from integrations.connectors.microsoft365.gatherers.accounts import (
    GetAccount,
    ListAuthMethods,
    ListDirectoryChanges,
    ListRiskDetections,
)
from integrations.connectors.microsoft365.gatherers.employment import GetEmployment
from integrations.connectors.microsoft365.gatherers.everybody import (
    ListInactiveAccounts,
    ListPrivilegedAccounts,
)
from integrations.connectors.microsoft365.gatherers.files import ListFileActivity
from integrations.connectors.microsoft365.gatherers.mailbox import (
    GetForwarding,
    ListDelegates,
    ListInboxRules,
    ListTrustedSenders,
    TraceSentMail,
)
from integrations.connectors.microsoft365.gatherers.messages import (
    FindCopies,
    GetMessage,
    ListInteractions,
)
from integrations.connectors.microsoft365.gatherers.sign_ins import (
    ListPrompts,
    ListSignIns,
    ListSourceActivity,
)
from integrations.connectors.microsoft365.gatherers.tenant import GetBreakGlassState, ListDrift
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
    ListLicences(),
    ListPrivilegedAccounts(),
    ListInactiveAccounts(),
    ListInboxRules(),
    GetForwarding(),
    ListDelegates(),
    ListTrustedSenders(),
    TraceSentMail(),
    GetMessage(),
    FindCopies(),
    ListInteractions(),
    GetBreakGlassState(),
    ListDrift(),
    GetEmployment(),
    ListFileActivity(),
)
