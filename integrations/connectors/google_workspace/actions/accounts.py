"""Actions on an account: sign-in, sessions, password.

Sources: https://developers.google.com/workspace/admin/directory/reference/rest/v1/users/patch,
…/users/signOut.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.google_workspace import audit, scopes
from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.connectors.google_workspace.normalise.activity import Activity
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.values import Fields

# Google's clock against ours.
_CLOCK_TOLERANCE = dt.timedelta(minutes=5)


def _user(client: WorkspaceClient, intention: Intention, scope: str) -> Fields:
    request = client.directory.users().get(userKey=intention.target.external_id)
    return Fields(client.read(request, scope))


@dataclass(frozen=True, slots=True)
class SwitchSignIn:
    """Suspend an account, or restore it. Suspending also ends its sessions."""

    name: str
    is_enabled: bool
    permissions: tuple[str, ...] = (scopes.USERS,)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Whether it is suspended now, and by whom: Google or an administrator."""
        user = _user(client, intention, scopes.USERS)
        return {
            "suspended": user.truth("suspended"),
            "suspension_reason": user.text("suspensionReason"),
        }

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Set `suspended`. Setting it again changes nothing."""
        body = {"suspended": not self.is_enabled}
        users, key = client.directory.users(), intention.target.external_id
        client.write(users.patch(userKey=key, body=body), scopes.USERS)
        return body

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """Ask for `suspended` again."""
        seen = _user(client, intention, scopes.USERS).truth("suspended")
        state = "suspended" if seen else "active" if seen is False else "in an unknown state"
        return ReadBack(
            holds=seen is (not self.is_enabled),
            observed={"suspended": seen},
            explanation=f"Google shows the account {state}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed: None where it was so before."""
        before = intention.snapshot.get("suspended")
        return None if before is None or before is not self.is_enabled else {}


def _latest(
    client: WorkspaceClient, intention: Intention, event: str, since: dt.datetime
) -> Activity | None:
    """The newest event of that name about the target in the admin activity, if there is one.

    The Directory API shows neither sessions nor when a password was set; the admin log does.
    """
    mail = client.address(intention.target.external_id)
    found = audit.events(client, "admin", since, eventName=event, filters=f"USER_EMAIL=={mail}")
    return found[0] if found else None


def _before(client: WorkspaceClient, intention: Intention, event: str) -> Json:
    since = dt.datetime.now(dt.UTC) - 2 * _CLOCK_TOLERANCE
    last = _latest(client, intention, event, since)
    return {"last_event": last.uid if last else ""}


def _since_then(client: WorkspaceClient, intention: Intention, event: str, words: str) -> ReadBack:
    """The event must be there, be another than before, and be of after the step was intended."""
    last = _latest(client, intention, event, intention.since - _CLOCK_TOLERANCE)
    holds = last is not None and last.uid != intention.snapshot.get("last_event")
    at = audit.rfc3339(last.time) if last else None
    return ReadBack(
        holds=holds,
        observed={"event": event, "at": at},
        explanation=f"Google's admin log shows {words} at {at}." if holds
        else f"Google's admin log doesn't show yet {words}.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RevokeSessions:
    """Sign a person out of all web and device sessions."""

    name: str = "identity.revoke_sessions"
    permissions: tuple[str, ...] = (scopes.SECURITY, scopes.USERS_READ, scopes.AUDIT)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """The last time that this was done."""
        return _before(client, intention, "RESET_SIGNIN_COOKIES")

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Sign out. Doing it again signs out again, which harms nobody."""
        users = client.directory.users()
        client.write(users.signOut(userKey=intention.target.external_id), scopes.SECURITY)
        return {"signed_out": True}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """The admin log must show it, after the step was intended."""
        return _since_then(
            client, intention, "RESET_SIGNIN_COOKIES", "that all sign-in cookies were reset"
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A revoked session can't be restored."""
        return None


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """Set a new password from the vault, to be changed at the next sign-in.

    Google then also ends the account's app passwords
    (https://support.google.com/accounts/answer/185833).
    """

    name: str = "identity.reset_password"
    permissions: tuple[str, ...] = (scopes.USERS, scopes.USERS_READ, scopes.AUDIT)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """The last time that an administrator set it."""
        return _before(client, intention, "CHANGE_PASSWORD")

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Set the password. Setting the same one again gives the same state."""
        password = intention.secrets.get("new_password")
        if not password:
            raise Rejected("No new password was given for the reset: start the step again.")
        body: dict[str, Any] = {"password": password, "changePasswordAtNextLogin": True}
        users, key = client.directory.users(), intention.target.external_id
        client.write(users.patch(userKey=key, body=body), scopes.USERS)
        return {"must_change_at_next_sign_in": True}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """The admin log must show it, after the step was intended."""
        return _since_then(
            client, intention, "CHANGE_PASSWORD", "that an administrator set the password"
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The old password is known to nobody who should use it."""
        return None
