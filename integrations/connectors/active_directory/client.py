"""A domain of Active Directory over LDAPS, for one connection.

Reads are repeated as `integrations.transport` repeats them; a change is sent once. Referrals are
neither asked for nor followed: our credentials go to the server that was configured, only.
Sources: [MS-ADTS] 3.1.1.3.4.1 (controls), RFC 2696 (pages), RFC 2891 (order).
"""

import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from integrations.addresses import private_endpoints_allowed
from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory.answers import (
    SIZE_LIMIT,
    SUCCESS,
    Asked,
    Result,
    error_for,
    missing,
)
from integrations.connectors.active_directory.entries import Entry, guid, newest, number, sid, text
from integrations.connectors.active_directory.line import Changes, Control, Line
from integrations.connectors.active_directory.permissions import READ
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    Throttled,
    Unavailable,
)
from integrations.transport import Limits
from integrations.wires import Dialler, dialler

_LDAPS_PORT = 636
_IDLE_KEPT = 4
# The first domain controller is tried again this long after another one took its place.
_FIRST_AGAIN_SECONDS = 600.0
_PAGE = 500
LARGEST_PAGE = 1000
_ANYTHING = "(objectClass=*)"
# No continuation references (LDAP_SERVER_DOMAIN_SCOPE_OID).
_DOMAIN_SCOPE: Control = ("1.2.840.113556.1.4.1339", False, None)
SHOW_DELETED: Control = ("1.2.840.113556.1.4.417", True, None)
# LDAP_SERVER_EXTENDED_DN_OID with flag 1: GUIDs and SIDs as text.
EXTENDED_NAMES: Control = ("1.2.840.113556.1.4.529", True, bytes.fromhex("3003020101"))
# LDAP_SERVER_SORT_OID: SEQUENCE OF SEQUENCE { uSNChanged }.
_BY_CHANGE: Control = (
    "1.2.840.113556.1.4.473", True, bytes.fromhex("300e300c040a") + b"uSNChanged",
)  # fmt: skip
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Domain:
    """What the server tells of itself: the domain's name as in the directory, its short name
    ("" where it can't be read), its SID, and the id of the server's copy of the directory."""

    name: str
    short_name: str
    sid: str
    copy_id: str


class DirectoryClient:
    """A domain, ready to be asked. Every method raises `integrations.errors`.

    `diallers` lead to its domain controllers, the best first: where one can't be reached, the next
    is asked, and the first again after some time. Safe to use from several threads.
    """

    def __init__(
        self, diallers: Sequence[Dialler], username: str, password: str, *, quarantine: str,
        page: int,
    ) -> None:  # fmt: skip
        self.quarantine = quarantine
        self.page_size = page
        self._diallers = tuple(diallers)
        self._at = 0
        self._moved_at = 0.0
        self._sid = ""
        self._username = username
        self._secret = _Secret(password)
        self._idle: list[Line] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<DirectoryClient {self._dialler.host}>"

    @property
    def _dialler(self) -> Dialler:
        return self._diallers[self._at]

    def close(self) -> None:
        """Give back the sockets."""
        with self._lock:
            lines, self._idle = self._idle, []
        for line in lines:
            line.close()

    @cached_property
    def domain(self) -> Domain:
        """The domain, as the server tells it; ConnectionMisconfigured where another one answers."""
        told = self._told_domain()
        if self._sid and told.sid != self._sid:
            raise ConnectionMisconfigured(
                f"{self._dialler.host} is a domain controller of another domain ({told.sid}) than "
                f"the others ({self._sid}): enter only those of one domain."
            )
        self._sid = told.sid
        return told

    def _told_domain(self) -> Domain:
        root = self._root("defaultNamingContext", "configurationNamingContext", "dsServiceName")
        name = text(root, "defaultNamingContext")
        try:
            head = self.read(name, "objectSid", permission=READ)
        except NotFound:
            # What may not be read looks as if it weren't there.
            raise missing(Asked("read the domain", READ)) from None
        service = self.read(text(root, "dsServiceName"), "invocationId", permission=READ)
        partitions = f"CN=Partitions,{text(root, 'configurationNamingContext')}"
        shown = self.all(ids.is_equal("nCName", name), "nETBIOSName", base=partitions)
        return Domain(
            name=name,
            short_name=text(shown[0], "nETBIOSName") if shown else "",
            sid=sid(head),
            copy_id=guid(service, "invocationId"),
        )

    def newest_change(self) -> int:
        """Return the number of the newest change in the server's copy."""
        return number(self._root("highestCommittedUSN"), "highestCommittedUSN") or 0

    def read(
        self, name: str, *attributes: str, permission: str, controls: Sequence[Control] = ()
    ) -> Entry:
        """Read one object by its name, or by what `ids.name_of` returns for its GUID.

        NotFound where there is none; PermissionMissing where none of its attributes may be read.
        """
        asked = Asked(f"read {ids.shown(name)}", permission)
        found, _ = self._search(asked, name, "BASE", _ANYTHING, attributes, controls, 0)
        if not found:
            raise NotFound(f"{asked.name}: it does not exist in the directory.")
        if not found[0].values:
            raise missing(asked)
        return found[0]

    def holds(self, name: str, where: str, permission: str) -> bool:
        """Return whether an object fits a filter; NotFound where there is no such object."""
        asked = Asked(f"read {ids.shown(name)}", permission)
        found, _ = self._search(asked, name, "BASE", where, ("objectGUID",), (), 0)
        return bool(found)

    def all(self, where: str, *attributes: str, base: str = "", most: int = 100_000) -> list[Entry]:
        """Read everything that fits a filter, in the order of change, at most `most` objects."""
        found: list[Entry] = []
        start = 0
        while len(found) < most:
            page, has_more = self.page(where, start, attributes, base=base)
            found += page
            if not has_more or not page:
                break
            start = newest(page) + 1
        return found[:most]

    def page(
        self, where: str, start: int, attributes: Sequence[str], *, base: str = "",
        controls: Sequence[Control] = (), permission: str = READ, most: int = LARGEST_PAGE,
    ) -> tuple[list[Entry], bool]:  # fmt: skip
        """Read the next objects that fit a filter in the order of change, from number `start` on.

        A page goes by the change's number and not by the server's cookie, which is worth nothing
        on another connection.
        """
        name = base or self.domain.name
        return self._search(
            Asked(f"search {ids.shown(name)}", permission),
            name, "SUBTREE", ids.every(where, ids.is_at_least("uSNChanged", start)),
            ("uSNChanged", *attributes), (_BY_CHANGE, *controls), min(self.page_size, most),
        )  # fmt: skip

    def change(self, name: str, changes: Changes, permission: str) -> None:
        """Change an object's attributes, all or none. Never repeated, save after a lost sign-in."""
        asked = Asked(f"change {ids.shown(name)}", permission, is_read=False)
        self._check_domain()
        self._talk(asked, lambda line: (line.modify(asked, name, changes), None))

    def move(self, name: str, below: str, permission: str) -> None:
        """Move an object below another one, both by distinguished name."""
        asked = Asked(f"move {ids.shown(name)}", permission, is_read=False)
        part, _ = ids.first_part(name)
        self._check_domain()
        self._talk(asked, lambda line: (line.move(asked, name, part, below), None))

    def _check_domain(self) -> None:
        """See that a change goes to the domain that was read."""
        assert self.domain.sid == self._sid

    def _root(self, *attributes: str) -> Entry:
        asked = Asked("read the root")
        found, _ = self._search(asked, "", "BASE", _ANYTHING, attributes, (), 0)
        if not found:
            raise Unavailable("The server doesn't tell what it serves; it is tried again.")
        return found[0]

    def _search(
        self, asked: Asked, base: str, scope: str, where: str, attributes: Sequence[str],
        controls: Sequence[Control], page: int,
    ) -> tuple[list[Entry], bool]:  # fmt: skip
        def send(line: Line) -> tuple[Result, tuple[list[Entry], bool]]:
            result, entries, has_more = line.search(
                asked, base, scope=scope, where=where, attributes=attributes,
                controls=(_DOMAIN_SCOPE, *controls), page=page,
                # A server may count from the last full second: one more than we wait ourselves.
                seconds=math.ceil(self._dialler.limits.read) + 1,
            )  # fmt: skip
            if page and result.code == SIZE_LIMIT:
                return Result(SUCCESS), (entries, True)
            return result, (entries, has_more)

        return self._repeated(lambda: self._talk(asked, send))

    def _talk(self, asked: Asked, send: Callable[[Line], tuple[Result, T]]) -> T:
        """Send one request; once more where the server has forgotten who we are."""
        for is_last in (False, True):
            line = self._borrow(asked)
            try:
                result, answer = send(line)
            except BaseException:
                line.close()
                raise
            if result.is_unbound:
                line.close()
            else:
                self._give_back(line)
            if result.code == SUCCESS:
                return answer
            if is_last or not result.is_unbound:
                raise error_for(asked, result)
        raise AssertionError("unreachable")

    def _borrow(self, asked: Asked) -> Line:
        while True:
            with self._lock:
                line = self._idle.pop() if self._idle else None
            if line is None:
                return self._signed_in(asked)
            if line.is_quiet():
                return line
            line.close()

    def _give_back(self, line: Line) -> None:
        with self._lock:
            if len(self._idle) < _IDLE_KEPT:
                self._idle.append(line)
                return
        line.close()

    def _signed_in(self, asked: Asked) -> Line:
        if self._at and time.monotonic() - self._moved_at > _FIRST_AGAIN_SECONDS:
            self._move(0)
        at = self._at
        line = Line(self._diallers[at])
        try:
            result = line.sign_in(self._username, self._secret.reveal())
        except Unavailable:
            line.close()
            # Nothing was sent. A read is repeated there; what changes something is tried again
            # later, when it was seen that the domain is the same.
            self._move((at + 1) % len(self._diallers))
            raise
        except BaseException:
            line.close()
            raise
        if result.code != SUCCESS:
            line.close()
            raise error_for(Asked(f"sign in as {self._username}", asked.permission), result)
        return line

    def _move(self, at: int) -> None:
        """Ask another domain controller from now on; what this one told of itself is forgotten."""
        if at == self._at:
            return
        with self._lock:
            self._at, self._moved_at = at, time.monotonic()
            lines, self._idle = self._idle, []
            self.__dict__.pop("domain", None)
        for line in lines:
            line.close()

    def _repeated(self, read: Callable[[], T]) -> T:
        limits = self._dialler.limits
        for attempt in range(limits.repeats + 1):
            try:
                return read()
            except (Throttled, Unavailable) as error:
                wait = error.retry_after if isinstance(error, Throttled) else 0.0
                if attempt == limits.repeats or wait > limits.patience:
                    raise
                # Full jitter: many tenants must not come back in the same moment.
                time.sleep(wait + random.uniform(0.1, min(0.5 * 2**attempt, 8.0)))  # noqa: S311
        raise AssertionError("unreachable")


class _Secret:
    """A password that nothing shows by accident."""

    def __init__(self, value: str) -> None:
        self.reveal = lambda: value

    def __repr__(self) -> str:
        return "<secret>"


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> DirectoryClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {**settings, **secrets}
    lacking = [name for name in ("server", "username", "password") if not given.get(name)]
    if lacking:
        raise ConnectionMisconfigured(
            f"The Active Directory connection lacks {', '.join(lacking)}: enter it."
        )
    return DirectoryClient(
        [
            dialler(
                server, settings.get("certificate_authority", ""), protocol="LDAPS",
                port=_LDAPS_PORT, allow_private=private, limits=limits or Limits(),
            )
            for server in servers(given["server"])
        ],
        given["username"],
        given["password"],
        quarantine=settings.get("quarantine_ou", "").strip(),
        page=_page_size(settings.get("page_size", "")),
    )  # fmt: skip


def servers(told: str) -> list[str]:
    """Return the servers that a setting names; itself where it names none."""
    return [one for one in told.replace(",", " ").replace(";", " ").split() if one] or [told]


def _page_size(told: str) -> int:
    if not told:
        return _PAGE
    if not told.isdigit() or not 1 <= int(told) <= LARGEST_PAGE:
        raise ConnectionMisconfigured(
            f"The page size {told[:20]!r} can't work: enter a number from 1 to {LARGEST_PAGE}."
        )
    return int(told)


def canary(client: DirectoryClient) -> str:
    """Read the domain and one account through the whole path; say in a sentence what it saw."""
    domain = client.domain
    found, _ = client.page("(sAMAccountType=805306368)", 0, ("sAMAccountName",))
    if not found:
        raise missing(Asked("read the accounts", READ))
    return f"Connected to the domain {domain.short_name or domain.name}, which shows its accounts."
