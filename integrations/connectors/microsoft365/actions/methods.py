"""Actions on registered sign-in methods.

Source: https://learn.microsoft.com/graph/api/resources/authenticationmethods-overview
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.actions.ids import owner_and_id
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.normalise.objects import method_kind
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.values import Fields

_WRITE = "UserAuthenticationMethod.ReadWrite.All"
# The collection that a kind is deleted from. A password is no method that can be removed.
COLLECTIONS = {
    "phone": "phoneMethods",
    "email": "emailMethods",
    "authenticator": "microsoftAuthenticatorMethods",
    "fido2": "fido2Methods",
    "software_oath": "softwareOathMethods",
    "temporary_access_pass": "temporaryAccessPassMethods",
    "windows_hello": "windowsHelloForBusinessMethods",
    "platform_credential": "platformCredentialMethods",
    "external": "externalAuthenticationMethods",
}
RESTORABLE = frozenset({"phone", "email"})
_WHY_NOT = "Only the user can register this kind of method again: its secret is on the device."
_KEPT = ("id", "phoneNumber", "phoneType", "emailAddress", "displayName", "createdDateTime")


def read_methods(client: GraphClient, user_id: str, permission: str) -> list[dict[str, Any]]:
    """All methods of a user."""
    return client.all(address("/users/{}/authentication/methods", user_id), permission)


def _method(client: GraphClient, intention: Intention) -> dict[str, Any] | None:
    owner, own = owner_and_id(intention.target)
    # The list, not the single method: a method of a kind that Graph doesn't give singly is in it.
    # An owner who isn't found is no proof that the method is gone: NotFound is raised.
    found = read_methods(client, owner, _WRITE)
    return next((method for method in found if method.get("id") == own), None)


@dataclass(frozen=True, slots=True)
class RemoveAuthMethod:
    """Remove a method in the collection of its kind."""

    name: str = "identity.remove_auth_method"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """The method without secrets, and whether it can be restored, else why not."""
        method = _method(client, intention)
        if method is None:
            return {"method": None, "is_restorable": False, "reason": "It was gone already."}
        kind = method_kind(Fields(method))
        kept = {name: method[name] for name in _KEPT if method.get(name) is not None}
        is_restorable = kind in RESTORABLE
        return {
            "method": {"kind": kind, **kept},
            "is_restorable": is_restorable,
            "reason": "" if is_restorable else _WHY_NOT,
        }

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Remove it. One that is gone already is fine."""
        owner, own = owner_and_id(intention.target)
        kind = (intention.snapshot.get("method") or {}).get("kind")
        if kind is None:
            method = _method(client, intention)
            if method is None:
                return {"was_gone": True}
            kind = method_kind(Fields(method))
        if kind not in COLLECTIONS:
            raise Rejected(f"A sign-in method of the kind {kind} can't be removed through Graph.")
        path = address(f"/users/{{}}/authentication/{COLLECTIONS[kind]}/{{}}", owner, own)
        try:
            client.write("DELETE", path, _WRITE)
        except NotFound:
            return {"was_gone": True}
        return {"was_gone": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """It must no longer be among the user's methods."""
        is_gone = _method(client, intention) is None
        words = "is no longer registered" if is_gone else "is still registered"
        return ReadBack(is_gone, {"exists": not is_gone}, f"Microsoft shows that it {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The method, where Graph can register it again; else None (`reason` in the snapshot)."""
        method = intention.snapshot.get("method")
        return {"method": method} if method and intention.snapshot.get("is_restorable") else None


@dataclass(frozen=True, slots=True)
class RestoreAuthMethod:
    """Register a removed phone or mail address again."""

    name: str = "identity.restore_auth_method"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether it is registered already."""
        return {"was_there": self._is_there(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Register it, unless it is there."""
        if self._is_there(client, intention):
            return {"was_there": True}
        method = _wanted(intention)
        owner = owner_and_id(intention.target)[0]
        if method.get("phoneNumber"):
            path = address("/users/{}/authentication/phoneMethods", owner)
            body = {
                "phoneNumber": method["phoneNumber"],
                "phoneType": method.get("phoneType") or "mobile",
            }
        else:
            path = address("/users/{}/authentication/emailMethods", owner)
            body = {"emailAddress": method["emailAddress"]}
        created = client.write("POST", path, _WRITE, body)
        return {"method_id": created.get("id") if isinstance(created, dict) else None}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """It must be among the user's methods."""
        found = self._is_there(client, intention)
        words = "registered" if found else "not registered"
        return ReadBack(found, {"exists": found}, f"Microsoft shows that it is {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        return None if intention.snapshot.get("was_there") else {}

    def _is_there(self, client: GraphClient, intention: Intention) -> bool:
        method = _wanted(intention)
        names = ("phoneNumber", "emailAddress")
        wanted = {_plain(method[name]) for name in names if method.get(name)}
        owner = owner_and_id(intention.target)[0]
        found = {
            _plain(m[name])
            for m in read_methods(client, owner, _WRITE)
            for name in names
            if m.get(name)
        }
        return bool(wanted & found)


def _plain(text: Any) -> str:
    return str(text).replace(" ", "").lower()


def _wanted(intention: Intention) -> dict[str, Any]:
    method = intention.inputs.get("method")
    if not isinstance(method, dict) or not (
        method.get("phoneNumber") or method.get("emailAddress")
    ):
        raise Rejected(f"The method can't be registered again. {_WHY_NOT}")
    return method
