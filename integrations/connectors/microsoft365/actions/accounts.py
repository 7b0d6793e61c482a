"""Actions on an account: sessions, sign-in, password.

Sources: https://learn.microsoft.com/graph/api/user-update,
/graph/api/user-revokesigninsessions.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.microsoft.clocks import is_since
from integrations.values import Fields

_READ = "User.Read.All"


def read_user(client: GraphClient, intention: Intention, *names: str) -> Fields:
    """Read some properties of the target's user."""
    path = address("/users/{}", intention.target.external_id, select=",".join(("id", *names)))
    return Fields(client.get(path, _READ))


@dataclass(frozen=True, slots=True)
class SwitchSignIn:
    """Allow or block sign-in, by `accountEnabled`."""

    name: str
    is_enabled: bool
    permissions: tuple[str, ...] = ("User.EnableDisableAccount.All", _READ)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether sign-in is allowed now, and whether Active Directory is the source."""
        user = read_user(client, intention, "accountEnabled", "onPremisesSyncEnabled")
        return {
            "account_enabled": user.truth("accountEnabled"),
            "is_synced": user.truth("onPremisesSyncEnabled") is True,
        }

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set accountEnabled. Setting it again changes nothing."""
        path = address("/users/{}", intention.target.external_id)
        client.write("PATCH", path, self.permissions[0], {"accountEnabled": self.is_enabled})
        return {"account_enabled": self.is_enabled}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask for accountEnabled again."""
        seen = read_user(client, intention, "accountEnabled").truth("accountEnabled")
        state = "allowed" if seen else "blocked" if seen is False else "not told"
        return ReadBack(
            holds=seen is self.is_enabled,
            observed={"account_enabled": seen},
            explanation=f"Microsoft shows that sign-in is {state}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed: None where it was so before."""
        before = intention.snapshot.get("account_enabled")
        return None if before is None or before is self.is_enabled else {}


@dataclass(frozen=True, slots=True)
class RevokeSessions:
    """Make every refresh token and browser session invalid."""

    name: str = "identity.revoke_sessions"
    permissions: tuple[str, ...] = ("User.RevokeSessions.All", _READ)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """From when on sessions are valid now."""
        user = read_user(client, intention, "signInSessionsValidFromDateTime")
        return {"sessions_valid_from": user.text("signInSessionsValidFromDateTime")}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Revoke. Doing it again revokes again, which harms nobody."""
        path = address("/users/{}/revokeSignInSessions", intention.target.external_id)
        answer = client.write("POST", path, self.permissions[0])
        return {"value": answer.get("value") if isinstance(answer, dict) else None}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Sessions must be valid only from a time after the step was intended."""
        user = read_user(client, intention, "signInSessionsValidFromDateTime")
        return _since_then(
            user, "signInSessionsValidFromDateTime", "sessions_valid_from", intention,
            "Sessions from before {} no longer count.",
        )  # fmt: skip

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A revoked session can't be restored."""
        return None


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """Set a new password from the vault, to be changed at the next sign-in.

    For an administrator's account the app also needs an Entra role
    (https://learn.microsoft.com/graph/api/resources/users#who-can-perform-sensitive-actions).
    """

    name: str = "identity.reset_password"
    permissions: tuple[str, ...] = ("User-PasswordProfile.ReadWrite.All", _READ)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """When the password was changed last."""
        user = read_user(client, intention, "lastPasswordChangeDateTime", "onPremisesSyncEnabled")
        return {
            "last_password_change": user.text("lastPasswordChangeDateTime"),
            "is_synced": user.truth("onPremisesSyncEnabled") is True,
        }

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set the password. Setting the same one again gives the same state."""
        password = intention.secrets.get("new_password")
        if not password:
            raise Rejected("No new password was given for the reset: start the step again.")
        profile: dict[str, Any] = {"password": password, "forceChangePasswordNextSignIn": True}
        path = address("/users/{}", intention.target.external_id)
        client.write("PATCH", path, self.permissions[0], {"passwordProfile": profile})
        return {"must_change_at_next_sign_in": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """The last change must be after the step was intended."""
        user = read_user(client, intention, "lastPasswordChangeDateTime")
        return _since_then(
            user, "lastPasswordChangeDateTime", "last_password_change", intention,
            "The password was changed at {}.",
        )  # fmt: skip

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The old password is known to nobody who should use it."""
        return None


def _since_then(user: Fields, theirs: str, ours: str, intention: Intention, words: str) -> ReadBack:
    seen = user.time(theirs)
    before = Fields(intention.snapshot).time(ours)
    shown = user.text(theirs) or "never"
    holds = is_since(seen, before, intention.since)
    explanation = words.format(shown) if holds else f"Microsoft still shows {shown}."
    return ReadBack(holds=holds, observed={ours: user.text(theirs)}, explanation=explanation)
