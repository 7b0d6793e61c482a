"""Registered sign-in methods.

https://learn.microsoft.com/graph/api/resources/authenticationmethods-overview
"""

from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected

_WRITE = "UserAuthenticationMethod.ReadWrite.All"
# Graph's type → the collection that it is deleted from, and our word for it.
COLLECTIONS = {
    "phoneauthenticationmethod": ("phoneMethods", "phone"),
    "microsoftauthenticatorauthenticationmethod": (
        "microsoftAuthenticatorMethods",
        "authenticator",
    ),
    "fido2authenticationmethod": ("fido2Methods", "fido2"),
    "softwareoathauthenticationmethod": ("softwareOathMethods", "software_oath"),
    "emailauthenticationmethod": ("emailMethods", "email"),
    "temporaryaccesspassauthenticationmethod": (
        "temporaryAccessPassMethods",
        "temporary_access_pass",
    ),
    "windowshelloforbusinessauthenticationmethod": (
        "windowsHelloForBusinessMethods",
        "windows_hello",
    ),
    "platformcredentialauthenticationmethod": (
        "platformCredentialMethods",
        "platform_credential",
    ),
    "externalauthenticationmethod": ("externalAuthenticationMethods", "external"),
}
_RESTORABLE = {"phone": ("phoneNumber", "phoneType"), "email": ("emailAddress",)}


def kind_of(method: Json) -> str:
    """Return our word for a method's kind; ``password`` and unknown ones can't be removed."""
    name = str(method.get("@odata.type", "")).rsplit(".", 1)[-1].lower()
    if name == "passwordauthenticationmethod":
        return "password"
    return COLLECTIONS[name][1] if name in COLLECTIONS else "other"


def is_restorable(method: Json) -> bool:
    """Whether a removed method of this kind can be registered again without the user."""
    return kind_of(method) in _RESTORABLE


def all_methods(client: GraphClient, user: str) -> list[dict[str, Any]]:
    """Return a user's methods, as Graph shows them."""
    return client.all(address("/users/{}/authentication/methods", user), _WRITE)


def _find(client: GraphClient, intention: Intention) -> dict[str, Any] | None:
    wanted = intention.target.external_id
    for method in all_methods(client, intention.target.parent_external_id):
        if method.get("id") == wanted:
            return method
    return None


class RemoveAuthMethod:
    """Removes one method, so that it can't be used to sign in or to prove who one is."""

    name = "identity.remove_auth_method"
    permissions = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep the method; a phone or an address can be registered again from it."""
        return {"method": _find(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Delete it from the collection of its kind; one that is gone already is fine."""
        method = intention.snapshot.get("method")
        if method is None:
            return {"accepted": True, "was_gone": True}
        name = str(method.get("@odata.type", "")).rsplit(".", 1)[-1].lower()
        if name not in COLLECTIONS:
            raise Rejected(f"A method of the kind {name!r} can't be removed: do it by hand.")
        path = address(
            f"/users/{{}}/authentication/{COLLECTIONS[name][0]}/{{}}",
            intention.target.parent_external_id,
            intention.target.external_id,
        )
        try:
            client.write("DELETE", path, _WRITE)
        except NotFound:
            return {"accepted": True, "was_gone": True}
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Look for the method among the user's."""
        found = _find(client, intention)
        words = "still registered" if found else "no longer registered"
        return ReadBack(
            found is None, {"exists": found is not None}, f"Microsoft shows it as {words}."
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Register a phone or address again; other kinds only the user can."""
        method = intention.snapshot.get("method")
        return {"method": method} if method and is_restorable(method) else None


class RestoreAuthMethod:
    """Registers a removed phone or mail address again.

    https://learn.microsoft.com/graph/api/authentication-post-phonemethods
    """

    name = "identity.restore_auth_method"
    permissions = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep whether it is there already."""
        return {"method": self._same(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Register it, unless it is there."""
        method = intention.inputs["method"]
        kind = kind_of(method)
        if kind not in _RESTORABLE:
            raise Rejected(f"Only the user can register a {kind} method again.")
        if self._same(client, intention) is None:
            path = address(
                f"/users/{{}}/authentication/{kind}Methods", intention.target.parent_external_id
            )
            body = {field: method[field] for field in _RESTORABLE[kind] if method.get(field)}
            client.write("POST", path, _WRITE, body)
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Look for a method with the same number or address."""
        found = self._same(client, intention)
        words = "registered again" if found else "not registered"
        return ReadBack(
            found is not None, {"exists": found is not None}, f"Microsoft shows it as {words}."
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Remove it again."""
        return {}

    def _same(self, client: GraphClient, intention: Intention) -> dict[str, Any] | None:
        wanted = intention.inputs["method"]
        fields = _RESTORABLE.get(kind_of(wanted), ("id",))
        for method in all_methods(client, intention.target.parent_external_id):
            if all(method.get(field) == wanted.get(field) for field in fields):
                return method
        return None
