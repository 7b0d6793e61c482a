"""Messages in mailboxes.

Source: https://learn.microsoft.com/graph/api/resources/message
"""

from __future__ import annotations

import base64

from integrations.simulators.base.store import Record

from .errors import mail_not_found
from .graph import Answer, Request, Route, entity, listing, route, shaped
from .mail import folder_id, mailbox_owner_id

_READ = ("Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite")
# Well-known folders by the names that Graph takes in place of an id.
FOLDERS = {
    "inbox": "Inbox",
    "archive": "Archive",
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "sentitems": "Sent Items",
    "recoverableitemsdeletions": "Deletions",
}
HIDDEN = folder_id("Deletions")
_PROPERTIES = frozenset(
    {"id", "internetMessageId", "conversationId", "parentFolderId", "subject", "isRead",
     "receivedDateTime", "from", "sender", "hasAttachments"}
)  # fmt: skip


def _id(raw: str) -> str:
    return base64.urlsafe_b64encode(f"AAMkmessage-{raw}".encode()).decode()


def message(request_id: str, folder: str, given: Record) -> Record:
    """A received message in a folder."""
    return {
        "id": _id(request_id),
        "parentFolderId": folder_id(folder),
        "isRead": False,
        "isDraft": False,
        "hasAttachments": False,
        "importance": "normal",
        "categories": [],
        **given,
    }


def _folder(request: Request) -> str:
    return _folder_id(request, request.params["folder"])


def _folder_id(request: Request, name: str) -> str:
    known = FOLDERS.get(name.casefold())
    if known:
        return folder_id(known)
    if name in {folder_id(n) for n in [*FOLDERS.values(), "RSS Feeds"]}:
        return name
    raise mail_not_found()


def _listed(request: Request, records: list[Record], uid: str) -> Answer:
    shown = [
        r
        if "internetMessageHeaders" in request.options.get("$select", "")
        else {k: v for k, v in r.items() if k != "internetMessageHeaders"}
        for r in records
    ]
    return listing(request, shown, f"users('{uid}')/messages", known=_PROPERTIES)


def list_messages(request: Request) -> Answer:
    uid = mailbox_owner_id(request)
    found = request.tenant.all(f"messages:{uid}")
    return _listed(request, [m for m in found if m["parentFolderId"] != HIDDEN], uid)


def list_in_folder(request: Request) -> Answer:
    uid = mailbox_owner_id(request)
    folder = _folder(request)
    found = request.tenant.all(f"messages:{uid}")
    return _listed(request, [m for m in found if m["parentFolderId"] == folder], uid)


def get_message(request: Request) -> Answer:
    found = request.tenant.get(f"messages:{mailbox_owner_id(request)}", request.params["message"])
    if found is None:
        raise mail_not_found()
    return shaped(request, found, "messages")


def move_message(request: Request) -> Answer:
    """Move; the message is given a new id."""
    uid = mailbox_owner_id(request, for_writing=True)
    collection = f"messages:{uid}"
    body = {k.casefold(): v for k, v in request.json({"destinationId", "DestinationId"}).items()}
    record = request.tenant.true(collection, request.params["message"])
    if record is None:
        raise mail_not_found()
    folder = _folder_id(request, str(body.get("destinationid")))
    moved = {**record, "id": _id(request.tenant.new_id("message")), "parentFolderId": folder}
    request.tenant.remove(collection, record["id"])
    request.tenant.put(collection, moved)
    kind = "message.hide" if folder == HIDDEN else "message.move"
    request.effect(kind, f"{uid}/{record['internetMessageId']}")
    shown = {k: v for k, v in moved.items() if k != "internetMessageHeaders"}
    answer = entity(shown, f"users('{uid}')/messages")
    answer.status = 201
    return answer


ROUTES: list[Route] = [
    route("GET", "/users/{user}/messages", list_messages, *_READ),
    route("GET", "/users/{user}/messages/{message}", get_message, *_READ),
    route("GET", "/users/{user}/mailFolders/{folder}/messages", list_in_folder, *_READ),
    route("POST", "/users/{user}/messages/{message}/move", move_message, "Mail.ReadWrite"),
]
