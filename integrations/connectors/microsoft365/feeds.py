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

_IDS_KEPT = 5_000


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


def listed(*paths: str, permission: str, gone: dict[str, str] | None = None) -> Fetch:
    """A feed that is read whole each time, one collection after the other.

    Objects that were there the time before and are no longer are given as removed (with the
    fields in `gone`, by path, that tell their kind).
    """

    def fetch(client: GraphClient, cursor: Json) -> Iterator[Page]:
        step, link = int(cursor.get("step") or 0), str(cursor.get("link") or "")
        known = {k: list(v) for k, v in (cursor.get("ids") or {}).items()}
        seen = list(cursor.get("seen") or [])
        is_again = False
        while step < len(paths):
            path = paths[step]
            bare = path.split("?", 1)[0]
            try:
                bodies, link = _read_list(client, link or path, permission)
            except (NotFound, Rejected):
                if not link or is_again:
                    raise
                # The link has expired: the sweep begins anew, and nothing counts as removed.
                link, seen, is_again = "", [], True
                continue
            seen += [str(b["id"]) for b in bodies if b.get("id")]
            records = [record(b, bare) for b in bodies]
            if not link:
                records += _removed(known.get(bare, []), seen, bare, gone or {})
                known[bare] = seen if len(seen) <= _IDS_KEPT else []
                step, seen = step + 1, []
            is_last = step >= len(paths)
            following: dict[str, Any] = {"ids": known}
            if not is_last:
                following |= {"step": step, "link": link, "seen": seen}
            yield Page(tuple(records), following, is_last=is_last)

    return fetch


_BY_LICENCE = ("/policies/", "/identity/")


def _read_list(client: GraphClient, path: str, permission: str) -> tuple[list[dict[str, Any]], str]:
    """A page of a collection, or the one object that is there; nothing where it isn't there."""
    try:
        body = client.get(path, permission)
    except (NotFound, Rejected):
        if not path.startswith(_BY_LICENCE):
            raise
        # A policy that this tenant's licence doesn't have is refused; the others go on.
        return [], ""
    if isinstance(body, dict) and isinstance(body.get("value"), list):
        return [b for b in body["value"] if isinstance(b, dict)], client.link(body)
    return ([body] if isinstance(body, dict) else []), ""


def _removed(
    before: list[str], now: list[str], path: str, gone: dict[str, str]
) -> list[SourceRecord]:
    missing = sorted(set(before) - set(now))
    more = dict.fromkeys(gone.get(path, "").split(), "")
    return [
        record({"id": item, "@removed": {"reason": "missing"}, **more}, path) for item in missing
    ]


def of_each_user(
    make: Callable[[dict[str, Any], Any], list[SourceRecord]],
    template: str,
    permission: str,
    *,
    more: Callable[[GraphClient, dict[str, Any]], list[SourceRecord]] = lambda client, user: [],
    top: int = 100,
) -> Fetch:
    """A feed that is asked user by user, `top` users on a page, by $batch.

    Users without a mailbox answer 404 and are left out, so are guests, whose mailbox and methods
    are at home. What is refused for one user doesn't stop the others. `more` asks further for each
    user; then a page has to be short.
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
            with refused.kept():
                client.raise_for(answer, paths[uid], permission)
                records += make(members[uid], answer.body) + more(client, members[uid])
        return Slice(tuple(records), link, refused.first)

    return sweeps.listed(read)
