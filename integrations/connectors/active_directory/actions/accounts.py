"""Sign-in and the end of an account: userAccountControl and accountExpires.

Sources: [MS-ADTS] 2.2.16, https://learn.microsoft.com/windows/win32/adschema/a-accountexpires.
"""

import datetime as dt
from dataclasses import dataclass

from integrations.connectors.active_directory.actions.targets import named
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.entries import number, text
from integrations.connectors.active_directory.normalise import DISABLED, file_time, when
from integrations.connectors.active_directory.permissions import READ, WRITE_CONTROL, WRITE_EXPIRY
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.values import Fields

_REPLACE = "MODIFY_REPLACE"


@dataclass(frozen=True, slots=True)
class SwitchSignIn:
    """Allow or block sign-in, by the flag ACCOUNTDISABLE; every other flag stays as it is."""

    name: str
    is_enabled: bool
    permissions: tuple[str, ...] = (WRITE_CONTROL, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """The flags as they are now."""
        flags = _flags(client, intention)
        return {"account_enabled": not flags & DISABLED, "user_account_control": flags}

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Set or clear the flag, unless it is so already."""
        flags = _flags(client, intention)
        wanted = flags & ~DISABLED if self.is_enabled else flags | DISABLED
        if wanted != flags:
            change = {"userAccountControl": [(_REPLACE, [str(wanted).encode()])]}
            client.change(named(intention.target), change, WRITE_CONTROL)
        return {"account_enabled": self.is_enabled}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """Read the flags again."""
        seen = not _flags(client, intention) & DISABLED
        return ReadBack(
            holds=seen is self.is_enabled,
            observed={"account_enabled": seen},
            explanation=f"Active Directory shows that sign-in is {_word(seen)}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed: None where it was so before."""
        before = intention.snapshot.get("account_enabled")
        return None if before is None or before is self.is_enabled else {}


def _word(is_enabled: bool) -> str:
    return "allowed" if is_enabled else "blocked"


def _flags(client: DirectoryClient, intention: Intention) -> int:
    entry = client.read(named(intention.target), "userAccountControl", permission=READ)
    flags = number(entry, "userAccountControl")
    if flags is None:
        raise Rejected(f"{intention.target.name} has no userAccountControl: it is no account.")
    return flags


@dataclass(frozen=True, slots=True)
class ExpireAccount:
    """End an account now, by accountExpires; one that has ended already stays as it is."""

    name: str = "identity.expire_account"
    permissions: tuple[str, ...] = (WRITE_EXPIRY, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """When the account ends now."""
        told = _expiry(client, intention)
        return {"account_expires": told, "had_expired": _has_expired(told)}

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Let it end at the time at which the step was intended, which a second call repeats."""
        if not _has_expired(_expiry(client, intention)):
            _set_expiry(client, intention, str(file_time(intention.since)))
        return {"expired": True}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """Read the date again."""
        told = _expiry(client, intention)
        return ReadBack(
            holds=_has_expired(told),
            observed={"account_expires": told},
            explanation=f"Active Directory shows that the account ends {_shown(told)}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The former date; None where the account had ended before."""
        before = intention.snapshot.get("account_expires")
        if before is None or intention.snapshot.get("had_expired"):
            return None
        return {"expires": {"account_expires": before}}


@dataclass(frozen=True, slots=True)
class RestoreExpiry:
    """Give an account its former end back, unless somebody has set another one meanwhile."""

    name: str = "identity.restore_account_expiry"
    permissions: tuple[str, ...] = (WRITE_EXPIRY, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """When the account ends now."""
        told = _expiry(client, intention)
        return {"account_expires": told, "had_expired": _has_expired(told)}

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Set the former date."""
        if _has_expired(_expiry(client, intention)):
            _set_expiry(client, intention, self._wanted(intention))
        return {"expired": False}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """Read the date again."""
        told = _expiry(client, intention)
        return ReadBack(
            holds=not _has_expired(told),
            observed={"account_expires": told},
            explanation=f"Active Directory shows that the account ends {_shown(told)}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        return {} if intention.snapshot.get("had_expired") else None

    def _wanted(self, intention: Intention) -> str:
        told = Fields(intention.inputs).nested("expires").text("account_expires")
        if not told.isdigit() or _has_expired(told):
            raise Rejected("The former end of the account is not known or past: set it by hand.")
        return told


def _expiry(client: DirectoryClient, intention: Intention) -> str:
    return text(
        client.read(named(intention.target), "accountExpires", permission=READ), "accountExpires"
    )


def _set_expiry(client: DirectoryClient, intention: Intention, value: str) -> None:
    change = {"accountExpires": [(_REPLACE, [value.encode()])]}
    client.change(named(intention.target), change, WRITE_EXPIRY)


def _has_expired(told: str) -> bool:
    end = when(told)
    return end is not None and end <= dt.datetime.now(dt.UTC)


def _shown(told: str) -> str:
    end = when(told)
    return f"at {end.isoformat(timespec='seconds')}" if end else "never"
