"""Who may do what: permissions on mailboxes, members of distribution lists.

Sources: https://learn.microsoft.com/powershell/module/exchange/get-mailboxpermission,
…/get-recipientpermission, …/add-distributiongroupmember.
"""

from __future__ import annotations

from integrations.simulators.base.store import Record

from .cmdlets import Cmdlet, ExchangeError, mailbox_owner, only
from .graph import Request


def _exchange(request: Request, user: Record, *, true: bool = False) -> Record:
    read = request.tenant.true if true else request.tenant.get
    found: Record = (read("mailboxes", user["id"]) or {})["exchange"]
    return found


def _change(request: Request, user: Record, changes: Record, effect: str, who: str) -> None:
    exchange = {**_exchange(request, user, true=True), **changes}
    request.tenant.update("mailboxes", user["id"], {"exchange": exchange})
    request.effect(effect, user["id"], who=who)


def _get_permission(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"User"})
    user = mailbox_owner(request, parameters)
    own = {"User": "NT AUTHORITY\\SELF", "AccessRights": ["FullAccess", "ReadPermission"]}
    given = [own, *_exchange(request, user).get("Permissions", [])]
    return [
        {"Identity": user["mailNickname"], "Deny": False, "InheritanceType": "All",
         "IsInherited": False, **one}
        for one in given
    ]  # fmt: skip


def _add_permission(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"User", "AccessRights", "InheritanceType", "AutoMapping"})
    user = mailbox_owner(request, parameters, for_writing=True)
    who, rights = str(parameters["User"]), list(parameters["AccessRights"])
    kept = [p for p in _exchange(request, user, true=True).get("Permissions", [])
            if p["User"].casefold() != who.casefold()]  # fmt: skip
    added = {"User": who, "AccessRights": rights}
    _change(request, user, {"Permissions": [*kept, added]}, "mailbox.add_permission", who)
    return [{"Identity": user["mailNickname"], "IsInherited": False, "Deny": False, **added}]


def _remove_permission(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"User", "AccessRights", "InheritanceType"})
    user = mailbox_owner(request, parameters, for_writing=True)
    who = str(parameters["User"])
    given = _exchange(request, user, true=True).get("Permissions", [])
    kept = [p for p in given if p["User"].casefold() != who.casefold()]
    if len(kept) == len(given):
        raise ExchangeError(400, "ACEDoesntExistException", f"'{who}' has no such permission.")
    _change(request, user, {"Permissions": kept}, "mailbox.remove_permission", who)
    return []


def _get_send_as(request: Request, parameters: Record) -> list[Record]:
    only(parameters, {"Trustee", "AccessRights"})
    user = mailbox_owner(request, parameters)
    given = ["NT AUTHORITY\\SELF", *_exchange(request, user).get("SendAs", [])]
    return [
        {"Identity": user["mailNickname"], "Trustee": who, "AccessControlType": "Allow",
         "AccessRights": ["SendAs"], "IsInherited": False}
        for who in given
    ]  # fmt: skip


def _change_send_as(request: Request, parameters: Record, *, is_given: bool) -> list[Record]:
    only(parameters, {"Trustee", "AccessRights"})
    user = mailbox_owner(request, parameters, for_writing=True)
    who = str(parameters["Trustee"])
    given = _exchange(request, user, true=True).get("SendAs", [])
    kept = [one for one in given if one.casefold() != who.casefold()]
    if not is_given and len(kept) == len(given):
        raise ExchangeError(400, "ACEDoesntExistException", f"'{who}' has no such permission.")
    after = [*kept, who] if is_given else kept
    verb = "add" if is_given else "remove"
    _change(request, user, {"SendAs": after}, f"mailbox.{verb}_send_as", who)
    return []


def _change_member(request: Request, parameters: Record, verb: str) -> list[Record]:
    group_id = str(parameters.get("Identity"))
    group = request.tenant.true("groups", group_id)
    if group is None or not group["mailEnabled"]:
        raise ExchangeError(404, "ManagementObjectNotFoundException", f"No group '{group_id}'.")
    user = next(
        (u for u in request.tenant.true_all("users") if parameters.get("Member") == u["id"]), None
    )
    collection = f"members:{group_id}"
    if user is None or (request.tenant.true(collection, user["id"]) is None) is (verb == "remove"):
        raise ExchangeError(400, "MemberNotFoundException", "The recipient isn't as expected.")
    if verb == "remove":
        request.tenant.remove(collection, user["id"])
    else:
        request.tenant.put(collection, {"id": user["id"]})
    request.effect(f"group.{verb}_member", f"{group_id}/{user['id']}")
    return []


CMDLETS: dict[str, Cmdlet] = {
    "get-mailboxpermission": _get_permission,
    "add-mailboxpermission": _add_permission,
    "remove-mailboxpermission": _remove_permission,
    "get-recipientpermission": _get_send_as,
    "add-recipientpermission": lambda request, p: _change_send_as(request, p, is_given=True),
    "remove-recipientpermission": lambda request, p: _change_send_as(request, p, is_given=False),
    "add-distributiongroupmember": lambda request, p: _change_member(request, p, "add"),
    "remove-distributiongroupmember": lambda request, p: _change_member(request, p, "remove"),
}
