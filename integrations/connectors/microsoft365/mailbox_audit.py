"""What Exchange Online's audit log says of changes to one mailbox.

Source: https://learn.microsoft.com/powershell/module/exchange/search-unifiedauditlog. The app needs
the Exchange role View-Only Audit Logs for it.
"""

import datetime as dt
import json
from collections.abc import Collection
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient
from integrations.errors import PermissionMissing, Rejected
from integrations.values import Fields

_MOST = 1_000
_NAMES = (
    "ExternalDirectoryObjectId", "Guid", "Identity", "Alias", "DisplayName", "UserPrincipalName",
    "PrimarySmtpAddress", "DistinguishedName", "Name",
)  # fmt: skip


def changed_values(
    client: GraphClient,
    mailbox_id: str,
    operations: Collection[str],
    parameters: Collection[str],
    since: dt.datetime,
) -> set[str]:
    """The values, in lower case, that these cmdlets were given lately for a mailbox.

    Empty too where the audit log may not be read: then nobody knows what is recent.
    """
    asked: dict[str, Any] = {
        "StartDate": since.isoformat(),
        "EndDate": dt.datetime.now(dt.UTC).isoformat(),
        "Operations": sorted(operations),
        "ResultSize": _MOST,
    }
    try:
        found = client.exchange("Search-UnifiedAuditLog", asked, is_read=True)
    except (PermissionMissing, Rejected):
        return set()
    names = _names_of(client, mailbox_id)
    return {
        value
        for entry in found
        for given in (_given(entry),)
        if _is_of(given.get("identity", ""), names)
        for name in parameters
        for value in _values(given.get(name.lower(), ""))
    }


def _names_of(client: GraphClient, mailbox_id: str) -> set[str]:
    found = client.exchange("Get-Mailbox", {"Identity": mailbox_id}, is_read=True)
    told = [Fields(found[0]).text(name).lower() for name in _NAMES] if found else []
    return {mailbox_id.lower(), *filter(None, told)}


def _given(entry: dict[str, Any]) -> dict[str, str]:
    """The cmdlet's parameters, by name in lower case."""
    try:
        data = json.loads(str(entry.get("AuditData") or "{}"))
    except ValueError:
        return {}
    if not isinstance(data, dict):
        return {}
    return {
        one.word("Name"): one.text("Value").lower() for one in Fields(data).objects("Parameters")
    }


def _is_of(identity: str, names: set[str]) -> bool:
    # Exchange writes a mailbox with or without the place before its name.
    return identity in names or identity.rpartition("/")[2] in names


def _values(text: str) -> list[str]:
    return [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
