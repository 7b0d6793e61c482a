"""What a mail server's refusals mean, in our errors.

Of a refusal only the code in brackets is read (RFC 5530, RFC 4314): the rest may quote what we
sent.
"""

import re
from dataclasses import dataclass

from integrations.errors import (
    NotFound,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    VendorError,
)

_CODE = re.compile(rb"\[([A-Z0-9-]{1,40})[ \]]")
# How long a server that has enough of us is left alone: the protocol has no field for it.
_LIMIT_SECONDS = 30.0
_WORDS = {
    "OVERQUOTA": "the mailbox is full",
    "CANNOT": "the server never allows this",
    "ALREADYEXISTS": "it exists already",
    "READ-ONLY": "the folder may only be read",
    "REFERRAL": "the server refers to another one, which is not followed",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: `name` as errors tell it, the right that it needs, whether it changes."""

    name: str
    permission: str = ""
    is_read: bool = True


class SessionExpired(Exception):
    """The server has forgotten who we are, and has done nothing."""


class NoSuchFolder(NotFound):
    """The folder does not exist; it may be created."""


class Unexplained(Rejected):
    """A refusal without a code; what it means depends on what was asked."""


def code_of(said: bytes) -> str:
    """Return the code of an answer, "" where it has none."""
    found = _CODE.match(said)
    return found[1].decode() if found else ""


def refused(asked: Asked, said: bytes) -> VendorError | SessionExpired:
    """Return the error that a NO means for this request."""
    code = code_of(said)
    told = f" ({code})" if code else ""
    if code in ("EXPIRED", "PRIVACYREQUIRED"):
        return SessionExpired()
    if code in ("AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED"):
        return Unauthorised(
            f"{asked.name}: the mail server refused the sign-in{told}. Check the user name and "
            "the password, and whether the user may sign in for this mailbox."
        )
    if code == "NOPERM":
        return missing(asked)
    if code in ("NONEXISTENT", "TRYCREATE"):
        return NoSuchFolder(f"{asked.name}: the folder does not exist{told}.")
    if code in ("LIMIT", "INUSE"):
        return Throttled(f"{asked.name}: the mail server asks to wait{told}.", _LIMIT_SECONDS)
    if code in ("UNAVAILABLE", "SERVERBUG", "CONTACTADMIN", "CORRUPTION", "EXPUNGEISSUED"):
        return lost(asked, f"the mail server failed{told}")
    make = Rejected if code else Unexplained
    return make(f"{asked.name}: {_WORDS.get(code, 'the mail server refused it')}{told}.")


def missing(asked: Asked) -> PermissionMissing:
    """Return the error for a right that the user lacks on the mailbox."""
    need = f" It needs the right {asked.permission}." if asked.permission else ""
    return PermissionMissing(f"{asked.name}: not allowed.{need} Give it on the mailbox.")


def lost(asked: Asked, why: str) -> VendorError:
    """Return the error for a request that was sent and got no usable answer."""
    if asked.is_read:
        return Unavailable(f"{asked.name}: {why}. Nothing was changed; it is tried again.")
    return OutcomeUnknown(
        f"{asked.name}: sent, but no usable answer ({why}). It may or may not have been done: "
        "read back before anything else."
    )
