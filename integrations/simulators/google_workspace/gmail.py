"""Filters, forwarding, delegates and the automatic reply of a mailbox, of the Gmail API.

https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.settings
"""

from __future__ import annotations

import copy

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from .errors import missing, no_mailbox, refusal
from .requests import SUBJECT, body_of, user_of, whole
from .scopes import MAIL_SETTINGS, MAIL_SHARING, SETTINGS_READ

_OFF: Record = {"enabled": False}
_NO_REPLY: Record = {"enableAutoReply": False, "responseSubject": ""}
_DISPOSITIONS = {"leaveInInbox", "archive", "trash", "markRead"}


def owner_of(request: Request) -> Record:
    """The owner of the mailbox: for nobody else may the caller act."""
    subject = user_of(request.tenant, request.headers.get(SUBJECT, ""))
    name = request.params["user"]
    named = subject if name == "me" else user_of(request.tenant, name)
    if subject is None or named is None or named["id"] != subject["id"]:
        raise refusal(403, f"Delegation denied for {request.headers.get(SUBJECT, '')}")
    if not subject["isMailboxSetup"]:
        raise no_mailbox()
    return subject


def _filters(request: Request) -> Answer:
    return whole("filter", request.tenant.all(f"filters:{owner_of(request)['id']}"))


def _add_filter(request: Request) -> Answer:
    owner = owner_of(request)
    body = copy.deepcopy(body_of(request, "criteria", "action"))
    if not body.get("criteria") or not body.get("action"):
        raise refusal(400, "Filter doesn't have any criteria or actions")
    collection = f"filters:{owner['id']}"
    if any(_same(other, body) for other in request.tenant.true_all(collection)):
        raise refusal(400, "Filter already exists", reason="failedPrecondition")
    forward = str(body["action"].get("forward") or "")
    if forward and forward not in _verified(request, owner):
        raise refusal(400, "Unrecognized forwarding address", reason="invalidArgument")
    made = {"id": f"ANe1Bm{request.tenant.new_id('filter').replace('-', '')[:20]}", **body}
    request.tenant.put(collection, made)
    request.effect("filter.add", f"{owner['id']}/{made['id']}")
    return Answer(200, made)


def _same(other: Record, body: Record) -> bool:
    return all(other.get(part) == body.get(part) for part in ("criteria", "action"))


def _verified(request: Request, owner: Record) -> set[str]:
    found = request.tenant.true_all(f"forwarding_addresses:{owner['id']}")
    return {a["forwardingEmail"] for a in found if a["verificationStatus"] == "accepted"}


def _delete_filter(request: Request) -> Answer:
    owner, filter_id = owner_of(request), request.params["filter"]
    collection = f"filters:{owner['id']}"
    if request.tenant.true(collection, filter_id) is None:
        raise missing("filter")
    request.tenant.remove(collection, filter_id)
    request.effect("filter.delete", f"{owner['id']}/{filter_id}")
    return Answer(204)


def _forwarding(request: Request) -> Answer:
    return Answer(200, request.tenant.get("forwarding", owner_of(request)["id"]) or _OFF)


def _set_forwarding(request: Request) -> Answer:
    owner = owner_of(request)
    body = body_of(request, "enabled", "emailAddress", "disposition")
    wanted: Record = dict(_OFF)
    if body.get("enabled"):
        if body.get("emailAddress") not in _verified(request, owner):
            raise refusal(400, "Unrecognized forwarding address", reason="invalidArgument")
        if body.get("disposition") not in _DISPOSITIONS:
            raise refusal(400, "Invalid disposition", reason="invalidArgument")
        wanted = {k: body[k] for k in ("enabled", "emailAddress", "disposition")}
    if (request.tenant.true("forwarding", owner["id"]) or _OFF) != wanted:
        request.tenant.put("forwarding", wanted, owner["id"])
        request.effect("forwarding.set", owner["id"], enabled=wanted["enabled"])
    return Answer(200, wanted)


def _addresses(request: Request) -> Answer:
    found = request.tenant.all(f"forwarding_addresses:{owner_of(request)['id']}")
    return whole("forwardingAddresses", found)


def _delegates(request: Request) -> Answer:
    return whole("delegates", request.tenant.all(f"delegates:{owner_of(request)['id']}"))


def _add_delegate(request: Request) -> Answer:
    owner = owner_of(request)
    mail = str(body_of(request, "delegateEmail").get("delegateEmail") or "")
    if user_of(request.tenant, mail) is None:
        raise refusal(400, "Invalid delegate", reason="invalidArgument")
    collection = f"delegates:{owner['id']}"
    if request.tenant.true(collection, mail):
        raise refusal(409, "Delegate already exists")
    made = {"delegateEmail": mail, "verificationStatus": "accepted"}
    request.tenant.put(collection, made, mail)
    request.effect("delegate.add", f"{owner['id']}/{mail}")
    return Answer(200, made)


def _delete_delegate(request: Request) -> Answer:
    owner, mail = owner_of(request), request.params["delegate"]
    collection = f"delegates:{owner['id']}"
    if request.tenant.true(collection, mail) is None:
        raise missing("delegate")
    request.tenant.remove(collection, mail)
    request.effect("delegate.delete", f"{owner['id']}/{mail}")
    return Answer(204)


def _vacation(request: Request) -> Answer:
    return Answer(200, request.tenant.get("vacation", owner_of(request)["id"]) or _NO_REPLY)


def _set_vacation(request: Request) -> Answer:
    owner = owner_of(request)
    body = body_of(
        request, "enableAutoReply", "responseSubject", "responseBodyPlainText",
        "responseBodyHtml", "restrictToContacts", "restrictToDomain", "startTime", "endTime",
    )  # fmt: skip
    says = any(body.get(k) for k in ("responseSubject", "responseBodyPlainText",
                                     "responseBodyHtml"))  # fmt: skip
    if body.get("enableAutoReply") and not says:
        raise refusal(400, "Vacation settings need a subject or body", reason="invalidArgument")
    wanted = {**_NO_REPLY, **body}
    if (request.tenant.true("vacation", owner["id"]) or _NO_REPLY) != wanted:
        request.tenant.put("vacation", wanted, owner["id"])
        request.effect("vacation.set", owner["id"])
    return Answer(200, wanted)


_SETTINGS = "/gmail/v1/users/{user}/settings"
ROUTES: list[Route] = [
    route("GET", f"{_SETTINGS}/filters", _filters, *SETTINGS_READ),
    route("POST", f"{_SETTINGS}/filters", _add_filter, MAIL_SETTINGS),
    route("DELETE", f"{_SETTINGS}/filters/{{filter}}", _delete_filter, MAIL_SETTINGS),
    route("GET", f"{_SETTINGS}/autoForwarding", _forwarding, *SETTINGS_READ),
    route("PUT", f"{_SETTINGS}/autoForwarding", _set_forwarding, MAIL_SHARING),
    route("GET", f"{_SETTINGS}/forwardingAddresses", _addresses, *SETTINGS_READ),
    route("GET", f"{_SETTINGS}/delegates", _delegates, *SETTINGS_READ),
    route("POST", f"{_SETTINGS}/delegates", _add_delegate, MAIL_SHARING),
    route("DELETE", f"{_SETTINGS}/delegates/{{delegate}}", _delete_delegate, MAIL_SHARING),
    route("GET", f"{_SETTINGS}/vacation", _vacation, *SETTINGS_READ),
    route("PUT", f"{_SETTINGS}/vacation", _set_vacation, MAIL_SETTINGS),
]
