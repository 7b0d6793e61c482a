"""One signed-in IMAP connection, through Python's own imaplib.

imap-tools (1.16.0) is well kept, but is a layer on imaplib that opens its sockets itself and past
our check of addresses, takes answers of any length, and moves mail on older servers by an EXPUNGE
that would also remove what the user had marked; its convenience is for whole messages, of which
only headers are read here. imaplib comes with Python, and lets itself be given a socket.
Sources: RFC 3501, RFC 6851 (MOVE), RFC 4616 (signing in for somebody else), RFC 6154 (folders).
"""

import datetime as dt
import imaplib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.connectors.imap import names
from integrations.connectors.imap.answers import (
    Asked,
    NoSuchFolder,
    Unexplained,
    lost,
    missing,
    refused,
)
from integrations.errors import NotFound, PermissionMissing, Rejected
from integrations.wires import Dialler, Wire

_CHUNK = 65_536
_LONGEST_LINE = 1_000_000
_UID = re.compile(rb"\bUID (\d{1,10})")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,12})")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{10,40})"')
# What is read of a message: who, when, what about, and what was found out on its way.
_FIELDS = (
    "MESSAGE-ID FROM SENDER REPLY-TO TO CC SUBJECT DATE RETURN-PATH AUTHENTICATION-RESULTS "
    "CONTENT-TYPE"
)
_ITEMS = f"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({_FIELDS})])"
_KNOWN_BY = "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a mailbox; `delimiter` stands between the parts of a name, "" for none."""

    name: str
    delimiter: str
    flags: frozenset[str]

    @property
    def is_selectable(self) -> bool:
        """Whether it can hold messages."""
        return not self.flags & {"\\noselect", "\\nonexistent"}


@dataclass(frozen=True, slots=True)
class Message:
    """The head of a message, as the server gave it."""

    uid: int
    header: bytes
    flags: tuple[str, ...] = ()
    arrived: dt.datetime | None = None
    size: int = 0


class _Imap(imaplib.IMAP4):
    """imaplib on a socket that it is given."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._kept = b""
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """The socket is there already."""
        self.host, self.port = host, port
        self.sock = self._wire  # type: ignore[assignment]

    def read(self, size: int) -> bytes:
        """Some bytes of a literal."""
        while len(self._kept) < size and self._more():
            pass
        found, self._kept = self._kept[:size], self._kept[size:]
        return found

    def readline(self) -> bytes:
        """The next line."""
        while b"\n" not in self._kept:
            if len(self._kept) > _LONGEST_LINE or not self._more():
                return b""
        found, _, self._kept = self._kept.partition(b"\n")
        return found + b"\n"

    def send(self, data: Any) -> None:
        """Send bytes."""
        self._wire.sendall(bytes(data))

    def shutdown(self) -> None:
        """Give the socket back."""
        self._wire.close()

    def _more(self) -> bool:
        found = self._wire.recv(_CHUNK)
        self._kept += found
        return bool(found)


class Line:
    """A connection for one mailbox, which one thread uses at a time."""

    def __init__(self, dialler: Dialler) -> None:
        self._wire = dialler.dial()
        self._can_move = self._tells_rights = False
        try:
            self._imap = self._tried(Asked("greet the mail server"), lambda: _Imap(self._wire))
        except BaseException:
            self._wire.close()
            raise

    def sign_in(self, mailbox: str, user: str, password: str) -> None:
        """Sign in as the mailbox's own user, or as another (`user`) for it."""
        identity = "\0".join((mailbox if user else "", user or mailbox, password))
        asked = Asked(f"sign in to {mailbox}")
        self._ask(asked, self._imap.authenticate, "PLAIN", lambda _: identity.encode())
        # A server can do more for those whom it knows.
        told = self._ask(asked, self._imap.capability)[-1] or b""
        known = told.upper().split()
        self._can_move, self._tells_rights = b"MOVE" in known, b"ACL" in known

    def folders(self, permission: str) -> list[Folder]:
        """Return all folders that may be seen."""
        answer = self._ask(Asked("list the folders", permission), self._imap.list)
        found = (names.listed(line) for line in answer if isinstance(line, bytes | tuple))
        return [Folder(*one) for one in found if one is not None]

    def rights(self, folder: str) -> frozenset[str] | None:
        """Return the letters of the rights on a folder (RFC 4314); None where it isn't told."""
        if not self._tells_rights:
            return None
        asked = Asked(f"ask for the rights on {folder}")
        try:
            answer = self._opened(asked, folder, self._imap.myrights, _folder(folder))
        except (NotFound, PermissionMissing):
            # What may not even be looked up has no rights to be told of.
            return frozenset()
        return frozenset((answer[-1] or b"").rpartition(b" ")[2].decode("ascii", "replace"))

    def select(self, folder: str, permission: str, *, writes: bool = False) -> int:
        """Open a folder; return its UIDVALIDITY, which changes when all UIDs do.

        NoSuchFolder where there is none; PermissionMissing for INBOX, which is always there.
        """
        asked = Asked(f"open the folder {folder}", permission)
        self._opened(asked, folder, self._imap.select, _folder(folder), not writes)
        _, told = self._imap.response("UIDVALIDITY")
        return int(told[0]) if told and isinstance(told[0], bytes) and told[0].isdigit() else 0

    def next_uid(self) -> int:
        """Return the UID that the open folder's next message will get, 0 where it isn't told."""
        _, told = self._imap.response("UIDNEXT")
        return int(told[0]) if told and isinstance(told[0], bytes) and told[0].isdigit() else 0

    def search(self, permission: str, *criteria: str) -> list[int]:
        """Return the UIDs of the open folder's messages that fit."""
        answer = self._ask(Asked("search", permission), self._imap.uid, "SEARCH", *criteria)
        return sorted({int(one) for line in answer if line for one in line.split()})

    def heads(self, uids: Sequence[int], permission: str) -> list[Message]:
        """Return the heads of these messages of the open folder; those gone are left out."""
        return list(self._fetched(uids, _ITEMS, permission))

    def message_ids(self, uids: Sequence[int], permission: str) -> list[Message]:
        """Return these messages with nothing but their Message-ID."""
        return list(self._fetched(uids, _KNOWN_BY, permission))

    def move(self, uid: int, folder: str, permission: str) -> None:
        """Move a message of the open folder to another one, in one step (RFC 6851)."""
        asked = Asked(f"move a message to {folder}", permission, is_read=False)
        if not self._can_move:
            raise Rejected("The mail server can't move messages in one step (RFC 6851).")
        self._ask(asked, self._imap.uid, "MOVE", str(uid), _folder(folder))

    def create(self, folder: str, permission: str) -> None:
        """Make a folder."""
        asked = Asked(f"make the folder {folder}", permission, is_read=False)
        self._ask(asked, self._imap.create, _folder(folder))

    def count(self, folder: str, permission: str) -> int:
        """Return how many messages a folder holds."""
        asked = Asked(f"count the folder {folder}", permission)
        answer = self._opened(asked, folder, self._imap.status, _folder(folder), "(MESSAGES)")
        found = re.search(rb"MESSAGES (\d+)", answer[0] or b"")
        return int(found[1]) if found else 0

    def is_quiet(self) -> bool:
        """Whether it can still be used after lying idle."""
        return self._wire.is_quiet()

    def close(self) -> None:
        """Give the socket back, without a farewell that might have to wait."""
        self._wire.close()

    def _fetched(self, uids: Sequence[int], items: str, permission: str) -> Iterator[Message]:
        if not uids:
            return
        numbers = ",".join(map(str, uids))
        asked = Asked("read messages", permission)
        answer = self._ask(asked, self._imap.uid, "FETCH", numbers, items)
        for position, part in enumerate(answer):
            if isinstance(part, tuple):
                after = answer[position + 1] if position + 1 < len(answer) else b""
                rest = after if isinstance(after, bytes) else b""
                message = _message(part[0] + rest, part[1])
                # A server may tell of others too; of those that are new it tells again.
                if message is not None and message.uid <= uids[-1]:
                    yield message

    def _opened(self, asked: Asked, folder: str, send: Any, *arguments: Any) -> list[Any]:
        """What needs a folder: servers say without a code that there is none."""
        try:
            return self._ask(asked, send, *arguments)
        except (NotFound, Unexplained):
            if folder.upper() == "INBOX":
                raise missing(asked) from None
            raise NoSuchFolder(f"{asked.name}: it does not exist, or may not be read.") from None

    def _ask(self, asked: Asked, send: Any, *arguments: Any) -> list[Any]:
        self._wire.begin()
        kind, answer = self._tried(asked, lambda: send(*arguments))
        if kind != "OK":
            raise refused(asked, answer[0] if isinstance(answer[0], bytes) else b"")
        return list(answer)

    def _tried(self, asked: Asked, send: Any) -> Any:
        try:
            return send()
        except imaplib.IMAP4.abort as error:
            raise lost(asked, f"the connection ended ({type(error).__name__})") from None
        except imaplib.IMAP4.error as error:
            said = error.args[0] if error.args else b""
            raise refused(asked, said if isinstance(said, bytes) else str(said).encode()) from None
        except OSError as error:
            raise lost(asked, type(error).__name__) from None
        except (ValueError, IndexError, TypeError, AttributeError) as error:
            # Bytes that are no IMAP make the parser raise whatever it likes.
            raise lost(asked, f"the answer is no IMAP ({type(error).__name__})") from None


def _folder(name: str) -> str:
    return names.quoted(names.encoded(name))


def _message(told: bytes, header: bytes) -> Message | None:
    uid = _UID.search(told)
    if uid is None:
        return None
    flags, date, size = _FLAGS.search(told), _DATE.search(told), _SIZE.search(told)
    arrived = None
    if date:
        try:
            arrived = dt.datetime.strptime(date[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
        except ValueError:
            arrived = None
    return Message(
        uid=int(uid[1]),
        header=header,
        flags=tuple(flags[1].decode("ascii", "replace").split()) if flags else (),
        arrived=arrived.astimezone(dt.UTC) if arrived else None,
        size=int(size[1]) if size else 0,
    )
