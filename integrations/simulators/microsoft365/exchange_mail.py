"""What happens to mail: trusted and blocked senders, message trace, and the unified audit log.

Sources: https://learn.microsoft.com/powershell/module/exchange/set-mailboxjunkemailconfiguration,
…/new-tenantallowblocklistitems, …/get-messagetracev2, …/search-unifiedauditlog.
"""

from __future__ import annotations

import json
from datetime import datetime

from integrations.simulators.base.store import Record

from .cmdlets import Cmdlet, ExchangeError, mailbox_owner, only
from .graph import Request
from .odata import timestamp

_SENDERS = "senderList"


def _get_junk(request: Request, parameters: Record) -> list[Record]:
    only(parameters, ())
    user = mailbox_owner(request, parameters)
    exchange = (request.tenant.get("mailboxes", user["id"]) or {})["exchange"]
    return [
        {
            "Identity": user["mailNickname"],
            "Enabled": True,
            "TrustedListsOnly": False,
            "ContactsTrusted": False,
            "TrustedSendersAndDomains": exchange.get("TrustedSendersAndDomains") or [],
            "BlockedSendersAndDomains": [],
        }
    ]


def _set_junk(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"TrustedSendersAndDomains"})
    user = mailbox_owner(request, parameters, for_writing=True)
    mailbox = request.tenant.true("mailboxes", user["id"]) or {}
    wanted = list(parameters["TrustedSendersAndDomains"] or [])
    exchange = {**mailbox["exchange"], "TrustedSendersAndDomains": wanted}
    request.tenant.update("mailboxes", user["id"], {"exchange": exchange})
    request.effect("mailbox.set_trusted_senders", user["id"], now=wanted)
    return []


def _get_listed(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"ListType", "Entry", "Block", "Allow"})
    wanted = str(parameters.get("Entry") or "").casefold()
    found = request.tenant.all(_SENDERS)
    return [one for one in found if not wanted or one["Value"].casefold() == wanted]


def _new_listed(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"ListType", "Entries", "Block", "NoExpiration", "Notes"})
    made = []
    for entry in parameters["Entries"]:
        if request.tenant.true(_SENDERS, entry.casefold()):
            raise ExchangeError(400, "DuplicateEntryException", f"'{entry}' is already listed.")
        record = {
            "Identity": request.tenant.new_id("listed"),
            "Value": entry,
            "Action": "Block",
            "ListType": "Sender",
            "ExpirationDate": None,
            "Notes": parameters.get("Notes"),
        }
        made.append(request.tenant.put(_SENDERS, record, entry.casefold()))
        request.effect("sender.block", entry)
    return made


def _remove_listed(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"ListType", "Entries"})
    for entry in parameters["Entries"]:
        if request.tenant.true(_SENDERS, entry.casefold()) is None:
            raise ExchangeError(404, "NotFoundException", f"'{entry}' is not listed.")
        request.tenant.remove(_SENDERS, entry.casefold())
        request.effect("sender.unblock", entry)
    return []


def _between(parameters: Record) -> tuple[datetime, datetime]:
    return timestamp(str(parameters["StartDate"])), timestamp(str(parameters["EndDate"]))


def _trace(request: Request, parameters: Record) -> list[Record]:
    only(
        parameters,
        {"StartDate", "EndDate", "SenderAddress", "RecipientAddress", "MessageId",
         "StartingRecipientAddress"},
    )  # fmt: skip
    start, end = _between(parameters)
    if (end - start).days > 10:
        raise ExchangeError(400, "InvalidRequest", "At most 10 days can be asked for at once.")
    sender = str(parameters.get("SenderAddress") or "").casefold()
    behind = -end.timestamp(), str(parameters.get("StartingRecipientAddress") or "").casefold()
    found = {
        _order(one): one
        for one in request.tenant.all("messageTraces")
        if start <= timestamp(one["Received"]) and sender in ("", one["SenderAddress"].casefold())
    }
    rows = [found[key] for key in sorted(found) if key[:2] >= behind]
    shown = rows[: int(parameters.get("ResultSize") or 1000)]
    return [{name: value for name, value in one.items() if name != "id"} for one in shown]


def _order(trace: Record) -> tuple[float, str, str]:
    """The newest first; of the same second, by recipient."""
    received = timestamp(trace["Received"]).timestamp()
    return -received, trace["RecipientAddress"].casefold(), str(trace["MessageTraceId"])


def _audit_log(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"StartDate", "EndDate", "Operations", "ObjectIds", "UserIds"})
    start, end = _between(parameters)
    operations = set(parameters.get("Operations") or ())
    found = [
        one
        for one in request.tenant.all("unifiedAudit")
        if start <= timestamp(one["CreationTime"]) <= end
        and (not operations or one["Operation"] in operations)
    ]
    return [
        {
            "Identity": one["Id"],
            "CreationDate": one["CreationTime"],
            "Operations": one["Operation"],
            "UserIds": one["UserId"],
            "AuditData": json.dumps(one),
            "ResultCount": len(found),
        }
        for one in found[: int(parameters.get("ResultSize") or 100)]
    ]


CMDLETS: dict[str, Cmdlet] = {
    "get-mailboxjunkemailconfiguration": _get_junk,
    "set-mailboxjunkemailconfiguration": _set_junk,
    "get-tenantallowblocklistitems": _get_listed,
    "new-tenantallowblocklistitems": _new_listed,
    "remove-tenantallowblocklistitems": _remove_listed,
    "get-messagetracev2": _trace,
    "search-unifiedauditlog": _audit_log,
}
