"""What apps were allowed in a person's name.

Sources: https://learn.microsoft.com/graph/api/oauth2permissiongrant-delete, …-get, …-post.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.microsoft.odata import quoted

_WRITE = "DelegatedPermissionGrant.ReadWrite.All"
_GRANTED = ("clientId", "consentType", "principalId", "resourceId", "scope")


def _read(client: GraphClient, grant_id: str) -> dict[str, Any] | None:
    try:
        return dict(client.get(address("/oauth2PermissionGrants/{}", grant_id), _WRITE))
    except NotFound:
        return None


def _writable(grant: Json) -> dict[str, Any]:
    return {name: grant[name] for name in _GRANTED if grant.get(name) is not None}


@dataclass(frozen=True, slots=True)
class RevokeGrant:
    """Take back all that an app was allowed by one grant.

    What the app holds open is good until the sessions are revoked, too.
    """

    name: str = "identity.revoke_oauth_grant"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """What the app was allowed; None where it is nothing any more."""
        grant = _read(client, intention.target.external_id)
        return {"grant": _writable(grant) if grant else None}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Delete the grant. One that is gone already is fine."""
        path = address("/oauth2PermissionGrants/{}", intention.target.external_id)
        try:
            client.write("DELETE", path, _WRITE)
        except NotFound:
            return {"was_gone": True}
        return {"was_gone": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """It must no longer be found."""
        is_gone = _read(client, intention.target.external_id) is None
        words = "allows the app nothing any more" if is_gone else "still allows the app access"
        return ReadBack(is_gone, {"exists": not is_gone}, f"Microsoft {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The grant as it was; None where there was none."""
        grant = intention.snapshot.get("grant")
        return {"grant": dict(grant)} if grant else None


@dataclass(frozen=True, slots=True)
class RestoreGrant:
    """Allow an app again what it was allowed."""

    name: str = "identity.restore_oauth_grant"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether it is allowed already."""
        return {"existing_id": self._equal(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Create the grant, unless an equal one is there."""
        existing = self._equal(client, intention)
        if existing:
            return {"grant_id": existing, "was_there": True}
        created = client.write("POST", "/oauth2PermissionGrants", _WRITE, _wanted(intention))
        return {"grant_id": created.get("id") if isinstance(created, dict) else None}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """An equal grant must be there."""
        found = self._equal(client, intention)
        words = "allows the app its access again" if found else "doesn't allow the app its access"
        return ReadBack(bool(found), {"grant_id": found}, f"Microsoft {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """None: the new grant may have another id, so the old target can't name it."""
        return None

    def _equal(self, client: GraphClient, intention: Intention) -> str | None:
        wanted = _wanted(intention)
        own = f"clientId eq '{quoted(wanted['clientId'])}'"
        path = address("/oauth2PermissionGrants", filter=own)
        for grant in client.all(path, _WRITE):
            same = ("consentType", "principalId", "resourceId")
            covers = set(wanted["scope"].split()) <= set(str(grant.get("scope") or "").split())
            if covers and all(grant.get(name) == wanted.get(name) for name in same):
                return str(grant.get("id"))
        return None


def _wanted(intention: Intention) -> dict[str, Any]:
    told = intention.inputs.get("grant")
    if not isinstance(told, dict) or not all(told.get(n) for n in ("clientId", "resourceId")):
        raise Rejected("The grant to restore is missing, or names no app or no resource.")
    return {"scope": "", **_writable(told)}
