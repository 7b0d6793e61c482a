"""The users feed: delta, with what delta leaves out: roles and the mailbox's purpose.

Sources: https://learn.microsoft.com/graph/delta-query-users,
/graph/api/rbacapplication-list-roleassignments.
"""

from collections.abc import Iterator
from typing import Any

from integrations.connectors.microsoft365 import roles
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.feeds import record
from integrations.contract import Json, Page, Reading
from integrations.errors import NotFound, Rejected
from tenants.canonical import sha256_of
from tenants.records import SourceRecord

_USERS = "User.Read.All"
_PROPERTIES = (
    "id", "userPrincipalName", "displayName", "mail", "userType", "accountEnabled", "jobTitle",
    "department", "companyName", "mobilePhone", "usageLocation", "employeeType", "creationType",
    "externalUserState", "createdDateTime", "lastPasswordChangeDateTime",
    "signInSessionsValidFromDateTime", "assignedLicenses", "onPremisesSyncEnabled",
    "onPremisesSecurityIdentifier", "onPremisesSamAccountName", "onPremisesDomainName",
    "onPremisesDistinguishedName", "onPremisesLastSyncDateTime", "onPremisesImmutableId",
    "proxyAddresses",
)  # fmt: skip
# Of which properties a delta link tells.
_ASKED = sha256_of(list(_PROPERTIES))[:16]

Roles = dict[str, list[dict[str, str]]]


def fetch(client: GraphClient, cursor: Json) -> Iterator[Page]:
    """Give every user the first time, then those that changed, or whose roles changed.

    The cursor holds the delta link and the roles that were known, because delta doesn't tell of
    roles. A link that Microsoft no longer knows, or that was got for other properties and goes on
    to tell only those, starts from the beginning: who doesn't come then is deleted.
    """
    told_roles = _told(client)
    link = str(cursor.get("link") or "") if cursor.get("asked") == _ASKED else ""
    known: dict[str, list[str]] = dict(cursor.get("roles") or {})
    is_first = not cursor.get("roles_known")
    start = address("/users/delta", select=",".join(_PROPERTIES))
    told: set[str] = set()
    is_whole = not link or bool(cursor.get("whole"))
    while True:
        try:
            bodies, following, delta = client.page(link or start, _USERS)
        except (NotFound, Rejected):
            if not link:
                raise
            link, is_whole = "", True
            continue
        told |= {str(b.get("id")) for b in bodies}
        if not following and not is_first:
            changed = _changed(known, told_roles) - told
            bodies += _read(client, sorted(changed))
        state: dict[str, Any] = {"link": following or delta, "asked": _ASKED}
        if following:
            # Roles count as known only when the sweep is through.
            state |= {"roles": known, "roles_known": not is_first, "whole": is_whole}
        else:
            state |= {"roles": _names(told_roles), "roles_known": True}
        reading = Reading(begins=not link, ends=is_whole and not following)
        records = _records(client, bodies, told_roles)
        yield Page(records, state, is_last=not following, reading=reading)
        if not following:
            return
        link = following


def _told(client: GraphClient) -> Roles:
    """The directory roles by user, in the shape of memberOf."""
    return {
        who: [
            {
                "@odata.type": "#microsoft.graph.directoryRole",
                "displayName": role.name,
                "roleTemplateId": role.template_id,
            }
            for role in held
        ]
        for who, held in roles.held(client).items()
    }


def _names(held: Roles) -> dict[str, list[str]]:
    return {who: sorted(r["roleTemplateId"] for r in rs) for who, rs in held.items()}


def _changed(known: dict[str, list[str]], held: Roles) -> set[str]:
    now = _names(held)
    return {who for who in known.keys() | now.keys() if known.get(who) != now.get(who)}


def _read(client: GraphClient, ids: list[str]) -> list[dict[str, Any]]:
    if not ids:
        return []
    select = ",".join(_PROPERTIES)
    paths = {i: address("/users/{}", i, select=select) for i in ids}
    answers = client.batch(paths, _USERS)
    found = []
    for uid, answer in answers.items():
        # A service principal can hold a role too; it is no user.
        if answer.status not in {404, 410}:
            client.raise_for(answer, paths[uid], _USERS)
            found.append(answer.body)
    return found


def _records(
    client: GraphClient, bodies: list[dict[str, Any]], held: Roles
) -> tuple[SourceRecord, ...]:
    present = [str(b["id"]) for b in bodies if b.get("id") and "@removed" not in b]
    purposes = _purposes(client, present)
    records = []
    for body in bodies:
        uid = str(body.get("id"))
        if "@removed" not in body:
            body = {**body, "memberOf": held.get(uid, [])}
            if purposes.get(uid):
                body["mailboxSettings"] = {"userPurpose": purposes[uid]}
        records.append(record(body, "users"))
    return tuple(records)


def _purposes(client: GraphClient, ids: list[str]) -> dict[str, str]:
    """What each mailbox is for; a user without a mailbox, or without the permission, has none."""
    paths = {uid: address("/users/{}/mailboxSettings", uid) for uid in ids}
    found = {}
    for uid, answer in client.batch(paths, "MailboxSettings.Read").items() if paths else ():
        told = answer.body.get("userPurpose") if isinstance(answer.body, dict) else None
        purpose = told.get("value") if isinstance(told, dict) else told
        if answer.status == 200 and isinstance(purpose, str):
            found[uid] = purpose
    return found
