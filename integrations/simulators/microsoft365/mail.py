"""Mailboxes through Graph: inbox rules and settings.

Source: https://learn.microsoft.com/graph/api/resources/messagerule
"""

from __future__ import annotations

import base64
import copy

from integrations.simulators.base.store import Record

from .errors import GraphError, bad_request, mail_not_found
from .graph import Answer, Request, Route, entity, listing, no_content, route, shaped
from .users import user_id

_RULE_PROPERTIES = frozenset(
    [
        "id",
        "displayName",
        "sequence",
        "isEnabled",
        "hasError",
        "isReadOnly",
        "conditions",
        "actions",
        "exceptions",
    ]
)
_READ = ("MailboxSettings.Read", "MailboxSettings.ReadWrite")
_WRITE = ("MailboxSettings.ReadWrite",)
_SETTINGS = frozenset(
    [
        "archiveFolder",
        "automaticRepliesSetting",
        "dateFormat",
        "delegateMeetingMessageDeliveryOptions",
        "language",
        "timeFormat",
        "timeZone",
        "workingHours",
    ]
)


def mailbox_owner_id(request: Request, *, for_writing: bool = False) -> str:
    """The id of the user whose mailbox the path names, or 404."""
    uid = user_id(request, for_writing=for_writing)
    if request.tenant.true("mailboxes", uid) is None:
        raise GraphError(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )
    return uid


def _rules(request: Request, *, for_writing: bool = False) -> str:
    if request.params["folder"].casefold() != "inbox":
        raise mail_not_found()
    return f"rules:{mailbox_owner_id(request, for_writing=for_writing)}"


def _context(request: Request) -> str:
    return f"users('{request.params['user']}')/mailFolders('inbox')/messageRules"


def list_rules(request: Request) -> Answer:
    rules = sorted(request.tenant.all(_rules(request)), key=lambda rule: rule["sequence"])
    return listing(request, rules, _context(request))


def get_rule(request: Request) -> Answer:
    rule = request.tenant.get(_rules(request), request.params["rule"])
    if rule is None:
        raise mail_not_found()
    return shaped(request, rule, _context(request))


def add_rule(request: Request) -> Answer:
    collection = _rules(request, for_writing=True)
    body = copy.deepcopy(request.json(_RULE_PROPERTIES))
    if not body.get("displayName") or not isinstance(body.get("actions"), dict):
        raise bad_request("A rule needs a displayName and at least one action.", "ErrorInvalidRule")
    raw = request.tenant.new_id("rule").encode()[:8]
    rule: Record = {
        "id": base64.b64encode(b"\x01\x00\x00\x00" + raw).decode().replace("/", "-"),
        "sequence": 1 + len(request.tenant.true_all(collection)),
        "isEnabled": True,
        "hasError": False,
        "isReadOnly": False,
        "conditions": None,
        "exceptions": None,
    }
    writable = _RULE_PROPERTIES - {"id", "hasError", "isReadOnly"}
    rule.update({name: value for name, value in body.items() if name in writable})
    request.tenant.put(collection, rule)
    request.effect("rule.add", f"{collection.partition(':')[2]}/{rule['id']}")
    answer = entity(rule, _context(request))
    answer.status = 201
    return answer


def update_rule(request: Request) -> Answer:
    collection = _rules(request, for_writing=True)
    rule_id = request.params["rule"]
    body = request.json(_RULE_PROPERTIES)
    if request.tenant.true(collection, rule_id) is None:
        raise mail_not_found()
    if not isinstance(body.get("isEnabled", True), bool):
        raise bad_request("isEnabled must be true or false.", "RequestBodyRead")
    changes = {k: v for k, v in body.items() if k != "id" and not k.startswith("@")}
    rule = request.tenant.update(collection, rule_id, changes)
    request.effect(
        "rule.update", f"{collection.partition(':')[2]}/{rule_id}", properties=sorted(changes)
    )
    return entity(rule, _context(request))


def delete_rule(request: Request) -> Answer:
    collection = _rules(request, for_writing=True)
    rule_id = request.params["rule"]
    if request.tenant.true(collection, rule_id) is None:
        raise mail_not_found()
    request.tenant.remove(collection, rule_id)
    request.effect("rule.delete", f"{collection.partition(':')[2]}/{rule_id}")
    return no_content()


def list_folders(request: Request) -> Answer:
    uid = mailbox_owner_id(request)
    names = ["Inbox", "Archive", "Deleted Items", "Junk Email", "RSS Feeds", "Sent Items"]
    records = [
        {
            "id": folder_id(name),
            "displayName": name,
            "parentFolderId": folder_id("root"),
            "childFolderCount": 0,
            "unreadItemCount": 0,
            "totalItemCount": 0,
            "isHidden": False,
        }
        for name in names
    ]
    return listing(request, records, f"users('{uid}')/mailFolders")


def folder_id(name: str) -> str:
    """The id of a folder by its English name."""
    return base64.urlsafe_b64encode(f"AAMkfolder-{name}".encode()).decode()


def get_settings(request: Request) -> Answer:
    mailbox = request.tenant.get("mailboxes", mailbox_owner_id(request)) or {}
    return shaped(request, mailbox["settings"], "mailboxSettings")


def update_settings(request: Request) -> Answer:
    uid = mailbox_owner_id(request, for_writing=True)
    changes = {k: v for k, v in request.json(_SETTINGS).items() if not k.startswith("@")}
    if isinstance(changes.get("automaticRepliesSetting"), dict):
        changes["automaticRepliesSetting"] = _as_html(changes["automaticRepliesSetting"])
    mailbox = request.tenant.true("mailboxes", uid) or {}
    merged = {**mailbox["settings"], **changes}
    request.tenant.update("mailboxes", uid, {"settings": merged})
    request.effect("mailbox.update_settings", uid, properties=sorted(changes))
    return entity(merged, "mailboxSettings")


def _as_html(reply: Record) -> Record:
    """Exchange keeps the messages of an automatic reply as HTML."""
    kept = dict(reply)
    for name in ("internalReplyMessage", "externalReplyMessage"):
        text = kept.get(name)
        if text and not str(text).startswith("<html>"):
            kept[name] = f"<html>\n<body>\n<div>{text}\n</div>\n</body>\n</html>\n"
    return kept


_RULE = "/users/{user}/mailFolders/{folder}/messageRules"
ROUTES: list[Route] = [
    route("GET", _RULE, list_rules, *_READ),
    route("POST", _RULE, add_rule, *_WRITE),
    route("GET", _RULE + "/{rule}", get_rule, *_READ),
    route("PATCH", _RULE + "/{rule}", update_rule, *_WRITE),
    route("DELETE", _RULE + "/{rule}", delete_rule, *_WRITE),
    route("GET", "/users/{user}/mailFolders", list_folders, "Mail.ReadBasic.All", "Mail.Read"),
    route("GET", "/users/{user}/mailboxSettings", get_settings, *_READ),
    route("PATCH", "/users/{user}/mailboxSettings", update_settings, *_WRITE),
]
