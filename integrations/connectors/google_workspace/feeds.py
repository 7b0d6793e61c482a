"""How each feed is read: a page at a time, from a durable cursor.

Every feed may give a record twice; duplicates are removed at intake.
"""

import datetime as dt
from collections.abc import Callable

from integrations.connectors.google_workspace import audit, scopes
from integrations.connectors.google_workspace.client import (
    CUSTOMER,
    JsonObject,
    NoMailbox,
    WorkspaceClient,
    objects,
)
from integrations.connectors.google_workspace.normalise.activity import split
from integrations.connectors.google_workspace.roles import held_roles
from integrations.errors import NotFound
from integrations.refusals import Refused
from integrations.sweeps import Fetch, Slice, in_turn, listed, swept
from integrations.values import Fields
from tenants.records import SourceRecord

_DIRECTORY = "admin/directory/v1/users"
# The most that Google gives: users.list 500, activities 1,000, alerts 100.
_USERS, _ALERTS = 500, 100
# Each user costs a request for tokens, and four for mail.
_USERS_WITH_TOKENS, _USERS_WITH_MAIL = 100, 50
_GONE = "deleted:"
# Google writes sign-ins and tokens up to hours late: https://support.google.com/a/answer/7061566
_LATE = dt.timedelta(hours=3)
# Alerts can't be asked for by when they changed: their status is read again for a week.
_CHANGING = dt.timedelta(days=7)
APPLICATIONS = ("login", "admin", "token", "drive", "user_accounts")


def _read_users(client: WorkspaceClient, token: str) -> Slice:
    """A page of the present users, with their roles; after these, of those lately deleted."""
    is_gone, page = token.startswith(_GONE), token.removeprefix(_GONE)
    answer = _user_page(client, page, _USERS, is_gone=is_gone)
    found, following = objects(answer, "users"), str(answer.get("nextPageToken") or "")
    if is_gone:
        records = [SourceRecord(user, {"url": _DIRECTORY}) for user in found]
        return Slice(tuple(records), f"{_GONE}{following}" if following else "")
    roles = held_roles(client)
    records = [
        SourceRecord(user, {"url": _DIRECTORY, "roles": roles.get(str(user.get("id")), [])})
        for user in found
    ]
    return Slice(tuple(records), following or _GONE)


users: Fetch = listed(_read_users)


def _user_page(
    client: WorkspaceClient, token: str, size: int, *, is_gone: bool = False
) -> JsonObject:
    request = client.directory.users().list(
        customer=CUSTOMER, maxResults=size, projection="full", orderBy="email",
        pageToken=token or None, showDeleted="true" if is_gone else None,
    )  # fmt: skip
    return client.read(request, scopes.USERS_READ)


def _of_each_user(
    make: Callable[[WorkspaceClient, JsonObject], list[SourceRecord] | None], size: int
) -> Fetch:
    """A feed that is asked user by user. One who went meanwhile, or has none, is left out.

    What Google refuses for one user doesn't stop the others. `make` returns None where a user
    can't be asked just now.
    """

    def read(client: WorkspaceClient, token: str) -> Slice:
        answer = _user_page(client, token, size)
        records: list[SourceRecord] = []
        refused, following = Refused(), str(answer.get("nextPageToken") or "")
        for user in objects(answer, "users"):
            own_id = str(user.get("id") or "")
            if not own_id:
                continue
            with refused.kept(own_id):
                made = make(client, user)
                records += made or []
                refused.unasked += [own_id] if made is None else []
        return Slice(tuple(records), following, refused.first, tuple(refused.unasked))

    return listed(read)


def _tokens_of(client: WorkspaceClient, user: JsonObject) -> list[SourceRecord]:
    user_id = str(user["id"])
    try:
        answer = client.read(client.directory.tokens().list(userKey=user_id), scopes.SECURITY)
    except NotFound:
        return []
    context = {"url": f"{_DIRECTORY}/{user_id}/tokens", "user_id": user_id}
    return [SourceRecord(token, context) for token in objects(answer, "items")]


tokens = _of_each_user(_tokens_of, _USERS_WITH_TOKENS)


def _mail_of(client: WorkspaceClient, user: JsonObject) -> list[SourceRecord] | None:
    """The filters, the settings, and the mailbox that they show to exist."""
    user_id, mail = str(user["id"]), str(user.get("primaryEmail") or "")
    if user.get("isMailboxSetup") is False or not mail:
        return []
    if user.get("suspended"):
        # Google doesn't reliably open such a mailbox: what is known is left as it is.
        return None
    settings = client.gmail.users().settings()
    scope = scopes.MAIL_SETTINGS
    try:
        filters = client.read(settings.filters().list(userId="me"), scope, mail)
        forwarding = client.read(settings.getAutoForwarding(userId="me"), scope, mail)
        addresses = client.read(settings.forwardingAddresses().list(userId="me"), scope, mail)
        delegates = client.read(settings.delegates().list(userId="me"), scope, mail)
    except NoMailbox:
        return []
    context = {"url": f"gmail/v1/users/{user_id}/settings", "user_id": user_id}
    together = {
        "autoForwarding": forwarding,
        "forwardingAddresses": objects(addresses, "forwardingAddresses"),
        "delegates": objects(delegates, "delegates"),
    }
    return [
        *(
            SourceRecord(one, {**context, "url": f"{context['url']}/filters"})
            for one in objects(filters, "filter")
        ),
        SourceRecord(together, context),
        SourceRecord(together, {**context, "as": "mailbox", "address": mail}),
    ]


mail_settings = _of_each_user(_mail_of, _USERS_WITH_MAIL)


def _read_alerts(client: WorkspaceClient, since: dt.datetime | None, token: str) -> Slice:
    request = client.alerts.alerts().list(
        filter=f'createTime >= "{audit.rfc3339(since)}"' if since else None,
        orderBy="create_time asc", pageSize=_ALERTS, pageToken=token or None,
    )  # fmt: skip
    answer = client.read(request, scopes.ALERTS)
    records = [SourceRecord(a, {"url": "v1beta1/alerts"}) for a in objects(answer, "alerts")]
    return Slice(tuple(records), str(answer.get("nextPageToken") or ""))


alerts = swept(
    _read_alerts,
    lambda record: Fields(record.body).time("createTime"),
    first_days=30,
    overlap=_CHANGING,
)


def _activities_of(application: str) -> Fetch:
    def read(client: WorkspaceClient, since: dt.datetime | None, token: str) -> Slice:
        request = audit.request(client, application, since, pageToken=token or None)
        answer = client.read(request, scopes.AUDIT)
        context = {"url": f"admin/reports/v1/activity/users/all/applications/{application}"}
        records = [
            SourceRecord(part, context) for body in objects(answer, "items") for part in split(body)
        ]
        return Slice(tuple(records), str(answer.get("nextPageToken") or ""))

    def time_of(record: SourceRecord) -> dt.datetime | None:
        return Fields(record.body).nested("id").time("time")

    return swept(read, time_of, first_days=14, overlap=_LATE)


activities = in_turn({name: _activities_of(name) for name in APPLICATIONS})
