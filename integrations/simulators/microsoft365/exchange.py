"""Exchange Online's admin endpoint: what Graph v1.0 can't read or change, such as forwarding.

Source: https://learn.microsoft.com/powershell/module/exchange/set-mailbox
"""

from __future__ import annotations

from typing import Any

from integrations.simulators.base.store import Record

from . import exchange_access, exchange_mail
from .cmdlets import Cmdlet, ExchangeError, mailbox_owner, only
from .errors import forbidden, not_found
from .graph import Answer, Request

_FORWARDING = {"ForwardingSmtpAddress", "ForwardingAddress", "DeliverToMailboxAndForward"}


def invoke_command(request: Request) -> Answer:
    """Run one cmdlet. Source: the ExchangeOnlineManagement module's REST calls."""
    if "Exchange.ManageAsApp" not in request.roles:
        raise forbidden()
    given = request.body.get("CmdletInput") if isinstance(request.body, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get("CmdletName"), str):
        raise ExchangeError(400, "BadRequest", "The request has no CmdletInput with a CmdletName.")
    cmdlet = _CMDLETS.get(given["CmdletName"].casefold())
    if cmdlet is None:
        raise ExchangeError(
            400,
            "BadRequest",
            f"The term '{given['CmdletName']}' is not recognized as the name of a cmdlet.",
        )
    request.start_writing()
    records = cmdlet(request, dict(given.get("Parameters") or {}))
    context = "https://outlook.office365.com/adminapi/beta/$metadata#Collection(Edm.Untyped)"
    warnings = {"adminapi.warnings@odata.type": "#Collection(String)", "@adminapi.warnings": []}
    return Answer(200, {"@odata.context": context, **warnings, "value": records})


def _mailbox_view(request: Request, user: Record, mailbox: Record) -> Record:
    exchange = mailbox["exchange"]
    return {
        "ExternalDirectoryObjectId": user["id"],
        "Guid": exchange["Guid"],
        "Identity": user["mailNickname"],
        "Alias": user["mailNickname"],
        "DisplayName": user["displayName"],
        "UserPrincipalName": user["userPrincipalName"],
        "PrimarySmtpAddress": user["mail"],
        "EmailAddresses": user["proxyAddresses"],
        "RecipientTypeDetails": exchange["RecipientTypeDetails"],
        "ForwardingSmtpAddress": exchange["ForwardingSmtpAddress"],
        "ForwardingAddress": exchange["ForwardingAddress"],
        "DeliverToMailboxAndForward": exchange["DeliverToMailboxAndForward"],
        "GrantSendOnBehalfTo": exchange.get("GrantSendOnBehalfTo") or [],
        "AuditEnabled": True,
        "IsMailboxEnabled": True,
    }


def _get_mailbox(request: Request, parameters: Record) -> list[Record]:
    tenant = request.tenant
    if parameters.get("Identity"):
        users = [mailbox_owner(request, parameters)]
    else:
        users = [user for user in tenant.all("users") if tenant.true("mailboxes", user["id"])]
    return [
        _mailbox_view(request, user, tenant.get("mailboxes", user["id"]) or {}) for user in users
    ]


def _set_mailbox(request: Request, parameters: Record) -> list[Record]:
    user = mailbox_owner(request, parameters, for_writing=True)
    only(parameters, _FORWARDING | {"GrantSendOnBehalfTo", "Type"})
    changes = {name: _value(parameters[name]) for name in _FORWARDING & set(parameters)}
    address = changes.get("ForwardingSmtpAddress")
    if isinstance(address, str) and not address.lower().startswith("smtp:"):
        changes["ForwardingSmtpAddress"] = f"smtp:{address}"
    mailbox = request.tenant.true("mailboxes", user["id"]) or {}
    if "GrantSendOnBehalfTo" in parameters:
        changes["GrantSendOnBehalfTo"] = list(parameters["GrantSendOnBehalfTo"] or [])
    if "Type" in parameters:
        kinds = {"shared": "SharedMailbox", "regular": "UserMailbox"}
        changes["RecipientTypeDetails"] = kinds[str(parameters["Type"]).lower()]
    was = {name: mailbox["exchange"].get(name) for name in changes}
    request.tenant.update("mailboxes", user["id"], {"exchange": {**mailbox["exchange"], **changes}})
    is_forwarding = bool(_FORWARDING & set(changes))
    kind = "mailbox.set_forwarding" if is_forwarding else "mailbox.set"
    request.effect(kind, user["id"], was=was, now=changes)
    return []


def _value(value: Any) -> Any:
    """PowerShell's empty string clears an address."""
    return None if value == "" else value


def _inbox_rules(request: Request, parameters: Record) -> list[Record]:
    user = mailbox_owner(request, parameters)
    rules = request.tenant.all(f"rules:{user['id']}")
    if parameters.get("Identity") and parameters.get("Mailbox"):
        rules = [r for r in rules if parameters["Identity"] in {r["id"], r["displayName"]}]
    return [_rule_view(user, rule) for rule in rules]


def _rule_view(user: Record, rule: Record) -> Record:
    actions, conditions = rule.get("actions") or {}, rule.get("conditions") or {}
    return {
        "Identity": f"{user['mailNickname']}\\{rule['id']}",
        "RuleIdentity": rule["id"],
        "MailboxOwnerId": user["mailNickname"],
        "Name": rule["displayName"],
        "Enabled": rule["isEnabled"],
        "Priority": rule["sequence"],
        "DeleteMessage": bool(actions.get("delete")),
        "MarkAsRead": bool(actions.get("markAsRead")),
        "MoveToFolder": actions.get("moveToFolder"),
        "StopProcessingRules": bool(actions.get("stopProcessingRules")),
        "ForwardTo": _addresses(actions.get("forwardTo")),
        "ForwardAsAttachmentTo": _addresses(actions.get("forwardAsAttachmentTo")),
        "RedirectTo": _addresses(actions.get("redirectTo")),
        "SubjectContainsWords": conditions.get("subjectContains"),
        "SubjectOrBodyContainsWords": conditions.get("bodyOrSubjectContains"),
        "FromAddressContainsWords": conditions.get("senderContains"),
    }


def _addresses(recipients: list[Record] | None) -> list[str] | None:
    if not recipients:
        return None
    shown = []
    for recipient in recipients:
        address = recipient["emailAddress"]
        shown.append(f'"{address.get("name") or address["address"]}" [SMTP:{address["address"]}]')
    return shown


def _change_rule(request: Request, parameters: Record, verb: str) -> list[Record]:
    name = str(parameters.get("Identity", "")).split("\\")[-1]
    user = mailbox_owner(request, {"Identity": parameters.get("Mailbox")}, for_writing=True)
    collection = f"rules:{user['id']}"
    for rule in request.tenant.true_all(collection):
        if name in {rule["id"], rule["displayName"]}:
            if verb == "delete":
                request.tenant.remove(collection, rule["id"])
            else:
                request.tenant.update(collection, rule["id"], {"isEnabled": verb == "enable"})
            request.effect(f"rule.{verb}", f"{user['id']}/{rule['id']}")
            return []
    raise ExchangeError(404, "ManagementObjectNotFoundException", str(not_found(name).message))


_CMDLETS: dict[str, Cmdlet] = {
    **exchange_access.CMDLETS,
    **exchange_mail.CMDLETS,
    "get-mailbox": _get_mailbox,
    "get-exomailbox": _get_mailbox,
    "set-mailbox": _set_mailbox,
    "get-inboxrule": _inbox_rules,
    "disable-inboxrule": lambda request, p: _change_rule(request, p, "disable"),
    "enable-inboxrule": lambda request, p: _change_rule(request, p, "enable"),
    "remove-inboxrule": lambda request, p: _change_rule(request, p, "delete"),
}
