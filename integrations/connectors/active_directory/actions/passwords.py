"""Passwords: unicodePwd and pwdLastSet.

No password can be read back. What can be read is how often and when it was changed, in the
directory's own record of replication. Sources: [MS-ADTS] 3.1.1.3.1.5 (password operations) and
3.1.1.1.9 (replPropertyMetaData),
https://learn.microsoft.com/entra/identity/users/users-revoke-access.
"""

import datetime as dt
import secrets
import struct
from dataclasses import dataclass

from integrations.connectors.active_directory.actions.targets import named
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.entries import Entry, number
from integrations.connectors.active_directory.normalise import PASSWORD_NEVER_EXPIRES
from integrations.connectors.active_directory.permissions import (
    READ,
    RESET_PASSWORD,
    WRITE_PASSWORD_SET,
)
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.values import Fields

_REPLACE = "MODIFY_REPLACE"
# unicodePwd's number in the record of replication.
_UNICODE_PWD = 0x9005A
_HEADER, _ONE = struct.Struct("<4I"), struct.Struct("<IIQ16sQQ")
_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
_ATTRIBUTES = ("userAccountControl", "pwdLastSet", "replPropertyMetaData")


def last_change(entry: Entry) -> tuple[int, dt.datetime | None]:
    """Return how often the password was changed, and when last; 0 and None where never."""
    for blob in entry.values.get("replpropertymetadata", ()):
        if len(blob) < _HEADER.size:
            continue
        count = min(_HEADER.unpack_from(blob)[2], (len(blob) - _HEADER.size) // _ONE.size)
        for position in range(count):
            told = _ONE.unpack_from(blob, _HEADER.size + position * _ONE.size)
            if told[0] == _UNICODE_PWD:
                return told[1], _EPOCH + dt.timedelta(seconds=told[2])
    return 0, None


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """Set a new password from the vault, to be changed at the next sign-in.

    The password is changed twice, first to one that nobody knows: a domain controller may take
    the last password for a while longer, and that must not be the intruder's.
    """

    name: str = "identity.reset_password"
    permissions: tuple[str, ...] = (RESET_PASSWORD, WRITE_PASSWORD_SET, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """How often and when the password was changed."""
        version, at = last_change(_read(client, intention))
        return {"password_version": version, "last_password_change": _shown(at)}

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Set the password. Setting the same one again gives the same state."""
        password = intention.secrets.get("new_password")
        if not password:
            raise Rejected("No new password was given for the reset: start the step again.")
        target = named(intention.target)
        never_expires = _never_expires(_read(client, intention))
        unknown = f"{secrets.token_urlsafe(32)}aA1!"
        client.change(target, {"unicodePwd": [(_REPLACE, [_quoted(unknown)])]}, RESET_PASSWORD)
        change = {"unicodePwd": [(_REPLACE, [_quoted(password)])]}
        if not never_expires:
            change["pwdLastSet"] = [(_REPLACE, [b"0"])]
        client.change(target, change, RESET_PASSWORD)
        return {"must_change_at_next_sign_in": not never_expires}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """The password must have been changed after the step was intended."""
        version, at = last_change(_read(client, intention))
        before = Fields(intention.snapshot).number("password_version")
        return ReadBack(
            holds=before is not None and version > before,
            observed={"password_version": version, "last_password_change": _shown(at)},
            explanation=f"Active Directory shows the password's last change at {_shown(at)}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The old password is known to nobody who should use it."""
        return None


@dataclass(frozen=True, slots=True)
class ExpirePassword:
    """Demand a new password at the next sign-in, by pwdLastSet."""

    name: str = "identity.expire_password"
    permissions: tuple[str, ...] = (WRITE_PASSWORD_SET, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """When the password was changed last; 0 where a new one is demanded already."""
        return {"password_last_set": _last_set(_read(client, intention))}

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Set pwdLastSet to 0. Doing it again changes nothing."""
        if _never_expires(_read(client, intention)):
            raise Rejected(
                f"The password of {intention.target.name} never expires, so that a demand has no "
                "effect: reset it instead."
            )
        change = {"pwdLastSet": [(_REPLACE, [b"0"])]}
        client.change(named(intention.target), change, WRITE_PASSWORD_SET)
        return {"must_change_at_next_sign_in": True}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """A new password must be demanded, or have been chosen since."""
        now = _last_set(_read(client, intention))
        before = Fields(intention.snapshot).number("password_last_set")
        words = "demands a new password" if now == 0 else "demands no new password"
        is_chosen = before is not None and now > before and _moment(now) >= intention.since
        return ReadBack(
            holds=now == 0 or is_chosen,
            observed={"password_last_set": now},
            explanation="The user has chosen a new password."
            if is_chosen
            else f"Active Directory {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """What was demanded was met, or is still in force."""
        return None


def _read(client: DirectoryClient, intention: Intention) -> Entry:
    return client.read(named(intention.target), *_ATTRIBUTES, permission=READ)


def _quoted(password: str) -> bytes:
    return f'"{password}"'.encode("utf-16-le")


def _never_expires(entry: Entry) -> bool:
    return bool((number(entry, "userAccountControl") or 0) & PASSWORD_NEVER_EXPIRES)


def _last_set(entry: Entry) -> int:
    return number(entry, "pwdLastSet") or 0


def _moment(ticks: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=ticks // 10)


def _shown(at: dt.datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else "never"
