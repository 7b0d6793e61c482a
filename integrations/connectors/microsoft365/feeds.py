"""How each feed is read from Graph: a page at a time, from a durable cursor.

Cursors are small JSON. Every feed may give a record twice; duplicates are removed at intake.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from integrations import sweeps
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Json, Page
from integrations.errors import NotFound, Rejected
from integrations.refusals import Refused
from integrations.sweeps import Fetch, Slice
from integrations.values import Fields, instant
from tenants.records import SourceRecord

_BY_LICENCE = ("/policies/", "/identity/")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _odata(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record(body: dict[str, Any], path: str, **context: str) -> SourceRecord:
    """A record with the place it was read from."""
    return SourceRecord(body, {"url": f"/{path.strip('/')}", **context})


def windowed(
    path: str,
    time: str,
    permission: str,
    *,
    first_days: int | None,
    overlap: dt.timedelta,
    top: int,
    **options: str,
) -> Fetch:
    """A feed that is filtered by a time: what is newer than the newest seen, less `overlap`.

    The overlap is for records that Microsoft writes late. The first time it goes back
    `first_days`, or takes everything (None). In the middle of a sweep the cursor holds the next
    page's link and the newest time so far; `since` moves only when the sweep is through.
    """

    def fetch(client: GraphClient, cursor: Json) -> Iterator[Page]:
        since, newest, link = _window(cursor)
        if since is None and first_days is not None:
            since = _now() - dt.timedelta(days=first_days)
        while True:
            start = link or _start(path, time, since, overlap, top, options)
            try:
                bodies, link, _ = client.page(start, permission)
            except (NotFound, Rejected):
                if start == link and cursor.get("link"):
                    # The link is too old: the sweep begins again, nothing is skipped.
                    cursor, link = {}, ""
                    continue
                raise
            newest = _newest(newest, bodies, time)
            following = _cursor(since if link else newest or since, newest if link else None, link)
            yield Page(tuple(record(b, path) for b in bodies), following, is_last=not link)
            if not link:
                return
            cursor = following

    return fetch


def _window(cursor: Json) -> tuple[dt.datetime | None, dt.datetime | None, str]:
    told = Fields(cursor)
    return told.time("since"), told.time("newest"), told.text("link")


def _cursor(since: dt.datetime | None, newest: dt.datetime | None, link: str) -> dict[str, str]:
    found = {}
    if since is not None:
        found["since"] = since.isoformat()
    if newest is not None:
        found["newest"] = newest.isoformat()
    if link:
        found["link"] = link
    return found


def _start(
    path: str,
    time: str,
    since: dt.datetime | None,
    overlap: dt.timedelta,
    top: int,
    options: dict[str, str],
) -> str:
    if since is None:
        return address(path, top=top, **options)
    return address(path, filter=f"{time} ge {_odata(since - overlap)}", top=top, **options)


def _newest(
    newest: dt.datetime | None, bodies: list[dict[str, Any]], time: str
) -> dt.datetime | None:
    # A record from the future must not make us skip what comes until then.
    latest = _now() + dt.timedelta(minutes=5)
    for body in bodies:
        try:
            found = instant(body.get(time))
        except ValueError:
            continue
        if found is not None and found <= latest and (newest is None or found > newest):
            newest = found
    return newest


_RISKY = windowed(
    "/identityProtection/riskyUsers",
    "riskLastUpdatedDateTime",
    "IdentityRiskyUser.Read.All",
    first_days=None,
    overlap=dt.timedelta(hours=1),
    top=250,
)


def risky_users(client: GraphClient, cursor: Json) -> Iterator[Page]:
    """Give each risky user twice while at risk: as a finding, and for the account's risk level."""
    for page in _RISKY(client, cursor):
        both = [
            twin
            for told in page.records
            for twin in (told, SourceRecord(told.body, {**told.context, "as": "account"}))
        ]
        yield Page(tuple(both), page.cursor, page.is_last)


def listed(*paths: str, permission: str) -> Fetch:
    """A feed that is read whole each time, one collection after the other."""

    def of(path: str) -> Fetch:
        bare = path.split("?", 1)[0]

        def read(client: GraphClient, token: str) -> Slice:
            try:
                bodies, link = _read_list(client, token or path, permission)
            except (NotFound, Rejected):
                if token or not path.startswith(_BY_LICENCE):
                    raise
                # A policy that this tenant's licence doesn't have is refused; the others go on.
                return Slice((), "", is_whole=False)
            return Slice(tuple(record(body, bare) for body in bodies), link)

        return sweeps.listed(read)

    return sweeps.in_turn({path: of(path) for path in paths})


def _read_list(client: GraphClient, path: str, permission: str) -> tuple[list[dict[str, Any]], str]:
    """A page of a collection, or the one object that is there."""
    body = client.get(path, permission)
    if isinstance(body, dict) and isinstance(body.get("value"), list):
        return [b for b in body["value"] if isinstance(b, dict)], client.link(body)
    return ([body] if isinstance(body, dict) else []), ""


def of_each_user(
    make: Callable[[dict[str, Any], Any], list[SourceRecord]],
    template: str,
    permission: str,
    *,
    more: Callable[
        [GraphClient, dict[str, Any]], list[SourceRecord] | None
    ] = lambda client, user: [],
    top: int = 100,
) -> Fetch:
    """A feed that is asked user by user, `top` users on a page, by $batch.

    Users without a mailbox answer 404 and are left out, so are guests, whose mailbox and methods
    are at home. What is refused for one user doesn't stop the others. `more` asks further for each
    user, None where that can't be asked; then a page has to be short.
    """
    users = address("/users", select="id,userPrincipalName,mail,userType", top=top)

    def read(client: GraphClient, token: str) -> Slice:
        found, link, _ = client.page(token or users, "User.Read.All")
        members = {
            str(u["id"]): u
            for u in found
            if u.get("id") and str(u.get("userType")).lower() != "guest"
        }
        paths = {uid: address(template, uid) for uid in members}
        answers = client.batch(paths, permission) if paths else {}
        records: list[SourceRecord] = []
        refused = Refused()
        for uid, answer in answers.items():
            if answer.status in {404, 410}:
                continue
            with refused.kept(uid):
                client.raise_for(answer, paths[uid], permission)
                records += make(members[uid], answer.body)
                found_more = more(client, members[uid])
                records += found_more or []
                refused.unasked += [uid] if found_more is None else []
        return Slice(tuple(records), link, refused.first, tuple(refused.unasked))

    return sweeps.listed(read)
