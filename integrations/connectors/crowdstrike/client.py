"""CrowdStrike Falcon's API, for one connection.

Every answer is an envelope of `meta`, `resources` and `errors`, and `errors` may be filled in an
answer of 200: what it says then counts as the answer's status.

CrowdStrike's own crowdstrike-falconpy (1.6.6) is well kept, but asks through `requests`: past our
check of addresses and our limits on an answer's size and time, and it gives errors as dictionaries.
What is left of it is the addresses and parameters, which stand here.
Source: https://www.falconpy.io.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.errors import ConnectionMisconfigured, Rejected, Unavailable
from integrations.session import ClientCredentials, Session, origin
from integrations.transport import Answer, Call, Limits, Transport, error_for

ENDPOINT = "https://api.crowdstrike.com"
TOKEN_PATH = "/oauth2/token"  # noqa: S105
_NEEDED = ("client_id", "client_secret")
# What one request may ask for by id, in the least that any endpoint allows.
_IDS_AT_ONCE = 100
_FIRST_HOSTS = 20
_MOVED = frozenset({301, 302, 307, 308})
# A stream tells that there is nothing more now only by saying nothing.
_QUIET_SECONDS = 2.0
# Instead of a member's CID: every customer that the API client sees is this one client's.
ALL_MEMBERS = "all"
# A CID may be written with its checksum behind it.
_CID = re.compile(r"([0-9a-f]{32})(?:-[0-9a-f]{2})?")


@dataclass(frozen=True, slots=True)
class Resources:
    """What an answer holds, and its place in the listing."""

    items: tuple[Any, ...]
    pagination: Mapping[str, Any]

    @property
    def total(self) -> int:
        """How many there are in all, as the vendor says; those here where it doesn't."""
        told = self.pagination.get("total")
        return told if isinstance(told, int) else len(self.items)


@dataclass(frozen=True, slots=True)
class Stream:
    """One partition of the event stream, opened for a few minutes."""

    partition: str
    url: str
    token: str = field(repr=False)


class FalconClient:
    """One customer (CID) of Falcon, ready to be asked. Methods raise `integrations.errors`."""

    def __init__(self, session: Session, app_id: str, member: str = "") -> None:
        self.session = session
        self.member = member
        self._app_id = app_id
        self._cid = "" if member == ALL_MEMBERS else member

    def __repr__(self) -> str:
        return f"<FalconClient {self.session.base_url}>"

    def close(self) -> None:
        """Give back the sockets and forget the token."""
        self.session.close()

    def get(self, path: str, permission: str, **query: Any) -> Resources:
        """Read. Query values of None are left out."""
        return self._send(Call("GET", self.session.url(path, query), permission=permission))

    def entities(
        self, path: str, permission: str, ids: Sequence[str], name: str = "ids", **query: Any
    ) -> list[dict[str, Any]]:
        """Read what has these ids, by POST; what is gone meanwhile is left out."""
        found: list[dict[str, Any]] = []
        url = self.session.url(path, query)
        for start in range(0, len(ids), _IDS_AT_ONCE):
            body = {name: list(ids[start : start + _IDS_AT_ONCE])}
            call = Call("POST", url, json=body, permission=permission, is_read=True)
            answer = self._send(call, may_lack=True)
            found += [item for item in answer.items if isinstance(item, dict)]
        return found

    def write(
        self, method: str, path: str, permission: str, body: Any = None, **query: Any
    ) -> Resources:
        """Change something."""
        url = self.session.url(path, query)
        return self._send(Call(method, url, json=body, permission=permission))

    def check_customer(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Refuse what is of another customer: a parent of Flight Control sees its members too.

        ConnectionMisconfigured says what to enter.
        """
        if self.member == ALL_MEMBERS:
            return
        for one in found:
            cid = str(one.get("cid") or "").casefold()
            self._cid = self._cid or cid
            if cid and cid != self._cid:
                raise ConnectionMisconfigured(
                    f"This API client sees several customers ({self._cid} and {cid}), as the "
                    "parent in Flight Control does: enter the client's own CID as member_cid."
                )

    def streams(self, permission: str) -> list[Stream]:
        """Open the event stream: its partitions, each with a token for some minutes."""
        found = self.get(
            "/sensors/entities/datafeed/v2", permission, appId=self._app_id, format="json"
        )
        return sorted(
            (self._stream(told) for told in found.items), key=lambda stream: stream.partition
        )

    def events(self, stream: Stream, offset: int, most: int) -> list[Any]:
        """Read at most `most` events of a partition, from an offset on.

        A line that is no JSON is returned as ``{"_unparsed": text}``.
        """
        url = f"{stream.url}{'&' if '?' in stream.url else '?'}offset={offset}"
        headers = {"Authorization": f"Token {stream.token}", "Accept": "application/json"}
        call = Call("GET", url, headers=headers)
        lines = self.session.transport.lines(call, most=most, idle=_QUIET_SECONDS)
        return [_parsed(line) for line in lines]

    def _stream(self, told: Any) -> Stream:
        feed = told.get("dataFeedURL") if isinstance(told, Mapping) else None
        session = told.get("sessionToken") if isinstance(told, Mapping) else None
        token = session.get("token") if isinstance(session, Mapping) else None
        if not isinstance(feed, str) or not isinstance(token, str):
            raise Unavailable("The list of event streams can't be read; it is tried again.")
        # The token goes where the answer says: only to CrowdStrike, or it would leak.
        if not self._is_ours(feed):
            raise Rejected("The event stream leads to another host; it is not followed.")
        return Stream(urlsplit(feed).path.rstrip("/").rpartition("/")[2], feed, token)

    def _is_ours(self, url: str) -> bool:
        scheme, host, _ = origin(url)
        is_falcon = scheme == "https" and host.endswith(".crowdstrike.com")
        return is_falcon or origin(url) == origin(self.session.base_url)

    def _send(self, call: Call, *, may_lack: bool = False) -> Resources:
        answer = self.session.send(call, accept=_MOVED)
        if answer.status in _MOVED:
            raise Rejected(_moved(call, answer))
        body = answer.body if isinstance(answer.body, Mapping) else {}
        items = body.get("resources") or ()
        errors = body.get("errors") or ()
        if not isinstance(items, list | tuple) or not isinstance(errors, list | tuple):
            raise Unavailable(f"{call.name}: the answer is no Falcon answer; it is tried again.")
        is_lacking = may_lack and all(_code(error) == 404 for error in errors)
        if errors and not items and not is_lacking:
            raise error_for(call, Answer(_code(errors[0]), None, answer.headers))
        meta = body.get("meta")
        pagination = meta.get("pagination") if isinstance(meta, Mapping) else None
        return Resources(tuple(items), pagination if isinstance(pagination, Mapping) else {})


def _code(error: Any) -> int:
    code = error.get("code") if isinstance(error, Mapping) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 400


def _moved(call: Call, answer: Answer) -> str:
    host = urlsplit(answer.headers.get("location", "")).hostname or ""
    if host.endswith(".crowdstrike.com"):
        return (
            f"{call.name}: this organisation is in another cloud of CrowdStrike. "
            f"Set the connection's endpoint to https://{host}."
        )
    return f"{call.name}: answered {answer.status}, a redirect, which is not followed."


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return {"_unparsed": line.decode("utf-8", "replace")}


def quoted(value: str) -> str:
    """A text inside a filter of Falcon's query language (FQL)."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def pages(
    client: FalconClient, path: str, permission: str, *, most: int, limit: int, **query: Any
) -> Iterator[Resources]:
    """The pages of a listing by offset, until it ends or `most` items were read."""
    offset = 0
    while offset < most:
        page = client.get(path, permission, limit=limit, offset=offset or None, **query)
        yield page
        offset += len(page.items)
        if not page.items or offset >= page.total:
            return


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> FalconClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {**settings, **secrets}
    missing = [name for name in _NEEDED if not given.get(name)]
    if missing:
        raise ConnectionMisconfigured(
            f"The CrowdStrike Falcon connection lacks {', '.join(missing)}: enter it."
        )
    app_id = settings.get("app_id") or "holdfast"
    if not app_id.isalnum() or not app_id.isascii() or len(app_id) > 32:
        raise ConnectionMisconfigured("app_id takes at most 32 letters and digits.")
    member = _member(settings.get("member_cid", ""))
    endpoint = (settings.get("endpoint") or ENDPOINT).rstrip("/")
    if endpoint != ENDPOINT:
        check_endpoint(endpoint, allow_private=private)
    transport = Transport(allow_private=private, limits=limits)
    credentials = ClientCredentials(
        token_url=f"{endpoint}{TOKEN_PATH}",
        client_id=given["client_id"],
        client_secret=given["client_secret"],
        transport=transport,
        also={"member_cid": member} if member not in ("", ALL_MEMBERS) else None,
    )
    return FalconClient(Session(endpoint, transport, credentials), app_id, member)


def _member(told: str) -> str:
    member = told.strip().casefold()
    found = _CID.fullmatch(member)
    if member and member != ALL_MEMBERS and not found:
        raise ConnectionMisconfigured(
            "member_cid is the client's CID, 32 digits and letters from a to f: copy it from Host "
            "setup and management, Deploy, Sensor downloads in the client's Falcon."
        )
    return found[1] if found else member


def member_of(told: str) -> list[str]:
    """Return the member that a setting names; none where it names all."""
    member = told.strip().casefold()
    return [] if member == ALL_MEMBERS else [member.partition("-")[0]]


def canary(client: FalconClient) -> str:
    """Ask for one host through the whole path; say in a sentence what was seen."""
    seen = client.get("/devices/queries/devices-scroll/v1", "Hosts: Read", limit=1)
    return f"Connected to CrowdStrike Falcon, which shows {seen.total} hosts."


def customer(client: FalconClient) -> str:
    """Return the customer's id (CID), as its first hosts tell it.

    "" without any host, and where all the members of a parent are one client's.
    ConnectionMisconfigured where they are several customers' and nobody said that they are.
    """
    ids: list[str] = []
    for order in ("asc", "desc"):
        found = client.get(
            "/devices/queries/devices-scroll/v1", "Hosts: Read",
            limit=_FIRST_HOSTS, sort=f"first_seen.{order}",
        )  # fmt: skip
        ids += [str(one) for one in found.items]
    hosts = client.entities("/devices/entities/devices/v2", "Hosts: Read", list(dict.fromkeys(ids)))
    client.check_customer(hosts)
    told = {str(host.get("cid") or "") for host in hosts}
    return told.pop() if len(told) == 1 and client.member != ALL_MEMBERS else ""
