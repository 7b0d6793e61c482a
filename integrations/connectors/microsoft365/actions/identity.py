"""Accounts: sessions, sign-in, passwords.

Permissions: https://learn.microsoft.com/graph/permissions-reference
"""

import datetime as dt
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack

_READ = "User.Read.All"
_REVOKE = "User.RevokeSessions.All"
_ENABLE = "User.EnableDisableAccount.All"
_PASSWORD = "User-PasswordProfile.ReadWrite.All"  # noqa: S105
# Microsoft's clock and ours may differ, and its times have whole seconds.
_CLOCK_SKEW = dt.timedelta(minutes=5)


def instant(text: Any) -> dt.datetime | None:
    """Return a Graph date-time as a UTC time; None where there is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _user(client: GraphClient, intention: Intention, *fields: str) -> dict[str, Any]:
    path = address("/users/{}", intention.target.external_id, select=",".join(("id", *fields)))
    return dict(client.get(path, _READ))


def _moved(field: str, what: str, now: dict[str, Any], intention: Intention) -> ReadBack:
    """Whether a time that the change moves has moved since the step was intended."""
    seen, before = instant(now.get(field)), instant(intention.snapshot.get(field))
    moved = (
        seen is not None
        and seen >= intention.since - _CLOCK_SKEW
        and (before is None or seen > before)
    )
    shown = seen.strftime("%Y-%m-%d %H:%M:%S UTC") if seen else "never"
    return ReadBack(moved, {field: now.get(field)}, f"Microsoft shows {what}: {shown}.")


class RevokeSessions:
    """Ends every session: refresh tokens issued before now are no longer accepted.

    https://learn.microsoft.com/graph/api/user-revokesigninsessions
    """

    name = "identity.revoke_sessions"
    permissions = (_REVOKE, _READ)
    _field = "signInSessionsValidFromDateTime"

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep when sessions were last ended."""
        return {self._field: _user(client, intention, self._field).get(self._field)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Revoke."""
        path = address("/users/{}/revokeSignInSessions", intention.target.external_id)
        answer = client.write("POST", path, _REVOKE)
        return {"accepted": bool(answer.get("value", True)) if isinstance(answer, dict) else True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Read from when on sessions are valid."""
        now = _user(client, intention, self._field)
        return _moved(self._field, "sessions valid only from", now, intention)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A revoked session can't be restored."""
        return None


class _SetEnabled:
    """Blocks or allows sign-in. https://learn.microsoft.com/graph/api/user-update"""

    name = ""
    permissions = (_ENABLE, _READ)
    _enabled: bool

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep whether sign-in was allowed, and whether the account is synced."""
        now = _user(client, intention, "accountEnabled", "onPremisesSyncEnabled")
        return {key: now.get(key) for key in ("accountEnabled", "onPremisesSyncEnabled")}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set it."""
        path = address("/users/{}", intention.target.external_id)
        client.write("PATCH", path, _ENABLE, {"accountEnabled": self._enabled})
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Read whether sign-in is allowed."""
        now = _user(client, intention, "accountEnabled")
        enabled = now.get("accountEnabled")
        words = {True: "allowed", False: "blocked"}.get(bool(enabled), "unknown")
        return ReadBack(
            enabled is self._enabled,
            {"accountEnabled": enabled},
            f"Microsoft shows sign-in as {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what this step changed."""
        return None if intention.snapshot.get("accountEnabled") is self._enabled else {}


class DisableSignIn(_SetEnabled):
    """Blocks sign-in."""

    name = "identity.disable_sign_in"
    _enabled = False


class EnableSignIn(_SetEnabled):
    """Allows sign-in."""

    name = "identity.enable_sign_in"
    _enabled = True


class ResetPassword:
    """Sets a new password that has to be changed at the next sign-in.

    https://learn.microsoft.com/graph/api/resources/passwordprofile. The application needs the
    Entra role User Administrator beside the permission.
    """

    name = "identity.reset_password"
    permissions = (_PASSWORD, _READ)
    _field = "lastPasswordChangeDateTime"

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep when the password was last changed; the old one nobody can read."""
        return {self._field: _user(client, intention, self._field).get(self._field)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set the password that the vault holds for this step."""
        profile = {
            "password": intention.secrets["new_password"],
            "forceChangePasswordNextSignIn": True,
        }
        path = address("/users/{}", intention.target.external_id)
        client.write("PATCH", path, _PASSWORD, {"passwordProfile": profile})
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Read when the password was last changed."""
        now = _user(client, intention, self._field)
        return _moved(self._field, "the password last changed", now, intention)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The old password is not known."""
        return None
