"""Mailboxes on a mail server over IMAP with TLS, for one connection.

Reads are repeated as `integrations.transport` repeats them; a change is sent once.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from integrations.addresses import private_endpoints_allowed
from integrations.connectors.imap.answers import Asked, SessionExpired, missing
from integrations.connectors.imap.line import Folder, Line
from integrations.connectors.imap.permissions import CREATE, READ
from integrations.errors import ConnectionMisconfigured, Throttled, Unauthorised, Unavailable
from integrations.transport import Limits
from integrations.wires import Dialler, dialler

_IMAPS_PORT = 993
_IDLE_KEPT = 8
_QUARANTINE = "Holdfast Quarantine"
_PAGE, _LARGEST_PAGE = 200, 1000
_MOST_MAILBOXES = 200
T = TypeVar("T")


class MailClient:
    """A mail server with the connection's mailboxes. Every method raises `integrations.errors`.

    Safe to use from several threads.
    """

    def __init__(
        self, dialler: Dialler, mailboxes: tuple[str, ...], user: str, password: str, *,
        quarantine: str, page: int,
    ) -> None:  # fmt: skip
        self.mailboxes = mailboxes
        self.quarantine = quarantine
        self.page_size = page
        self._dialler = dialler
        self._user = user
        self._password = lambda: password
        self._idle: list[tuple[str, Line]] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<MailClient {self._dialler.host}>"

    @property
    def domains(self) -> frozenset[str]:
        """The domains of the mailboxes' addresses."""
        found = (one.rpartition("@")[2].lower() for one in self.mailboxes if "@" in one)
        return frozenset(found)

    def close(self) -> None:
        """Give back the sockets."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, line in idle:
            line.close()

    def read(self, mailbox: str, work: Callable[[Line], T]) -> T:
        """Do something that changes nothing with a mailbox; repeated where the server is busy."""
        limits = self._dialler.limits
        for attempt in range(limits.repeats + 1):
            try:
                return self.talk(mailbox, work)
            except (Throttled, Unavailable) as error:
                wait = error.retry_after if isinstance(error, Throttled) else 0.0
                if attempt == limits.repeats or wait > limits.patience:
                    raise
                # Full jitter: many tenants must not come back in the same moment.
                time.sleep(wait + random.uniform(0.1, min(0.5 * 2**attempt, 8.0)))  # noqa: S311
        raise AssertionError("unreachable")

    def talk(self, mailbox: str, work: Callable[[Line], T]) -> T:
        """Do something with a mailbox; once more where the server had forgotten who we are."""
        for is_last in (False, True):
            line = self._borrow(mailbox)
            try:
                found = work(line)
            except SessionExpired:
                line.close()
                if is_last:
                    raise Unauthorised(
                        f"The mail server takes the sign-in to {mailbox} and then forgets it. It "
                        f"needs the right {READ}: check the user."
                    ) from None
                continue
            except BaseException:
                line.close()
                raise
            self._give_back(mailbox, line)
            return found
        raise AssertionError("unreachable")

    def folders(self, mailbox: str) -> list[Folder]:
        """Return the folders of a mailbox that can hold messages, by name.

        PermissionMissing where not even INBOX may be seen, which every mailbox has.
        """
        found = self.read(mailbox, lambda line: line.folders(READ))
        if not any(one.name.upper() == "INBOX" for one in found):
            raise missing(Asked(f"list the folders of {mailbox}", READ))
        return sorted((one for one in found if one.is_selectable), key=lambda one: one.name)

    def ensure_folder(self, mailbox: str, name: str) -> None:
        """Make a folder where there is none of that name."""
        if not any(one.name == name for one in self.folders(mailbox)):
            self.talk(mailbox, lambda line: line.create(name, CREATE))

    def is_quarantine(self, folder: Folder) -> bool:
        """Whether a folder is the quarantine, or in it."""
        return folder.name == self.quarantine or folder.name.startswith(
            f"{self.quarantine}{folder.delimiter or ' '}"
        )

    def quarantine_of(self, folder: Folder) -> str:
        """Return the name of the folder in the quarantine for what comes from `folder`."""
        return f"{self.quarantine}{folder.delimiter or ' '}{folder.name}"

    def origin_of(self, folder: Folder) -> str:
        """Return the name of the folder from which this one of the quarantine was filled."""
        return folder.name[len(self.quarantine) + 1 :] or "INBOX"

    def _borrow(self, mailbox: str) -> Line:
        while True:
            with self._lock:
                at = next((i for i, (name, _) in enumerate(self._idle) if name == mailbox), -1)
                line = self._idle.pop(at)[1] if at >= 0 else None
            if line is None:
                return self._signed_in(mailbox)
            if line.is_quiet():
                return line
            line.close()

    def _give_back(self, mailbox: str, line: Line) -> None:
        with self._lock:
            self._idle.append((mailbox, line))
            dropped = self._idle.pop(0)[1] if len(self._idle) > _IDLE_KEPT else None
        if dropped is not None:
            dropped.close()

    def _signed_in(self, mailbox: str) -> Line:
        line = Line(self._dialler)
        try:
            line.sign_in(mailbox, self._user, self._password())
        except SessionExpired:
            line.close()
            raise Unauthorised(
                f"The mail server says that the sign-in to {mailbox} has expired: renew the "
                "password."
            ) from None
        except BaseException:
            line.close()
            raise
        return line


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> MailClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {**settings, **secrets}
    lacking = [name for name in ("server", "mailboxes", "password") if not given.get(name)]
    if lacking:
        raise ConnectionMisconfigured(f"The IMAP connection lacks {', '.join(lacking)}: enter it.")
    return MailClient(
        dialler(
            given["server"], settings.get("certificate_authority", ""), protocol="IMAPS",
            port=_IMAPS_PORT, allow_private=private, limits=limits or Limits(),
        ),
        _mailboxes(given["mailboxes"]),
        settings.get("username", ""),
        given["password"],
        quarantine=settings.get("quarantine_folder", "").strip() or _QUARANTINE,
        page=_page_size(settings.get("page_size", "")),
    )  # fmt: skip


def mailboxes_of(setting: str) -> tuple[str, ...]:
    """The mailboxes that a setting names, each once, in order."""
    return tuple(dict.fromkeys(one for one in setting.replace(",", " ").split() if one))


def _mailboxes(told: str) -> tuple[str, ...]:
    found = mailboxes_of(told)
    if not found or len(found) > _MOST_MAILBOXES or any(set("\0/") & set(one) for one in found):
        raise ConnectionMisconfigured(
            f"Enter the addresses of 1 to {_MOST_MAILBOXES} mailboxes, with commas between them; "
            "a client with more has several connections."
        )
    return found


def _page_size(told: str) -> int:
    if not told:
        return _PAGE
    if not told.isdigit() or not 1 <= int(told) <= _LARGEST_PAGE:
        raise ConnectionMisconfigured(
            f"The page size {told[:20]!r} can't work: enter a number from 1 to {_LARGEST_PAGE}."
        )
    return int(told)


def canary(client: MailClient) -> str:
    """Read the first mailbox through the whole path; say in a sentence what it saw."""
    mailbox = client.mailboxes[0]
    count = client.read(mailbox, lambda line: line.count("INBOX", READ))
    return f"Connected to the mail server; the inbox of {mailbox[:80]} holds {count} messages."
