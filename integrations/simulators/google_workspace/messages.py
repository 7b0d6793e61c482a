"""Messages of a mailbox, of the Gmail API.

https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages
"""

from __future__ import annotations

import re

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from .errors import missing, refusal
from .gmail import owner_of
from .requests import page
from .scopes import MAIL, MAIL_ALL, MAIL_METADATA, MAIL_READ

_BY_ID = re.compile(r"rfc822msgid:<?([^>\s]+)>?")


def _collection(request: Request) -> str:
    return f"messages:{owner_of(request)['id']}"


def _list(request: Request) -> Answer:
    found = request.tenant.all(_collection(request))
    query = request.options.get("q", "")
    if query and request.roles == {MAIL_METADATA}:
        raise refusal(403, "Metadata scope does not support 'q' parameter")
    if query:
        wanted = _BY_ID.fullmatch(query)
        if wanted is None:
            raise refusal(400, "Invalid query", reason="invalidArgument")
        found = [m for m in found if _header(m, "Message-ID").strip("<>") == wanted[1]]
    if request.options.get("includeSpamTrash", "").lower() != "true":
        found = [m for m in found if not {"TRASH", "SPAM"} & set(m["labelIds"])]
    short = [{"id": m["id"], "threadId": m["threadId"]} for m in found]
    answer = page(request, "messages", short, "maxResults")
    answer.body["resultSizeEstimate"] = len(short)
    return answer


def _header(message: Record, name: str) -> str:
    headers = message["payload"]["headers"]
    return next((str(h["value"]) for h in headers if h["name"] == name), "")


def _get(request: Request) -> Answer:
    found = request.tenant.get(_collection(request), request.params["message"])
    if found is None:
        raise missing("message")
    form = request.options.get("format", "full")
    if form == "minimal":
        found = {k: v for k, v in found.items() if k != "payload"}
    return Answer(200, found)


def _trash(request: Request) -> Answer:
    return _label(request, is_trash=True)


def _untrash(request: Request) -> Answer:
    return _label(request, is_trash=False)


def _label(request: Request, *, is_trash: bool) -> Answer:
    collection, message_id = _collection(request), request.params["message"]
    message = request.tenant.true(collection, message_id)
    if message is None:
        raise missing("message")
    labels = [label for label in message["labelIds"] if label != "TRASH"]
    labels += ["TRASH"] if is_trash else []
    if labels != message["labelIds"]:
        message = request.tenant.update(collection, message_id, {"labelIds": labels})
        request.effect("message.trash" if is_trash else "message.untrash", message_id)
    return Answer(200, {k: message[k] for k in ("id", "threadId", "labelIds")})


_MESSAGES = "/gmail/v1/users/{user}/messages"
_READ = (MAIL_ALL, MAIL, MAIL_READ)
ROUTES: list[Route] = [
    route("GET", _MESSAGES, _list, *_READ, MAIL_METADATA),
    route("GET", f"{_MESSAGES}/{{message}}", _get, *_READ, MAIL_METADATA),
    route("POST", f"{_MESSAGES}/{{message}}/trash", _trash, MAIL_ALL, MAIL),
    route("POST", f"{_MESSAGES}/{{message}}/untrash", _untrash, MAIL_ALL, MAIL),
]
