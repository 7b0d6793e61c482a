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
_BEFORE = dt.timedelta(days=90)
_NAMES = (
    "ExternalDirectoryObjectId", "Guid", "Identity", "Alias", "DisplayName", "UserPrincipalName",
    "PrimarySmtpAddress", "DistinguishedName", "Name",
)  # fmt: skip


def new_values(
    client: GraphClient,
    mailbox_id: str,
    operations: Collection[str],
    parameters: Collection[str],
    since: dt.datetime,
) -> set[str]:
    """The values, in lower case, that these cmdlets were first given lately for a mailbox.

    A cmdlet that is given a whole list names old values beside the new one: what was given in the
    90 days before isn't new. Empty too where the audit log may not be read: then nobody knows.
    """
    asked: dict[str, Any] = {
        "StartDate": (since - _BEFORE).isoformat(),
        "EndDate": dt.datetime.now(dt.UTC).isoformat(),
        "Operations": sorted(operations),
        "ResultSize": _MOST,
    }
    try:
        found = client.exchange("Search-UnifiedAuditLog", asked, is_read=True)
    except (PermissionMissing, Rejected):
        return set()
    names = _names_of(client, mailbox_id) if found else set()
    before: set[str] = set()
    lately: set[str] = set()
    for entry in found:
        given = _given(entry)
        if not _is_of(given.get("identity", ""), names):
            continue
        at = Fields(entry).time("CreationDate")
        group = before if at is not None and at < since else lately
        group.update(v for name in parameters for v in _values(given.get(name.lower(), "")))
    return lately - before


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
