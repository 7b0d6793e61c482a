"""Messages in mailboxes, and the hunting query that tells who clicked.

Sources: https://learn.microsoft.com/graph/api/resources/message,
/graph/api/security-security-runhuntingquery.
"""

from __future__ import annotations

import base64
import re

from integrations.simulators.base.store import Record

from .errors import bad_request, mail_not_found
from .graph import METADATA, Answer, Request, Route, entity, listing, route, shaped
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
_LITERAL = re.compile(r'InternetMessageId == "((?:[^"\\]|\\.)*)"')


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


def run_hunting_query(request: Request) -> Answer:
    """Who clicked in a message: the one question that is understood here."""
    query = str(request.json({"query", "timespan"}).get("query"))
    found = _LITERAL.search(query)
    if found is None or "UrlClickEvents" not in query:
        raise bad_request("The query has a syntax error or an unknown table.")
    wanted = found[1].replace('\\"', '"').replace("\\\\", "\\")
    rows = [
        {name: click[name] for name in ("AccountUpn", "ActionType", "IsClickedThrough")}
        for click in request.tenant.all("urlClicks")
        if click["InternetMessageId"] == wanted
    ]
    schema = [
        {"name": "AccountUpn", "type": "String"},
        {"name": "ActionType", "type": "String"},
        {"name": "IsClickedThrough", "type": "SByte"},
    ]
    context = f"{METADATA}#microsoft.graph.security.huntingQueryResults"
    return Answer(200, {"@odata.context": context, "schema": schema, "results": rows})


ROUTES: list[Route] = [
    route("GET", "/users/{user}/messages", list_messages, *_READ),
    route("GET", "/users/{user}/messages/{message}", get_message, *_READ),
    route("GET", "/users/{user}/mailFolders/{folder}/messages", list_in_folder, *_READ),
    route("POST", "/users/{user}/messages/{message}/move", move_message, "Mail.ReadWrite"),
    route("POST", "/security/runHuntingQuery", run_hunting_query, "ThreatHunting.Read.All"),
]
