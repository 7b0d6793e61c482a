"""The rows of the tenants room."""

from tenants.models.base import TenantModel, new_id
from tenants.models.cases import HARMLESS, Case, CaseChange, CaseEntity, Evidence, Verdict
from tenants.models.directory import (
    NORMAL_CRITICALITY,
    Account,
    Contact,
    Device,
    DirectoryObject,
    Mailbox,
    Person,
)
from tenants.models.findings import Event, Finding, RawRecord, Severity, TakenAgain
from tenants.models.ledger import LedgerEntry, LedgerSeal
from tenants.models.people import AccountIdentifier, MatchDecision, MatchDoubt
from tenants.models.secrets import Secret
from tenants.models.tenant import Installation, PlaybookMode, Tenant
from tenants.models.work import Work

__all__ = [
    "HARMLESS",
    "NORMAL_CRITICALITY",
    "Account",
    "AccountIdentifier",
    "Case",
    "CaseChange",
    "CaseEntity",
    "Contact",
    "Device",
    "DirectoryObject",
    "Event",
    "Evidence",
    "Finding",
    "Installation",
    "LedgerEntry",
    "LedgerSeal",
    "Mailbox",
    "MatchDecision",
    "MatchDoubt",
    "Person",
    "PlaybookMode",
    "RawRecord",
    "Secret",
    "Severity",
    "TakenAgain",
    "Tenant",
    "TenantModel",
    "Verdict",
    "Work",
    "new_id",
]
