"""What a domain controller's results mean, in our errors and in words.

A result other than success means that nothing was done (RFC 4511 section 4.1.9), save for the few
by which a server says that it failed itself. Of a server's own text only its codes are read: the
rest may quote what we sent.
Sources: RFC 4511 appendix A, [MS-ERREF] 2.2,
https://learn.microsoft.com/windows/win32/debug/system-error-codes--1300-1699-.
"""

import re
from collections.abc import Callable
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

SUCCESS, REFERRAL, SIZE_LIMIT = 0, 10, 4
_OPERATIONS_ERROR, _NO_SUCH_OBJECT, _INVALID_CREDENTIALS = 1, 32, 49
_ACCESS, _BUSY = 50, 51
# The server ran out of time, is closing down, or failed in a way that it has no word for.
_FAILED = frozenset({_OPERATIONS_ERROR, 3, 11, 52, 80})
# How long a busy server is left alone: the protocol has no field in which it could ask.
_BUSY_SECONDS = 5.0

_CODE = re.compile(r"([0-9A-Fa-f]{8}):")
_DATA = re.compile(r"\bdata ([0-9A-Fa-f]{1,8})\b")
NOT_BOUND = "000004dc"

# Why a sign-in was refused: the "data" of error 49.
_SIGN_IN = {
    "525": "the account does not exist",
    "52e": "the user name or the password is wrong",
    "52f": "the account is restricted",
    "530": "the account may not sign in at this time of day",
    "531": "the account may not sign in from this computer",
    "532": "the password has expired",
    "533": "the account is disabled",
    "568": "the account is in too many groups",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked after too many wrong passwords",
}
# Why a change was refused: the code at the beginning of the server's text.
_CHANGE = {
    "00000005": "access is denied",
    "00000524": "an account of that name exists already",
    "0000052d": "the password does not meet the domain's policy for length, complexity or history",
    "0000055e": "it is the account's primary group, which no account can leave",
    "00000561": "the account is not a member of the group",
    "00000562": "the account is a member of the group already",
    "00002071": "an object of that name is there already",
    "00002098": "the service account lacks the right",
    "000020e7": "the server refuses this value",
    "00002141": "the object is protected by the system",
}
_RESULTS = {
    10: "the server refers to another one, which is not followed",
    19: "a rule of the directory forbids this value",
    20: "the value is there already",
    53: "the server is not willing to do it",
    66: "there are objects below it",
    68: "an object of that name is there already",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: `name` as errors tell it, the right that it needs, whether it changes."""

    name: str
    permission: str = ""
    is_read: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What the server said: the result code and its own text."""

    code: int
    text: str = ""

    @property
    def is_unbound(self) -> bool:
        """Whether the server has forgotten who we are."""
        return self.code == _OPERATIONS_ERROR and self._told == NOT_BOUND

    @property
    def words(self) -> str:
        """Why, as people read it, with the codes by which they can look it up."""
        data = _DATA.search(self.text)
        if self.code == _INVALID_CREDENTIALS and data:
            code = data[1].lower()
            return f"{_SIGN_IN.get(code, 'the sign-in was refused')} (error 49, data {code})"
        told = f", {self._told.upper()}" if int(self._told or "0", 16) else ""
        words = _CHANGE.get(self._told) or _RESULTS.get(self.code) or "the server refused it"
        return f"{words} (error {self.code}{told})"

    @property
    def _told(self) -> str:
        found = _CODE.match(self.text)
        return found[1].lower() if found else ""


def error_for(asked: Asked, result: Result) -> VendorError:
    """Return the error that a result other than success means for this request."""
    make = _ERRORS.get(result.code)
    if result.is_unbound:
        make = _unauthorised
    elif result.code in _FAILED:
        make = _failed
    return make(asked, result) if make else Rejected(f"{asked.name}: {result.words}.")


def lost(asked: Asked, why: str) -> VendorError:
    """Return the error for a request that was sent and got no usable answer."""
    if asked.is_read:
        return Unavailable(f"{asked.name}: {why}. Nothing was changed; it is tried again.")
    return OutcomeUnknown(
        f"{asked.name}: sent, but no usable answer ({why}). It may or may not have been done: "
        "read back before anything else."
    )


def missing(asked: Asked) -> PermissionMissing:
    """Return the error for a right that the service account lacks."""
    need = f" It needs the right “{asked.permission}”." if asked.permission else ""
    return PermissionMissing(
        f"{asked.name}: not allowed.{need} Delegate it to the service account; for an "
        "administrator's account also on CN=AdminSDHolder,CN=System."
    )


def _unauthorised(asked: Asked, result: Result) -> VendorError:
    need = f" It needs the right “{asked.permission}”." if asked.permission else ""
    return Unauthorised(
        f"{asked.name}: {result.words}.{need} Check the service account and its password."
    )


def _busy(asked: Asked, result: Result) -> VendorError:
    return Throttled(f"{asked.name}: the server is busy; nothing was done.", _BUSY_SECONDS)


def _failed(asked: Asked, result: Result) -> VendorError:
    return lost(asked, f"the server failed: {result.words}")


_ERRORS: dict[int, Callable[[Asked, Result], VendorError]] = {
    _INVALID_CREDENTIALS: _unauthorised,
    _ACCESS: lambda asked, result: missing(asked),
    _BUSY: _busy,
    _NO_SUCH_OBJECT: lambda asked, result: NotFound(
        f"{asked.name}: it does not exist in the directory."
    ),
}
